// Command e2e runs the built worker between a real Kafka broker and a real
// nats-server, and holds what it publishes against what `sweet classify` says of
// the same texts. It starts programs and reads what they leave behind; of how
// they work it knows only the environment, the result format, the commands and
// how a trace is read.
//
// Each model (the bundled one, and one trained in the run on real text) gets a
// topic of 20,000 texts. The worker reads it twice, as two groups: at full depth,
// then at the last rung of its ladder. Each time, after SIGTERM, the exit code
// must be 0, the stream must hold exactly one result for every message, every
// offset must be committed, the dead-letter topic must be empty, and label, score
// and exit must be those of `sweet classify` at the same rung.
//
// Then a worker with the bundled model chooses its rung itself, on a topic to
// which come 0.4, 2.2 and again 0.4 times as many messages a second as full depth
// has just carried. Under load the rung must move to a cheaper one, and back
// when it is over; log and trace must tell the same moves; `sweet simulate
// --replay` must decide as the trace does, bit for bit; and beside all that is
// said above, the answers must agree with full depth's as often as the ladder
// promises, which the worker's own audits must have found too.
//
// Then a group of workers answers 300,000 messages at the last rung, between
// servers of its own, while workers come, go, are killed, stand still for longer
// than their session and are replaced, the topic gets more partitions, and Kafka
// and NATS are killed and stopped, alone and together. In the end there must be
// exactly one result for every message; committed offsets never went back, every
// worker counted every rebalance that it saw, and none ended by itself. In its
// long form this is
//
//	-models none -access=false -churn 10000000 -rounds 30 -timeout 6h
//
// At last both servers are started anew so that they let in only who has a right
// to: Kafka with TLS, every kind of login and access control, NATS with TLS,
// certificates and a login. Workers must get their messages through with each
// kind of login, must end and say why where they are not let in or lack a right,
// must say so and go on where they lose one, and must outlive an exchange of
// every certificate and password; and no secret may stand in what they write.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are the flags: what to run, and with what.
type options struct {
	bin        string
	kafka      string
	data       string
	models     string
	model      string
	ladder     string
	step       bool
	access     bool
	dir        string
	messages   int
	churn      int
	rounds     int
	last       int // rung of the bundled model
	partitions int
	timeout    time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "", "folder with the built programs worker, sweet and nats-server (required)")
	flag.StringVar(&o.kafka, "kafka", ".ci/kafka/kafka.sh", "script that becomes a Kafka broker")
	flag.StringVar(&o.data, "data", "../shared/data/trec6", "folder with train, dev and test.tsv.gz for the trained model")
	flag.StringVar(&o.models, "models", "bundled,trained", "models to serve: bundled, trained, both or none")
	flag.StringVar(&o.model, "model", "", "directory of a trained and calibrated model, instead of training one")
	flag.StringVar(&o.ladder, "ladder", "inference/bundled/model/ladder.json", "ladder of the bundled model")
	flag.BoolVar(&o.step, "step", true, "after the bundled model let a worker follow a load that steps")
	flag.BoolVar(&o.access, "access", true, "check who may come in at servers that do not let everybody in")
	flag.StringVar(&o.dir, "dir", "", "folder for servers' data, models and logs, kept; default a temporary one, removed after success")
	flag.IntVar(&o.messages, "messages", 20000, "messages for each model")
	flag.IntVar(&o.churn, "churn", 300_000, "messages for a group of workers that come and go, between servers that do; 0 for none")
	flag.IntVar(&o.rounds, "rounds", 1, "how often everything happens to them")
	flag.IntVar(&o.partitions, "partitions", 6, "partitions of each topic")
	flag.DurationVar(&o.timeout, "timeout", 40*time.Minute, "bound on everything")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done within %v", o.timeout))
	err := run(ctx, o)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
}

