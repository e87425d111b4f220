package calibrate

import (
	"context"

	"sweetspot/inference"
)

// A Table holds what every exit answered on every record at full depth.
type Table struct {
	Layers []int              // (m) encoder layers run by a record that leaves at each exit, ascending
	Exits  [][]inference.Exit // (m, n)
	Labels []int              // (n) the right answers; nil where they are not known

	// Only where asked for.
	Logits [][]float32 // (m, n·C) before the temperature
	Before [][]float32 // (m, n) probability of the answer at temperature 1
	After  [][]float32 // (m, n) probability of the answer at the model's temperatures
}

// Records returns the number of records, n.
func (t Table) Records() int { return len(t.Exits[0]) }

// full returns the label that full depth gives to record i.
func (t Table) full(i int) int { return t.Exits[len(t.Exits)-1][i].Label }

// target returns what the answers to record i are to be: its label, or without
// labels full depth's answer.
func (t Table) target(i int) int {
	if t.Labels != nil {
		return t.Labels[i]
	}
	return t.full(i)
}

// pick returns the table of the listed records alone, without logits.
func (t Table) pick(records []int) Table {
	sub := Table{Layers: t.Layers}
	for _, exits := range t.Exits {
		sub.Exits = append(sub.Exits, choose(exits, records))
	}
	for e := range t.Before {
		sub.Before = append(sub.Before, choose(t.Before[e], records))
		sub.After = append(sub.After, choose(t.After[e], records))
	}
	if t.Labels != nil {
		sub.Labels = choose(t.Labels, records)
	}
	return sub
}

// choose returns the listed elements of all.
func choose[T any](all []T, listed []int) []T {
	chosen := make([]T, len(listed))
	for i, r := range listed {
		chosen[i] = all[r]
	}
	return chosen
}

// A Want says what [Measure] reads beside the exits.
type Want uint8

// What can be wanted.
const (
	ExitsOnly Want = iota
	WithLogits
	WithProbabilities
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
		switch want {
		case WithLogits:
			copy(t.Logits[stage][row*len(logits):], logits)
		case WithProbabilities:
			t.Before[stage][row] = float32(Probability(logits, e.Label, 1))
			t.After[stage][row] = float32(Probability(logits, e.Label, float64(m.Ladder.Temperatures[stage])))
		case ExitsOnly:
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
		switch want {
		case WithLogits:
			t.Logits = append(t.Logits, make([]float32, n*len(m.Labels)))
		case WithProbabilities:
			t.Before = append(t.Before, make([]float32, n))
			t.After = append(t.After, make([]float32, n))
		case ExitsOnly:
		}
	}
	return t
}
