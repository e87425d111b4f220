package pipeline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/pipeline/schedule"
)

// TestRowsAnswerAsIfAlone plays random texts, tiers, rungs, batch sizes and
// devices, and compares every result with what the row's own thresholds say of
// it alone. Every message is settled exactly once.
func TestRowsAnswerAsIfAlone(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			s := newShelf()
			s.at = 1 + r.IntN(50)
			if r.IntN(2) == 0 {
				s.bound = 1 + r.IntN(100)
			}
			messages := 50 + r.IntN(200)
			for range messages {
				s.putMessage(randomMessage(r))
			}
			rig := newRig(t, s, func(c *Config, parts *Parts) {
				c.BatchTokens = c.MaxTokens + r.IntN(100)
				parts.Depth = 1 + r.IntN(2)
			})
			rig.script.takes = time.Duration(r.IntN(3)) * time.Second
			for range rig.script.stages {
				rig.script.costs = append(rig.script.costs, schedule.Line{Base: r.Float64(), PerToken: r.Float64() / 100})
			}
			if r.IntN(2) == 0 {
				if err := rig.Warm(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			rung := rand.New(rand.NewPCG(seed, 1))
			rig.rung = func(t Tier) uint8 {
				rig.choice.chosen.Store(int32(rung.IntN(len(rungs))))
				return rig.choice.admit(t)
			}
			fails := rand.New(rand.NewPCG(seed, 2))
			rig.sink.fail = func(_ int, rs []Result) error {
				rig.sink.mu.Lock() // fails is not safe for concurrent use
				defer rig.sink.mu.Unlock()
				return randomFailure(fails, len(rs))
			}
			if err := rig.runUntil(t, messages); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if n := s.unsettled(t); n != 0 || len(rig.sink.kept) != messages {
				t.Errorf("seed %d: %d unsettled, %d published of %d", seed, n, len(rig.sink.kept), messages)
			}
			for _, res := range rig.sink.kept {
				if got, want := outcome(res), rig.alone(t, res); got != want {
					t.Errorf("seed %d: got %s, alone it is %s", seed, got, want)
				}
			}
		})
	}
}

func randomMessage(r *rand.Rand) Message {
	var b strings.Builder
	for range 3 + r.IntN(8) {
		fmt.Fprintf(&b, "%d ", r.IntN(10))
	}
	b.WriteString([]string{"no", "yes"}[r.IntN(2)])
	m := Message{Value: []byte(b.String())}
	if tiers := []Tier{Strict, BestEffort}; r.IntN(3) == 0 {
		m.Headers = []Header{{"sweet-tier", []byte(tiers[r.IntN(2)])}}
	}
	if r.IntN(5) == 0 {
		at := time.Now().Add(time.Duration(r.IntN(5)-1) * time.Second)
		m.Headers = append(m.Headers, Header{"sweet-deadline", []byte(at.Format(time.RFC3339))})
	}
	return m
}

// randomFailure fails a random few of n items, most often none.
func randomFailure(r *rand.Rand, n int) error {
	var failed []int
	for i := range n {
		if r.IntN(20) == 0 {
			failed = append(failed, i)
		}
	}
	if failed == nil {
		return nil
	}
	return &PartialError{Failed: failed, Err: fmt.Errorf("%d of %d", len(failed), n)}
}

// alone is the outcome of the row of res run by itself under the rung that it
// was given, which for a strict row must be 0.
func (r *rig) alone(t *testing.T, res Result) string {
	t.Helper()
	if res.Tier == Strict {
		res.Rung = 0
	}
	row, err := r.parts.Tokenizer.Row(nil, string(res.Message.Value), "", r.cfg.MaxTokens, r.truncate)
	if err != nil {
		t.Fatal(err)
	}
	for stage := range r.script.stages {
		e := answer(row.IDs, stage)
		if stage == r.script.stages-1 || e.Confidence >= rungs[res.Rung].Thresholds[stage] {
			res.Exit, res.Label = stage+1, r.parts.Labels[e.Label]
			return outcome(res)
		}
	}
	return ""
}

// TestOrderDoesNotMatter runs the same messages in another order.
func TestOrderDoesNotMatter(t *testing.T) {
	var texts []string
	r := rand.New(rand.NewPCG(9, 9))
	for range 100 {
		texts = append(texts, string(randomMessage(r).Value))
	}
	run := func(texts []string) (outcomes []string) {
		synctest.Test(t, func(t *testing.T) {
			rig := newRig(t, newShelf(texts...), nil)
			if err := rig.runUntil(t, len(texts)); err != nil {
				t.Fatal(err)
			}
			outcomes = rig.outcomes()
		})
		return outcomes
	}
	forward := run(texts)
	r.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	if shuffled := run(texts); !slices.Equal(forward, shuffled) {
		t.Errorf("got %q in one order and %q in another", forward, shuffled)
	}
}
