// Package consumer reads messages from Kafka and remembers which are settled.
package consumer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"sweetspot/pipeline"
)

// Parts is what a consumer needs beyond its settings.
type Parts struct {
	Drain    time.Duration // SWEET_DRAIN: time to settle what is in flight, at a stop or a revoke
	IDSuffix string        // SWEET_NATS_ID_SUFFIX: ends every message id
	Version  string        // of the worker, for the header sweet-worker of dead letters
	Metrics  *Metrics
	Logger   *slog.Logger
}

// ErrStopped is what Fetch returns when the consumer takes in no more. The
// caller settles what it has and ends.
var ErrStopped = errors.New("the consumer has stopped")

// Kafka is a member of a consumer group. It is the pipeline's Source and its
// DeadLetters.
type Kafka struct{}

var (
	_ pipeline.Source      = (*Kafka)(nil)
	_ pipeline.DeadLetters = (*Kafka)(nil)
)

// Open returns a consumer that has not joined its group yet. Its errors are
// configuration errors.
func Open(cfg Config, in Intake, parts Parts) (*Kafka, error) {
	return nil, errors.New("not built")
}

// Run joins the group and reads until ctx ends.
func (k *Kafka) Run(ctx context.Context) error { return errors.New("not built") }

// Fetch blocks until there is at least one message. See [pipeline.Source].
func (k *Kafka) Fetch(ctx context.Context) ([]*pipeline.Message, error) {
	return nil, errors.New("not built")
}

// Backlog reports what is waiting upstream.
func (k *Kafka) Backlog() pipeline.Backlog { return pipeline.Backlog{} }

// Write sets letters aside. See [pipeline.DeadLetters].
func (k *Kafka) Write(ctx context.Context, letters []pipeline.DeadLetter) error {
	return errors.New("not built")
}

// Ready reports whether the worker is a member of its group and every topic
// exists.
func (k *Kafka) Ready() bool { return false }

// Close says that nothing more will be settled, and waits until Run has made
// the last commit and left the group.
func (k *Kafka) Close(ctx context.Context) error { return errors.New("not built") }
