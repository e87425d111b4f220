package consumer

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what the consumer counts.
type Metrics struct {
	read         *prometheus.CounterVec // topic
	messages     prometheus.Gauge
	bytes        prometheus.Gauge
	lag          *prometheus.GaugeVec // topic, partition
	rebalances   prometheus.Counter
	assigned     prometheus.Gauge
	gaps         prometheus.Counter
	stuck        prometheus.Gauge
	commits      prometheus.Counter
	commitErrors prometheus.Counter
	connected    prometheus.Gauge
	abandoned    prometheus.Counter

	oldest atomic.Pointer[func() time.Time]
}

// NewMetrics registers the consumer's metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "sweet", Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "sweet", Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	m := &Metrics{
		read: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sweet", Name: "messages_read_total", Help: "Messages handed to the pipeline.",
		}, []string{"topic"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "sweet", Name: "lag_messages", Help: "End offset minus committed offset of each partition of this worker. With read_committed the end is where open transactions begin.",
		}, []string{"topic", "partition"}),
		messages:     gauge("in_flight_messages", "Messages held: read ahead, or handed to the pipeline and not settled."),
		bytes:        gauge("in_flight_bytes", "Bytes of the messages held."),
		rebalances:   counter("rebalances_total", "Generations of the consumer group that this worker was a member of."),
		assigned:     gauge("assigned_partitions", "Partitions that this worker reads."),
		gaps:         counter("offset_gaps_total", "Places where offsets were missing in the log: compaction, retention, a topic made again."),
		stuck:        gauge("stuck_partitions", "Partitions of this worker that cannot be read though there is more in them."),
		commits:      counter("commits_total", "Commits that Kafka accepted."),
		commitErrors: counter("commit_errors_total", "Commits that Kafka did not accept."),
		connected:    gauge("kafka_connected", "1 while this worker is a member of its consumer group."),
		abandoned:    counter("abandoned_total", "Messages read, then left unsettled at a revoke or at the end."),
	}
	r.MustRegister(m.read, m.lag, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "sweet", Name: "oldest_age_seconds", Help: "Age of the oldest unsettled message, by its record time.",
	}, m.oldestAge))
	return m
}

func (m *Metrics) inFlight(messages int, bytes int64) {
	m.messages.Set(float64(messages))
	m.bytes.Set(float64(bytes))
}

// watchOldest makes oldest_age_seconds the age of what oldest returns, at the
// time of the scrape: it keeps rising when everything stands still.
func (m *Metrics) watchOldest(oldest func() time.Time) { m.oldest.Store(&oldest) }

func (m *Metrics) oldestAge() float64 {
	oldest := m.oldest.Load()
	if oldest == nil {
		return 0
	}
	t := (*oldest)()
	if t.IsZero() {
		return 0
	}
	return max(time.Since(t).Seconds(), 0)
}
