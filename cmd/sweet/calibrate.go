package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sweetspot/inference"
	"sweetspot/inference/calibrate"
	"sweetspot/inference/cpu"
	"sweetspot/inference/token"
	"sweetspot/inference/train"
)

// calibrateOptions are the flags of `sweet calibrate`.
type calibrateOptions struct {
	model, data       string
	kernels           string
	threads           int
	maxTokens         int
	truncate          string
	json              bool
	floor, confidence float64
	rungs             int
	seed              uint64
}

func newCalibrateCommand() *cobra.Command {
	var o calibrateOptions
	c := &cobra.Command{
		Use:   "calibrate --model DIR --data FILE",
		Short: "Certify a ladder of thresholds for a model on held-out texts",
		Long: `Measure a model on held-out texts, choose ever cheaper thresholds on one half of
them, and certify on the other half how far they may be used: with the given
confidence, every rung of the ladder agrees with full depth on at least the
floor's share of texts like these. Labels are not needed. The ladder is written
to ladder.json in the model directory.

The texts must be held out: none that the model was trained on, and drawn like
those that it will see.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runCalibrate(c, o) },
	}
	f := c.Flags()
	f.StringVar(&o.model, "model", "", "model directory; ladder.json is written there")
	f.StringVar(&o.data, "data", "", "TSV file, perhaps gzipped, with a column text (or text_a and text_b)")
	f.Float64Var(&o.floor, "floor", 0.98, "share of texts that must agree with full depth")
	f.Float64Var(&o.confidence, "confidence", 0.95, "probability that every rung keeps the floor")
	f.IntVar(&o.rungs, "rungs", 12, "most rungs of the ladder, full depth included")
	f.IntVar(&o.maxTokens, "max-tokens", 0, "tokens kept per text, as the worker's SWEET_MAX_TOKENS; 0 is the model's")
	f.StringVar(&o.truncate, "truncate", token.Right.String(), "as the worker's SWEET_TRUNCATE: right, left, head_tail or reject")
	f.Uint64Var(&o.seed, "seed", 1, "of the split of the texts in two halves")
	f.StringVar(&o.kernels, "cpu", "auto", "kernel set: avx512, avx2, portable or auto")
	f.IntVar(&o.threads, "threads", 0, "compute threads; 0 is all cores")
	f.BoolVar(&o.json, "json", false, "print the ladder as JSON")
	return c
}

func runCalibrate(c *cobra.Command, o calibrateOptions) error {
	switch {
	case o.model == "":
		return usagef("--model is missing: name a model directory")
	case o.model == "bundled":
		return usagef("--model bundled: the model that comes with the program has its ladder; name a directory")
	case o.data == "":
		return usagef("--data is missing: name a TSV file of held-out texts")
	}
	settings := calibrate.Options{Floor: o.floor, Confidence: o.confidence, Rungs: o.rungs, Seed: o.seed}
	if err := settings.Validate(); err != nil {
		return usageError{err}
	}
	fsys, err := openModel(o.model)
	if err != nil {
		return err
	}
	dir, err := inference.Open(fsys)
	if err != nil {
		return fmt.Errorf("%s: %w", o.model, err)
	}
	if err := inference.CheckLadderFile(o.model); err != nil {
		return fmt.Errorf("%s: %w", o.model, err)
	}
	settings.Limits = inference.Options{MaxTokens: cmp.Or(o.maxTokens, dir.Config.Positions), Truncate: o.truncate}
	rows, err := o.rows(c.ErrOrStderr(), fsys, settings.Limits.MaxTokens)
	if err != nil {
		return err
	}
	d, err := cpu.Open(cpu.Options{Kernels: o.kernels, Threads: o.threads})
	if err != nil {
		return usageError{err}
	}
	defer d.Close()
	settings.Progress = percent(c.ErrOrStderr(), "measuring")
	result, err := calibrate.Run(c.Context(), dir, d, rows, settings)
	if err != nil {
		if c.Context().Err() != nil {
			return errStopped
		}
		return fmt.Errorf("calibrating %s: %w", o.model, err)
	}
	digest, err := inference.SaveLadder(o.model, d.Describe().Precision, result.Ladder)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), "wrote %s\n", filepath.Join(o.model, "ladder.json"))
	if o.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(result.Ladder)
	}
	return printLadder(c.OutOrStdout(), result, dir.Config.FullLayers(), digest)
}

// rows reads the held-out texts as the worker would: with the model's tokenizer
// and the same limits. What the worker would refuse as too long is left out.
func (o calibrateOptions) rows(talk io.Writer, fsys fs.FS, maxTokens int) ([]inference.Row, error) {
	rule, err := token.ParseTruncation(o.truncate)
	if err != nil {
		return nil, usagef("--truncate: %w", err)
	}
	examples, err := train.ReadExamples(o.data)
	if err != nil {
		return nil, err
	}
	tokens, err := token.Load(fsys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.model, err)
	}
	rows := make([]inference.Row, 0, len(examples))
	for _, e := range examples {
		r, err := tokens.Row(nil, e.Text, e.Pair, maxTokens, rule)
		if errors.Is(err, token.ErrTooLong) {
			continue
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, inference.Row{Tokens: r.IDs, Second: r.Second})
	}
	if left := len(examples) - len(rows); left > 0 {
		fmt.Fprintf(talk, "left out %d texts of more than %d tokens, which the worker would set aside\n", left, maxTokens)
	}
	return rows, nil
}

// percent returns a progress report that writes a line at every tenth part.
func percent(w io.Writer, what string) func(done, all int) {
	last := 0
	return func(done, all int) {
		if tenth := 10 * done / all; tenth > last {
			last = tenth
			fmt.Fprintf(w, "%s: %d %%\n", what, 10*tenth)
		}
	}
}

func printLadder(w io.Writer, r calibrate.Result, layers int, digest string) error {
	l := r.Ladder
	if len(l.Rungs) == 1 {
		_, err := fmt.Fprintf(w, "no rung below full depth could be certified on %d texts, %d of which tuned it; a worker with this ladder runs every text at full depth\n"+
			"at this floor and confidence even a rung that never disagrees needs %d texts; more texts, or a lower floor, may certify some\n",
			l.Records+r.Tuning, r.Tuning, calibrate.Fewest(l.Epsilon, l.Delta))
		return err
	}
	fmt.Fprintf(w, "%d of %d rungs certified: at least %.4g %% agree with full depth, at a confidence of %.4g %%\n",
		len(l.Rungs), r.Tried, 100*(1-l.Epsilon), 100*(1-l.Delta))
	fmt.Fprintf(w, "measured on %d texts, tuned on %d others; ladder %s\n\n", l.Records, r.Tuning, digest)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "rung\tlayers\tsaved\tdisagree\tat most\tthresholds\t")
	for k, rung := range l.Rungs {
		fmt.Fprintf(t, "%d\t%.2f\t%.1f %%\t%.2f %%\t%.2f %%\t%s\t\n", k, rung.Cost*float64(layers),
			100*(1-rung.Cost), 100*rung.Disagreement, 100*rung.Bound, thresholds(rung.Thresholds))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	last := l.Rungs[len(l.Rungs)-1]
	fmt.Fprintf(w, "\nexit by exit at the last rung, the share of those leaving there that disagree:")
	for _, risk := range last.Risk {
		fmt.Fprintf(w, " %.2f %%", 100*risk)
	}
	_, err := fmt.Fprintln(w)
	return err
}

// thresholds writes th for people; a threshold above 1 is never reached.
func thresholds(th inference.Thresholds) string {
	var parts []string
	for _, v := range th {
		if v > 1 {
			parts = append(parts, "never")
			continue
		}
		parts = append(parts, fmt.Sprintf("%.4f", v))
	}
	return strings.Join(parts, " ")
}
