package plumbing

import (
	"context"

	"sweetspot/inference"
	"sweetspot/pipeline"
)

// Instant is an encoder of so many stages that is sure of the first label, at
// once. A row leaves it at the first exit that its rung lets it leave by.
func Instant(stages int) pipeline.Encoder { return instant(stages) }

type instant int

// Stages implements [pipeline.Encoder].
func (e instant) Stages() int { return int(e) }

// NewBatch implements [pipeline.Encoder].
func (e instant) NewBatch(_, maxTokens int) (pipeline.Batch, error) {
	return &instantBatch{room: maxTokens}, nil
}

// Forward implements [pipeline.Encoder].
func (e instant) Forward(context.Context, pipeline.Batch) error { return nil }

// An instantBatch knows of its rows only how long they are.
type instantBatch struct {
	room, tokens int
	lengths      []int
	exits        []inference.Exit
}

// Add implements [pipeline.Batch].
func (b *instantBatch) Add(r inference.Row) (bool, error) {
	if b.tokens+len(r.Tokens) > b.room {
		return false, nil
	}
	b.put(len(r.Tokens))
	return true, nil
}

func (b *instantBatch) put(tokens int) {
	b.tokens += tokens
	b.lengths = append(b.lengths, tokens)
	b.exits = append(b.exits, inference.Exit{Confidence: 1, Probability: 1})
}

// Take implements [pipeline.Batch].
func (b *instantBatch) Take(from pipeline.Batch, rows []int) error {
	if other, ok := from.(*instantBatch); ok {
		for _, r := range rows {
			b.put(other.lengths[r])
		}
	}
	return nil
}

// Wait implements [pipeline.Batch].
func (b *instantBatch) Wait(context.Context) error { return nil }

// Exits implements [pipeline.Batch].
func (b *instantBatch) Exits() []inference.Exit { return b.exits }

// KeepScores implements [pipeline.Batch].
func (b *instantBatch) KeepScores() {}

// Scores implements [pipeline.Batch]: there are none.
func (b *instantBatch) Scores(int) []float32 { return nil }

// Reset implements [pipeline.Batch].
func (b *instantBatch) Reset() { b.tokens, b.lengths, b.exits = 0, b.lengths[:0], b.exits[:0] }
