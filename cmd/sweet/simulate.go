package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/cmd/sweet/simulate"
	"sweetspot/inference"
	"sweetspot/pipeline/control"
)

// simulateOptions are the flags of `sweet simulate`.
type simulateOptions struct {
	world    worldOptions
	load     string
	rate     string
	replicas int
	plot     string
	replay   string
	json     bool
}

// worldOptions are the flags that say what is simulated.
type worldOptions struct {
	model, cost string
	kernels     string
	threads     int
	worker      simulate.Worker
}

func newSimulateCommand() *cobra.Command {
	o := simulateOptions{world: defaultWorld()}
	c := &cobra.Command{
		Use:   "simulate --load step|ramp|burst|diurnal|FILE.csv",
		Short: "Show in virtual time what workers make of a load, and how many it needs",
		Long: `Run workers in virtual time under a load: the worker's own scheduler and controller
against a measured cost model, without Kafka, NATS or the hours that the load takes.
A cost model is a file that sweet bench --cost wrote; without one this machine is
measured first, which takes a few seconds. A worker on a CPU is slower by what its
clients and its tokenizer take of the same cores.

A FILE.csv has the header seconds,messages_per_second and a line for every rate,
which holds until the next. Its peak, as that of the other loads, is made 2.5 times
what one replica carries at full depth; --rate R makes it R messages a second, and
--rate file takes the file as it is.

Replicas needed is the least number with which at most 1 % of the messages are over
the target age. Where none is found, with --json null, messages take longer than
that by themselves.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runSimulate(c, o) },
	}
	f := c.Flags()
	f.StringVar(&o.load, "load", "", strings.Join(simulate.Shapes(), ", ")+", or a CSV file")
	f.StringVar(&o.rate, "rate", "", "messages a second at the load's peak, over all replicas, or file: FILE.csv as it is (default 2.5 times full depth of one replica)")
	f.IntVar(&o.replicas, "replicas", 1, "replicas that share the load evenly; of more than eight, eight are simulated")
	f.StringVar(&o.plot, "plot", "", "draw load, age, rung and layers over time into this file, .svg or .png")
	f.StringVar(&o.replay, "replay", "", "instead of all this, decide again over the readings of this file, which SWEET_TRACE wrote, and say whether every decision is the same")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	o.world.flags(c)
	return c
}

// defaultWorld is the bundled model with the worker's default settings.
func defaultWorld() worldOptions {
	return worldOptions{
		model: "bundled", kernels: "auto",
		worker: simulate.Worker{
			Control: control.Config{TargetAge: time.Second, ControlEvery: 250 * time.Millisecond, Overload: control.Wait},
			Shares:  simulate.Shares{Audited: 0.01},
			Seed:    1,
		},
	}
}

// flags adds the flags of the model and the worker's settings.
func (o *worldOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.model, "model", o.model, "model directory, or bundled")
	f.StringVar(&o.cost, "cost", "", "cost model, from sweet bench --cost (default: measured now)")
	f.StringVar(&o.kernels, "cpu", o.kernels, "kernel set to measure with: avx512, avx2, portable or auto")
	f.IntVar(&o.threads, "threads", 0, "compute threads to measure with; 0 is all cores")
	w := &o.worker
	f.Uint64Var(&w.Seed, "seed", w.Seed, "seed of everything drawn")
	f.Float64Var(&w.Shares.Strict, "strict", 0, "share of messages of the tier strict")
	f.Float64Var(&w.Shares.BestEffort, "best-effort", 0, "share of messages of the tier best-effort")
	f.DurationVar(&w.Publish, "publish", 0, "time from an answer until it is durable")
	f.DurationVar(&w.Control.TargetAge, "target-age", w.Control.TargetAge, "SWEET_TARGET_AGE")
	f.DurationVar(&w.Control.ControlEvery, "control-every", w.Control.ControlEvery, "SWEET_CONTROL_EVERY")
	f.StringVar((*string)(&w.Control.Overload), "overload", string(w.Control.Overload), "SWEET_OVERLOAD, wait or shed")
	f.Float64Var(&w.Shares.Audited, "audit-rate", w.Shares.Audited, "SWEET_AUDIT_RATE, of the messages that are not strict; 0 is none")
}

func runSimulate(c *cobra.Command, o simulateOptions) error {
	if o.replay != "" {
		used := 1
		if c.Flags().Changed("json") {
			used = 2
		}
		if c.Flags().NFlag() > used {
			return usagef("--replay goes with --json alone: the trace holds everything else")
		}
		return runReplay(c, o)
	}
	if o.load == "" {
		return usagef("--load is missing: name one of %s, or a CSV file", strings.Join(simulate.Shapes(), ", "))
	}
	load, err := openLoad(o.load)
	if err != nil {
		return err
	}
	if err := o.check(load); err != nil {
		return err
	}
	w, err := o.world.open(c)
	if err != nil {
		return err
	}
	load = scaled(load, o.rate, w.Cost.Capacity())
	r, p, err := simulated(c, w, load, o.replicas)
	if err != nil {
		if c.Context().Err() != nil {
			return errUnfinished
		}
		return err
	}
	s := w.Summary(r, p.needed)
	if o.plot != "" {
		title := fmt.Sprintf("%s, replica 1 of %d", load.Name, o.replicas)
		if err := simulate.Plot(o.plot, title, w.Control.TargetAge, []simulate.Curve{{Name: "age", Series: r.Series}}); err != nil {
			return err
		}
	}
	if o.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(s)
	}
	printSummary(c.OutOrStdout(), w, load, o.replicas, s)
	p.print(c.OutOrStdout(), w.Control.TargetAge)
	return nil
}

// check reports flags that make no sense with the load, before anything is
// measured or simulated.
func (o *simulateOptions) check(load simulate.Load) error {
	if o.replicas < 1 {
		return usagef("--replicas %d: want at least 1", o.replicas)
	}
	if o.plot != "" {
		if err := simulate.CheckPlot(o.plot); err != nil {
			return usageError{fmt.Errorf("--plot: %w", err)}
		}
	}
	return checkRate(load, o.rate)
}

// simulated runs the load on the given replicas and finds how many it needs.
func simulated(c *cobra.Command, w *simulate.Worker, load simulate.Load, replicas int) (*simulate.Result, plan, error) {
	r, err := w.Run(c.Context(), load, replicas)
	if err != nil {
		return nil, plan{}, err
	}
	n, ok, err := simulate.NewPlanner(w, load, r).Needed(c.Context())
	if !ok {
		return r, plan{tried: n}, err
	}
	return r, plan{needed: &n}, err
}

// A plan is how many replicas a load needs.
type plan struct {
	needed *int // nil where none was found
	tried  int  // where none was found: the most that were simulated
}

// print writes the plan for people.
func (p plan) print(out io.Writer, target time.Duration) {
	if p.needed == nil {
		fmt.Fprintf(out, "replicas   not even %d keep 99 %% of the messages within %v; with so many hardly one waits for another, so a message takes longer by itself: raise --target-age\n",
			p.tried, target)
		return
	}
	fmt.Fprintf(out, "replicas   %d needed, so that at most 1 %% of the messages are over the target\n", *p.needed)
}

// openLoad returns the load of that name, or that a CSV file holds.
func openLoad(name string) (simulate.Load, error) {
	if slices.Contains(simulate.Shapes(), name) {
		return simulate.Shape(name)
	}
	if !strings.HasSuffix(strings.ToLower(name), ".csv") {
		return simulate.Load{}, usagef("--load %s: want %s, or a file that ends with .csv", name, strings.Join(simulate.Shapes(), ", "))
	}
	f, err := os.Open(name)
	if err != nil {
		return simulate.Load{}, usageError{fmt.Errorf("--load: %w", err)}
	}
	defer f.Close()
	l, err := simulate.ReadLoad(name, f)
	if err != nil {
		return l, usageError{fmt.Errorf("--load: %w", err)}
	}
	return l, nil
}

// peak is how many times full depth of one replica the peak of a load is, if
// nothing is said.
const peak = 2.5

// fileRate is what --rate says of a file whose rates are taken as they are.
const fileRate = "file"

// checkRate reports a --rate that no load has, or not this one.
func checkRate(load simulate.Load, rate string) error {
	switch rate {
	case "":
		return nil
	case fileRate:
		if slices.Contains(simulate.Shapes(), load.Name) {
			return usagef("--rate file: %s is no file and has no rates of its own", load.Name)
		}
		return nil
	}
	if r, err := strconv.ParseFloat(rate, 64); err != nil || !(r > 0 && r <= 1e9) {
		return usagef("--rate %s: want messages a second above 0, or file", rate)
	}
	return nil
}

// scaled is the load with the peak that a --rate which was checked asks for,
// where one replica carries so many messages a second at full depth.
func scaled(load simulate.Load, rate string, capacity float64) simulate.Load {
	if rate == fileRate {
		return load
	}
	r, err := strconv.ParseFloat(rate, 64)
	if err != nil {
		r = peak * capacity
	}
	return load.Scaled(r)
}

// measuring is how long this machine is measured where there is no cost model.
const measuring = 3 * time.Second

// open reads or measures what is simulated.
func (o *worldOptions) open(c *cobra.Command) (*simulate.Worker, error) {
	fsys, err := openModel(o.model)
	if err != nil {
		return nil, err
	}
	dir, err := inference.Open(fsys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.model, err)
	}
	w := o.worker
	if w.Cost, err = o.readCost(c); err != nil {
		return nil, err
	}
	if d := w.Cost.Digest; d != "" && d != dir.Digest {
		return nil, usagef("--cost %s was measured on model %s %.12s, and %s is %.12s", o.cost, w.Cost.Model, d, o.model, dir.Digest)
	}
	stages := len(dir.Config.Exits)
	w.Ladder, _, err = inference.LoadLadder(fsys, inference.Precision(w.Cost.Precision), dir.Digest, stages)
	if err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "full depth alone: %v\n", err)
		w.Ladder = inference.FullDepth(stages)
	}
	if err := w.Validate(); err != nil {
		return nil, usageError{err}
	}
	return &w, nil
}

// readCost reads the cost model, or measures it.
func (o *worldOptions) readCost(c *cobra.Command) (simulate.Cost, error) {
	if o.cost != "" {
		cost, err := simulate.ReadCost(o.cost)
		if err != nil {
			return cost, usageError{fmt.Errorf("--cost: %w", err)}
		}
		return cost, nil
	}
	fmt.Fprintf(c.ErrOrStderr(), "measuring what the stages of %s cost here, for %v; sweet bench --cost FILE keeps it\n", o.model, measuring)
	m, err := benchOptions{model: o.model, kernels: o.kernels, threads: o.threads, texts: benchTexts}.openMeasured()
	if err != nil {
		return simulate.Cost{}, err
	}
	defer m.device.Close()
	cost, err := m.cost(c.Context(), measuring)
	if err != nil && c.Context().Err() != nil {
		return cost, errUnfinished
	}
	return cost, err
}

func printSummary(out io.Writer, w *simulate.Worker, load simulate.Load, replicas int, s simulate.Summary) {
	capacity := w.Cost.Capacity()
	fmt.Fprintf(out, "load       %s: %v, at most %.0f messages/s, which is %.2f times what one replica carries at full depth (%.0f)\n",
		load.Name, load.End, load.Peak(), load.Peak()/capacity, capacity)
	fmt.Fprintf(out, "messages   %d, replicas %d\n", s.Messages, replicas)
	fmt.Fprintf(out, "age        p50 %.4g s, p99 %.4g s; %.2f %% over the target of %v\n", s.AgeP50, s.AgeP99, 100*s.OverTarget, w.Control.TargetAge)
	if w.Control.Overload == control.Shed {
		fmt.Fprintf(out, "shed       %d messages, which are among those over the target\n", s.Shed)
	}
	fmt.Fprintf(out, "layers     %.2f of %d a message\n", s.LayersMean, s.LayersFull)
	if len(w.Ladder.Rungs) > 1 {
		fmt.Fprintf(out, "agreement  at least %.2f %% with full depth, with confidence %.0f %%\n", 100*s.AgreementBound, 100*(1-w.Ladder.Delta))
	}
	fmt.Fprintf(out, "moves      %.4g of the rung, a replica\n", s.Moves)
}

// A replayed is what `sweet simulate --replay --json` prints.
type replayed struct {
	Same          int  `json:"same"`                      // decisions
	DiffersAtLine *int `json:"differs_at_line,omitempty"` // of the trace
}

// errReplay is returned after it was said which decision differs.
var errReplay = errors.New("the replay decides otherwise than the trace")

// runReplay decides again over the readings of a trace.
func runReplay(c *cobra.Command, o simulateOptions) error {
	f, err := os.Open(o.replay)
	if err != nil {
		return usageError{fmt.Errorf("--replay: %w", err)}
	}
	defer f.Close()
	same, err := control.Replay(f)
	differs, ok := errors.AsType[*control.DifferenceError](err)
	if err != nil && !ok {
		return fmt.Errorf("--replay %s: %w", o.replay, err)
	}
	result := replayed{Same: same}
	if ok {
		result.DiffersAtLine = &differs.Line
		err = fmt.Errorf("%w: %w", errReplay, differs)
	}
	if o.json {
		return errors.Join(json.NewEncoder(c.OutOrStdout()).Encode(result), err)
	}
	if err == nil {
		fmt.Fprintf(c.OutOrStdout(), "%d decisions, all the same bit for bit\n", same)
	} else {
		fmt.Fprintf(c.OutOrStdout(), "%d decisions the same; the next differs\n", same)
	}
	return err
}
