package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"sweetspot/cmd/service"
	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/simulate"
	"sweetspot/config"
)

// demoOptions are the flags of `sweet demo`.
type demoOptions struct {
	model    string
	input    string
	duration time.Duration
	rate     float64
	load     string // shape of a load that changes; "" is none
	compare  bool   // serve it at full depth as well
	json     bool
	seed     uint64
}

// changingDuration is how long a load that changes lasts if nothing is said.
const changingDuration = time.Minute

func newDemoCommand() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the worker at work, on embedded servers, with nothing to set up",
		Long: `Start an embedded Kafka and NATS, put a load of texts on a topic, and run the
worker between them: first for a moment at full depth, to know what that costs,
then at the cheapest rung that the model's certificate allows. At the end every
text is accounted for.

With --load the load changes, and the worker chooses its rung by itself: watch
the load rise past what full depth carries, the rung move and why, the age come
back under its target, and the depth return.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.load != "" && !c.Flags().Changed("duration") {
				o.duration = changingDuration
			}
			return runDemo(c, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.model, "model", "bundled", "model directory, or bundled")
	f.StringVar(&o.input, "input", "", "file of texts, one a line, sent again and again; without it messages to a support desk")
	f.DurationVar(&o.duration, "duration", 20*time.Second, "how long the load lasts (with --load a minute)")
	f.Float64Var(&o.rate, "rate", 0, "texts a second; 0 is as fast as the worker answers them")
	f.StringVar(&o.load, "load", "", fmt.Sprintf("let the load change, up to %v times what full depth carries: %s, all of it in --duration", peak, strings.Join(simulate.Shapes(), ", ")))
	f.BoolVar(&o.compare, "compare", false, "with --load: serve the same load at full depth as well, before, for as long")
	f.Uint64Var(&o.seed, "seed", 1, "of the support-desk messages")
	f.BoolVar(&o.json, "json", false, "print the summary as one JSON object")
	return c
}

func runDemo(c *cobra.Command, o demoOptions) error {
	switch {
	case o.duration < 4*time.Second:
		return usagef("--duration %v: want at least 4s, a quarter of it at full depth", o.duration)
	case o.rate < 0:
		return usagef("--rate %v: want 0 or more", o.rate)
	case o.load != "" && !slices.Contains(simulate.Shapes(), o.load):
		return usagef("--load %s: want one of %s", o.load, strings.Join(simulate.Shapes(), ", "))
	case o.compare && o.load == "":
		return usagef("--compare goes with --load")
	case o.load != "" && o.rate > 0:
		return usagef("--rate and --load: a load that changes is as high as the worker is fast")
	}
	texts, err := openTexts(o.input, o.seed)
	if err != nil {
		return err
	}
	d, err := openDemo(c.Context(), o, texts, c.ErrOrStderr())
	if err != nil {
		return err
	}
	s, err := d.play(c.Context())
	d.view.leave()
	err = errors.Join(err, d.close())
	if err != nil {
		return err
	}
	if o.json {
		err = json.NewEncoder(c.OutOrStdout()).Encode(s)
	} else {
		err = s.print(c.OutOrStdout())
	}
	return errors.Join(err, s.verdict())
}

// A demo is two acts on one stage: the embedded servers, the load and the tally
// stay while the worker is run at full depth and then with its thresholds.
type demo struct {
	opts    demoOptions
	sandbox *sandbox.Sandbox
	load    *load
	tally   *tally
	check   *checker
	view    *view
}

func openDemo(ctx context.Context, o demoOptions, texts *texts, talk io.Writer) (*demo, error) {
	d := &demo{opts: o}
	var err error
	if d.sandbox, err = sandbox.Start(ctx, sandbox.Options{}); err != nil {
		return nil, err
	}
	d.load = newLoad(d.sandbox.Brokers(), texts)
	if d.check, err = newChecker(o.model, d.load.text); err == nil {
		d.tally, err = newTally(ctx, d.sandbox)
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	f, ok := talk.(*os.File)
	d.view = &view{out: talk, live: ok && term.IsTerminal(int(f.Fd())), layers: d.check.layers}
	return d, nil
}

func (d *demo) close() error {
	var faults []error
	if d.load != nil {
		faults = append(faults, d.load.close())
	}
	if d.tally != nil {
		d.tally.close()
	}
	if d.check != nil {
		faults = append(faults, d.check.close())
	}
	return errors.Join(append(faults, d.sandbox.Close())...)
}

// play runs both acts, waits until every text is accounted for, and sums up.
func (d *demo) play(ctx context.Context) (summary, error) {
	full, err := d.act(ctx, act{title: "full depth, for comparison", mode: "full", duration: d.opts.comparison()})
	if err != nil {
		return summary{}, err
	}
	second, err := d.second(full.perSecond)
	if err != nil {
		return summary{}, err
	}
	var compared outcome
	if d.opts.compare {
		same := second
		same.title, same.mode = "the same load at full depth", "full"
		if compared, err = d.act(ctx, same); err != nil {
			return summary{}, err
		}
	}
	staged, err := d.act(ctx, second)
	if err != nil {
		return summary{}, err
	}
	if err := d.check.finish(ctx, d.tally.samples); err != nil {
		return summary{}, err
	}
	s, err := d.summarize(full, staged)
	if d.opts.load != "" {
		s.Auto = newFreshness(staged)
	}
	if d.opts.compare {
		s.Full = newFreshness(compared)
		s.Consumed += int(compared.metrics.read)
	}
	return s, err
}

// longestComparison is as long as it takes to know what full depth carries.
const longestComparison = 5 * time.Second

// comparison is how long the act at full depth lasts.
func (o *demoOptions) comparison() time.Duration { return min(o.duration/4, longestComparison) }

// second is the act after the one at full depth, which carried so many texts a
// second.
func (d *demo) second(carried float64) (act, error) {
	a := act{title: "staged, with early exits", mode: "auto", duration: d.opts.duration - d.opts.comparison(), rate: steady(d.opts.rate)}
	if d.opts.load != "" {
		l, err := changing(d.opts.load, carried, a.duration)
		if err != nil {
			return act{}, err
		}
		a.title, a.rate = "a load that changes: "+d.opts.load, l.At
		return a, nil
	}
	if last := len(d.check.model.Ladder.Rungs) - 1; last > 0 {
		a.mode, a.rung = "fixed", last // the load would not always ask for it
	}
	return a, nil
}

// An act is one run of the worker.
type act struct {
	title    string
	mode     string
	rung     int // where mode is fixed
	duration time.Duration
	rate     func(elapsed time.Duration) float64 // texts a second; nil keeps the worker busy
}

// A scene is what an act looked like at one moment.
type scene struct {
	act      act
	elapsed  time.Duration
	metrics  metrics
	tally    counts
	agree    agreement
	produced int
	rate     float64 // results a second, lately
	load     float64 // texts a second that are sent now; 0 where that follows the worker
	layers   float64 // mean a text, lately
}

// An outcome is what came of an act.
type outcome struct {
	perSecond float64         // results, between the first one and the end of the load
	moves     int             // of the rung
	ages      []time.Duration // of messages when their results came, ascending
	metrics   metrics
}

// frame is the time between two looks at the worker.
const frame = 250 * time.Millisecond

// act runs the worker under load for the act's duration, lets it settle
// everything and stops it.
func (d *demo) act(ctx context.Context, a act) (outcome, error) {
	registry := prometheus.NewRegistry()
	w, err := d.worker(ctx, a, registry)
	if err != nil {
		return outcome{}, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(running) }()

	out, err := d.watch(ctx, a, registry, ended)
	stop()
	if err != nil {
		return out, err
	}
	if err := <-ended; err != nil {
		return out, fmt.Errorf("stopping the worker: %w", err)
	}
	out.ages = d.tally.takeAges()
	out.metrics, err = gather(registry)
	return out, err
}

// worker puts a worker together as its environment would.
func (d *demo) worker(ctx context.Context, a act, r *prometheus.Registry) (*service.Worker, error) {
	env := append(d.sandbox.Env(), "SWEET_MODEL="+d.opts.model, "SWEET_MODE="+a.mode, "SWEET_RUNG="+strconv.Itoa(a.rung), "SWEET_HTTP_ADDR=127.0.0.1:0")
	cfg, _, err := config.Load(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("the demo's settings: %w", err)
	}
	warnings := slog.NewTextHandler(d.view, &slog.HandlerOptions{Level: slog.LevelWarn})
	return service.Open(ctx, cfg, service.Options{Version: version, Logger: slog.New(&moves{Handler: warnings, view: d.view}), Registry: r})
}

// watch drives the load and shows the worker until the act's time is over and
// every text that was sent is accounted for.
func (d *demo) watch(ctx context.Context, a act, r *prometheus.Registry, ended <-chan error) (outcome, error) {
	helping, stopHelp := context.WithCancel(ctx)
	sending, stopLoad := context.WithCancel(helping)
	help, helping := errgroup.WithContext(helping)
	help.Go(func() error { return d.load.run(sending, a.rate, d.tally.accounted) })
	help.Go(func() error { return d.check.run(helping, d.tally.samples) })

	out, err := d.frames(helping, a, r, ended, stopLoad)
	stopHelp()
	return out, errors.Join(help.Wait(), err)
}

// frames looks at the worker again and again: first while the load lasts, then
// until everything is accounted for.
func (d *demo) frames(ctx context.Context, a act, r *prometheus.Registry, ended <-chan error, stopLoad func()) (out outcome, err error) {
	tick := time.NewTicker(frame)
	defer tick.Stop()
	start, loading := time.Now(), true
	var rates meter
	var depth depthMeter
	for {
		select {
		case err := <-ended:
			return out, fmt.Errorf("the worker ended early: %w", err)
		case <-ctx.Done():
			return out, errStopped
		case <-tick.C:
		}
		d.tally.setDead(d.sandbox.DeadLettered())
		c, err := d.tally.snapshot()
		if err != nil {
			return out, err
		}
		if out.metrics, err = gather(r); err != nil {
			return out, err
		}
		elapsed := time.Since(start)
		out.moves = d.view.count()
		if loading {
			rates.read(time.Now(), c.distinct)
		}
		d.view.show(scene{
			act: a, elapsed: min(elapsed, a.duration), metrics: out.metrics, tally: c,
			agree: d.check.agreement(), produced: d.load.count(), rate: rates.recent(),
			load: a.at(elapsed), layers: depth.read(out.metrics),
		})
		switch {
		case loading && elapsed >= a.duration:
			loading, out.perSecond = false, rates.mean()
			stopLoad()
		case !loading && (d.tally.accounted() >= d.load.count() || d.tally.quiet(time.Now()) > patience):
			return out, nil
		}
	}
}

// patience is how long nothing may be accounted for before the demo calls the
// rest lost.
const patience = 30 * time.Second
