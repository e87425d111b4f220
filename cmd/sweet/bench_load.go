package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/cmd/sweet/simulate"
)

// runBenchLoad compares the worker with other ways to serve the same loads, in
// virtual time.
func runBenchLoad(c *cobra.Command, o benchOptions) error {
	if o.data != "" || o.texts != benchTexts {
		return usagef("--data and --texts say what is measured; write a cost model with --cost first, and name it beside --load")
	}
	loads := make([]simulate.Load, len(o.loads))
	for i, name := range o.loads {
		if slices.Contains(o.loads[:i], name) {
			return usagef("--load: %s is there twice", name)
		}
		l, err := openLoad(name)
		if err != nil {
			return err
		}
		if err := checkRate(l, o.rate); err != nil {
			return err
		}
		l.Name = filepath.Base(l.Name)
		loads[i] = l
	}
	w, err := o.worker(c)
	if err != nil {
		return err
	}
	b := loadBench{worker: w, talk: c.ErrOrStderr()}
	err = b.run(c, loads, o.rate)
	if c.Context().Err() != nil {
		return errUnfinished
	}
	if err != nil {
		return err
	}
	if o.out != "" {
		return b.write(c, o)
	}
	if o.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(b.rows())
	}
	return simulate.Markdown(c.OutOrStdout(), w, b.comparisons, b.throughputs)
}

// worker is what is simulated: the model with the worker's default settings.
func (o benchOptions) worker(c *cobra.Command) (*simulate.Worker, error) {
	w := defaultWorld()
	w.model, w.cost, w.kernels, w.threads = o.model, o.cost, o.kernels, o.threads
	return w.open(c)
}

// A loadBench is a comparison under way.
type loadBench struct {
	worker      *simulate.Worker
	talk        io.Writer
	comparisons []simulate.Comparison
	throughputs []simulate.Throughput
}

func (b *loadBench) run(c *cobra.Command, loads []simulate.Load, rate string) (err error) {
	for _, l := range loads {
		l = scaled(l, rate, b.worker.Cost.Capacity())
		fmt.Fprintf(b.talk, "simulating %s\n", l.Name)
		comparison, err := b.worker.Compare(c.Context(), l)
		if err != nil {
			return err
		}
		b.comparisons = append(b.comparisons, comparison)
	}
	b.throughputs, err = b.worker.Throughputs(c.Context())
	return err
}

// A loadRow is one alternative under one load, as `sweet bench --load --json`
// prints it.
type loadRow struct {
	Load        string  `json:"load"`
	Alternative string  `json:"alternative"`
	OverTarget  float64 `json:"over_target_share"`
	AgeP50      float64 `json:"age_p50_s"`
	AgeP99      float64 `json:"age_p99_s"`
	LayersMean  float64 `json:"layers_mean"`
	Agreement   float64 `json:"agreement"` // expected, from the ladder
	Moves       int64   `json:"moves"`
}

func (b *loadBench) rows() []loadRow {
	var rows []loadRow
	for _, c := range b.comparisons {
		for _, e := range c.Entries {
			r := e.Result
			rows = append(rows, loadRow{
				Load: c.Load.Name, Alternative: e.Name, OverTarget: r.LateShare(),
				AgeP50: r.Ages.Quantile(0.5).Seconds(), AgeP99: r.Ages.Quantile(0.99).Seconds(),
				LayersMean: r.MeanLayers(), Agreement: e.Agreement, Moves: r.Moves,
			})
		}
	}
	return rows
}

// write writes the table, a picture of every load and the cost model into the
// directory of --out.
func (b *loadBench) write(c *cobra.Command, o benchOptions) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("making the directory of the results: %w", err)
	}
	if err := b.worker.Cost.Write(filepath.Join(o.out, "cost.json")); err != nil {
		return fmt.Errorf("writing the cost model: %w", err)
	}
	var text strings.Builder
	cost := &b.worker.Cost
	fmt.Fprintf(&text, "# Ways to serve a load\n\nIn virtual time, one replica, model %s with what it costs on %s (%s, %d threads), in `cost.json` beside this:\n\n```\n%s\n```\n\n",
		cost.Model, cost.Device, cost.Kernels, cost.Threads, o.command())
	text.WriteString(loadLegend)
	if err := simulate.Markdown(&text, b.worker, b.comparisons, b.throughputs); err != nil {
		return err
	}
	for _, comparison := range b.comparisons {
		base := strings.TrimSuffix(filepath.Base(comparison.Load.Name), ".csv")
		for _, ext := range []string{".svg", ".png"} {
			if err := comparison.Plot(filepath.Join(o.out, base+ext), b.worker); err != nil {
				return err
			}
		}
	}
	path := filepath.Join(o.out, "results.md")
	err := os.WriteFile(path, []byte(text.String()), 0o644)
	fmt.Fprintf(b.talk, "wrote %s, cost.json and %d plots\n", path, len(b.comparisons))
	if o.json {
		err = errors.Join(err, json.NewEncoder(c.OutOrStdout()).Encode(b.rows()))
	}
	return err
}

// loadLegend says how to read the tables.
const loadLegend = `Agreement is expected, from the share of messages under each rung and the disagreement that calibration measured there. The best fixed rung at our
agreement is a mixture of two rungs by chance, with as much agreement as ours has. AIMD goes a tenth of a rung deeper every control period and halves
its depth when the oldest message is older than half the target. Whole models are those that end at each exit; what they disagree on was measured with
the cost model, and no certificate covers them. Early exit one by one and without regrouping have our controller. The oracle knows how many messages the next
control period brings.
`

// command is what was called, but for where its cost model is.
func (o benchOptions) command() string {
	loads := make([]string, len(o.loads))
	for i, name := range o.loads {
		loads[i] = filepath.Base(name)
	}
	args := []string{"sweet bench --load", strings.Join(loads, ",")}
	if o.model != "bundled" {
		args = append(args, "--model MODEL")
	}
	if o.rate != "" {
		args = append(args, "--rate", o.rate)
	}
	return strings.Join(append(args, "--cost cost.json --out DIR"), " ")
}
