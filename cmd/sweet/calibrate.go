package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"sweetspot/inference"
	"sweetspot/inference/calibrate"
	"sweetspot/inference/cpu"
	"sweetspot/inference/token"
	"sweetspot/inference/train"
)

// calibrateOptions are the flags of `sweet calibrate`.
type calibrateOptions struct {
	model, data                string
	kernels                    string
	threads                    int
	maxTokens                  int
	truncate                   string
	json, labels               bool
	report                     string
	floor, maxLoss, confidence float64
	rungs                      int
	seed                       uint64
}

func newCalibrateCommand() *cobra.Command {
	var o calibrateOptions
	c := &cobra.Command{
		Use:   "calibrate --model DIR --data FILE",
		Short: "Certify a ladder of thresholds for a model on held-out texts",
		Long: `Measure a model on held-out texts, choose ever cheaper thresholds on one half of
them, and certify on the other half how far they may be used. The ladder is
written to ladder.json in the model directory.

What is certified is one of two, each with the given confidence:

  --floor 0.98     every rung agrees with full depth on at least this share of
                   texts like these; labels are not needed
  --max-loss 0.01  every rung is wrong where full depth is right on at most this
                   share; needs labels, and usually saves more

One temperature per exit makes its probabilities honest. The earlier exits fit
what full depth answers; with --labels, and always with --max-loss, every exit
fits the labels. The expected calibration error (ECE) is printed before and
after: over 15 bins of equal width, the mean gap between the probability given
to an answer and the share of right ones. --report writes it all on one page,
with diagrams.

The texts must be held out: none that the model was trained on, and drawn like
those that it will see. They should be thousands; how many are needed at least
is said where they are too few.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("max-loss") {
				if c.Flags().Changed("floor") {
					return usagef("--floor and --max-loss: a ladder is certified for one of them")
				}
				if o.maxLoss == 0 {
					return usagef("--max-loss 0: want a share above 0 and below 1, such as 0.01")
				}
				o.floor, o.labels = 0, true
			}
			return runCalibrate(c, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.model, "model", "", "model directory; ladder.json is written there")
	f.StringVar(&o.data, "data", "", "TSV file, perhaps gzipped, with a column text (or text_a and text_b), and perhaps label")
	f.Float64Var(&o.floor, "floor", 0.98, "share of texts that must agree with full depth")
	f.Float64Var(&o.maxLoss, "max-loss", 0, "instead of --floor: share of texts that may be wrong where full depth is right")
	f.BoolVar(&o.labels, "labels", false, "fit temperatures to the column label, and measure against it")
	f.Float64Var(&o.confidence, "confidence", 0.95, "probability that every rung keeps the floor")
	f.IntVar(&o.rungs, "rungs", 12, "most rungs of the ladder, full depth included")
	f.IntVar(&o.maxTokens, "max-tokens", 0, "tokens kept per text, as the worker's SWEET_MAX_TOKENS; 0 is the model's")
	f.StringVar(&o.truncate, "truncate", token.Right.String(), "as the worker's SWEET_TRUNCATE: right, left, head_tail or reject")
	f.Uint64Var(&o.seed, "seed", 1, "of the split of the texts in two halves")
	f.StringVar(&o.kernels, "cpu", "auto", "kernel set: avx512, avx2, portable or auto")
	f.IntVar(&o.threads, "threads", 0, "compute threads; 0 is all cores")
	f.StringVar(&o.report, "report", "", "HTML file to write: the ladder, what it rests on, and diagrams")
	f.BoolVar(&o.json, "json", false, "print the ladder, calibration errors and risks as JSON")
	return c
}

// A calibration is what `sweet calibrate --json` prints.
type calibration struct {
	Digest    string              `json:"digest"` // of the ladder
	Precision inference.Precision `json:"precision"`
	Seed      uint64              `json:"seed"`
	calibrate.Result
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
	settings := calibrate.Options{Floor: o.floor, MaxLoss: o.maxLoss, Confidence: o.confidence, Rungs: o.rungs, Seed: o.seed}
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
	if dir.Config.MultiLabel {
		return fmt.Errorf("%s: %w", o.model, errMultiLabel)
	}
	if err := inference.CheckLadderFile(o.model); err != nil {
		return fmt.Errorf("%s: %w", o.model, err)
	}
	if err := checkReport(o.report); err != nil {
		return err
	}
	settings.Limits = inference.Options{MaxTokens: cmp.Or(o.maxTokens, dir.Config.Positions), Truncate: o.truncate}
	records, err := o.records(c.ErrOrStderr(), fsys, dir.Config.Labels, settings.Limits.MaxTokens)
	if err != nil {
		return err
	}
	d, err := cpu.Open(cpu.Options{Kernels: o.kernels, Threads: o.threads})
	if err != nil {
		return usageError{err}
	}
	defer d.Close()
	settings.Progress = percent(c.ErrOrStderr(), "measuring")
	x := calibration{Precision: d.Describe().Precision, Seed: o.seed}
	if x.Result, err = calibrate.Run(c.Context(), dir, d, records, settings); err != nil {
		if c.Context().Err() != nil {
			return errUnfinished
		}
		return fmt.Errorf("calibrating %s: %w", o.model, err)
	}
	if x.Digest, err = inference.SaveLadder(o.model, x.Precision, x.Ladder); err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), "wrote %s\n", filepath.Join(o.model, "ladder.json"))
	return o.tell(c, x)
}

// tell prints a calibration and writes the report, where one is asked for.
func (o calibrateOptions) tell(c *cobra.Command, x calibration) error {
	if o.report != "" {
		if err := writeReport(o.report, filepath.Base(filepath.Clean(o.model)), x); err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "wrote %s\n", o.report)
	}
	if o.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(x)
	}
	return x.print(c.OutOrStdout())
}

// checkReport looks for what would keep a report from being written: measuring
// takes long.
func checkReport(path string) error {
	if path == "" {
		return nil
	}
	if i, err := os.Stat(path); err == nil && i.IsDir() {
		return usagef("--report %s: is a folder; name a file", path)
	}
	i, err := os.Stat(filepath.Dir(path))
	switch {
	case err != nil:
		return usagef("--report %s: %w", path, err)
	case !i.IsDir():
		return usagef("--report %s: %s is no folder", path, filepath.Dir(path))
	}
	return nil
}

// records reads the held-out texts as the worker would: with the model's
// tokenizer and the same limits. What the worker would refuse as too long is
// left out.
func (o calibrateOptions) records(talk io.Writer, fsys fs.FS, labels []string, maxTokens int) (calibrate.Records, error) {
	rule, err := token.ParseTruncation(o.truncate)
	if err != nil {
		return calibrate.Records{}, usagef("--truncate: %w", err)
	}
	examples, err := train.ReadExamples(o.data)
	if err != nil {
		return calibrate.Records{}, err
	}
	tokens, err := token.Load(fsys)
	if err != nil {
		return calibrate.Records{}, fmt.Errorf("%s: %w", o.model, err)
	}
	var r calibrate.Records
	for _, e := range examples {
		row, err := tokens.Row(nil, e.Text, e.Pair, maxTokens, rule)
		if errors.Is(err, token.ErrTooLong) {
			continue
		}
		if err != nil {
			return calibrate.Records{}, err
		}
		r.Rows = append(r.Rows, inference.Row{Tokens: row.IDs, Second: row.Second})
		if !o.labels {
			continue
		}
		label, err := labelOf(e, labels)
		if err != nil {
			return calibrate.Records{}, fmt.Errorf("%s: %w", e.Where(), err)
		}
		r.Labels = append(r.Labels, label)
	}
	if left := len(examples) - len(r.Rows); left > 0 {
		fmt.Fprintf(talk, "left out %d texts of more than %d tokens, which the worker would set aside\n", left, maxTokens)
	}
	return r, nil
}

// labelOf returns the index of an example's label among the model's.
func labelOf(e train.Example, labels []string) (int, error) {
	if e.Label == "" {
		return 0, errors.New("there is no column label, which --labels and --max-loss need")
	}
	label := slices.Index(labels, e.Label)
	if label < 0 {
		return 0, fmt.Errorf("the model has no label %q", e.Label)
	}
	return label, nil
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
