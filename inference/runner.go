package inference

import (
	"context"
	"fmt"
)

// A Runner runs many rows through all stages of a model for callers that are
// not in a hurry: evaluation, calibration, a file of texts. It keeps one batch
// per stage, and a stage runs when its batch is full or nothing else is left,
// so survivors of many batches travel on together.
type Runner struct {
	model   *Model
	batches []*Batch // by stage
	members [][]int  // by stage: which of the caller's rows each row of the batch is
	stay    []int    // rows of the batch at hand that go on
}

// NewRunner returns a runner with batches of batchTokens tokens; 0 is what
// suits the device.
func NewRunner(m *Model, batchTokens int) (*Runner, error) {
	if batchTokens == 0 {
		batchTokens = max(m.Device().BatchTokens, m.MaxTokens())
	}
	r := &Runner{model: m, members: make([][]int, m.Stages())}
	for stage := range m.Stages() {
		b, err := m.NewBatch(stage, batchTokens)
		if err != nil {
			return nil, err
		}
		b.KeepLogits()
		r.batches = append(r.batches, b)
	}
	return r, nil
}

// An Answer is where a row left and what it was told there.
type Answer struct {
	Exit  Exit
	Stage int // from 0
}

// Answers runs every row and lets it leave by the thresholds of its own Rung.
func (r *Runner) Answers(ctx context.Context, rows []Row) ([]Answer, error) {
	rungs := r.model.Ladder.Rungs
	for i, row := range rows {
		if int(row.Rung) >= len(rungs) {
			return nil, fmt.Errorf("row %d: rung %d, the ladder has %d", i, row.Rung, len(rungs))
		}
	}
	answers := make([]Answer, len(rows))
	err := r.Each(ctx, rows, func(row, stage int, e Exit, _ []float32) bool {
		answers[row] = Answer{Exit: e, Stage: stage}
		return rungs[rows[row].Rung].Thresholds.Leaves(stage, e)
	})
	return answers, err
}

// Each runs every row and calls visit with each answer, once per stage that the
// row runs, in no particular order of rows. row is the index into rows; logits
// (C) are those before the temperature and belong to the runner. A row leaves
// where visit returns true, and after the last stage.
func (r *Runner) Each(ctx context.Context, rows []Row, visit func(row, stage int, e Exit, logits []float32) bool) error {
	for stage, b := range r.batches {
		b.Reset() // an earlier call may have ended early
		r.members[stage] = r.members[stage][:0]
	}
	for i := 0; i < len(rows); {
		ok, err := r.batches[0].Add(rows[i])
		if err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		if !ok {
			if err := r.run(ctx, 0, visit); err != nil {
				return err
			}
			continue
		}
		r.members[0] = append(r.members[0], i)
		i++
	}
	for stage := range r.batches {
		if err := r.run(ctx, stage, visit); err != nil {
			return err
		}
	}
	return nil
}

// run runs one stage, after the next ones where the next has no room for all of
// its rows, and packs those that stay into the next.
func (r *Runner) run(ctx context.Context, stage int, visit func(row, stage int, e Exit, logits []float32) bool) error {
	b, last := r.batches[stage], stage == len(r.batches)-1
	if b.Len() == 0 {
		return nil
	}
	if !last && !r.batches[stage+1].Fits(b.Tokens()) {
		if err := r.run(ctx, stage+1, visit); err != nil {
			return err
		}
	}
	if err := r.model.Forward(ctx, b); err != nil {
		return err
	}
	if err := b.Wait(ctx); err != nil {
		return err
	}
	r.stay = r.stay[:0]
	classes := len(r.model.Labels)
	for i, e := range b.Exits {
		row := r.members[stage][i]
		if !visit(row, stage, e, b.Logits[i*classes:(i+1)*classes]) && !last {
			r.stay = append(r.stay, i)
			r.members[stage+1] = append(r.members[stage+1], row)
		}
	}
	if !last {
		if err := r.batches[stage+1].Take(b, r.stay); err != nil {
			return err
		}
	}
	b.Reset()
	r.members[stage] = r.members[stage][:0]
	return nil
}
