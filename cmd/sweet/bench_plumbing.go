package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"sweetspot/cmd/service"
	"sweetspot/cmd/sweet/desk"
	"sweetspot/cmd/sweet/plumbing"
	"sweetspot/config"
	"sweetspot/consumer"
)

// plumbingOptions are the flags of `sweet bench --plumbing`.
type plumbingOptions struct {
	messages, partitions, rounds int
	workers                      int    // of the group, and bare loops
	bytes                        int    // of a message, about; 0 is as it comes
	brokers, nats                string // servers to use; empty for a sandbox beside this process
	json                         bool
}

func (o plumbingOptions) check() error {
	switch {
	case o.messages < 1000 || o.partitions < 1 || o.rounds < 1:
		return usagef("--messages %d, --partitions %d, --rounds %d: want at least 1000, 1 and 1", o.messages, o.partitions, o.rounds)
	case o.workers < 1 || o.workers > o.partitions:
		return usagef("--workers %d: want 1 to %d, one for each of the --partitions", o.workers, o.partitions)
	case o.bytes < 0 || o.bytes > mostBytes:
		return usagef("--bytes %d: want at most %d, which Kafka and the worker take if nobody has set more", o.bytes, mostBytes)
	case (o.brokers == "") != (o.nats == ""):
		return usagef("--brokers and --nats go together: both servers are started where neither is given")
	}
	return nil
}

// mostBytes is what fits into one of Kafka's batches with what is around it.
const mostBytes = 1<<20 - 100

// A plumber measures the worker without its model, and a bare loop in its place.
type plumber struct {
	o       plumbingOptions
	brokers []string
	nats    string
	js      jetstream.JetStream
	kafka   *kafka.Client
	topic   string
	log     *slog.Logger
}

// A plumbingReport is what was measured, by round.
type plumbingReport struct {
	Messages int             `json:"messages"`
	Workers  int             `json:"workers"`
	Rounds   []plumbingRound `json:"rounds"`
	Ratio    float64         `json:"ratio"`     // of the worker's results a second to the bare loop's, median of the rounds
	CPURatio float64         `json:"cpu_ratio"` // of its CPU time a message to the bare loop's, median
}

type plumbingRound struct {
	Worker plumbingPace `json:"worker"`
	Bare   plumbingPace `json:"bare"`
}

// ratio is that of the worker's results a second to the bare loop's.
func (r plumbingRound) ratio() float64 { return r.Worker.PerSecond / r.Bare.PerSecond }

type plumbingPace struct {
	PerSecond float64    `json:"results_per_second"`
	CPUMicros float64    `json:"cpu_us_per_result"`
	Memory    [2]float64 `json:"memory_mib"` // the most in the first half of the results, and in the second
}

func runBenchPlumbing(c *cobra.Command, o plumbingOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	p := &plumber{
		o: o, brokers: strings.Split(o.brokers, ","), nats: o.nats, topic: "sweet-plumbing-" + strconv.Itoa(os.Getpid()),
		log: slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	r, err := p.measure(c.Context())
	if c.Context().Err() != nil {
		return errUnfinished
	}
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(r)
	}
	return r.print(c.OutOrStdout())
}

func (p *plumber) measure(ctx context.Context) (r plumbingReport, err error) {
	if p.o.brokers == "" {
		stop, err := p.startSandbox(ctx)
		if err != nil {
			return r, err
		}
		defer stop()
	}
	nc, err := nats.Connect(p.nats)
	if err != nil {
		return r, fmt.Errorf("connecting to %s: %w", p.nats, err)
	}
	defer nc.Close()
	if p.js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4000)); err != nil { // as many as the worker's by default
		return r, fmt.Errorf("opening JetStream: %w", err)
	}
	if err := p.createTopic(ctx); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.removeTopic(context.WithoutCancel(ctx))) }()
	if err := p.fill(ctx); err != nil {
		return r, err
	}
	return p.alternate(ctx)
}

// alternate has both fill a stream of their own, in turn.
func (p *plumber) alternate(ctx context.Context) (plumbingReport, error) {
	r := plumbingReport{Messages: p.o.messages, Workers: p.o.workers}
	var ratios, cpu []float64
	for round := range p.o.rounds {
		worker, err := p.worker(ctx, round)
		if err != nil {
			return r, fmt.Errorf("the worker: %w", err)
		}
		bare, err := p.bare(ctx, round, worker.Bytes)
		if err != nil {
			return r, fmt.Errorf("the bare loop: %w", err)
		}
		both := plumbingRound{newPlumbingPace(worker), newPlumbingPace(bare)}
		r.Rounds = append(r.Rounds, both)
		ratios = append(ratios, both.ratio())
		cpu = append(cpu, float64(worker.CPU)/float64(max(bare.CPU, 1)))
	}
	r.Ratio, r.CPURatio = median(ratios), median(cpu)
	return r, nil
}

func newPlumbingPace(p plumbing.Pace) plumbingPace {
	return plumbingPace{
		PerSecond: p.PerSecond, CPUMicros: float64(p.CPU) / float64(time.Microsecond),
		Memory: [2]float64{float64(p.Memory[0]) / (1 << 20), float64(p.Memory[1]) / (1 << 20)},
	}
}

