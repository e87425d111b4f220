package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"sweetspot/cmd/sweet/compare"
	"sweetspot/inference"
	"sweetspot/inference/train"
)

// compareOptions are the flags of `sweet compare`.
type compareOptions struct {
	data, methods, pools []string
	out, from            string
	seeds, firstSeed     int
	exits                []int
	limit, maxLength     int
	settings             train.Options

	conflict      int // steps between two looks; 0 is none
	kernels       string
	threads, jobs int
}

func newCompareCommand() *cobra.Command {
	o := compareOptions{settings: train.DefaultOptions()}
	s := &o.settings
	s.Warmup, s.Decay, s.Beta2, s.UnknownRate = 0, 0, 0.999, 0
	c := &cobra.Command{
		Use:   "compare --data DIR,... --init DIR --out DIR",
		Short: "Train by several methods on the same texts and compare them",
		Long: `Train a model for every task, pooling, method and seed, on the same rows and from
the same start, and compare what their exits are worth on the test texts. A DIR of
--data holds train.tsv, dev.tsv and test.tsv, as for train; its name is the task's.
Temperatures are fitted on the dev texts; everything reported is of the test texts.

Every finished run is a row of runs.csv in --out. A run that is there already is
not made again, so the same command goes on where it was stopped. At the end, and
without --data at once, results.md and the plots are written from all rows.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runCompare(c, o) },
	}
	f := c.Flags()
	f.StringSliceVar(&o.data, "data", nil, "directories of train.tsv, dev.tsv and test.tsv, perhaps gzipped; one a task; none draws only")
	f.StringSliceVar(&o.methods, "methods", []string{"ee", "sweet", "mm"}, "methods to compare, of those that train knows")
	f.StringSliceVar(&o.pools, "pool", []string{string(inference.CLS)}, "what exits read: cls, mean, or both, one after the other")
	f.IntVar(&o.seeds, "seeds", 1, "runs of each, with seeds from --first-seed on")
	f.IntVar(&o.firstSeed, "first-seed", 1, "the first seed")
	f.StringVar(&o.out, "out", "", "directory of runs.csv, tables and plots")
	f.StringVar(&o.from, "init", "", "model directory to start from")
	f.IntSliceVar(&o.exits, "exits", nil, "layers after which a text may leave (default 1, a third, two thirds and all of the layers)")
	f.IntVar(&o.limit, "limit", 6000, "training texts, a random choice by the seed; 0 is all")
	f.IntVar(&o.maxLength, "max-length", 128, "most tokens of a text; the end of longer ones is left out")
	f.IntVar(&s.Epochs, "epochs", 2, "passes over the training texts")
	f.IntVar(&s.BatchRows, "batch", 16, "texts in a step")
	f.Float64Var(&s.Rate, "lr", 2e-4, "highest learning rate; it falls to 0 on a straight line")
	f.Float64Var(&s.Dropout, "dropout", s.Dropout, "probability that an activation is dropped")
	f.IntVar(&o.conflict, "conflict", 0, "in runs of ee, measure every so many steps how far the exits' gradients agree, into conflicts.csv; it takes about a step for each exit, which counts as training time")
	f.StringVar(&o.kernels, "cpu", "auto", "kernel set: avx512, avx2, portable or auto")
	f.IntVar(&o.threads, "threads", 0, "compute threads of a run; 0 is all cores divided by --jobs")
	f.IntVar(&o.jobs, "jobs", 1, "runs at a time")
	return c
}

// check reports flags that make no sense, before anything is read.
func (o *compareOptions) check() error {
	switch {
	case o.out == "":
		return errors.New("--out is missing: name the directory of the results")
	case o.from == "" && len(o.data) > 0:
		return errors.New("--init is missing: name the model directory to start from")
	case o.seeds < 1 || o.firstSeed < 0:
		return fmt.Errorf("--seeds %d from %d: want at least 1 from 0 on", o.seeds, o.firstSeed)
	case o.limit < 0:
		return fmt.Errorf("--limit %d: want 0 or more", o.limit)
	case o.conflict < 0:
		return fmt.Errorf("--conflict %d: want 0 or more", o.conflict)
	case o.jobs < 1:
		return fmt.Errorf("--jobs %d: want at least 1", o.jobs)
	case o.threads < 0:
		return fmt.Errorf("--threads %d: want 0 or more", o.threads)
	}
	return o.checkRuns()
}

// checkRuns reports runs that cannot be made or told apart, before the first of
// them has taken its time.
func (o *compareOptions) checkRuns() error {
	tasks := make([]string, len(o.data))
	for i, dir := range o.data {
		tasks[i] = filepath.Base(filepath.Clean(dir))
	}
	for _, list := range []struct {
		flag   string
		values []string
	}{{"--data", tasks}, {"--methods", o.methods}, {"--pool", o.pools}} {
		for i, v := range list.values {
			if slices.Contains(list.values[:i], v) {
				return fmt.Errorf("%s: %s is there twice; runs are told apart by the name of the directory, the method, the pooling and the seed", list.flag, v)
			}
		}
	}
	for _, m := range o.methods {
		if inference.Method(m) == train.FrozenExits {
			return fmt.Errorf("--methods: %s adds exits to a model that is trained already; compare trains every model anew", m)
		}
		if _, err := train.MethodOf(inference.Method(m), max(2, len(o.exits))); err != nil {
			return fmt.Errorf("--methods: %w", err)
		}
	}
	for _, p := range o.pools {
		if p := inference.Pooling(p); p != inference.CLS && p != inference.Mean {
			return fmt.Errorf("--pool %s: want %s or %s", p, inference.CLS, inference.Mean)
		}
	}
	return nil
}

func runCompare(c *cobra.Command, o compareOptions) error {
	if err := o.check(); err != nil {
		return usageError{err}
	}
	if o.threads == 0 {
		o.threads = max(1, runtime.GOMAXPROCS(0)/o.jobs)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("making the directory of the results: %w", err)
	}
	b := &comparison{options: &o, path: filepath.Join(o.out, "runs.csv"), talk: c.ErrOrStderr(), done: map[string]bool{}}
	runs, err := compare.ReadRuns(b.path)
	if err != nil {
		return err
	}
	for _, r := range runs {
		b.done[r.Key()] = true
	}
	if len(o.data) == 0 {
		return b.report()
	}
	if err := b.start(); err != nil {
		return err
	}
	err = b.run(c.Context())
	if c.Context().Err() != nil {
		return errUnfinished
	}
	if err != nil {
		return err
	}
	return b.report()
}

// report writes the tables and plots of all runs that have been made.
func (b *comparison) report() error {
	runs, err := compare.ReadRuns(b.path)
	if err != nil {
		return err
	}
	if len(runs) == 0 {
		return usagef("%s holds no runs: name --data and --init to make some", b.path)
	}
	plots, err := compare.Plots(b.options.out, runs)
	if err != nil {
		return err
	}
	conflicts, err := compare.ReadConflicts(b.conflictPath())
	if err != nil {
		return err
	}
	more, err := compare.ConflictPlots(b.options.out, conflicts)
	if err != nil {
		return err
	}
	plots = append(plots, more...)
	var text strings.Builder
	if err := compare.Markdown(&text, runs); err != nil {
		return err
	}
	path := filepath.Join(b.options.out, "results.md")
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("writing the tables: %w", err)
	}
	fmt.Fprintf(b.talk, "wrote %s and %d plots of %d runs\n", path, len(plots), len(runs))
	return nil
}

func (b *comparison) conflictPath() string { return filepath.Join(b.options.out, "conflicts.csv") }

// A comparison is the work under way.
type comparison struct {
	options *compareOptions
	path    string // of runs.csv
	talk    io.Writer
	initial *inference.Directory
	digest  string

	mu   sync.Mutex // guards what follows
	done map[string]bool
}

// start reads the model that every run starts from.
func (b *comparison) start() error {
	dir, err := openInitial(b.options.from)
	if err != nil {
		return err
	}
	for name := range dir.Tensors {
		if isExit(name) {
			delete(dir.Tensors, name) // every run draws its exits
		}
	}
	b.initial, b.digest = dir, dir.Digest[:12]
	return nil
}

// A job is one run to make.
type job struct {
	data   string
	method string
	pool   inference.Pooling
	seed   uint64
}

// jobs lists the runs, seed after seed, so that a comparison that is stopped
// early has seen every task.
func (b *comparison) jobs() []job {
	var jobs []job
	for s := range b.options.seeds {
		for _, d := range b.options.data {
			for _, p := range b.options.pools {
				for _, m := range b.options.methods {
					jobs = append(jobs, job{d, m, inference.Pooling(p), uint64(b.options.firstSeed + s)})
				}
			}
		}
	}
	return jobs
}

func (b *comparison) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.options.jobs)
	for _, j := range b.jobs() {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := b.make(ctx, j); err != nil {
				return fmt.Errorf("%s, %s, %s, seed %d: %w", filepath.Base(j.data), j.method, j.pool, j.seed, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// make makes one run, unless it has been made, and adds its row.
func (b *comparison) make(ctx context.Context, j job) error {
	r, err := b.prepare(j)
	if err != nil {
		return err
	}
	b.mu.Lock()
	done := b.done[r.result.Key()]
	b.mu.Unlock()
	if done {
		if r.observes() {
			fmt.Fprintf(b.talk, "%s %s %s seed %d is there already and is not made again, so --conflict measures nothing in it\n", r.result.Task, r.result.Method, r.result.Pool, r.result.Seed)
		}
		return nil
	}
	if err := r.run(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(r.conflicts) > 0 {
		if err := compare.AppendConflicts(b.conflictPath(), r.conflicts); err != nil {
			return err
		}
	}
	if err := compare.Append(b.path, r.result); err != nil {
		return err
	}
	b.done[r.result.Key()] = true
	fmt.Fprintf(b.talk, "%s %s %s seed %d: accuracy by exit %s, area %.1f %%, %.0f s, %.0f tokens/s\n",
		r.result.Task, r.result.Method, r.result.Pool, r.result.Seed, percents(r.result.Accuracy), 100*r.result.AUC(),
		r.result.TrainSeconds, r.result.TokensPerSecond)
	return nil
}

// percents writes shares as percents.
func percents(shares []float64) string {
	values := make([]float64, len(shares))
	for i, s := range shares {
		values[i] = 100 * s
	}
	return fmt.Sprintf("%.1f %%", values)
}
