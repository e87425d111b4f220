package pipeline

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"sweetspot/cmd/sweet/desk"
	"sweetspot/inference"
	"sweetspot/inference/bundled"
	"sweetspot/inference/cpu"
	"sweetspot/inference/token"
	"sweetspot/pipeline/control"
)

// BenchmarkModel runs the bundled model on the processor, 4,000 texts an
// operation, at its cheapest rung and at full depth. Beside texts/s it reports
// what share that is of Σ reach × stage time, the speed of a device of which all
// runs are full ones: those are timed in between.
func BenchmarkModel(b *testing.B) {
	m, tokenizer := bundledModel(b)
	g := desk.New(1, desk.Demo, desk.DemoMix)
	values := make([][]byte, 4000)
	for i := range values {
		values[i] = []byte(g.Next().Text)
	}
	for _, mode := range []Mode{Fixed, Full} {
		b.Run(string(mode), func(b *testing.B) {
			bench := modelBench{
				model: m, tokenizer: tokenizer, values: values, mode: mode,
				tokens: make([]float64, m.Stages()), full: make([][]float64, m.Stages()),
			}
			for range b.N {
				bench.fullRuns(b)
				bench.run(b)
			}
			ideal := 0.0
			for i, seconds := range bench.full {
				slices.Sort(seconds)
				ideal += bench.tokens[i] / float64(bench.budget()) * seconds[len(seconds)/2]
			}
			b.ReportMetric(float64(b.N*len(values))/bench.spent.Seconds(), "texts/s")
			b.ReportMetric(ideal/bench.spent.Seconds(), "of-full-runs")
		})
	}
}

func bundledModel(b *testing.B) (*inference.Model, *token.Tokenizer) {
	b.Helper()
	tokenizer, err := token.Load(bundled.FS())
	if err != nil {
		b.Fatal(err)
	}
	d, err := cpu.Open(cpu.Options{Kernels: "auto"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := d.Close(); err != nil {
			b.Error(err)
		}
	})
	m, err := inference.Load(bundled.FS(), d, inference.Options{Name: "bundled"})
	if err != nil {
		b.Fatal(err)
	}
	return m, tokenizer
}

// A modelBench is what a BenchmarkModel has seen so far.
type modelBench struct {
	model     *inference.Model
	tokenizer *token.Tokenizer
	values    [][]byte
	mode      Mode

	spent  time.Duration // in runs of the pipeline
	tokens []float64     // (stages) that ran there
	full   [][]float64   // (stages) seconds of full runs
}

func (m *modelBench) budget() int { return max(m.model.Device().BatchTokens, m.model.MaxTokens()) }

// run sends all texts through a pipeline.
func (m *modelBench) run(b *testing.B) {
	b.Helper()
	source := &endless{values: m.values, slots: make(chan struct{}, 20_000), left: len(m.values), done: make(chan struct{}, 1000)}
	layers := make([]int, m.model.Stages())
	for i := range layers {
		layers[i] = m.model.StageLayers(i)
	}
	rung := 0
	if m.mode == Fixed {
		rung = len(m.model.Ladder.Rungs) - 1
	}
	registry := prometheus.NewRegistry()
	p, err := New(Config{
		MaxTokens: m.model.MaxTokens(), Truncate: "right", BatchTokens: m.budget(), Mode: m.mode, Rung: rung,
		Input: Text, MaxMessageBytes: MiB, Drain: time.Minute,
	}, Parts{
		Source: source, DeadLetters: nowhere{}, Tokenizer: m.tokenizer, Encoder: ModelEncoder(m.model), Publisher: nowhere{},
		Labels: m.model.Labels, Layers: layers, Rungs: m.model.Ladder.Rungs, Epsilon: m.model.Ladder.Watched(),
		Control: control.Config{TargetAge: time.Second, ControlEvery: 250 * time.Millisecond, Overload: control.Wait, AlarmEvery: 10_000},
		Metrics: NewMetrics(registry, m.model.Stages()), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Warm(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	start := time.Now()
	go func() {
		for range m.values {
			<-source.done
		}
		m.spent += time.Since(start)
		stop()
	}()
	if err := p.Run(ctx); err != nil {
		b.Fatal(err)
	}
	for i, n := range batchTokens(b, registry) {
		m.tokens[i] += n
	}
}

// batchTokens returns the tokens of all runs by stage.
func batchTokens(b *testing.B, registry *prometheus.Registry) []float64 {
	b.Helper()
	families, err := registry.Gather()
	if err != nil {
		b.Fatal(err)
	}
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "sweet_batch_tokens" })
	var sums []float64
	for _, metric := range families[i].GetMetric() { // in the order of their label, the stage
		sums = append(sums, metric.GetHistogram().GetSampleSum())
	}
	return sums
}

// fullRuns times three full runs of every stage.
func (m *modelBench) fullRuns(b *testing.B) {
	b.Helper()
	for range 3 {
		var before *inference.Batch
		for i := range m.model.Stages() {
			batch, err := m.model.NewBatch(i, m.budget())
			if err != nil {
				b.Fatal(err)
			}
			m.fill(b, batch, before)
			start := time.Now()
			if err := m.model.Forward(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			if err := batch.Wait(b.Context()); err != nil {
				b.Fatal(err)
			}
			m.full[i] = append(m.full[i], time.Since(start).Seconds()*float64(m.budget())/float64(batch.Tokens()))
			before = batch
		}
	}
}

// fill fills a batch with the first texts, or with all rows of the batch before.
func (m *modelBench) fill(b *testing.B, batch, before *inference.Batch) {
	b.Helper()
	if before != nil {
		rows := make([]int, before.Len())
		for r := range rows {
			rows[r] = r
		}
		if err := batch.Take(before, rows); err != nil {
			b.Fatal(err)
		}
		return
	}
	for _, text := range m.values {
		row, err := m.tokenizer.Row(nil, string(text), "", m.model.MaxTokens(), token.Right)
		if err != nil {
			b.Fatal(err)
		}
		if ok, err := batch.Add(inference.Row{Tokens: row.IDs, Second: row.Second}); err != nil {
			b.Fatal(err)
		} else if !ok {
			return
		}
	}
}
