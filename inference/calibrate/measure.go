package calibrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sweetspot/inference"
)

// A Table holds what every exit answered on every record at full depth.
type Table struct {
	Layers []int              // (m) encoder layers run by a record that leaves at each exit, ascending
	Exits  [][]inference.Exit // (m, n)
	Logits [][]float32        // (m, n·C) before the temperature; nil unless asked for
}

// Records returns the number of records, n.
func (t Table) Records() int { return len(t.Exits[0]) }

// full returns the label that full depth gives to record i.
func (t Table) full(i int) int { return t.Exits[len(t.Exits)-1][i].Label }

// pick returns the table of the listed records alone.
func (t Table) pick(records []int) Table {
	sub := Table{Layers: t.Layers, Exits: make([][]inference.Exit, len(t.Exits))}
	for e, exits := range t.Exits {
		sub.Exits[e] = make([]inference.Exit, len(records))
		for i, r := range records {
			sub.Exits[e][i] = exits[r]
		}
	}
	return sub
}

// A Want says what [Measure] reads beside the exits.
type Want uint8

// What can be wanted.
const (
	ExitsOnly Want = iota
	WithLogits
)

// Measure runs every stage of m over every row and reads all exits. It uses the
// serving path, so the confidences are bit for bit those that a worker on the
// same kernels compares with its thresholds. progress, if it is not nil, is
// called now and then with the number of rows done.
func Measure(ctx context.Context, m *inference.Model, rows []inference.Row, want Want, progress func(done int)) (Table, error) {
	t := Table{Layers: make([]int, m.Stages()), Exits: make([][]inference.Exit, m.Stages())}
	batches := make([]*inference.Batch, m.Stages())
	for s := range batches {
		b, err := m.NewBatch(s, max(m.Device().BatchTokens, m.MaxTokens()))
		if err != nil {
			return Table{}, fmt.Errorf("making the batch of stage %d: %w", s+1, err)
		}
		if want == WithLogits {
			b.KeepLogits()
		}
		batches[s] = b
		t.Layers[s] = m.StageLayers(s)
		t.Exits[s] = make([]inference.Exit, len(rows))
	}
	if want == WithLogits {
		t.Logits = make([][]float32, m.Stages())
	}
	// Rows of similar length share a batch; the answers do not depend on it.
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(rows[a].Tokens) - len(rows[b].Tokens) })
	for done := 0; done < len(order); {
		n, err := fill(batches[0], rows, order[done:])
		if err != nil {
			return Table{}, err
		}
		if err := t.run(ctx, m, batches, order[done:done+n], len(rows)); err != nil {
			return Table{}, err
		}
		done += n
		if progress != nil {
			progress(done)
		}
	}
	return t, nil
}

// fill adds rows in the given order until the batch is full, and returns how
// many went in.
func fill(b *inference.Batch, rows []inference.Row, order []int) (int, error) {
	for n, i := range order {
		ok, err := b.Add(rows[i])
		if err != nil {
			return 0, fmt.Errorf("record %d: %w", i+1, err)
		}
		if !ok {
			if n == 0 {
				return 0, fmt.Errorf("record %d: %w", i+1, errors.New("a batch of its own has no room for it"))
			}
			return n, nil
		}
	}
	return len(order), nil
}

// run takes the rows of the first batch, which are the listed records, through
// all stages and copies their answers. n is the number of all records.
func (t *Table) run(ctx context.Context, m *inference.Model, batches []*inference.Batch, records []int, n int) error {
	all := make([]int, len(records))
	for i := range all {
		all[i] = i
	}
	for s, b := range batches {
		if s > 0 {
			if err := b.Take(batches[s-1], all); err != nil {
				return fmt.Errorf("moving rows to stage %d: %w", s+1, err)
			}
		}
		if err := m.Forward(ctx, b); err != nil {
			return fmt.Errorf("running stage %d: %w", s+1, err)
		}
		if err := b.Wait(ctx); err != nil {
			return fmt.Errorf("running stage %d: %w", s+1, err)
		}
		for i, r := range records {
			t.Exits[s][r] = b.Exits[i]
		}
		if t.Logits != nil {
			t.copyLogits(s, b.Logits, records, n)
		}
	}
	for _, b := range batches {
		b.Reset()
	}
	return nil
}

func (t *Table) copyLogits(stage int, logits []float32, records []int, n int) {
	c := len(logits) / len(records)
	if t.Logits[stage] == nil {
		t.Logits[stage] = make([]float32, n*c)
	}
	for i, r := range records {
		copy(t.Logits[stage][r*c:(r+1)*c], logits[i*c:(i+1)*c])
	}
}