// run does everything and leaves no process behind.
func run(ctx context.Context, o options) error {
	if o.bin == "" || flag.NArg() > 0 {
		return errors.New("want -bin DIR and no arguments; see -help")
	}
	dir := o.dir
	if dir == "" {
		temporary, err := os.MkdirTemp("", "sweetspot-e2e-")
		if err != nil {
			return err
		}
		dir = temporary
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := runIn(ctx, dir, o); err != nil {
		return fmt.Errorf("%w\n(logs are in %s)", err, dir)
	}
	if o.dir == "" {
		return os.RemoveAll(dir)
	}
	return nil
}

func runIn(ctx context.Context, dir string, o options) error {
	if o.models != "none" {
		if err := serveModels(ctx, dir, o); err != nil {
			return err
		}
	}
	if o.churn > 0 {
		l, err := readLadder(o.ladder)
		if err != nil {
			return err
		}
		o.last = len(l.F32.Rungs) - 1
		if err := runChurn(ctx, dir, o); err != nil {
			return fmt.Errorf("workers that come and go: %w", err)
		}
	}
	if o.access {
		if err := checkAccess(ctx, filepath.Join(dir, "access"), o); err != nil {
			return fmt.Errorf("who may come in: %w", err)
		}
	}
	return nil
}

// serveModels lets workers answer the texts of each model.
func serveModels(ctx context.Context, dir string, o options) (err error) {
	say("starting Kafka and NATS")
	s, err := startServers(ctx, dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()

	sweet := sweet{path: filepath.Join(o.bin, "sweet")}
	for name := range strings.SplitSeq(o.models, ",") {
		var l load
		switch name {
		case "bundled":
			l = load{name: name, model: "bundled", texts: supportTexts(o.messages)}
		case "trained":
			if l, err = trainedLoad(ctx, sweet, dir, o); err != nil {
				return err
			}
		default:
			return fmt.Errorf("-models %q: want bundled, trained or both by comma, or none", name)
		}
		full, err := serve(ctx, s, sweet, dir, l, o)
		if err != nil {
			return fmt.Errorf("%s model: %w", name, err)
		}
		if o.step && name == "bundled" {
			if err := followStep(ctx, s, sweet, dir, full, l.texts, o); err != nil {
				return fmt.Errorf("load that steps: %w", err)
			}
		}
	}
	return nil
}

// A load is a model and the texts that it is to answer.
type load struct {
	name  string // also the name of the topic
	model string // as SWEET_MODEL and --model take it
	texts []string
}

// A served load has been answered at full depth: what sweet classify says of its
// texts there, and how many messages a second the worker answered.
type served struct {
	answers
	perSecond float64
}

// serve produces the texts of a load and lets the worker answer them at full
// depth and at the last rung. It returns what came of full depth.
func serve(ctx context.Context, s *servers, sweet sweet, dir string, l load, o options) (served, error) {
	if err := s.createTopics(ctx, l.name, o.partitions); err != nil {
		return served{}, err
	}
	if err := sweet.produce(ctx, dir, s.brokers, l); err != nil {
		return served{}, err
	}
	messages, err := s.readTopic(ctx, l.name, o.partitions)
	if err != nil {
		return served{}, err
	}
	if err := sameTexts(messages, l.texts); err != nil {
		return served{}, err
	}
	var full served
	for _, mode := range []string{"full", "fixed"} {
		rung := "0"
		if mode == "fixed" {
			rung = "last"
		}
		want, err := sweet.classify(ctx, l, rung)
		if err != nil {
			return served{}, err
		}
		if mode == "fixed" && want.rung == 0 {
			if l.name == "bundled" {
				return served{}, errors.New("its ladder has no rung but full depth")
			}
			say("%s: its ladder has no rung but full depth, which is served again", l.name)
		}
		w := worker{load: l, mode: mode, rung: want.rung, path: filepath.Join(o.bin, "worker")}
		perSecond, err := w.answer(ctx, s, dir, messages, want, o.partitions)
		if err != nil {
			return served{}, fmt.Errorf("SWEET_MODE=%s, rung %d: %w", mode, want.rung, err)
		}
		if mode == "full" {
			full = served{want, perSecond}
		}
	}
	return full, nil
}

var begin = time.Now()

// say reports progress, with the seconds since the start.
func say(format string, args ...any) {
	fmt.Printf("%6.1f s  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
}
