package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
	"sweetspot/inference/token"
	"sweetspot/inference/train"
)

// evaluateOptions are the flags of `sweet evaluate`.
type evaluateOptions struct {
	model, data, levels string
	kernels             string
	threads             int
	maxTokens           int
	metric, positive    string
	json                bool
}

func newEvaluateCommand() *cobra.Command {
	var o evaluateOptions
	c := &cobra.Command{
		Use:   "evaluate --model DIR|bundled --data FILE",
		Short: "Measure the exits of a model on labeled texts",
		Long: `Run labeled texts through all exits of a model, as the worker would, and print the
accuracy of every exit (or --metric), its agreement with the last one, and what becomes of both
and of the layers run where texts leave as soon as they are as sure as a
threshold, the same for all exits.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runEvaluate(c, o) },
	}
	f := c.Flags()
	f.StringVar(&o.model, "model", "", "model directory, or bundled")
	f.StringVar(&o.data, "data", "", "TSV file, perhaps gzipped, of text<TAB>label, or text_a<TAB>text_b<TAB>label")
	f.StringVar(&o.levels, "levels", "", "file with a level of difficulty for each text, one a line: accuracy is printed by level as well")
	f.IntVar(&o.maxTokens, "max-tokens", 0, "tokens kept per text; 0 is the model's")
	f.StringVar(&o.kernels, "cpu", "auto", "kernel set: avx512, avx2, portable or auto")
	f.IntVar(&o.threads, "threads", 0, "compute threads; 0 is all cores")
	metricFlags(f.StringVar, &o.metric, &o.positive)
	f.BoolVar(&o.json, "json", false, "print JSON, with all metrics")
	return c
}

// thresholds of the sweep: above the last every text runs all layers.
var sweepThresholds = []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999, 0.9999, 1.01}

// evaluation is what `sweet evaluate --json` prints.
type evaluation struct {
	Texts  int               `json:"texts"`
	Exits  []train.ExitScore `json:"exits"`
	Sweep  []train.Point     `json:"sweep"`
	Levels []levelScore      `json:"levels,omitempty"`
}

// A levelScore is the accuracy of every exit on the texts of one level.
type levelScore struct {
	Level    string    `json:"level"`
	Texts    int       `json:"texts"`
	Accuracy []float64 `json:"accuracy"`
}

func runEvaluate(c *cobra.Command, o evaluateOptions) error {
	switch {
	case o.model == "":
		return usagef("--model is missing: name a model directory, or bundled")
	case o.data == "":
		return usagef("--data is missing: name a TSV file of labeled texts")
	}
	metric, err := train.ParseMetric(o.metric)
	if err != nil {
		return usagef("--metric: %w", err)
	}
	examples, err := train.ReadExamples(o.data)
	if err != nil {
		return err
	}
	levels, err := o.readLevels(len(examples))
	if err != nil {
		return err
	}
	d, err := cpu.Open(cpu.Options{Kernels: o.kernels, Threads: o.threads})
	if err != nil {
		return usageError{err}
	}
	defer d.Close()
	m, rows, err := o.open(d, examples)
	if err != nil {
		return fmt.Errorf("%s: %w", o.model, err)
	}
	positive, err := train.PositiveLabel(m.Config(), o.positive)
	if err != nil {
		return usagef("--positive: %w", err)
	}
	x, err := train.Measure(c.Context(), m, rows)
	if c.Context().Err() != nil {
		return errUnfinished
	}
	if err != nil {
		return fmt.Errorf("measuring %s on %s: %w", o.model, o.data, err)
	}
	e := evaluation{Texts: len(rows), Exits: x.Exits(positive), Sweep: x.Sweep(positive, sweepThresholds), Levels: byLevel(x, levels)}
	if o.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(e)
	}
	return e.print(c.OutOrStdout(), m.Config().FullLayers(), metric)
}

// open loads the model and makes rows of the examples.
func (o *evaluateOptions) open(d inference.Device, examples []train.Example) (*inference.Model, []train.Row, error) {
	fsys, err := openModel(o.model)
	if err != nil {
		return nil, nil, err
	}
	m, err := inference.Load(fsys, d, inference.Options{MaxTokens: o.maxTokens})
	if err != nil {
		return nil, nil, err
	}
	if m.Config().MultiLabel {
		return nil, nil, errMultiLabel
	}
	tokens, err := token.Load(fsys)
	if err != nil {
		return nil, nil, err
	}
	rows, err := train.Rows(examples, m.Labels, tokens, m.MaxTokens())
	if err != nil {
		return nil, nil, err
	}
	if slices.ContainsFunc(rows, func(r train.Row) bool { return r.Label < 0 }) {
		return nil, nil, fmt.Errorf("%s has no column label", o.data)
	}
	return m, rows, nil
}

// readLevels reads one level for each of n texts.
func (o *evaluateOptions) readLevels(n int) ([]string, error) {
	if o.levels == "" {
		return nil, nil
	}
	f, err := os.Open(o.levels)
	if err != nil {
		return nil, fmt.Errorf("reading levels: %w", err)
	}
	defer f.Close()
	var levels []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		levels = append(levels, strings.TrimSpace(lines.Text()))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading levels: %w", err)
	}
	if len(levels) != n {
		return nil, fmt.Errorf("%s has %d levels for %d texts", o.levels, len(levels), n)
	}
	return levels, nil
}

// byLevel scores the exits on the texts of every level.
func byLevel(x *train.Measurement, levels []string) []levelScore {
	count := map[string]int{}
	for _, l := range levels {
		count[l]++
	}
	scores := make([]levelScore, 0, len(count))
	for level, texts := range count {
		scores = append(scores, levelScore{
			Level: level, Texts: texts,
			Accuracy: x.AccuracyOf(func(row int) bool { return levels[row] == level }),
		})
	}
	slices.SortFunc(scores, func(a, b levelScore) int { return strings.Compare(a.Level, b.Level) })
	return scores
}

// print writes the evaluation as tables.
func (e *evaluation) print(w io.Writer, layers int, metric train.Metric) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%d texts\n\n", e.Texts)
	fmt.Fprintf(t, "exit\tlayers\t%s\tagreement\t\n", metric)
	for i, x := range e.Exits {
		fmt.Fprintf(t, "%d\t%d\t%s\t%.2f %%\t\n", i+1, x.Layer, score(x.Scores, metric), 100*x.Agreement)
	}
	fmt.Fprintln(t)
	if len(e.Levels) > 0 {
		fmt.Fprint(t, "level, accuracy\ttexts\t")
		for i := range e.Exits {
			fmt.Fprintf(t, "exit %d\t", i+1)
		}
		fmt.Fprintln(t)
		for _, l := range e.Levels {
			fmt.Fprintf(t, "%s\t%d\t", l.Level, l.Texts)
			for _, a := range l.Accuracy {
				fmt.Fprintf(t, "%.2f %%\t", 100*a)
			}
			fmt.Fprintln(t)
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintf(t, "threshold\tmean layers\tsaved\t%s\tagreement\t\n", metric)
	for _, p := range e.Sweep {
		fmt.Fprintf(t, "%.4g\t%.2f\t%.1f %%\t%s\t%.2f %%\t\n",
			p.Threshold, p.MeanLayers, 100*(1-p.MeanLayers/float64(layers)), score(p.Scores, metric), 100*p.Agreement)
	}
	return errors.Join(t.Flush())
}
