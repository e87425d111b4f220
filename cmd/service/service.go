// Package service is the worker as a package: it opens the model, Kafka and
// NATS as the configuration says, runs the pipeline between them, answers
// /metrics, /live and /ready, and puts everything in order when it is told to
// stop. Command worker runs it alone; the toolbox runs it beside embedded
// servers.
//
// It decides nothing about messages: what is read, answered, settled or set
// aside is the pipeline's business.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"sweetspot/config"
	"sweetspot/consumer"
	"sweetspot/pipeline"
	"sweetspot/pipeline/publish"
)

// Options are what the caller of a [Worker] decides beyond its environment.
type Options struct {
	Version  string
	Logger   *slog.Logger
	Registry *prometheus.Registry // where the metrics go

	// Encoder, where it is not nil, makes one of so many stages that answers in the
	// model's place: to measure what is around it.
	Encoder func(stages int) pipeline.Encoder
}

// A Worker is one that has been put together and not been started.
type Worker struct {
	cfg      config.Config
	opts     Options
	model    *model
	kafka    *consumer.Kafka
	results  atomic.Pointer[publish.JetStream] // probes ask for it while it is being opened
	pipeline atomic.Pointer[pipeline.Pipeline] // likewise
	trace    *os.File                          // nil where nothing is recorded
	http     *endpoints
}

// closing bounds what is left to do once the pipeline has settled everything
// or given up: the last commit, leaving the group, the connection's end.
const closing = 10 * time.Second

// A ConfigError is a setting that cannot work. The worker's exit code tells it
// from a fault.
type ConfigError struct{ Err error }

func (e ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e ConfigError) Unwrap() error { return e.Err }

// Open puts a worker together: it reads the model, opens the device and the
// port for /metrics, connects to NATS and times the model's stages. A server
// that is down is waited for until ctx ends. Settings that cannot work are [ConfigError]s.
func Open(ctx context.Context, cfg config.Config, o Options) (*Worker, error) {
	w := &Worker{cfg: cfg, opts: o}
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(err, w.release(ctx))
	}
	return w, nil
}

func (w *Worker) open(ctx context.Context) (err error) {
	o := w.opts
	if w.model, err = openModel(w.cfg); err != nil {
		return err
	}
	w.model.log(o.Logger)
	registerInfo(o.Registry, o.Version, w.model)
	if w.trace, err = openTrace(w.cfg.Control.Trace); err != nil {
		return err
	}
	w.kafka, err = consumer.Open(w.cfg.Kafka, w.cfg.Intake, consumer.Parts{
		Drain: w.cfg.Pipeline.Drain, IDSuffix: w.cfg.NATS.IDSuffix, Version: o.Version,
		Metrics: consumer.NewMetrics(o.Registry), Logger: o.Logger.With(slog.String("part", "kafka")),
	})
	if err != nil {
		return ConfigError{err}
	}
	if w.http, err = listen(ctx, w.cfg.HTTPAddr, o.Registry, w.notReady); err != nil {
		return err
	}
	o.Logger.InfoContext(ctx, "listening", slog.String("http", w.Addr()))
	results, err := publish.Open(ctx, w.cfg.NATS, publish.Stamp{
		Model: w.model.Name(), Digest: w.model.Digest(), Ladder: w.model.LadderDigest,
		CopyHeaders: w.cfg.Pipeline.CopyHeaders, Topics: w.cfg.Kafka.Topics, Labels: w.model.Labels,
	}, publish.NewMetrics(o.Registry), o.Logger.With(slog.String("part", "nats")))
	if err != nil {
		return err
	}
	w.results.Store(results)
	if err := w.newPipeline(); err != nil {
		return err
	}
	if err := w.pipeline.Load().Warm(ctx); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	return nil
}

func (w *Worker) newPipeline() error {
	m := w.model
	p, err := pipeline.New(m.settings, pipeline.Parts{
		Source: source{w.kafka}, DeadLetters: w.kafka, Publisher: w.results.Load(),
		Tokenizer: m.tokenizer, Encoder: w.encoder(),
		Labels: m.Labels, Layers: m.layers(),
		Rungs: m.Ladder.Rungs, Epsilon: m.Ladder.Watched(), LadderDigest: m.LadderDigest,
		Control: w.cfg.Control, State: w.state(), Worker: hostname(), Trace: w.traceWriter(),
		Metrics: pipeline.NewMetrics(w.opts.Registry, m.Stages()),
		Logger:  w.opts.Logger.With(slog.String("part", "pipeline")),
	})
	if err != nil {
		return ConfigError{err}
	}
	w.pipeline.Store(p)
	return nil
}

