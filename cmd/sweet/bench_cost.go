package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/cmd/sweet/simulate"
	"sweetspot/inference"
	"sweetspot/inference/cpu"
	"sweetspot/inference/token"
	"sweetspot/pipeline/schedule"
)

// A measured model is one that lies on a device, with the texts to measure it on.
type measured struct {
	bench
	device inference.Device
}

// openMeasured loads the model and the texts. The caller closes the device.
func (o benchOptions) openMeasured() (*measured, error) {
	texts, err := o.inputs()
	if err != nil {
		return nil, err
	}
	fsys, err := openModel(o.model)
	if err != nil {
		return nil, err
	}
	tokens, err := token.Load(fsys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.model, err)
	}
	d, err := cpu.Open(cpu.Options{Kernels: o.kernels, Threads: o.threads})
	if err != nil {
		return nil, usageError{err}
	}
	m, err := inference.Load(fsys, d, inference.Options{Name: o.model})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", o.model, err), d.Close())
	}
	return &measured{bench{model: m, tokens: tokens, texts: texts}, d}, nil
}

// runBenchCost measures a cost model and writes it.
func runBenchCost(c *cobra.Command, o benchOptions) error {
	m, err := o.openMeasured()
	if err != nil {
		return err
	}
	defer m.device.Close()
	cost, err := m.cost(c.Context(), o.duration)
	if err != nil {
		if c.Context().Err() != nil {
			return errUnfinished
		}
		return err
	}
	if err := cost.Write(o.cost); err != nil {
		return fmt.Errorf("writing the cost model: %w", err)
	}
	if o.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(cost)
	}
	return printCost(c.OutOrStdout(), &cost)
}

// cost measures what every stage costs, for about the given time.
func (m *measured) cost(ctx context.Context, duration time.Duration) (simulate.Cost, error) {
	info := m.model.Device()
	c := simulate.Cost{
		Model: m.model.Name(), Digest: m.model.Digest(),
		Device: info.Name, Precision: string(info.Precision), Kernels: info.Kernels, Threads: info.Threads,
		BatchTokens: max(info.BatchTokens, m.model.MaxTokens()), Depth: 1,
	}
	if m.model.Config().MultiLabel {
		return c, errMultiLabel
	}
	if _, err := m.tokenize(); err != nil {
		return c, err
	}
	samples, err := m.sweep(ctx, c.BatchTokens, duration)
	if err != nil {
		return c, err
	}
	differ, err := m.disagreement(ctx)
	if err != nil {
		return c, err
	}
	for i, runs := range samples {
		l, ok := schedule.Fit(runs)
		if !ok {
			return c, fmt.Errorf("stage %d was timed at one size only: the texts have too few tokens", i+1)
		}
		c.Stages = append(c.Stages, simulate.StageCost{Base: l.Base, PerToken: l.PerToken, Layers: m.model.StageLayers(i), Disagreement: differ[i]})
	}
	c.Lengths = lengths(m.rows)
	return c, c.Validate()
}

// The sizes of the runs that are timed, as shares of a full one. One row is
// always among them.
var sweepShares = []float64{0, 1.0 / 16, 1.0 / 8, 1.0 / 4, 1.0 / 2, 1}

// sweep times runs of every stage, of several sizes in turn, until the time is
// over: at least five of each, after one that does not count.
func (m *measured) sweep(ctx context.Context, budget int, duration time.Duration) ([][]schedule.Sample, error) {
	batches := make([]*inference.Batch, m.model.Stages())
	for i := range batches {
		b, err := m.model.NewBatch(i, budget)
		if err != nil {
			return nil, err
		}
		batches[i] = b
	}
	samples := make([][]schedule.Sample, len(batches))
	begin := time.Now()
	for turn := 0; turn < 6 || time.Since(begin) < duration; turn++ {
		for _, share := range sweepShares {
			took, tokens, err := m.pass(ctx, batches, int(share*float64(budget)))
			if err != nil {
				return nil, err
			}
			for i := range took {
				if turn > 0 {
					samples[i] = append(samples[i], schedule.Sample{Tokens: tokens, Took: took[i]})
				}
			}
		}
	}
	return samples, nil
}

// pass runs the first rows, of at most so many tokens but at least one row,
// through all stages, and returns what each took. Filling the batch is part of
// it, as it is in the worker.
func (m *measured) pass(ctx context.Context, batches []*inference.Batch, most int) (took []time.Duration, tokens int, err error) {
	took = make([]time.Duration, len(batches))
	var all []int
	for i, b := range batches {
		start := time.Now()
		if i == 0 {
			all, err = m.fill(b, most)
		} else {
			err = b.Take(batches[i-1], all)
		}
		if err != nil {
			return nil, 0, err
		}
		if err := m.model.Forward(ctx, b); err != nil {
			return nil, 0, err
		}
		if err := b.Wait(ctx); err != nil {
			return nil, 0, err
		}
		took[i] = time.Since(start)
		if i > 0 {
			batches[i-1].Reset()
		}
	}
	last := batches[len(batches)-1]
	tokens = last.Tokens()
	last.Reset()
	return took, tokens, nil
}

// fill adds rows to a batch of the first stage and returns their places.
func (m *measured) fill(b *inference.Batch, most int) ([]int, error) {
	var all []int
	for i, row := range m.rows {
		if i > 0 && b.Tokens()+len(row.Tokens) > most {
			break
		}
		if _, err := b.Add(row); err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// disagreement returns, by exit, the share of the texts that it answers
// otherwise than the last.
func (m *measured) disagreement(ctx context.Context) ([]float64, error) {
	runner, err := inference.NewRunner(m.model, 0)
	if err != nil {
		return nil, err
	}
	stages := m.model.Stages()
	labels := make([][]int, stages)
	for i := range labels {
		labels[i] = make([]int, len(m.rows))
	}
	err = runner.Each(ctx, m.rows, func(row, stage int, e inference.Exit, _ []float32) bool {
		labels[stage][row] = e.Label
		return false
	})
	if err != nil {
		return nil, err
	}
	shares := make([]float64, stages)
	for i := range shares {
		differ := 0
		for row, full := range labels[stages-1] {
			if labels[i][row] != full {
				differ++
			}
		}
		shares[i] = float64(differ) / float64(len(m.rows))
	}
	return shares, nil
}

// lengths counts rows by their tokens.
func lengths(rows []inference.Row) []simulate.LengthCount {
	texts := map[int]int{}
	for _, r := range rows {
		texts[len(r.Tokens)]++
	}
	var counts []simulate.LengthCount
	for _, n := range slices.Sorted(maps.Keys(texts)) {
		counts = append(counts, simulate.LengthCount{Tokens: n, Texts: texts[n]})
	}
	return counts
}

func printCost(w io.Writer, c *simulate.Cost) error {
	fmt.Fprintf(w, "%s on %s, %d threads: %.1f tokens a message; full depth carries %.0f messages/s in runs of %d tokens\n\n",
		c.Model, c.Kernels, c.Threads, c.MeanTokens(), c.Capacity(), c.BatchTokens)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "stage\tlayers\tus a run\tus a token\tworth a run from\tdiffers\t")
	for i, s := range c.Stages {
		full := schedule.Line{Base: s.Base, PerToken: s.PerToken}.Full(c.BatchTokens)
		fmt.Fprintf(t, "%d\t%d\t%.1f\t%.3f\t%d tokens\t%.2f %%\t\n", i+1, s.Layers, 1e6*s.Base, 1e6*s.PerToken, full, 100*s.Disagreement)
	}
	return t.Flush()
}
