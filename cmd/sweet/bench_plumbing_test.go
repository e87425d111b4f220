package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
)

// TestBenchPlumbing measures on servers that are there already, and leaves them as
// they were.
func TestBenchPlumbing(t *testing.T) {
	s := sandboxtest.Start(t, sandbox.Options{})
	var out strings.Builder
	c := newCommand()
	c.SetOut(&out)
	c.SetArgs([]string{"bench", "--plumbing", "--messages", "1000", "--rounds", "2", "--json", "--brokers", strings.Join(s.Brokers(), ","), "--nats", s.NATSURL()})
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var r plumbingReport
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Rounds) != 2 || r.Messages != 1000 || !(r.Ratio > 0) || !(r.CPURatio > 0) {
		t.Errorf("got %+v", r)
	}
	for _, round := range r.Rounds {
		if !(round.Worker.PerSecond > 0) || !(round.Bare.PerSecond > 0) || !(min(round.Worker.Memory[0], round.Worker.Memory[1]) > 1) {
			t.Errorf("got %+v", round)
		}
	}
	checkNothingLeft(t, s)
}

// TestBenchPlumbingStopped is told to stop while a worker fills its stream.
func TestBenchPlumbingStopped(t *testing.T) {
	s := sandboxtest.Start(t, sandbox.Options{})
	_, js, err := s.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	defer js.Conn().Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := newCommand()
	c.SetArgs([]string{"bench", "--plumbing", "--messages", "20000", "--brokers", strings.Join(s.Brokers(), ","), "--nats", s.NATSURL()})
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(ctx) }()
	for looks := time.NewTicker(time.Millisecond); ; <-looks.C {
		if len(plumbingStreams(t, js)) > 0 {
			break
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, errUnfinished) {
		t.Errorf("got error %v, want that it is unfinished", err)
	}
	checkNothingLeft(t, s)
}

// checkNothingLeft checks that a measurement's streams and topic are gone.
func checkNothingLeft(t *testing.T, s *sandbox.Sandbox) {
	t.Helper()
	_, js, err := s.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	defer js.Conn().Close()
	if left := plumbingStreams(t, js); len(left) > 0 {
		t.Errorf("streams %v were left", left)
	}
	if n := len(s.Kafka.PartitionInfos("sweet-plumbing-" + strconv.Itoa(os.Getpid()))); n > 0 {
		t.Errorf("its topic of %d partitions was left", n)
	}
}

func plumbingStreams(t *testing.T, js jetstream.JetStream) (names []string) {
	t.Helper()
	for name := range js.StreamNames(t.Context()).Name() {
		if strings.HasPrefix(name, "sweet-plumbing") {
			names = append(names, name)
		}
	}
	return names
}

func TestBenchPlumbingReadsWhereASandboxIs(t *testing.T) {
	var p plumber
	err := p.readSandbox(strings.NewReader("export SWEET_MODEL='bundled'\nexport SWEET_KAFKA_BROKERS='127.0.0.1:1,127.0.0.1:2'\nexport SWEET_NATS_URL='nats://127.0.0.1:3'\n"))
	if err != nil || len(p.brokers) != 2 || p.nats != "nats://127.0.0.1:3" {
		t.Errorf("got %+v and error %v", p, err)
	}
	if err := new(plumber).readSandbox(strings.NewReader("export SWEET_MODEL='bundled'\n")); err == nil {
		t.Error("a sandbox that ends is no error")
	}
}
