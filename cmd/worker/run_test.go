package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
)

// nowhere is an address where nothing listens.
const nowhere = "127.0.0.1:1"

// minimal is the least that a worker must be told. Its servers are nowhere.
func minimal(t *testing.T) []string {
	t.Helper()
	return []string{
		"SWEET_MODEL=" + sandboxtest.Model(t), "SWEET_HTTP_ADDR=127.0.0.1:0", "SWEET_LOG_FORMAT=json", "SWEET_THREADS=1",
		"SWEET_KAFKA_BROKERS=" + nowhere, "SWEET_KAFKA_TOPICS=texts", "SWEET_KAFKA_GROUP=sweet", "SWEET_DLQ=kafka:texts-dead",
		"SWEET_NATS_URL=nats://" + nowhere, "SWEET_NATS_STREAM=results",
	}
}

func TestRunEndsAtOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	required := []string{
		"SWEET_MODEL is required", "SWEET_KAFKA_BROKERS is required", "SWEET_KAFKA_TOPICS is required", "SWEET_KAFKA_GROUP is required",
		"SWEET_DLQ is required", "SWEET_NATS_URL is required", "SWEET_NATS_STREAM is required",
	}
	for _, tt := range []struct {
		name           string
		args           []string
		env            []string // beside the minimal ones, unless it is nil
		code           int
		stdout, stderr []string // what they hold
	}{
		{"the version", []string{"--version"}, nil, 0, []string{"dev"}, nil},
		{"help", []string{"--help"}, nil, 0, nil, []string{"-print-config", "-version"}},
		{"an unknown flag", []string{"--verbose"}, nil, 2, nil, []string{"-verbose"}},
		{"an argument that is no flag", []string{"serve"}, nil, 2, nil, []string{`"serve" is no flag`, "--print-config"}},
		{"no settings", nil, nil, 2, nil, required},
		{"no settings to print", []string{"--print-config"}, nil, 2, nil, required},
		{"an unknown variable", nil, []string{"SWEET_KAFKA_TOPIC=x"}, 2, nil, []string{"SWEET_KAFKA_TOPIC is not a variable", "SWEET_KAFKA_TOPICS"}},
		{"many faults at once", nil, []string{"SWEET_THREADS=many", "SWEET_DRAIN=soon", "SWEET_COLOR=red"}, 2, nil, []string{"SWEET_THREADS=many", "SWEET_DRAIN=soon", "SWEET_COLOR is not a variable"}},
		{"many values out of range", nil, []string{"SWEET_CPU=sse", "SWEET_IN_FLIGHT=0", "SWEET_NATS_PENDING=0"}, 2, nil, []string{"SWEET_CPU=sse", "SWEET_IN_FLIGHT=0", "SWEET_NATS_PENDING=0"}},
		{"a rung that nobody certified", nil, []string{"SWEET_MODE=fixed", "SWEET_RUNG=2"}, 2, nil, []string{"SWEET_RUNG=2", "certified rungs are 0 to 1"}},
		{"a rung in a mode that does not use it", nil, []string{"SWEET_MODE=full", "SWEET_RUNG=1"}, 2, nil, []string{"SWEET_RUNG=1", "SWEET_MODE=fixed"}},
		{"a model that is not there", nil, []string{"SWEET_MODEL=" + file + "x"}, 2, nil, []string{"SWEET_MODEL=" + file + "x", "no such file"}},
		{"a model that is a file", nil, []string{"SWEET_MODEL=" + file}, 2, nil, []string{"SWEET_MODEL=" + file, "is a file", "config.json"}},
		{"a folder that holds no model", nil, []string{"SWEET_MODEL=" + filepath.Dir(file)}, 2, nil, []string{"SWEET_MODEL=", "vocab.txt"}},
		{"more tokens than the model has positions", nil, []string{"SWEET_MAX_TOKENS=4096"}, 2, nil, []string{"4096", "32"}},
		{"a batch that holds no text", nil, []string{"SWEET_BATCH_TOKENS=16"}, 2, nil, []string{"SWEET_BATCH_TOKENS=16", "32"}},
		{"a NATS address that is none", nil, []string{"SWEET_NATS_URL=nats://u:hunter2@[::1"}, 2, nil, []string{"SWEET_NATS_URL"}},
		{"an address that is none", nil, []string{"SWEET_HTTP_ADDR=nowhere"}, 1, nil, []string{"SWEET_HTTP_ADDR=nowhere"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var env []string
			if tt.env != nil {
				env = append(minimal(t), tt.env...)
			}
			var stdout, stderr bytes.Buffer
			code := run(sandboxtest.Limited(t), tt.args, env, &stdout, &stderr)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, want := range tt.stdout {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("standard output does not say %q:\n%s", want, &stdout)
				}
			}
			for _, want := range tt.stderr {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("standard error does not say %q:\n%s", want, &stderr)
				}
			}
			if strings.Contains(stdout.String()+stderr.String(), "hunter2") {
				t.Errorf("a password is shown:\n%s%s", &stdout, &stderr)
			}
		})
	}
}

func TestPrintedSettingsLoadAgain(t *testing.T) {
	t.Parallel()
	env := append(minimal(t), "SWEET_NATS_URL=nats://me:hunter2@a:4222,nats://hunter2@b:4222", "SWEET_KAFKA_TOPICS=a,b")
	var first, second, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--print-config"}, env, &first, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	printed := strings.Split(strings.TrimSpace(first.String()), "\n")
	for _, want := range []string{"SWEET_KAFKA_TOPICS=a,b", "SWEET_IN_FLIGHT_BYTES=64MiB", "SWEET_DRAIN=30s", "SWEET_NATS_URL=nats://***@a:4222,nats://***@b:4222"} {
		if !slices.Contains(printed, want) {
			t.Errorf("%s is not printed:\n%s", want, &first)
		}
	}
	if strings.Contains(first.String(), "hunter2") {
		t.Errorf("a password is printed:\n%s", &first)
	}
	if code := run(t.Context(), []string{"--print-config"}, printed, &second, &stderr); code != 0 || second.String() != first.String() {
		t.Errorf("what was printed loads with code %d as\n%s%swant\n%s", code, &second, &stderr, &first)
	}
}

