// Package pipeline carries messages from a source, through the model, to a
// publisher, and settles them.
package pipeline

import (
	"context"
	"errors"
	"log/slog"

	"sweetspot/inference"
	"sweetspot/inference/token"
)

// Parts is what a pipeline is put together from.
type Parts struct {
	Source      Source
	DeadLetters DeadLetters
	Tokenizer   *token.Tokenizer
	Encoder     Encoder
	Publisher   Publisher

	Labels []string         // by the index in an [inference.Exit]
	Layers []int            // (stages) encoder layers that a row has run when it leaves by each exit
	Rungs  []inference.Rung // the certified ladder, rung 0 first; empty where there is none

	Metrics *Metrics
	Logger  *slog.Logger
}

// A Pipeline is a worker that has not been started.
type Pipeline struct {
	cfg   Config
	parts Parts
}

// New returns a pipeline over the given parts. Its errors are configuration
// errors.
func New(cfg Config, parts Parts) (*Pipeline, error) {
	return &Pipeline{cfg: cfg, parts: parts}, nil
}

// Run works until ctx ends or something fails beyond repair. It returns nil if
// everything in flight was settled.
func (p *Pipeline) Run(ctx context.Context) error {
	return errors.New("not built")
}
