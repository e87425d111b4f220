// Package publish makes results durable in a NATS JetStream stream.
package publish

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/pipeline"
)

// A Stamp is what every result says of the worker that made it, and which
// headers it carries over.
type Stamp struct {
	Model       string // the model's name
	Digest      string // the model's digest, hex SHA-256
	Ladder      string // the ladder's digest; "" where there is none
	CopyHeaders []string
}

// Metrics are what the publisher counts and times.
type Metrics struct{}

// NewMetrics registers the publisher's metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics { return &Metrics{} }

// JetStream publishes results to a stream. It implements [pipeline.Publisher].
type JetStream struct{}

// Open connects to the servers and checks that the stream is there and takes
// the results. It waits for a server that is down until ctx ends.
func Open(ctx context.Context, cfg Config, stamp Stamp, m *Metrics, log *slog.Logger) (*JetStream, error) {
	return nil, errors.New("not built")
}

// Publish implements [pipeline.Publisher].
func (j *JetStream) Publish(ctx context.Context, results []pipeline.Result) error {
	return errors.New("not built")
}

// Connected reports whether a server is reachable now.
func (j *JetStream) Connected() bool { return false }

// Close waits until what is under way is acknowledged, or ctx ends, and closes
// the connection.
func (j *JetStream) Close(ctx context.Context) error { return nil }