// encoder is the model's, or the one in its place.
func (w *Worker) encoder() pipeline.Encoder {
	if w.opts.Encoder != nil {
		return w.opts.Encoder(w.model.Stages())
	}
	return pipeline.ModelEncoder(w.model.Model)
}

// openTrace opens the file of SWEET_TRACE, to whose end is written; "" is none.
func openTrace(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return nil, ConfigError{fmt.Errorf("SWEET_TRACE: %w", err)}
	}
	if err := endLine(f); err != nil {
		return nil, errors.Join(fmt.Errorf("SWEET_TRACE: %w", err), f.Close())
	}
	return f, nil
}

// endLine ends the last line of a file: a worker that was killed may have left
// half of one.
func endLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		_, err = f.WriteString("\n")
	}
	return err
}

// traceWriter is the trace as an interface that is nil where there is none.
func (w *Worker) traceWriter() io.Writer {
	if w.trace == nil {
		return nil
	}
	return w.trace
}

// state is where alarms are kept, nil where there is nothing to raise one about.
func (w *Worker) state() pipeline.State {
	if w.model.LadderDigest == "" || w.model.settings.Mode == pipeline.Full {
		return nil
	}
	return w.results.Load().State(w.cfg.Control.StateBucket, w.model.LadderDigest, w.opts.Logger.With(slog.String("part", "nats")))
}

// hostname names this worker for people; in Kubernetes it is the pod.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// Addr is where /metrics, /live and /ready are served.
func (w *Worker) Addr() string { return w.http.addr() }

// notReady returns what keeps the worker from taking messages, and nothing
// where it is ready.
func (w *Worker) notReady() []string {
	var missing []string
	if !w.kafka.Ready() {
		missing = append(missing, "kafka: not a member of the group yet, or a topic is missing")
	}
	if r := w.results.Load(); r == nil || !r.Connected() {
		missing = append(missing, "nats: no server is reachable")
	}
	if p := w.pipeline.Load(); p == nil || !p.Taking() {
		missing = append(missing, "pipeline: it warms up, or waits to hear which rungs other workers have withdrawn")
	}
	return missing
}

// Run works until ctx ends or something fails beyond repair, and puts
// everything in order: what is in flight settles, the last offsets are
// committed, the group is left, the connections end. It returns nil where
// everything in flight was settled. A Worker runs once.
func (w *Worker) Run(ctx context.Context) error {
	g, work := errgroup.WithContext(ctx)
	reading, stop := context.WithCancel(work)
	defer stop()
	g.Go(func() error {
		if err := w.kafka.Run(reading); err != nil {
			return fmt.Errorf("reading Kafka: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		err := w.pipeline.Load().Run(work)
		stop() // the pipeline may have failed by itself
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
		defer cancel()
		return errors.Join(err, w.kafka.Close(end))
	})
	g.Go(func() error { return w.http.serve(work) })
	err := g.Wait()
	return errors.Join(err, w.release(ctx))
}

// A source is the consumer as the pipeline reads it. One stop ends both, and
// either may see it first: where that is the consumer, its end must not look
// like a failure to a pipeline that does not know of the stop yet.
type source struct{ *consumer.Kafka }

// Fetch implements [pipeline.Source].
func (s source) Fetch(ctx context.Context) ([]*pipeline.Message, error) {
	messages, err := s.Kafka.Fetch(ctx)
	if errors.Is(err, consumer.ErrStopped) {
		<-ctx.Done()
		err = context.Cause(ctx)
	}
	return messages, err
}

// release gives back what Open took, whatever of it there is.
func (w *Worker) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	var faults []error
	if r := w.results.Load(); r != nil {
		faults = append(faults, r.Close(ctx))
	}
	if w.http != nil {
		faults = append(faults, w.http.close(ctx))
	}
	if w.trace != nil {
		faults = append(faults, w.trace.Close())
	}
	if w.model != nil {
		faults = append(faults, w.model.device.Close())
	}
	return errors.Join(faults...)
}
