package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"sweetspot/cmd/sweet/compare"
	"sweetspot/inference"
	"sweetspot/inference/calibrate"
	"sweetspot/inference/cpu"
	"sweetspot/inference/train"
)

// A comparisonRun is one run of a comparison.
type comparisonRun struct {
	comparison *comparison
	config     inference.Config
	settings   train.Options
	words      train.Words
	data       *train.Data
	train      []train.Row
	dev, test  []train.Row
	result     compare.Run
	conflicts  []compare.Conflict
}

// prepare reads the texts of a run and settles all that tells it from others.
func (b *comparison) prepare(j job) (*comparisonRun, error) {
	o := b.options
	data, err := train.ReadData(j.data)
	if err != nil {
		return nil, err
	}
	if len(data.Dev) == 0 || len(data.Test) == 0 {
		return nil, errors.New("dev.tsv and test.tsv are needed: temperatures are fitted on the one, and the other is reported")
	}
	data.Train = train.Sample(data.Train, o.limit, j.seed)
	r := &comparisonRun{comparison: b, config: b.initial.Config, settings: o.settings, data: data}
	r.settings.Seed = j.seed
	r.shape(data.Labels, j)
	if err := r.config.Validate(); err != nil {
		return nil, usagef("model shape: %w", err)
	}
	r.result.Setting = compare.Setting{
		Task: filepath.Base(filepath.Clean(j.data)), Method: j.method, Pool: string(j.pool), Seed: j.seed,
		Rows: len(data.Train), Epochs: r.settings.Epochs, Batch: r.settings.BatchRows, Rate: r.settings.Rate, Dropout: r.settings.Dropout,
		MaxTokens: min(o.maxLength, r.config.Positions), Exits: r.config.Exits, Init: b.digest,
	}
	return r, nil
}

// shape sets the labels, exits and pooling of the model.
func (r *comparisonRun) shape(labels []string, j job) {
	c := &r.config
	c.Labels, c.Score, c.Method = labels, inference.MaxProbability, inference.EarlyExit
	c.Exits = r.comparison.options.exits
	if c.Exits == nil {
		c.Exits = defaultExits(c.Layers)
	}
	c.Layers = c.Exits[len(c.Exits)-1]
	c.Pooling = slices.Repeat([]inference.Pooling{j.pool}, len(c.Exits))
}

// read makes rows of the texts.
func (r *comparisonRun) read() error {
	tokens, err := loadTokenizer(r.comparison.options.from)
	if err != nil {
		return err
	}
	r.words = train.Words{Unknown: tokens.UNK(), Separator: tokens.SEP()}
	data := r.data
	for _, part := range []struct {
		rows     *[]train.Row
		examples []train.Example
	}{{&r.train, data.Train}, {&r.dev, data.Dev}, {&r.test, data.Test}} {
		if *part.rows, err = train.Rows(part.examples, data.Labels, tokens, r.result.MaxTokens); err != nil {
			return err
		}
	}
	return nil
}

// run trains, measures and scores.
func (r *comparisonRun) run(ctx context.Context) error {
	if err := r.read(); err != nil {
		return err
	}
	kernels, err := cpu.Select(r.comparison.options.kernels)
	if err != nil {
		return usageError{err}
	}
	engine := cpu.NewEngine(kernels, r.comparison.options.threads)
	defer engine.Close()
	r.result.Kernels = fmt.Sprintf("%s/%d", kernels.Name(), engine.Threads())
	classes := len(r.config.Labels)
	dev, test := exitAnswers{labels: labelsOf(r.dev), classes: classes}, exitAnswers{labels: labelsOf(r.test), classes: classes}
	trained := 0
	for _, part := range r.parts() {
		t, err := r.fit(ctx, engine, part, &trained)
		if err != nil {
			return err
		}
		if err := r.ask(ctx, t.Directory(), &dev, &test); err != nil {
			return fmt.Errorf("measuring the exits: %w", err)
		}
	}
	r.result.TokensPerSecond = float64(trained) / r.result.TrainSeconds
	if err := r.temper(dev); err != nil {
		return err
	}
	scoreRun(&r.result, test)
	return nil
}

// ask adds what the exits of one model say of the dev and the test texts, and
// what they cost.
func (r *comparisonRun) ask(ctx context.Context, dir *inference.Directory, dev, test *exitAnswers) error {
	x, err := r.measure(ctx, dir, r.dev)
	if err != nil {
		return err
	}
	dev.logits = append(dev.logits, x.logits...)
	if x, err = r.measure(ctx, dir, r.test); err != nil {
		return err
	}
	test.logits = append(test.logits, x.logits...)
	r.result.StageMillis = append(r.result.StageMillis, x.millis...)
	before := 0
	if n := len(r.result.Layers); n > 0 {
		before = r.result.Layers[n-1]
	}
	for _, e := range dir.Config.Exits {
		r.result.Layers = append(r.result.Layers, before+e)
	}
	return nil
}

// temper fits the temperature of every exit to its answers to the dev texts.
func (r *comparisonRun) temper(dev exitAnswers) error {
	targets := make([]int, len(dev.labels))
	for i, l := range dev.labels {
		targets[i] = int(l)
	}
	for i, logits := range dev.logits {
		temperature, err := calibrate.FitTemperature(logits, dev.classes, targets)
		if err != nil {
			return fmt.Errorf("exit %d: %w", i+1, err)
		}
		r.result.Temperatures = append(r.result.Temperatures, temperature)
	}
	return nil
}

