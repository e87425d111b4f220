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

// name is that of the group, of the stream and of the log.
func (w worker) name() string { return w.load.name + "-" + w.mode }

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

// answer runs the worker until every message has a result, stops it, and checks
// all that it leaves behind.
func (w worker) answer(ctx context.Context, s *servers, dir string, messages map[place]string, want answers, partitions int) error {
	nc, err := nats.Connect(s.nats)
	if err != nil {
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	defer nc.Close()
	all, err := countResults(nc, w.name()+".>", len(messages))
	if err != nil {
		return err
	}

	begin := time.Now()
	c, err := start(ctx, dir, "worker-"+w.name(), w.env(s), workerReady, w.path)
	if err != nil {
		return err
	}
	defer c.kill()
	groups, err := c.ready(ctx)
	if err != nil {
		return err
	}
	select {
	case <-all.seen:
	case <-c.ended:
		return fmt.Errorf("the worker ended with %d of %d results: %w%s", all.count(), len(messages), c.err, c.out.tail())
	case <-ctx.Done():
		return fmt.Errorf("%d of %d results: %w%s", all.count(), len(messages), context.Cause(ctx), c.out.tail())
	}
	took := time.Since(begin)
	if err := checkHTTP(ctx, groups[0]); err != nil {
		return fmt.Errorf("%w%s", err, c.out.tail())
	}
	code, err := c.terminate()
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("the worker's exit code after SIGTERM is %d, want 0%s", code, c.out.tail())
	}

	if err := s.checkCommitted(ctx, w.name(), w.load.name, partitions); err != nil {
		return err
	}
	if err := s.checkEmpty(ctx, deadTopic(w.load.name)); err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("opening JetStream: %w", err)
	}
	results, err := readStream(ctx, js, w.name(), len(messages))
	if err != nil {
		return err
	}
	if err := compare(results, messages, want); err != nil {
		return err
	}
	if err := w.checkDepth(results); err != nil {
		return err
	}
	say("%s: %d texts in, %d results out, all as sweet classify says at rung %d; exits %s; %.1f s with start, %.0f messages/s",
		w.name(), len(messages), len(results), w.rung, exitShares(results), took.Seconds(), float64(len(messages))/took.Seconds())
	return nil
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
func checkHTTP(ctx context.Context, addr string) error {
	for path, want := range map[string]string{"/live": "", "/ready": "", "/metrics": "sweet_results_published_total"} {
		status, body, err := get(ctx, "http://"+addr+path)
		if err != nil {
			return fmt.Errorf("asking for %s: %w", path, err)
		}
		if status != http.StatusOK || !strings.Contains(body, want) {
			return fmt.Errorf("%s answers with status %d; want 200 and %q in:\n%s", path, status, want, body)
		}
	}
	return nil
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
