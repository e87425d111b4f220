package service_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
)

// distinct is the number of different message ids in the stream, and of
// messages.
func distinct(t *testing.T, s *sandbox.Sandbox) (ids, messages int) {
	t.Helper()
	all := sandboxtest.Results(t, s)
	seen := make(map[string]bool)
	for _, m := range all {
		seen[m.Header.Get("Nats-Msg-Id")] = true
	}
	return len(seen), len(all)
}

func checkDistinct(t *testing.T, s *sandbox.Sandbox, want int) {
	t.Helper()
	if ids, messages := distinct(t, s); ids != want || messages != want {
		t.Errorf("%d results with %d different ids, want %d", messages, ids, want)
	}
}

func TestSecondRunGoesOnWhereTheFirstEnded(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 3})
	p := sandboxtest.NewProducer(t, s)
	env := environment(t, s)
	p.SendTexts(numbered(100)...)
	for range 2 {
		w := start(t, env)
		w.awaitSettled(s)
		w.quit()
		w.check(sums{read: 100, published: 100})
		p.SendTexts(numbered(100)...)
	}
	checkDistinct(t, s, 200)
}

func TestReplayIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 2})
	p := sandboxtest.NewProducer(t, s)
	p.SendTexts(numbered(50)...)
	p.Send(kafka.Message{Value: []byte("")}, kafka.Message{Value: nil})
	env := environment(t, s)
	first := start(t, env)
	first.awaitSettled(s)
	first.quit()
	first.check(sums{read: 52, published: 50, dead: 1, tombstones: 1})

	rewind(t, s)
	second := start(t, env)
	second.awaitSettled(s)
	second.quit()
	second.check(sums{read: 52, duplicates: 50, dead: 1, tombstones: 1})
	checkDistinct(t, s, 50)
}

func TestNATSDownPausesIntakeAndKeepsTheMembership(t *testing.T) {
	t.Parallel()
	const messages, held = 300, 40
	const session, beat = 4 * time.Second, 200 * time.Millisecond
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 3})
	w := start(t, environment(t, s, "SWEET_IN_FLIGHT="+strconv.Itoa(held),
		"SWEET_KAFKA_SESSION_TIMEOUT="+session.String(), "SWEET_KAFKA_HEARTBEAT="+beat.String()))
	w.logs.Await(t, "partitions assigned")
	s.StopNATS()
	sandboxtest.NewProducer(t, s).SendTexts(numbered(messages)...)
	w.logs.Await(t, "not durable yet")

	// More signs of life than fit into a session: it would have ended by now.
	sandboxtest.AwaitHeartbeats(t, s, int(session/beat)+5)
	if got := w.count("sweet_messages_read_total"); got > held {
		t.Errorf("%v messages read, want at most %d: intake does not pause", got, held)
	}
	if w.count("sweet_oldest_age_seconds") == 0 {
		t.Error("the oldest age stands still")
	}
	if status, body := w.get("/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, "nats: no server is reachable") {
		t.Errorf("ready says %d and %s, want 503 and that NATS is not reachable", status, body)
	}
	if status, _ := w.get("/live"); status != http.StatusOK {
		t.Errorf("live says %d, want 200: another process would not find a server either", status)
	}

	if err := s.StartNATS(); err != nil {
		t.Fatal(err)
	}
	w.awaitSettled(s)
	w.quit()
	if got := w.count("sweet_rebalances_total"); got != 1 {
		t.Errorf("%v generations, want 1: the membership was lost", got)
	}
	sum := w.sums()
	w.check(sums{read: messages, published: messages - sum.duplicates, duplicates: sum.duplicates})
	checkDistinct(t, s, messages)
}

func TestDrainThatIsTooShortLosesNothing(t *testing.T) {
	t.Parallel()
	const messages = 100
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 2})
	env := environment(t, s)
	w := start(t, append(slices.Clone(env), "SWEET_DRAIN=200ms", "SWEET_IN_FLIGHT=60"))
	w.logs.Await(t, "partitions assigned")
	s.StopNATS()
	sandboxtest.NewProducer(t, s).SendTexts(numbered(messages)...)
	w.logs.Await(t, "not durable yet")
	err := w.wait()
	if err == nil || !strings.Contains(err.Error(), "left unsettled") {
		t.Errorf("Run returned %v, want that messages were left unsettled", err)
	}
	read := w.count("sweet_messages_read_total")
	w.check(sums{read: read, abandoned: read})
	if lag := s.Lag(sandbox.Group); lag != messages {
		t.Errorf("%d messages are not committed, want %d", lag, messages)
	}

	if err := s.StartNATS(); err != nil {
		t.Fatal(err)
	}
	next := start(t, env)
	next.awaitSettled(s)
	next.quit()
	checkDistinct(t, s, messages)
}
