package pipeline

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what the pipeline counts and times. What it counts as published,
// duplicate, dead letter or tombstone was settled while it was still ours, so
// the sums add up with what the source counts as read and abandoned.
type Metrics struct {
	published   *prometheus.CounterVec // {topic}
	duplicates  prometheus.Counter
	deadLetters *prometheus.CounterVec // {topic, reason}
	tombstones  *prometheus.CounterVec // {topic}
	predictions *prometheus.CounterVec // {label}

	messageAge      prometheus.Histogram
	tokenizeSeconds prometheus.Histogram
	stages          []stageMetrics

	layersRun   prometheus.Counter
	layersSaved prometheus.Counter
	truncated   prometheus.Counter
	tokens      prometheus.Counter
	shed        prometheus.Counter
	panics      prometheus.Counter

	controlMetrics
}

// stageMetrics are those of one stage and of the exit at its end.
type stageMetrics struct {
	seconds, batchTokens, batchRows, confidence prometheus.Observer
	exits                                       prometheus.Counter
}

// namespace starts the name of every metric.
const namespace = "sweet"

// labelsShown is how many labels have a series of their own in
// predictions_total: the first so many that were predicted. A model may have
// thousands. A set that followed the counts would make counters fall.
const (
	labelsShown = 50
	otherLabels = "other"
)

// NewMetrics registers the pipeline's metrics with r, for a model with the
// given number of stages.
func NewMetrics(r prometheus.Registerer, stages int) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(histogramOpts(name, help, buckets))
		r.MustRegister(h)
		return h
	}
	m := &Metrics{
		published:   counters("results_published_total", "Messages whose result became durable.", "topic"),
		duplicates:  counter("results_duplicate_total", "Messages whose result the stream held already."),
		deadLetters: counters("dead_letters_total", "Messages set aside because they can never be classified.", "topic", "reason"),
		tombstones:  counters("tombstones_total", "Messages with a null value, which ask for no result.", "topic"),
		predictions: counters("predictions_total", "Answers by label; labels after the first 50 are counted as other.", "label"),
		messageAge: histogram("message_age_seconds", "From a record's timestamp to the acknowledgement of its result.",
			prometheus.ExponentialBuckets(0.001, 2, 20)),
		tokenizeSeconds: histogram("tokenize_seconds", "To tokenize one text.", prometheus.ExponentialBuckets(1e-6, 4, 10)),
		layersRun:       counter("layers_run_total", "Encoder layers run, summed over rows."),
		layersSaved:     counter("layers_saved_total", "Encoder layers not run because rows left early, summed over rows."),
		truncated:       counter("truncated_total", "Texts of which tokens were left out."),
		tokens:          counter("tokens_total", "Tokens admitted, [CLS] and [SEP] included."),
	}
	m.shed = counter("shed_total", "Messages of the best-effort tier set aside under overload.")
	m.panics = counter("model_panics_total", "Batches on which the model panicked; their rows were run again, the cause set aside.")
	m.controlMetrics = newControlMetrics(r)
	m.stages = newStageMetrics(r, stages)
	return m
}

func newStageMetrics(r prometheus.Registerer, stages int) []stageMetrics {
	histograms := func(name, help, label string, buckets []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(histogramOpts(name, help, buckets), []string{label})
		r.MustRegister(h)
		return h
	}
	seconds := histograms("stage_seconds", "One run of a stage.", "stage", prometheus.ExponentialBuckets(0.0001, 2, 18))
	batchTokens := histograms("batch_tokens", "Tokens in one run of a stage.", "stage", prometheus.ExponentialBuckets(1, 2, 17))
	batchRows := histograms("batch_rows", "Rows in one run of a stage.", "stage", prometheus.ExponentialBuckets(1, 2, 13))
	confidence := histograms("exit_confidence", "Confidence of the rows that leave by an exit.", "exit", prometheus.LinearBuckets(0.1, 0.1, 10))
	exits := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "exits_total", Help: "Rows that left, by exit.",
	}, []string{"exit"})
	r.MustRegister(exits)
	all := make([]stageMetrics, stages)
	for i := range all {
		name := strconv.Itoa(i + 1)
		all[i] = stageMetrics{
			seconds: seconds.WithLabelValues(name), batchTokens: batchTokens.WithLabelValues(name),
			batchRows: batchRows.WithLabelValues(name), confidence: confidence.WithLabelValues(name),
			exits: exits.WithLabelValues(name),
		}
	}
	return all
}

// histogramOpts are those of a histogram with classic buckets and native ones.
func histogramOpts(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}
}
