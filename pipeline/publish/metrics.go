package publish

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what the publisher counts and times.
type Metrics struct {
	pending   prometheus.Gauge
	connected prometheus.Gauge
	seconds   prometheus.Histogram
	errors    *prometheus.CounterVec // cause
}

// NewMetrics registers the publisher's metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "sweet", Name: "publish_pending", Help: "Results sent to the server and not acknowledged yet.",
		}),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "sweet", Name: "nats_connected", Help: "1 while a NATS server is reachable.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "sweet", Name: "publish_seconds", Help: "From sending a result to its acknowledgement.",
			Buckets:                     prometheus.ExponentialBuckets(0.0001, 2, 18),
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sweet", Name: "publish_errors_total",
			Help: "Attempts to publish a result that did not make it durable, by cause: timeout (no acknowledgement in time), connection (none, or it was lost), server (its answer), refused (a dead letter now).",
		}, []string{"cause"}),
	}
	for _, c := range []cause{overdue, disconnected, unwilling, refused} {
		m.errors.WithLabelValues(string(c))
	}
	r.MustRegister(m.pending, m.connected, m.seconds, m.errors)
	return m
}
