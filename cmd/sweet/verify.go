package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// verifyOptions are the flags of `sweet verify`.
type verifyOptions struct {
	model, golden string
	tolerance     float64
	kernels       string
	threads       int
	json          bool
}

const verifyHelp = `Run the rows of tokens of a golden file through a model, each alone and all of them
in one batch, and compare the hidden states of the last layer, the logits, or both
with those that another program computed. inference/testdata/dump.py writes such
files with transformers.

The difference of two vectors, the hidden state of one token or the logits of one
text, is max |ours - theirs| / max |theirs| over their values. The largest of each
kind is printed with its place, where texts and tokens count from 1. One above the
tolerance is a fault: the exit code is 1.

A golden file is a safetensors file of F32 tensors, for R texts of T tokens in all:
  ids (T)        token ids, text after text
  types (T)      0 for tokens of a first text, 1 for those of a second
  starts (R+1)   where each text begins, and T
  hidden (N, D)  last hidden states of N tokens
  at (N)         which tokens these are, from 0 to T-1, ascending; without it all
  logits (R, C)  of a classifier, those of the last exit, before any softmax
It has hidden, logits or both. Without logits the model needs no classifier.`

func newVerifyCommand() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify --model DIR --golden FILE",
		Short: "Compare a model with what another program computes",
		Long:  verifyHelp,
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return runVerify(c, o) },
	}
	f := c.Flags()
	f.StringVar(&o.model, "model", "", "model directory, or bundled")
	f.StringVar(&o.golden, "golden", "", "file to compare with")
	f.Float64Var(&o.tolerance, "tolerance", 1e-4, "largest difference that is no fault")
	f.StringVar(&o.kernels, "cpu", "auto", "kernel set: avx512, avx2, portable or auto")
	f.IntVar(&o.threads, "threads", 0, "compute threads; 0 is all cores")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

func runVerify(c *cobra.Command, o verifyOptions) error {
	switch {
	case o.model == "":
		return usagef("--model is missing: name a model directory, or bundled")
	case o.golden == "":
		return usagef("--golden is missing: name a file that inference/testdata/dump.py wrote")
	case !(o.tolerance >= 0):
		return usagef("--tolerance %v: want 0 or more", o.tolerance)
	}
	file, err := os.ReadFile(o.golden)
	if err != nil {
		return fmt.Errorf("reading the golden file: %w", err)
	}
	g, err := parseGolden(file)
	if err != nil {
		return fmt.Errorf("%s: %w", o.golden, err)
	}
	d, err := cpu.Open(cpu.Options{Kernels: o.kernels, Threads: o.threads})
	if err != nil {
		return usageError{err}
	}
	defer d.Close()
	v, err := newVerifier(o.model, g, d)
	if err != nil {
		return fmt.Errorf("%s: %w", o.model, err)
	}
	if err := v.run(c.Context()); err != nil {
		if c.Context().Err() != nil {
			return errUnfinished
		}
		return fmt.Errorf("running %s: %w", o.model, err)
	}
	r := v.result(o.tolerance)
	if err := r.write(c.OutOrStdout(), o.json); err != nil {
		return err
	}
	return r.fault()
}

// A verifier runs the rows of a golden and keeps the worst differences.
type verifier struct {
	golden  *golden
	model   *inference.Model
	batches []*inference.Batch // by stage

	hidden, logits difference
}

// A difference is the largest one found of its kind.
type difference struct {
	Worst    float64 `json:"worst"`           // max |ours - theirs| / max |theirs|
	Text     int     `json:"text"`            // from 1
	Token    int     `json:"token,omitempty"` // of the text, from 1; 0 for logits
	Batch    string  `json:"batch"`           // alone, or together with all others
	Compared int     `json:"compared"`        // vectors, each counted once for every batch it ran in
}

// How a row runs.
const (
	runAlone = "alone"
	together = "together"
)

// newVerifier places what the golden has to be compared with: a classifier only
// where there are logits.
func newVerifier(path string, g *golden, d inference.Device) (*verifier, error) {
	fsys, err := openModel(path)
	if err != nil {
		return nil, err
	}
	open, place := inference.OpenEncoder, inference.NewEncoder
	if g.logits != nil {
		open, place = inference.Open, inference.New
	}
	dir, err := open(fsys)
	if err != nil {
		return nil, err
	}
	m, err := place(dir, d, inference.Options{})
	if err != nil {
		return nil, err
	}
	if width := m.Config().Width; g.hidden != nil && g.width != width {
		return nil, fmt.Errorf("it has hidden states of %d values, the golden file of %d", width, g.width)
	}
	if classes := len(m.Labels); g.logits != nil && g.classes != classes {
		return nil, fmt.Errorf("it has %d labels, the golden file %d logits a text", classes, g.classes)
	}
	v := &verifier{golden: g, model: m}
	for stage := range m.Stages() {
		b, err := m.NewBatch(stage, max(m.MaxTokens(), g.starts[len(g.rows)]))
		if err != nil {
			return nil, err
		}
		v.batches = append(v.batches, b)
	}
	last := v.batches[m.Stages()-1]
	if g.hidden != nil {
		last.KeepHidden()
	}
	if g.logits != nil {
		last.KeepLogits()
	}
	return v, nil
}