// A running is a worker that runs inside the test.
type running struct {
	t     *testing.T
	log   sandboxtest.Log
	stop  context.CancelFunc
	ended chan int
}

func startRun(t *testing.T, env []string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, stop: cancel, ended: make(chan int, 1)}
	go func() { r.ended <- run(ctx, nil, env, io.Discard, &r.log) }()
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			t.Logf("the worker's log:\n%s", &r.log)
		}
	})
	return r
}

// check waits for the end and compares the exit code and what the log says.
func (r *running) check(code int, parts ...string) {
	r.t.Helper()
	select {
	case got := <-r.ended:
		if got != code {
			r.t.Errorf("exit code %d, want %d", got, code)
		}
	case <-sandboxtest.Limited(r.t).Done():
		r.t.Fatal("the worker does not end")
	}
	for _, part := range parts {
		if !strings.Contains(r.log.String(), part) {
			r.t.Errorf("the log does not say %q", part)
		}
	}
}

// probe asks for a page at the address that the log tells.
func (r *running) probe(path string) (status int, body string) {
	r.t.Helper()
	_, rest, _ := strings.Cut(r.log.Await(r.t, `"msg":"listening"`), `"http":"`)
	addr, _, _ := strings.Cut(rest, `"`)
	req, err := http.NewRequestWithContext(sandboxtest.Limited(r.t), http.MethodGet, "http://"+addr+path, http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

// checkReady compares what /ready says; missing is part of it, or empty.
func (r *running) checkReady(status int, missing string) {
	r.t.Helper()
	got, body := r.probe("/ready")
	if got != status || !strings.Contains(body, missing) {
		r.t.Errorf("ready says %d and %s, want %d and %q", got, body, status, missing)
	}
	if got, _ := r.probe("/live"); got != http.StatusOK {
		r.t.Errorf("live says %d, want 200", got)
	}
}

func TestServersThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct {
		name string
		env  string
		says []string
	}{
		{"a port that is taken", "SWEET_HTTP_ADDR=" + taken.Addr().String(), []string{"SWEET_HTTP_ADDR=" + taken.Addr().String(), "in use"}},
		{"a stream that is not there", "SWEET_NATS_STREAM=nope", []string{"SWEET_NATS_STREAM=nope", "no such stream", "SWEET_NATS_CREATE_STREAM"}},
		{"a stream that does not take the results", "SWEET_NATS_SUBJECT=other.{label}", []string{"does not take subject other.", "SWEET_NATS_SUBJECT"}},
		{"a dead-letter topic that is not there", "SWEET_DLQ=kafka:nope", []string{"SWEET_DLQ=kafka:nope", "create it"}},
		{"a session that the brokers do not allow", "SWEET_KAFKA_SESSION_TIMEOUT=50m", []string{"SWEET_KAFKA_SESSION_TIMEOUT=50m0s", "group.max.session.timeout.ms"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			startRun(t, environment(t, s, tt.env)).check(exitFault, tt.says...)
		})
	}
}

func TestNATSThatComesLate(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	s.StopNATS()
	r := startRun(t, environment(t, s))
	r.log.Await(t, `"level":"WARN"`, "waiting for a nats server")
	r.log.Await(t, "no nats server is reachable", "connection refused")
	r.checkReady(http.StatusServiceUnavailable, "nats: no server is reachable")
	if err := s.StartNATS(); err != nil {
		t.Fatal(err)
	}
	r.log.Await(t, "partitions assigned")
	r.log.Await(t, "taking messages")
	r.checkReady(http.StatusOK, "ok")
	r.stop()
	r.check(0, "everything in flight was settled")
}

func TestStopWhileServersAreDown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, env, waits, missing string
	}{
		{"NATS", "SWEET_NATS_URL=nats://" + nowhere, "waiting for a nats server", "nats: no server is reachable"},
		{"Kafka", "SWEET_KAFKA_BROKERS=" + nowhere, "no broker answers, trying again", "kafka: not a member of the group"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
			r := startRun(t, environment(t, s, tt.env))
			r.log.Await(t, `"level":"WARN"`, tt.waits)
			r.checkReady(http.StatusServiceUnavailable, tt.missing)
			r.stop()
			r.check(0)

			c := startChild(t, tt.name, environment(t, s, tt.env)...)
			c.log.Await(t, tt.waits)
			if code := c.terminate(); code != 0 {
				t.Errorf("exit code %d after SIGTERM, want 0", code)
			}
		})
	}
}

func TestTopicThatComesLate(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	r := startRun(t, environment(t, s, "SWEET_KAFKA_TOPICS=later"))
	r.log.Await(t, `"level":"ERROR"`, "topic cannot be read, waiting for it", `"topic":"later"`, "create the topic")
	r.checkReady(http.StatusServiceUnavailable, "a topic is missing")
	if err := s.Kafka.CreateTopic("later", 2, nil); err != nil {
		t.Fatal(err)
	}
	r.log.Await(t, "partitions assigned", "later/0", "later/1")
	r.log.Await(t, "taking messages")
	r.checkReady(http.StatusOK, "ok")
	r.stop()
	r.check(0)
}
