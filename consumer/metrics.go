package consumer

import "github.com/prometheus/client_golang/prometheus"

// Metrics are what the consumer counts.
type Metrics struct{}

// NewMetrics registers the consumer's metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics { return &Metrics{} }
