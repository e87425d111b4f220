package pipeline

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/pipeline/control"
)

// controlMetrics are what the controller and the evidence show.
type controlMetrics struct {
	rung, usable, certified, saturated prometheus.Gauge
	utilisation, rate                  prometheus.Gauge
	decisions                          *prometheus.CounterVec // {reason}

	audits                           *prometheus.CounterVec // {agree}
	agreed, agreedLower, agreedUpper prometheus.Gauge
	evidence, alarm                  prometheus.Gauge
}

func newControlMetrics(r prometheus.Registerer) controlMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	counters := func(name, help, label string, values []string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
		r.MustRegister(c)
		for _, v := range values { // so that a rate is there before the first
			c.WithLabelValues(v)
		}
		return c
	}
	var reasons []string
	for _, why := range control.Reasons() {
		reasons = append(reasons, string(why))
	}
	m := controlMetrics{
		rung:        gauge("rung", "The rung that standard rows are admitted under now; 0 is full depth."),
		usable:      gauge("rung_usable", "The cheapest rung that may be used: less than rung_certified where an alarm has withdrawn some, and 0 with SWEET_MODE=full."),
		certified:   gauge("rung_certified", "The cheapest rung of the ladder."),
		saturated:   gauge("saturated", "1 while messages are late at the cheapest usable rung and it will not catch up soon: more replicas are needed."),
		utilisation: gauge("utilisation_ratio", "The share of the device's time that arrivals take at the present rung, without what is only caught up on; above 1 they cannot be carried."),
		rate:        gauge("arrival_rate", "Messages a second that arrive in the partitions of this worker."),
		decisions:   counters("decisions_total", "Decisions of the controller, by reason.", "reason", reasons),
		audits:      counters("audits_total", "Answers compared with full depth's, by whether they agree.", "agree", []string{"true", "false"}),
		agreed:      gauge("agreement_ratio", "The share of audited answers that agree with full depth's, since the latest alarm or clearing."),
		agreedLower: gauge("agreement_ratio_lower", "Lower end of the 95 % Wilson interval of agreement_ratio."),
		agreedUpper: gauge("agreement_ratio_upper", "Upper end of the 95 % Wilson interval of agreement_ratio."),
		evidence:    gauge("evidence", "How near the evidence against the certificate is to an alarm, 0 to 1."),
		alarm:       gauge("alarm", "1 while an alarm has withdrawn rungs."),
	}
	m.agreement(control.Tally{})
	return m
}

// decide shows a decision, of a worker whose rows are admitted under the given
// rung.
func (m *controlMetrics) decide(d control.Decision, rung int) {
	m.rung.Set(float64(rung))
	m.saturated.Set(number[d.Saturated])
	m.utilisation.Set(d.Arriving())
	m.rate.Set(d.Rate)
	m.decisions.WithLabelValues(string(d.Reason)).Inc()
}

// number is how a gauge shows whether something is so.
var number = map[bool]float64{true: 1}

// audit counts an audit.
func (m *controlMetrics) audit(agree bool) { m.audits.WithLabelValues(strconv.FormatBool(agree)).Inc() }

// agreement shows the share of audits that agree, with its interval. Where there
// were none, nothing speaks against all and the interval holds any share.
func (m *controlMetrics) agreement(t control.Tally) {
	share := 1.0
	if t.Audits() > 0 {
		share = t.Agreement()
	}
	lower, upper := t.Interval()
	m.agreed.Set(share)
	m.agreedLower.Set(lower)
	m.agreedUpper.Set(upper)
}
