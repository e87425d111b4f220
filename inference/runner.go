package inference

import (
	"context"
	"errors"
)

// A Runner runs many rows through all stages of a model for callers that are
// not in a hurry: evaluation, calibration, a file of texts. It keeps one batch
// per stage and runs the deepest that is full.
type Runner struct{}

// NewRunner returns a runner with batches of batchTokens tokens; 0 is what
// suits the device.
func NewRunner(m *Model, batchTokens int) (*Runner, error) { return nil, errors.New("not built") }

// An Answer is where a row left and what it was told there.
type Answer struct {
	Exit  Exit
	Stage int // from 0
}

// Answers runs every row and lets it leave by the thresholds of its own Rung.
func (r *Runner) Answers(ctx context.Context, rows []Row) ([]Answer, error) {
	return nil, errors.New("not built")
}

// Each runs every row and calls visit with each answer, once per stage that the
// row runs, in no particular order of rows. row is the index into rows; logits
// (C) are those before the temperature and belong to the runner. A row leaves
// where visit returns true, and after the last stage.
func (r *Runner) Each(ctx context.Context, rows []Row, visit func(row, stage int, e Exit, logits []float32) bool) error {
	return errors.New("not built")
}
