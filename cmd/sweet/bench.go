package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/cmd/sweet/desk"
	"sweetspot/cmd/sweet/simulate"
	"sweetspot/inference"
	"sweetspot/inference/token"
	"sweetspot/inference/train"
)

// benchOptions are the flags of `sweet bench`.
type benchOptions struct {
	model, data, kernels string
	threads, texts       int
	duration             time.Duration
	cost                 string
	loads                []string
	rate, out            string
	plumbing             bool
	pipes                plumbingOptions
	json                 bool
}

// benchTexts is how many support-desk messages are measured on.
const benchTexts = 2000

func newBenchCommand() *cobra.Command {
	var o benchOptions
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure a model's speed at full depth and at its cheapest certified rung",
		Long: `Measure how many texts a second a model answers, without Kafka and NATS: at full
depth and at the cheapest certified rung, in turn within one run, so that their
ratio holds on a machine whose speed drifts. The figures are medians of many
short slices.

With --cost, measure instead what a run of each stage takes by its tokens, and
write that with the lengths of the texts, for sweet simulate.

With --load, compare in virtual time what the worker makes of loads, see sweet
simulate, with other ways to serve them: full depth, fixed rungs, AIMD, early exit
without batches or without regrouping, whole models, and an oracle. --cost then is
the cost model to read; without it this machine is measured first.

With --plumbing, measure the worker without its model: an encoder that answers at
once, between a Kafka and a NATS beside this process, in turn with a bare loop of
the same client libraries that reads, publishes and looks at nothing.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runBench(c, o) },
	}
	f := c.Flags()
	f.StringVar(&o.model, "model", "bundled", "model directory, or bundled")
	f.StringVar(&o.data, "data", "", "TSV file with a column text; without it messages to a support desk")
	f.IntVar(&o.texts, "texts", benchTexts, "support-desk messages to measure on")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "how long to measure")
	f.StringVar(&o.kernels, "cpu", "auto", "kernel set: avx512, avx2, portable or auto")
	f.IntVar(&o.threads, "threads", 0, "compute threads; 0 is all cores")
	f.StringVar(&o.cost, "cost", "", "measure what the stages cost, and write that to this file; with --load, read it")
	f.StringSliceVar(&o.loads, "load", nil, "compare ways to serve these loads: "+strings.Join(simulate.Shapes(), ", ")+", or CSV files")
	f.StringVar(&o.rate, "rate", "", "with --load: messages a second at the peak, or file (default 2.5 times full depth)")
	f.StringVar(&o.out, "out", "", "with --load: directory for tables and plots")
	f.BoolVar(&o.plumbing, "plumbing", false, "measure all but the model")
	f.IntVar(&o.pipes.messages, "messages", 200_000, "with --plumbing: messages of each round")
	f.IntVar(&o.pipes.partitions, "partitions", 12, "with --plumbing: partitions of their topic")
	f.IntVar(&o.pipes.rounds, "rounds", 3, "with --plumbing: rounds, of which the median counts")
	f.IntVar(&o.pipes.workers, "workers", 1, "with --plumbing: workers, and as many bare loops")
	f.IntVar(&o.pipes.bytes, "bytes", 0, "with --plumbing: lengthen each message to about so many bytes (default as they are)")
	f.StringVar(&o.pipes.brokers, "brokers", "", "with --plumbing: Kafka brokers to use, where a topic is made and removed (default a sandbox)")
	f.StringVar(&o.pipes.nats, "nats", "", "with --plumbing: NATS server to use, where streams are made and removed (default a sandbox)")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return c
}

// A benchReport is what was measured.
type benchReport struct {
	Model     string      `json:"model"`
	Kernels   string      `json:"kernels"`
	Threads   int         `json:"threads"`
	Texts     int         `json:"texts"`
	Tokens    int         `json:"tokens"`
	Tokenizer float64     `json:"tokenizer_texts_per_second"` // on one core
	Rungs     []benchRung `json:"rungs"`
	Problem   string      `json:"problem,omitempty"` // why there is no rung but full depth
}

// A benchRung is the speed of one rung.
type benchRung struct {
	Rung            int     `json:"rung"`
	Layers          float64 `json:"layers"` // mean a text
	TextsPerSecond  float64 `json:"texts_per_second"`
	TokensPerSecond float64 `json:"tokens_per_second"`
	Speedup         float64 `json:"speedup"` // against full depth, median of the slices
}

func runBench(c *cobra.Command, o benchOptions) error {
	if o.duration <= 0 || o.texts < 1 {
		return usagef("--duration %v, --texts %d: want more than 0", o.duration, o.texts)
	}
	switch {
	case o.plumbing:
		o.pipes.json = o.json
		return runBenchPlumbing(c, o.pipes)
	case len(o.loads) > 0:
		return runBenchLoad(c, o)
	case o.rate != "" || o.out != "":
		return usagef("--rate and --out belong to --load, which is missing")
	case o.cost != "":
		return runBenchCost(c, o)
	}
	m, err := o.openMeasured()
	if err != nil {
		return err
	}
	defer m.device.Close()
	report, err := m.run(c.Context(), o.duration)
	if err != nil {
		if c.Context().Err() != nil {
			return errUnfinished
		}
		return err
	}
	if o.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(report)
	}
	return report.print(c.OutOrStdout())
}

// inputs are the texts to measure on.
func (o benchOptions) inputs() ([]train.Example, error) {
	if o.data != "" {
		return train.ReadExamples(o.data)
	}
	g := desk.New(1, desk.Demo, desk.DemoMix)
	texts := make([]train.Example, o.texts)
	for i := range texts {
		texts[i].Text = g.Next().Text
	}
	return texts, nil
}

// A bench runs the same rows again and again under different rungs.
type bench struct {
	model  *inference.Model
	tokens *token.Tokenizer
	texts  []train.Example
	rows   []inference.Row
}

func (b *bench) run(ctx context.Context, duration time.Duration) (benchReport, error) {
	info := b.model.Device()
	r := benchReport{Model: b.model.Name(), Kernels: info.Kernels, Threads: info.Threads, Texts: len(b.texts)}
	seconds, err := b.tokenize()
	if err != nil {
		return r, err
	}
	r.Tokenizer = float64(len(b.texts)) / seconds
	for _, row := range b.rows {
		r.Tokens += len(row.Tokens)
	}
	runner, err := inference.NewRunner(b.model, 0)
	if err != nil {
		return r, err
	}
	rungs := []int{0}
	switch last := len(b.model.Ladder.Rungs) - 1; {
	case last > 0:
		rungs = append(rungs, last)
	case b.model.LadderProblem != nil:
		r.Problem = b.model.LadderProblem.Error()
	default:
		r.Problem = "the ladder certifies no rung below full depth"
	}
	times, layers, err := b.alternate(ctx, runner, rungs, duration)
	if err != nil {
		return r, err
	}
	for i, rung := range rungs {
		texts := float64(r.Texts) / median(times[i])
		speedup := make([]float64, len(times[i]))
		for j := range speedup {
			speedup[j] = times[0][j] / times[i][j]
		}
		r.Rungs = append(r.Rungs, benchRung{
			Rung: rung, Layers: layers[i], TextsPerSecond: texts,
			TokensPerSecond: texts * float64(r.Tokens) / float64(r.Texts), Speedup: median(speedup),
		})
	}
	return r, nil
}

// tokenize makes the rows and returns the seconds that it took, the best of
// three.
func (b *bench) tokenize() (float64, error) {
	best := 0.0
	for range 3 {
		start := time.Now()
		rows := make([]inference.Row, 0, len(b.texts))
		for _, t := range b.texts {
			row, err := b.tokens.Row(nil, t.Text, t.Pair, b.model.MaxTokens(), token.Right)
			if err != nil {
				return 0, err
			}
			rows = append(rows, inference.Row{Tokens: row.IDs, Second: row.Second})
		}
		if s := time.Since(start).Seconds(); best == 0 || s < best {
			best, b.rows = s, rows
		}
	}
	return best, nil
}

// alternate runs all rows under each rung in turn until the time is over, at
// least three times, after one turn that does not count. It returns the seconds
// of every slice, and the mean layers a text, by rung.
func (b *bench) alternate(ctx context.Context, runner *inference.Runner, rungs []int, duration time.Duration) (seconds [][]float64, layers []float64, err error) {
	seconds, layers = make([][]float64, len(rungs)), make([]float64, len(rungs))
	begin := time.Now()
	for turn := 0; turn < 4 || time.Since(begin) < duration; turn++ {
		for i, rung := range rungs {
			for r := range b.rows {
				b.rows[r].Rung = uint8(rung)
			}
			start := time.Now()
			answers, err := runner.Answers(ctx, b.rows)
			if err != nil {
				return nil, nil, err
			}
			if turn > 0 {
				seconds[i] = append(seconds[i], time.Since(start).Seconds())
			}
			layers[i] = b.layers(answers)
		}
	}
	return seconds, layers, nil
}

func (b *bench) layers(answers []inference.Answer) float64 {
	n := 0
	for _, a := range answers {
		n += b.model.StageLayers(a.Stage)
	}
	return float64(n) / float64(len(answers))
}

// median returns the middle of the values, which are not empty.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func (r benchReport) print(w io.Writer) error {
	fmt.Fprintf(w, "%s on %s, %d threads: %d texts of %.1f tokens; tokenizer %.0f texts/s on one core\n\n",
		r.Model, r.Kernels, r.Threads, r.Texts, float64(r.Tokens)/float64(r.Texts), r.Tokenizer)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "rung\tlayers\ttexts/s\ttokens/s\tspeedup\t")
	for _, g := range r.Rungs {
		fmt.Fprintf(t, "%d\t%.2f\t%.0f\t%.0f\t%.2f\t\n", g.Rung, g.Layers, g.TextsPerSecond, g.TokensPerSecond, g.Speedup)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if r.Problem != "" {
		fmt.Fprintf(w, "\nfull depth alone: %s\n", r.Problem)
	}
	return nil
}
