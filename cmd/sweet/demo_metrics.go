package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// metrics are the worker's own figures, read where Prometheus would.
type metrics struct {
	read, published, dead float64
	oldestAge             time.Duration
	exits                 []float64 // by exit, from 0
	layersRun             float64
	layersSaved           float64
	rung, rungs           float64 // in force, and the cheapest of the ladder
	saturated             bool
}

func gather(r *prometheus.Registry) (metrics, error) {
	families, err := r.Gather()
	if err != nil {
		return metrics{}, fmt.Errorf("reading the worker's metrics: %w", err)
	}
	var m metrics
	for _, f := range families {
		switch f.GetName() {
		case "sweet_messages_read_total":
			m.read = sum(f)
		case "sweet_results_published_total":
			m.published = sum(f)
		case "sweet_dead_letters_total":
			m.dead = sum(f)
		case "sweet_oldest_age_seconds":
			m.oldestAge = time.Duration(sum(f) * float64(time.Second))
		case "sweet_layers_run_total":
			m.layersRun = sum(f)
		case "sweet_layers_saved_total":
			m.layersSaved = sum(f)
		case "sweet_rung":
			m.rung = sum(f)
		case "sweet_rung_certified":
			m.rungs = sum(f)
		case "sweet_saturated":
			m.saturated = sum(f) > 0
		case "sweet_exits_total":
			m.exits = byExit(f)
		}
	}
	return m, nil
}

func value(m *dto.Metric) float64 {
	if c := m.GetCounter(); c != nil {
		return c.GetValue()
	}
	return m.GetGauge().GetValue()
}

func sum(f *dto.MetricFamily) float64 {
	var total float64
	for _, m := range f.GetMetric() {
		total += value(m)
	}
	return total
}

func byExit(f *dto.MetricFamily) []float64 {
	exits := make([]float64, len(f.GetMetric()))
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if n, err := strconv.Atoi(l.GetValue()); l.GetName() == "exit" && err == nil && n >= 1 && n <= len(exits) {
				exits[n-1] = value(m)
			}
		}
	}
	return exits
}

// share returns part of whole, and 0 of nothing.
func share(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}

// layersMean is the mean number of layers a text ran.
func (m metrics) layersMean() float64 {
	var n float64
	for _, e := range m.exits {
		n += e
	}
	return share(m.layersRun, n)
}

// A depthMeter turns what the exits count into the layers that a text has run
// lately.
type depthMeter struct {
	layers, texts []float64 // counts, frame by frame
}

// read notes what was counted and returns the mean over the last second; 0 where
// no text was answered in it.
func (d *depthMeter) read(m metrics) float64 {
	texts := 0.0
	for _, e := range m.exits {
		texts += e
	}
	d.layers, d.texts = append(d.layers, m.layersRun), append(d.texts, texts)
	last := len(d.texts) - 1
	from := max(0, last-int(time.Second/frame))
	return share(d.layers[last]-d.layers[from], d.texts[last]-d.texts[from])
}

// A meter turns counts over time into rates.
type meter struct {
	times []time.Time
	done  []int
}

// read notes that so many were done at the given time. Counts from before the
// first result do not enter: the worker was still joining its group.
func (m *meter) read(at time.Time, done int) {
	if n := len(m.done); n == 1 && m.done[0] == done {
		m.times[0] = at
		return
	}
	m.times, m.done = append(m.times, at), append(m.done, done)
}

// recent is the rate over about the last two seconds, and mean that over all.
func (m *meter) recent() float64 { return m.rate(max(0, len(m.done)-1-int(2*time.Second/frame))) }
func (m *meter) mean() float64   { return m.rate(0) }

func (m *meter) rate(from int) float64 {
	last := len(m.done) - 1
	if last <= from {
		return 0
	}
	return float64(m.done[last]-m.done[from]) / m.times[last].Sub(m.times[from]).Seconds()
}