// parts returns the models that are trained one after another: one, or with
// Multi-Model one that ends at each exit.
func (r *comparisonRun) parts() []inference.Config {
	if r.result.Method != string(inference.MultiModel) {
		return []inference.Config{r.config}
	}
	parts := make([]inference.Config, len(r.config.Exits))
	for i := range parts {
		parts[i] = r.config.Model(i)
	}
	return parts
}

// fit trains one model and adds its tokens to trained.
func (r *comparisonRun) fit(ctx context.Context, e *cpu.Engine, c inference.Config, trained *int) (*train.Trainer, error) {
	o := r.settings
	o.ExitWeights = slices.Repeat([]float32{1}, len(c.Exits))
	var err error
	if o.Method, err = train.MethodOf(inference.Method(r.result.Method), len(c.Exits)); err != nil {
		return nil, usagef("--methods: %w", err)
	}
	t, err := train.New(c, o, r.train, r.words, e)
	if err != nil {
		return nil, usageError{err}
	}
	for _, name := range t.Start(r.comparison.initial.Tensors) {
		if !isExit(name) {
			return nil, fmt.Errorf("--init %s: %s is missing or has another shape", r.comparison.options.from, name)
		}
	}
	if err := r.observe(t); err != nil {
		return nil, err
	}
	start := time.Now()
	err = t.Run(ctx, func(p train.Progress) error {
		*trained += p.Tokens
		return nil
	})
	r.result.TrainSeconds += time.Since(start).Seconds()
	if err != nil {
		return nil, fmt.Errorf("training: %w", err)
	}
	return t, nil
}

// observes reports whether the run is to show its exits' conflicts.
func (r *comparisonRun) observes() bool {
	return r.comparison.options.conflict > 0 && r.result.Method == string(inference.EarlyExit)
}

// observe keeps what a run of Early-Exit shows of its exits' conflicts.
func (r *comparisonRun) observe(t *train.Trainer) error {
	if !r.observes() {
		return nil
	}
	return t.Observe(r.comparison.options.conflict, func(c train.Conflict) error {
		for _, l := range c.Layers {
			for i, exit := range l.Exits {
				for k := i + 1; k < len(l.Exits); k++ {
					r.conflicts = append(r.conflicts, compare.Conflict{
						Task: r.result.Task, Pool: r.result.Pool, Seed: r.result.Seed, Step: c.Step, Layer: l.Layer,
						Exit: exit, Deeper: l.Exits[k], Cosine: l.Cosine[i][k], Norm: l.Norms[i], DeeperNorm: l.Norms[k],
					})
				}
			}
		}
		return nil
	})
}

func labelsOf(rows []train.Row) []int32 {
	labels := make([]int32, len(rows))
	for i, r := range rows {
		labels[i] = r.Label
	}
	return labels
}

// exitMeasurement is what the exits of a model say, and how long its stages take.
type exitMeasurement struct {
	logits [][]float32 // (m, n·C)
	millis []float64   // (m) a text of mean length, by the fastest batch: others may have shared the processor
}

// measure runs rows through all stages of a model.
func (r *comparisonRun) measure(ctx context.Context, dir *inference.Directory, rows []train.Row) (exitMeasurement, error) {
	d, err := cpu.Open(cpu.Options{Kernels: r.comparison.options.kernels, Threads: r.comparison.options.threads})
	if err != nil {
		return exitMeasurement{}, err
	}
	defer d.Close()
	m, err := inference.New(dir, d, inference.Options{})
	if err != nil {
		return exitMeasurement{}, err
	}
	x := exitMeasurement{logits: make([][]float32, m.Stages()), millis: make([]float64, m.Stages())}
	batches := make([]*inference.Batch, m.Stages())
	for s := range batches {
		if batches[s], err = m.NewBatch(s, max(d.Describe().BatchTokens, m.MaxTokens())); err != nil {
			return x, err
		}
		batches[s].KeepLogits()
	}
	tokens := 0
	for i := 0; i < len(rows); {
		for _, b := range batches {
			b.Reset()
		}
		for i < len(rows) {
			ok, err := batches[0].Add(inference.Row{Tokens: rows[i].Tokens, Second: rows[i].Second})
			if err != nil {
				return x, fmt.Errorf("row %d: %w", i, err)
			}
			if !ok {
				break
			}
			i++
		}
		if err := x.runStages(ctx, m, batches); err != nil {
			return x, err
		}
		tokens += batches[0].Tokens()
	}
	for s := range x.millis {
		x.millis[s] *= float64(tokens) / float64(len(rows))
	}
	return x, nil
}

// runStages runs the rows of the first batch through all stages and keeps the
// shortest time a token.
func (x *exitMeasurement) runStages(ctx context.Context, m *inference.Model, batches []*inference.Batch) error {
	all := make([]int, batches[0].Len())
	for i := range all {
		all[i] = i
	}
	for s, b := range batches {
		start := time.Now()
		if s > 0 {
			if err := b.Take(batches[s-1], all); err != nil {
				return err
			}
		}
		if err := m.Forward(ctx, b); err != nil {
			return err
		}
		if err := b.Wait(ctx); err != nil {
			return err
		}
		if ms := time.Since(start).Seconds() * 1e3 / float64(b.Tokens()); x.millis[s] == 0 || ms < x.millis[s] {
			x.millis[s] = ms
		}
		x.logits[s] = append(x.logits[s], b.Logits...)
	}
	return nil
}
