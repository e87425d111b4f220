package pipeline

import (
	"context"
	"fmt"

	"sweetspot/inference"
)

// An Encoder is what the stage loop needs of a model: batches of rows, and a
// device that runs one stage over a batch. Stages count from 0. One goroutine
// uses it. [ModelEncoder] makes one of an [inference.Model].
type Encoder interface {
	Stages() int
	// NewBatch returns an empty batch of the given stage with room for
	// maxTokens tokens.
	NewBatch(stage, maxTokens int) (Batch, error)
	// Forward queues b's stage over all rows of b on the device. An error is
	// the device's, and final.
	Forward(ctx context.Context, b Batch) error
}

// A Batch is a set of rows that wait at, or were answered by, one stage.
//
// Where Forward or Wait panics, nothing is known of what the batch holds, and
// all that may be done with it is Reset. Other batches are as they were, and the
// encoder goes on: see isolate.
type Batch interface {
	// Add puts a row at the end of a batch of the first stage. It reports false
	// where there is no room, and an error where the row can never be run.
	Add(r inference.Row) (bool, error)
	// Take packs the listed rows of from, which is one stage shallower and has
	// been waited for, onto the end.
	Take(from Batch, rows []int) error
	// Wait returns when the batch has its answers, or ctx ends. An error of the
	// device is final.
	Wait(ctx context.Context) error
	// Exits are the rows' answers, valid from Wait to Reset.
	Exits() []inference.Exit
	// KeepScores asks for Scores from the next Forward on.
	KeepScores()
	// Scores are the probabilities of one row's labels, in the order of the
	// labels, valid until the next call.
	Scores(row int) []float32
	// Reset empties the batch.
	Reset()
}

// ModelEncoder returns m as an [Encoder].
func ModelEncoder(m *inference.Model) Encoder { return modelEncoder{m} }

type modelEncoder struct{ m *inference.Model }

// Stages implements [Encoder].
func (e modelEncoder) Stages() int { return e.m.Stages() }

// NewBatch implements [Encoder].
func (e modelEncoder) NewBatch(stage, maxTokens int) (Batch, error) {
	b, err := e.m.NewBatch(stage, maxTokens)
	if err != nil {
		return nil, err
	}
	return &modelBatch{b: b}, nil
}

// Forward implements [Encoder].
func (e modelEncoder) Forward(ctx context.Context, b Batch) error {
	mb, err := ofModel(b)
	if err != nil {
		return err
	}
	return e.m.Forward(ctx, mb.b)
}

// ofModel returns b as a batch that a modelEncoder made.
func ofModel(b Batch) (*modelBatch, error) {
	mb, ok := b.(*modelBatch)
	if !ok {
		return nil, fmt.Errorf("batch is a %T, of another encoder", b)
	}
	return mb, nil
}

type modelBatch struct {
	b      *inference.Batch
	scores []float32 // (C) of the row asked for last
}

// Add implements [Batch].
func (mb *modelBatch) Add(r inference.Row) (bool, error) { return mb.b.Add(r) }

// Take implements [Batch].
func (mb *modelBatch) Take(from Batch, rows []int) error {
	other, err := ofModel(from)
	if err != nil {
		return err
	}
	return mb.b.Take(other.b, rows)
}

// Wait implements [Batch].
func (mb *modelBatch) Wait(ctx context.Context) error { return mb.b.Wait(ctx) }

// Exits implements [Batch].
func (mb *modelBatch) Exits() []inference.Exit { return mb.b.Exits }

// KeepScores implements [Batch].
func (mb *modelBatch) KeepScores() { mb.b.KeepLogits() }

// Scores implements [Batch].
func (mb *modelBatch) Scores(row int) []float32 {
	mb.scores = mb.b.Scores(mb.scores[:0], row)
	return mb.scores
}

// Reset implements [Batch].
func (mb *modelBatch) Reset() { mb.b.Reset() }