// run runs every row alone, and then all together.
func (v *verifier) run(ctx context.Context) error {
	for row := range v.golden.rows {
		if err := v.runRows(ctx, row, row+1, runAlone); err != nil {
			return err
		}
	}
	return v.runRows(ctx, 0, len(v.golden.rows), together)
}

// runRows runs rows from lo up to hi in one batch, through all stages.
func (v *verifier) runRows(ctx context.Context, lo, hi int, how string) error {
	all := make([]int, hi-lo)
	for i := range all {
		all[i] = i
	}
	for stage, b := range v.batches {
		b.Reset()
		if stage > 0 {
			if err := b.Take(v.batches[stage-1], all); err != nil {
				return err
			}
		}
		for row := lo; stage == 0 && row < hi; row++ {
			if _, err := b.Add(v.golden.rows[row]); err != nil { // there is room for all
				return fmt.Errorf("text %d: %w", row+1, err)
			}
		}
		if err := v.model.Forward(ctx, b); err != nil {
			return err
		}
		if err := b.Wait(ctx); err != nil {
			return err
		}
	}
	v.compare(v.batches[len(v.batches)-1], lo, hi, how)
	return nil
}

// compare holds the results of rows from lo up to hi against the golden.
func (v *verifier) compare(b *inference.Batch, lo, hi int, how string) {
	g := v.golden
	for row := lo; g.logits != nil && row < hi; row++ {
		ours, theirs := vector(b.Logits, row-lo, g.classes), vector(g.logits, row, g.classes)
		v.logits.add(relative(ours, theirs), row+1, 0, how)
	}
	row := lo
	for n, token := range g.at {
		if token < g.starts[lo] || token >= g.starts[hi] {
			continue
		}
		for token >= g.starts[row+1] {
			row++
		}
		ours, theirs := vector(b.Hidden, token-g.starts[lo], g.width), vector(g.hidden, n, g.width)
		v.hidden.add(relative(ours, theirs), row+1, token-g.starts[row]+1, how)
	}
}

// vector is row i of values (N, width).
func vector(values []float32, i, width int) []float32 { return values[i*width : (i+1)*width] }

func (d *difference) add(difference float64, text, token int, how string) {
	if d.Compared == 0 || difference > d.Worst {
		d.Worst, d.Text, d.Token, d.Batch = difference, text, token, how
	}
	d.Compared++
}

// relative is max |ours - theirs| / max |theirs|, or max |ours| where theirs are
// all 0. Of what is not a number it is the largest number there is: JSON has no
// other.
func relative(ours, theirs []float32) float64 {
	var largest, scale float64
	for i, want := range theirs {
		apart := math.Abs(float64(ours[i]) - float64(want))
		if !(apart <= math.MaxFloat32) {
			return math.MaxFloat64
		}
		largest, scale = max(largest, apart), max(scale, math.Abs(float64(want)))
	}
	return largest / cmp.Or(scale, 1)
}

// verification is what `sweet verify --json` prints.
type verification struct {
	Model     string      `json:"model"` // digest
	Device    string      `json:"device"`
	Texts     int         `json:"texts"`
	Tokens    int         `json:"tokens"`
	Tolerance float64     `json:"tolerance"`
	Hidden    *difference `json:"hidden,omitempty"`
	Logits    *difference `json:"logits,omitempty"`
	OK        bool        `json:"ok"`
}

func (v *verifier) result(tolerance float64) *verification {
	info := v.model.Device()
	r := &verification{
		Model: v.model.Digest(), Device: info.Name + " " + info.Kernels,
		Texts: len(v.golden.rows), Tokens: v.golden.starts[len(v.golden.rows)], Tolerance: tolerance,
	}
	if v.golden.hidden != nil {
		r.Hidden = &v.hidden
	}
	if v.golden.logits != nil {
		r.Logits = &v.logits
	}
	r.OK = r.fault() == nil
	return r
}

// fault reports differences above the tolerance.
func (r *verification) fault() error {
	var faults []error
	for _, f := range []struct {
		what string
		*difference
	}{{"hidden states", r.Hidden}, {"logits", r.Logits}} {
		if f.difference != nil && f.Worst > r.Tolerance {
			faults = append(faults, fmt.Errorf("%s differ by %.3g at %s, the tolerance is %.3g", f.what, f.Worst, f.place(), r.Tolerance))
		}
	}
	return errors.Join(faults...)
}

// place says where the difference is, for people.
func (d *difference) place() string {
	if d.Token == 0 {
		return fmt.Sprintf("text %d, run %s", d.Text, d.Batch)
	}
	return fmt.Sprintf("token %d of text %d, run %s", d.Token, d.Text, d.Batch)
}

// write prints the result as a table, or as JSON.
//
//nolint:revive // the format is the user's choice
func (r *verification) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	fmt.Fprintf(w, "%d texts of %d tokens, each alone and all together, on %s\n\n", r.Texts, r.Tokens, r.Device)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\tcompared\tworst difference\twhere")
	if r.Hidden != nil {
		fmt.Fprintf(t, "hidden states\t%d\t%.2g\t%s\n", r.Hidden.Compared, r.Hidden.Worst, r.Hidden.place())
	}
	if r.Logits != nil {
		fmt.Fprintf(t, "logits\t%d\t%.2g\t%s\n", r.Logits.Compared, r.Logits.Worst, r.Logits.place())
	}
	return t.Flush()
}
