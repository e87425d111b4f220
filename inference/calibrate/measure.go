package calibrate

import (
	"context"

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
// called with the number of rows that have their last answer.
func Measure(ctx context.Context, m *inference.Model, rows []inference.Row, want Want, progress func(done int)) (Table, error) {
	t := newTable(m, len(rows), want)
	r, err := inference.NewRunner(m, 0)
	if err != nil {
		return Table{}, err
	}
	last, done := m.Stages()-1, 0
	err = r.Each(ctx, rows, func(row, stage int, e inference.Exit, logits []float32) bool {
		t.Exits[stage][row] = e
		if want == WithLogits {
			copy(t.Logits[stage][row*len(logits):], logits)
		}
		if stage == last && progress != nil {
			done++
			progress(done)
		}
		return false
	})
	return t, err
}

func newTable(m *inference.Model, n int, want Want) Table {
	t := Table{Layers: make([]int, m.Stages()), Exits: make([][]inference.Exit, m.Stages())}
	for s := range m.Stages() {
		t.Layers[s] = m.StageLayers(s)
		t.Exits[s] = make([]inference.Exit, n)
		if want == WithLogits {
			t.Logits = append(t.Logits, make([]float32, n*len(m.Labels)))
		}
	}
	return t
}