// worker measures a worker whose encoder answers at once.
func (p *plumber) worker(ctx context.Context, round int) (plumbing.Pace, error) {
	name := fmt.Sprintf("%s-worker-%d", p.topic, round)
	cfg, _, err := config.Load(ctx, []string{
		"SWEET_MODEL=bundled", "SWEET_MODE=fixed", "SWEET_RUNG=1", "SWEET_HTTP_ADDR=127.0.0.1:0", "SWEET_DLQ=drop",
		"SWEET_KAFKA_BROKERS=" + strings.Join(p.brokers, ","), "SWEET_KAFKA_TOPICS=" + p.topic, "SWEET_KAFKA_GROUP=" + name,
		"SWEET_NATS_URL=" + p.nats, "SWEET_NATS_STREAM=" + name, "SWEET_NATS_SUBJECT=" + name + ".{label}", "SWEET_NATS_CREATE_STREAM=true",
	})
	if err != nil {
		return plumbing.Pace{}, err
	}
	return p.watch(ctx, name, func(ctx context.Context) error {
		w, err := service.Open(ctx, cfg, service.Options{Version: version, Logger: p.log, Registry: prometheus.NewRegistry(), Encoder: plumbing.Instant})
		if err != nil {
			return err
		}
		return w.Run(ctx)
	})
}

// bare measures the bare loop, with results as large as the worker's.
func (p *plumber) bare(ctx context.Context, round, bytes int) (plumbing.Pace, error) {
	name := fmt.Sprintf("%s-bare-%d", p.topic, round)
	b := plumbing.Bare{Brokers: p.brokers, Topic: p.topic, Group: name, JS: p.js, Subject: name + ".label", Bytes: bytes}
	return p.watch(ctx, name, func(ctx context.Context) error {
		if _, err := p.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{name + ".>"}, Discard: jetstream.DiscardNew, Duplicates: 10 * time.Minute, // as the worker's
		}); err != nil {
			return fmt.Errorf("creating a stream: %w", err)
		}
		return b.Run(ctx)
	})
}

// watch runs what fills a stream, as often as there are workers, and returns its
// pace. It removes the stream,
// also where nothing came of it.
func (p *plumber) watch(ctx context.Context, stream string, run func(context.Context) error) (pace plumbing.Pace, err error) {
	stopping, stop := context.WithCancel(ctx)
	all, running := errgroup.WithContext(stopping)
	for range p.o.workers {
		all.Go(func() error { return run(running) })
	}
	ended := make(chan error, 1)
	go func() {
		ended <- all.Wait()
		close(ended)
	}()
	defer func() {
		stop()
		err = errors.Join(err, <-ended, p.removeStream(context.WithoutCancel(ctx), stream))
	}()
	return plumbing.Watch(ctx, p.js, stream, p.o.messages, ended)
}

func (p *plumber) removeStream(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	if err := p.js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("removing stream %s: %w", name, err)
	}
	return nil
}

func (p *plumber) createTopic(ctx context.Context) error {
	p.kafka = &kafka.Client{Addr: kafka.TCP(p.brokers...)}
	resp, err := p.kafka.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: p.topic, NumPartitions: p.o.partitions, ReplicationFactor: 1}},
	})
	if err == nil {
		err = resp.Errors[p.topic]
	}
	if err != nil {
		return fmt.Errorf("creating topic %s: %w", p.topic, err)
	}
	return nil
}

// fill fills the topic with messages to a support desk.
func (p *plumber) fill(ctx context.Context) error {
	producer := newProducer(p.brokers, &consumer.Access{}, produceOptions{topic: p.topic})
	g := desk.New(1, desk.Demo, desk.DemoMix)
	for range p.o.messages {
		text := g.Next().Text
		text += strings.Repeat(" "+text, max(p.o.bytes-len(text), 0)/(len(text)+1))
		if err := producer.send(ctx, []byte(text)); err != nil {
			return err
		}
	}
	return producer.close(ctx)
}

func (p *plumber) removeTopic(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	resp, err := p.kafka.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{p.topic}})
	if err == nil {
		err = resp.Errors[p.topic]
	}
	if err != nil {
		return fmt.Errorf("removing topic %s: %w", p.topic, err)
	}
	return nil
}

// startSandbox starts `sweet sandbox` as a process of its own, so that what the
// servers take is not counted, and returns what ends it.
func (p *plumber) startSandbox(ctx context.Context) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting a sandbox: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, self, "sandbox")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("starting a sandbox: %w", err)
	}
	stop = func() {
		cancel()
		_ = cmd.Wait() // it was told to end
	}
	if err := p.readSandbox(out); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// readSandbox reads from what a sandbox prints where its servers are.
func (p *plumber) readSandbox(out io.Reader) error {
	var brokers string
	lines := bufio.NewScanner(out)
	for (brokers == "" || p.nats == "") && lines.Scan() {
		name, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		switch value = strings.Trim(value, "'"); name {
		case "SWEET_KAFKA_BROKERS":
			brokers = value
		case "SWEET_NATS_URL":
			p.nats = value
		}
	}
	if brokers == "" || p.nats == "" {
		return fmt.Errorf("starting a sandbox: it does not say where its servers are: %w", cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
	}
	p.brokers = strings.Split(brokers, ",")
	return nil
}

func (r plumbingReport) print(w io.Writer) error {
	fmt.Fprintf(w, "%d messages from Kafka to JetStream, by %d × a worker whose encoder answers at once, and by %[2]d × a bare loop of kafka-go and nats.go\n\n",
		r.Messages, r.Workers)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "round\tworker, results/s\tCPU a result\tmemory, halves\tbare, results/s\tCPU a result\tratio\t")
	for i, round := range r.Rounds {
		fmt.Fprintf(t, "%d\t%.0f\t%.1f µs\t%.0f, %.0f MiB\t%.0f\t%.1f µs\t%.2f\t\n", i+1, round.Worker.PerSecond, round.Worker.CPUMicros,
			round.Worker.Memory[0], round.Worker.Memory[1], round.Bare.PerSecond, round.Bare.CPUMicros, round.ratio())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nmedian of the rounds: %.2f of the bare loop's results a second, %.2f of its CPU time\n", r.Ratio, r.CPURatio)
	return err
}
