package pipeline

import (
	"context"

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
type Batch interface {
	// Add puts a row at the end of a batch of the first stage. It reports false
	// where there is no room.
	Add(r inference.Row) bool
	// Take packs the listed rows of from, which is one stage shallower and has
	// been waited for, onto the end.
	Take(from Batch, rows []int) error
	// Wait returns when the batch that was queued last has its answers, or ctx
	// ends. An error of the device is final.
	Wait(ctx context.Context) error
	// Exits are the rows' answers, valid from Wait to Reset.
	Exits() []inference.Exit
	// Scores are the probabilities of one row's labels, in the order of the
	// labels, valid from Wait to Reset.
	Scores(row int) []float32
	// Reset empties the batch.
	Reset()
}
