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
	}
	r.MustRegister(m.pending, m.connected, m.seconds)
	return m
}
