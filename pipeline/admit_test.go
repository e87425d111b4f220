package pipeline

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/pipeline/schedule"
)

// TestAdmissionOrder has rows arrive, all in one fetch, while the first run is
// under way. Rows of 4 tokens go two by two.
func TestAdmissionOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf("8 no")
		r := newRig(t, s, func(c *Config, _ *Parts) { c.MaxTokens, c.BatchTokens = 4, 8 })
		line := schedule.Line{Base: 0.5, PerToken: 0.5 / 8} // a pass takes 3 s
		r.script.costs = []schedule.Line{line, line, line}
		if err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		message := func(text string, tier Tier, deadline time.Duration) Message {
			headers := []Header{{"sweet-tier", []byte(tier)}}
			if deadline != 0 {
				headers = append(headers, Header{"sweet-deadline", []byte(time.Now().Add(deadline).Format(time.RFC3339Nano))})
			}
			return Message{Value: []byte(text), Headers: headers}
		}
		go func() {
			<-time.After(100 * time.Millisecond)
			s.putMessages(
				message("8 no", BestEffort, 0),
				message("8 yes", BestEffort, 0),
				message("9 no", Standard, 0),
				message("9 yes", Standard, time.Minute),
				message("7 no", Standard, 3*time.Second),
				message("7 yes", BestEffort, 2*time.Second),
			)
		}()
		if err := r.runUntil(t, 7); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, res := range r.sink.kept {
			got = append(got, string(res.Message.Value))
		}
		want := []string{"8 no", "7 yes", "7 no", "9 no", "9 yes", "8 no", "8 yes"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestADeadlineIsHeededUnderABacklog has a row with a deadline far back in a
// backlog in which every row has waited for many passes. It goes before those that
// came to the window before it.
func TestADeadlineIsHeededUnderABacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		r := newRig(t, s, func(c *Config, _ *Parts) { c.MaxTokens, c.BatchTokens = 4, 128 })
		line := schedule.Line{Base: 0.5, PerToken: 0.5 / 128} // a full run takes 1 s
		r.script.costs = []schedule.Line{line, line, line}
		if err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		backlog := slices.Repeat([]Message{{Value: []byte("9 no")}}, 5*chunk)
		backlog[1240] = Message{ // of the last chunk
			Value:   []byte("8 no"),
			Headers: []Header{{"sweet-deadline", []byte(time.Now().Add(38500 * time.Millisecond).Format(time.RFC3339Nano))}},
		}
		s.putMessages(backlog...)
		if err := r.runUntil(t, 5*chunk); err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(r.sink.kept, func(res Result) bool { return string(res.Message.Value) == "8 no" })
		if at < 0 || at >= 1216 {
			t.Errorf("the row with the deadline was answered as number %d, want it in a run before that of its neighbors, the 39th", at)
		}
	})
}

// TestAMissedDeadlineHurriesNobody has rows that came too late keep the order of
// the others, and wait for company at the second stage like them.
func TestAMissedDeadlineHurriesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		late := []Header{{"sweet-deadline", []byte(time.Now().Add(-time.Hour).Format(time.RFC3339))}}
		for range 16 {
			s.putMessage(Message{Value: []byte("1 9 no"), Headers: late})
			s.putMessage(Message{Value: []byte("9 no"), Headers: late})
		}
		r := newRig(t, s, func(c *Config, _ *Parts) { c.MaxTokens, c.BatchTokens = 5, 40 })
		line := schedule.Line{Base: 0.5, PerToken: 0.5 / 40} // only a full run is worth it
		r.script.costs = []schedule.Line{line, line, line}
		if err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.script.runs = nil
		if err := r.runUntil(t, 32); err != nil {
			t.Fatal(err)
		}
		// The 16 shorter rows go first and leave by the first exit. The longer ones
		// run the second stage 8 by 8, which is all that it takes.
		if got, want := strings.Join(r.script.runs, " "), "1:10 1:9 1:8 2:8 1:5 2:8"; got != want {
			t.Errorf("got runs %s, want %s", got, want)
		}
	})
}
