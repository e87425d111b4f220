package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A worker is one run of the worker over a whole topic.
type worker struct {
	load
	path string
	mode string
	rung int
}

// workerReady matches the line of the worker's log that tells its HTTP address.
var workerReady = regexp.MustCompile(`"msg":"serving".*"http":"([^"]+)"`)

// name is that of the group and of the stream.
func (w worker) name() string { return w.load.name + "-" + w.mode }

// log is the name of the log.
func (w worker) log() string { return "worker-" + w.name() }

// env configures the worker. The stream is its own to create.
func (w worker) env(s *servers) []string {
	env := environment(
		"SWEET_MODEL="+w.model,
		"SWEET_MODE="+w.mode,
		"SWEET_DEVICE=cpu",
		"SWEET_KAFKA_BROKERS="+s.brokers,
		"SWEET_KAFKA_TOPICS="+w.load.name,
		"SWEET_KAFKA_GROUP="+w.name(),
		"SWEET_DLQ=kafka:"+deadTopic(w.load.name),
		"SWEET_NATS_URL="+s.nats,
		"SWEET_NATS_STREAM="+w.name(),
		"SWEET_NATS_SUBJECT="+w.name()+".{topic}.{label}",
		"SWEET_NATS_CREATE_STREAM=true",
		"SWEET_HTTP_ADDR=127.0.0.1:0",
		"SWEET_LOG_FORMAT=json",
	)
	if w.mode == "fixed" {
		env = append(env, "SWEET_RUNG="+strconv.Itoa(w.rung))
	}
	return env
}

// A running is a worker at work, and what it has published so far.
type running struct {
	worker
	child *child
	http  string // address of its pages
	nc    *nats.Conn
	all   *tally
}

// launch starts the worker, with more settings, and counts what it publishes.
func (w worker) launch(ctx context.Context, s *servers, dir string, more ...string) (*running, error) {
	nc, err := nats.Connect(s.nats)
	if err != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", err)
	}
	r := &running{worker: w, nc: nc}
	if err := r.launch(ctx, dir, append(w.env(s), more...)); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *running) launch(ctx context.Context, dir string, env []string) error {
	var err error
	if r.all, err = countResults(r.nc, r.name()+".>"); err != nil {
		return err
	}
	if r.child, err = start(ctx, dir, r.log(), env, workerReady, r.path); err != nil {
		return err
	}
	groups, err := r.child.ready(ctx)
	if err != nil {
		return err
	}
	r.http = "http://" + groups[0]
	return nil
}

// close ends a worker that is still running when nothing more is expected of it.
func (r *running) close() {
	if r.child != nil {
		r.child.kill()
	}
	r.nc.Close()
}

// await waits until so many messages have a result.
func (r *running) await(ctx context.Context, messages int) error {
	select {
	case <-r.all.expect(messages):
		return nil
	case <-r.child.ended:
		return fmt.Errorf("the worker ended with %d of %d results: %w%s", r.all.count(), messages, r.child.err, r.child.out.tail())
	case <-ctx.Done():
		return fmt.Errorf("%d of %d results: %w%s", r.all.count(), messages, context.Cause(ctx), r.child.out.tail())
	}
}

// stop asks for the pages of the worker, stops it, checks what it leaves behind
// in Kafka, and returns what it leaves in the stream.
func (r *running) stop(ctx context.Context, s *servers, messages, partitions int) ([]result, error) {
	if err := r.checkHTTP(ctx); err != nil {
		return nil, fmt.Errorf("%w%s", err, r.child.out.tail())
	}
	code, err := r.child.terminate()
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, fmt.Errorf("the worker's exit code after SIGTERM is %d, want 0%s", code, r.child.out.tail())
	}
	if err := s.checkCommitted(ctx, r.name(), r.load.name, partitions); err != nil {
		return nil, err
	}
	if err := s.checkEmpty(ctx, deadTopic(r.load.name)); err != nil {
		return nil, err
	}
	js, err := jetstream.New(r.nc)
	if err != nil {
		return nil, fmt.Errorf("opening JetStream: %w", err)
	}
	return readStream(ctx, js, r.name(), messages)
}

// answer runs the worker until every message has a result, stops it, and checks
// all that it leaves behind. It returns how many results a second there were.
func (w worker) answer(ctx context.Context, s *servers, dir string, messages map[place]string, want answers, partitions int) (float64, error) {
	begin := time.Now()
	r, err := w.launch(ctx, s, dir)
	if err != nil {
		return 0, err
	}
	defer r.close()
	if err := r.await(ctx, len(messages)); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	results, err := r.stop(ctx, s, len(messages), partitions)
	if err != nil {
		return 0, err
	}
	if err := compare(results, messages, map[int]answers{want.rung: want}); err != nil {
		return 0, err
	}
	if err := w.checkDepth(results); err != nil {
		return 0, err
	}
	say("%s: %d texts in, %d results out, all as sweet classify says at rung %d; exits %s; %.1f s with start, %.0f messages/s",
		w.name(), len(messages), len(results), w.rung, exitShares(results), took.Seconds(), float64(len(messages))/took.Seconds())
	return r.all.perSecond(), nil
}

// checkDepth returns an error unless the exits are those of the mode: only the
// last one at full depth, and none that was certified in vain.
func (w worker) checkDepth(results []result) error {
	exits := make(map[int]bool)
	for _, r := range results {
		exits[r.Exit] = true
	}
	if w.rung == 0 && len(exits) != 1 {
		return fmt.Errorf("at full depth results left at %d different exits: %s", len(exits), exitShares(results))
	}
	if w.rung > 0 && len(exits) == 1 {
		return fmt.Errorf("at rung %d every result left at the same exit: %s", w.rung, exitShares(results))
	}
	return nil
}

// checkHTTP asks the running worker for its three pages.
func (r *running) checkHTTP(ctx context.Context) error {
	for path, want := range map[string]string{"/live": "", "/ready": "", "/metrics": "sweet_results_published_total"} {
		body, err := r.page(ctx, path)
		if err != nil {
			return err
		}
		if !strings.Contains(body, want) {
			return fmt.Errorf("%s does not hold %q:\n%s", path, want, body)
		}
	}
	return nil
}

// page returns what the running worker says at a path.
func (r *running) page(ctx context.Context, path string) (string, error) {
	return page(ctx, r.http, path)
}

// page returns what a worker says at a path of its address.
func page(ctx context.Context, address, path string) (string, error) {
	status, body, err := get(ctx, address+path)
	if err != nil {
		return "", fmt.Errorf("asking for %s: %w", path, err)
	}
	if status != http.StatusOK {
		return "", fmt.Errorf("%s answers with status %d, want 200:\n%s", path, status, body)
	}
	return body, nil
}

func get(ctx context.Context, url string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(all), err
}
