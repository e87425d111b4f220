package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
	"sweetspot/inference/token"
)

// classifyOptions say what `sweet classify` reads, how it answers and what it
// writes.
type classifyOptions struct {
	model       string
	rung        string
	jsonl, tsv  bool
	scores      bool
	maxTokens   int
	truncate    string
	batchTokens int
	kernels     string
	threads     int
}

func newClassifyCommand() *cobra.Command {
	var o classifyOptions
	c := &cobra.Command{
		Use:   "classify [--model DIR] [FILE...]",
		Short: "Classify lines of text without Kafka and NATS",
		Long: `Read the files, or standard input, and write one JSON result for every line, in
the order of the lines, with the labels that the worker gives at the same rung
and token limits.

With --jsonl every line is an object with "text" and perhaps "pair", the second
text of a pair. With --tsv the first line names the columns, and the column text
is read, or text_a and text_b.

A line that the worker would set aside as a dead letter gets an object with
"reason" and "error" instead of a result.`,
		RunE: func(c *cobra.Command, files []string) error { return runClassify(c, o, files) },
	}
	f := c.Flags()
	f.StringVar(&o.model, "model", "bundled", "model directory, or bundled")
	f.StringVar(&o.rung, "rung", "0", "rung of the ladder: 0 is full depth, last is the cheapest that is certified")
	f.BoolVar(&o.jsonl, "jsonl", false, `lines are JSON objects with "text" and perhaps "pair"`)
	f.BoolVar(&o.tsv, "tsv", false, "the first line names columns: text, or text_a and text_b")
	f.BoolVar(&o.scores, "scores", false, "write the probability of every label, best first")
	f.IntVar(&o.maxTokens, "max-tokens", 0, "tokens kept per text, as the worker's SWEET_MAX_TOKENS; 0 is the model's")
	f.StringVar(&o.truncate, "truncate", token.Right.String(), "as the worker's SWEET_TRUNCATE: right, left, head_tail or reject")
	f.IntVar(&o.batchTokens, "batch-tokens", 0, "token budget of one stage run; 0 is what suits the device")
	f.StringVar(&o.kernels, "cpu", "auto", "kernel set: avx512, avx2, portable or auto")
	f.IntVar(&o.threads, "threads", 0, "compute threads; 0 is all cores")
	return c
}

func runClassify(c *cobra.Command, o classifyOptions, files []string) error {
	switch {
	case o.jsonl && o.tsv:
		return usagef("--jsonl and --tsv: want one of them")
	case o.maxTokens < 0:
		return usagef("--max-tokens %d: want 0 or more", o.maxTokens)
	case o.batchTokens < 0:
		return usagef("--batch-tokens %d: want 0 or more", o.batchTokens)
	}
	d, err := cpu.Open(cpu.Options{Kernels: o.kernels, Threads: o.threads})
	if err != nil {
		return usageError{err}
	}
	defer d.Close()
	l, err := openClassifier(d, o, c.ErrOrStderr())
	if err != nil {
		return err
	}
	l.out = bufio.NewWriterSize(c.OutOrStdout(), 1<<16)
	err = eachInput(stoppable(c.Context(), c.InOrStdin()), files, func(name string, r io.Reader) error {
		return l.readAll(c.Context(), name, r)
	})
	if flushed := l.out.Flush(); err == nil && flushed != nil {
		err = fmt.Errorf("writing results: %w", flushed)
	}
	if l.refused > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "%d of %d lines were not classified: their results hold the reason\n", l.refused, l.lines)
	}
	if c.Context().Err() != nil {
		return errStopped
	}
	return err
}

// openClassifier loads the model and its tokenizer, and chooses the rung.
func openClassifier(d inference.Device, o classifyOptions, talk io.Writer) (*lineClassifier, error) {
	rule, err := token.ParseTruncation(o.truncate)
	if err != nil {
		return nil, usagef("--truncate: %w", err)
	}
	fsys, err := openModel(o.model)
	if err != nil {
		return nil, err
	}
	m, err := inference.Load(fsys, d, inference.Options{MaxTokens: o.maxTokens, Truncate: rule.String()})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.model, err)
	}
	tokens, err := token.Load(fsys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.model, err)
	}
	if size := m.Config().Vocab; tokens.Size() > size {
		return nil, fmt.Errorf("%s: the tokenizer has %d pieces, the model's vocabulary only %d", o.model, tokens.Size(), size)
	}
	rung, err := chooseRung(m, o.rung, talk)
	if err != nil {
		return nil, err
	}
	runner, err := inference.NewRunner(m, o.batchTokens)
	if err != nil {
		return nil, usagef("--batch-tokens: %w", err)
	}
	return &lineClassifier{model: m, runner: runner, tokens: tokens, rule: rule, rung: rung, options: o}, nil
}

// chooseRung reads --rung. Without a ladder the last rung is rung 0, which is
// said, as the worker does.
func chooseRung(m *inference.Model, name string, talk io.Writer) (int, error) {
	rungs := len(m.Ladder.Rungs)
	if name == "last" {
		if m.LadderProblem != nil {
			fmt.Fprintf(talk, "every text runs at full depth: %v\n", m.LadderProblem)
		}
		return rungs - 1, nil
	}
	rung, err := strconv.Atoi(name)
	switch {
	case err != nil || rung < 0:
		return 0, usagef("--rung %s: want 0 or more, or last", name)
	case rung < rungs:
		return rung, nil
	case m.LadderProblem != nil:
		return 0, usagef("--rung %d: only rung 0, full depth, can be used: %w", rung, m.LadderProblem)
	default:
		return 0, usagef("--rung %d: the ladder has rungs 0 to %d", rung, rungs-1)
	}
}
