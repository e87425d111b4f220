package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
	"sweetspot/inference/devicetest"
	"sweetspot/pipeline/schedule"
)

// A row with two zeros side by side is poison: the model panics on it in the
// stage that its length says. The row that stages are timed with has none.
func poisonStage(ids []int32) int {
	for i := range len(ids) - 1 {
		if ids[i] == firstDigit && ids[i+1] == firstDigit {
			return len(ids) % 3
		}
	}
	return -1
}

func panicOnPoison(stage int, rows []inference.Row) {
	for _, r := range rows {
		if poisonStage(r.Tokens) == stage {
			panic(fmt.Sprintf("index out of range [%d]", len(r.Tokens)))
		}
	}
}

// Of length 6, 7 and 8 with their two brackets.
const (
	poisonFirst  = "0 0 1 yes"
	poisonSecond = "0 0 1 1 yes"
	poisonThird  = "0 0 1 1 1 yes"
)

func (r *rig) letters() []string {
	var all []string
	for _, l := range r.yard.kept {
		all = append(all, fmt.Sprintf("%s: %s: %v", l.Message.Value, l.Reason, l.Err))
	}
	slices.Sort(all)
	return all
}

func TestATextOnWhichTheModelPanicsIsSetAside(t *testing.T) {
	good := []string{"9 no", "4 6 9 yes", "2 3 4 no", "7 7 9 yes", "1 1 1 no"}
	for _, tt := range []struct {
		name   string
		poison []string
		bad    []string
		runs   float64 // that panicked, before any search
	}{
		{"none", nil, nil, 0},
		{"in the first stage", []string{poisonFirst}, []string{"0 0 1 yes: model_panic: the model panics on this text: index out of range [6]"}, 1},
		{"in the second stage", []string{poisonSecond}, []string{"0 0 1 1 yes: model_panic: the model panics on this text: index out of range [7]"}, 1},
		{"in the last stage", []string{poisonThird}, []string{"0 0 1 1 1 yes: model_panic: the model panics on this text: index out of range [8]"}, 1},
		{"in every stage", []string{poisonThird, poisonSecond, poisonFirst}, []string{
			"0 0 1 1 1 yes: model_panic: the model panics on this text: index out of range [8]",
			"0 0 1 1 yes: model_panic: the model panics on this text: index out of range [7]",
			"0 0 1 yes: model_panic: the model panics on this text: index out of range [6]",
		}, 3},
		{"twice in one batch", []string{poisonFirst, poisonFirst}, []string{
			"0 0 1 yes: model_panic: the model panics on this text: index out of range [6]",
			"0 0 1 yes: model_panic: the model panics on this text: index out of range [6]",
		}, 1},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late %v", tt.name, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					texts := slices.Concat(good[:2], tt.poison, good[2:])
					r := newRig(t, newShelf(texts...), nil)
					r.script.panics, r.script.late = panicOnPoison, late
					if err := r.runUntil(t, len(texts)); err != nil {
						t.Fatal(err)
					}
					if n := r.shelf.unsettled(t); n != 0 {
						t.Errorf("%d messages unsettled", n)
					}
					want := []string{
						"1 1 1 no: no by exit 3 at rung 2", "2 3 4 no: no by exit 3 at rung 2", "4 6 9 yes: yes by exit 2 at rung 2",
						"7 7 9 yes: yes by exit 1 at rung 2", "9 no: no by exit 1 at rung 2",
					}
					if got := r.outcomes(); !slices.Equal(got, want) {
						t.Errorf("got %q, want %q", got, want)
					}
					if got := r.letters(); !slices.Equal(got, tt.bad) {
						t.Errorf("got dead letters %q, want %q", got, tt.bad)
					}
					if got := r.metric(t, "model_panics_total"); got != tt.runs {
						t.Errorf("%v batches panicked, want %v", got, tt.runs)
					}
					if got := r.metric(t, "dead_letters_total", string(ModelPanic)); got != float64(len(tt.bad)) {
						t.Errorf("%v dead letters are counted, want %d", got, len(tt.bad))
					}
				})
			})
		}
	}
}

// TestPoisonAmongRowsThatAreAudited plays random texts, some of them poison in
// some stage, at every rung, with audits, small and large batches, and one or
// two of them under way. Whoever leaves before the stage that panics is
// answered, also where the audit panics later; every other poison is a dead
// letter; and all other answers are those of the row alone.
func TestPoisonAmongRowsThatAreAudited(t *testing.T) {
	poisoned, panics := 0, 0.0
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			s := newShelf()
			s.at = 1 + r.IntN(50)
			messages := 50 + r.IntN(150)
			for range messages {
				s.putMessage(randomMessage(r))
			}
			rig := newRig(t, s, func(c *Config, parts *Parts) {
				c.BatchTokens = c.MaxTokens + r.IntN(200)
				parts.Depth = 1 + r.IntN(2)
				parts.Control.AuditRate = []float64{0.01, 0.5, 1}[r.IntN(3)]
			})
			rig.script.panics, rig.script.late = panicOnPoison, r.IntN(2) == 0
			for range rig.script.stages {
				rig.script.costs = append(rig.script.costs, schedule.Line{Base: r.Float64(), PerToken: r.Float64() / 100})
			}
			rung := rand.New(rand.NewPCG(seed, 1))
			rig.rung = func(t Tier) uint8 {
				rig.choice.chosen.Store(int32(rung.IntN(len(rungs))))
				return rig.choice.admit(t)
			}
			if err := rig.runUntil(t, messages); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if n := s.unsettled(t); n != 0 || len(rig.sink.kept)+len(rig.yard.kept) != messages {
				t.Errorf("seed %d: %d unsettled, %d published and %d dead letters of %d", seed, n, len(rig.sink.kept), len(rig.yard.kept), messages)
			}
			for _, res := range rig.sink.kept {
				if got, want := outcome(res), rig.alone(t, res); got != want {
					t.Errorf("seed %d: got %s, alone it is %s", seed, got, want)
				}
				if at := poisonStage(rig.ids(t, res.Message)); at >= 0 && at < res.Exit {
					t.Errorf("seed %d: %s left by exit %d, and the model panics on it in stage %d", seed, res.Message.Value, res.Exit, at+1)
				}
			}
			for _, l := range rig.yard.kept {
				if l.Reason != ModelPanic || poisonStage(rig.ids(t, l.Message)) < 0 {
					t.Errorf("seed %d: %s is a dead letter, %s: %v", seed, l.Message.Value, l.Reason, l.Err)
				}
			}
			poisoned += len(rig.yard.kept)
			panics += rig.metric(t, "model_panics_total")
		})
	}
	if poisoned < 100 || panics <= float64(poisoned)/10 {
		t.Errorf("%d dead letters after %v panics: the test has tested little", poisoned, panics)
	}
}

// ids are the tokens of a message's text.
func (r *rig) ids(t *testing.T, m *Message) []int32 {
	t.Helper()
	row, err := r.parts.Tokenizer.Row(nil, string(m.Value), "", r.cfg.MaxTokens, r.truncate)
	if err != nil {
		t.Fatal(err)
	}
	return row.IDs
}

func TestPanicsThatNoTextExplainsAreFatal(t *testing.T) {
	broken := errors.New("device lost")
	for _, tt := range []struct {
		name   string
		panics func(stage int, rows []inference.Row)
		fail   func(stage int) error
		want   string
	}{
		{"rows together", func(stage int, rows []inference.Row) {
			if stage == 1 && len(rows) > 1 {
				panic("two rows")
			}
		}, nil, "running stage 2 over 4 rows, none of which alone is the cause: panic: two rows"},
		{"once", func() func(int, []inference.Row) {
			panicked := false
			return func(int, []inference.Row) {
				if !panicked {
					panicked = true
					panic("a bit flipped")
				}
			}
		}(), nil, "none of which alone is the cause: panic: a bit flipped"},
		{"every row", func(int, []inference.Row) { panic("no weights") }, nil, "the model is broken: after a row of 6 tokens it fails on one that it was timed with: running stage 1 again: panic: no weights"},
		{"every row from the first panic on", func() func(int, []inference.Row) {
			fallen := false
			return func(stage int, _ []inference.Row) {
				if fallen = fallen || stage == 2; fallen {
					panic("out of order")
				}
			}
		}(), nil, "the model is broken"},
		{"and then the device fails", panicOnPoison, func(stage int) error {
			if stage == 0 {
				return broken
			}
			return nil
		}, "running stage 1 again: device lost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newShelf("1 1 1 no", "1 1 1 no", "1 1 1 no", poisonFirst), nil)
				r.script.panics, r.script.fail = tt.panics, tt.fail
				_, err := r.runFor(t, time.Hour)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got error %v, want %s", err, tt.want)
				}
				if len(r.yard.kept) != 0 {
					t.Errorf("got dead letters %q, want none", r.letters())
				}
			})
		})
	}
}

// TestAPanicWhileTheWorkerDrains has the poison come last.
func TestAPanicWhileTheWorkerDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(slices.Repeat([]string{"1 1 1 no"}, 20)...)
		s.put(poisonThird)
		r := newRig(t, s, watched(nil))
		r.script.takes, r.script.panics = time.Second, panicOnPoison
		took, err := r.runFor(t, 500*time.Millisecond) // the first batch is in its first stage
		if err != nil {
			t.Fatalf("after %v: %v", took, err)
		}
		if n := s.unsettled(t); n != 0 || len(r.sink.kept) != 20 || len(r.yard.kept) != 1 {
			t.Errorf("%d unsettled, %d published, %d dead letters; want 0, 20 and 1", n, len(r.sink.kept), len(r.yard.kept))
		}
	})
}

func TestPanicsAreLoggedEverMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages = 20
		var log bytes.Buffer
		s := newShelf(slices.Repeat([]string{poisonFirst}, messages)...)
		r := newRig(t, s, func(c *Config, parts *Parts) {
			c.MaxTokens, c.BatchTokens = 6, 6 // a row a batch
			parts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		r.script.panics = panicOnPoison
		if err := r.runUntil(t, messages); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(log.String(), "the model panics"); got != 5 { // 1 2 4 8 16
			t.Errorf("%d lines for %d panics, want 5", got, messages)
		}
		for _, part := range []string{"level=ERROR", "stage=1", "rows=1", "index out of range", "panicOnPoison"} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("no %q in the log:\n%s", part, log.String())
			}
		}
	})
}

func TestAModelThatPanicsWhileItIsTimedIsAnError(t *testing.T) {
	r := newRig(t, newShelf(), nil)
	r.script.panics = func(stage int, _ []inference.Row) {
		if stage == 1 {
			panic("no weights")
		}
	}
	if err := r.Warm(t.Context()); err == nil || err.Error() != "timing stage 2: panic: no weights" {
		t.Errorf("got %v, want the panic", err)
	}
}

func TestATextOnWhichTheTokenizerPanicsIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newShelf("9 yes", "9 no"), func(_ *Config, parts *Parts) { parts.Tokenizer = nil })
		if err := r.runUntil(t, 2); err != nil {
			t.Fatal(err)
		}
		if got := r.metric(t, "dead_letters_total", string(ModelPanic)); got != 2 || r.shelf.unsettled(t) != 0 {
			t.Errorf("got %v dead letters: %q", got, r.letters())
		}
	})
}

// A trap is the CPU device with work beside it, on several threads as its own,
// that panics on one token in one embedding: the first, or that of a later stage
// of a Multi-Model.
type trap struct {
	inference.Device

	pool  *cpu.Pool
	token int32
	stage int
	found []inference.Embedding // in the order in which they were placed
}

func (d *trap) PlaceEmbedding(w inference.EmbeddingWeights) inference.Embedding {
	e := d.Device.PlaceEmbedding(w)
	d.found = append(d.found, e)
	return e
}

func (d *trap) Embed(out inference.Buffer, tokens inference.Tokens, e inference.Embedding) {
	d.pool.Run(len(tokens.IDs), func(_, lo, hi int) {
		if e == d.found[d.stage] && slices.Contains(tokens.IDs[lo:hi], d.token) {
			table := make([]float32, d.token)
			_ = table[d.token]
		}
	})
	d.Device.Embed(out, tokens, e)
}

// TestTheCPUPanicsOnAText runs the same texts on the processor with and without
// poison among them: all other results are the same, bit for bit.
func TestTheCPUPanicsOnAText(t *testing.T) {
	for _, tt := range []struct {
		method inference.Method
		stage  int // in which it panics
	}{
		{inference.EarlyExit, 0},
		{inference.MultiModel, 0},
		{inference.MultiModel, 1},
		{inference.MultiModel, 2},
	} {
		t.Run(fmt.Sprintf("%s in stage %d", tt.method, tt.stage+1), func(t *testing.T) {
			// The row that stages are timed with ends before this token of the vocabulary.
			const bad = "9"
			r := rand.New(rand.NewPCG(8, 8))
			var messages []Message
			for len(messages) < 150 {
				m := randomMessage(r)
				if m.ID = fmt.Sprintf("message %d", len(messages)); !bytes.Contains(m.Value, []byte(bad)) {
					messages = append(messages, m)
				}
			}
			plain, exits := map[string]Result{}, map[int]int{}
			for _, res := range runOnCPU(t, tt.method, -1, messages).sink.kept {
				plain[res.Message.ID] = res
				exits[res.Exit]++
			}
			if len(exits) != 3 {
				t.Errorf("rows leave by exits %v: the test tests little", exits)
			}
			poisoned := slices.Clone(messages)
			for i := range 3 { // strict ones, which come to every stage
				strict := []Header{{TierHeader, []byte(Strict)}}
				poisoned = slices.Insert(poisoned, 50*i+7, Message{Value: []byte(bad + " 1 no"), Headers: strict})
			}
			got := runOnCPU(t, tt.method, tt.stage, poisoned)
			if len(got.sink.kept) != len(messages) {
				t.Errorf("%d results, want %d", len(got.sink.kept), len(messages))
			}
			for _, res := range got.sink.kept {
				want := plain[res.Message.ID]
				if res.Label != want.Label || res.Score != want.Score || res.Exit != want.Exit || !slices.Equal(res.Scores, want.Scores) {
					t.Errorf("%s: got %s %v by exit %d, without poison it is %s %v by exit %d",
						res.Message.Value, res.Label, res.Score, res.Exit, want.Label, want.Score, want.Exit)
				}
			}
			if len(got.yard.kept) != 3 {
				t.Errorf("got dead letters %q, want three", got.letters())
			}
			for _, l := range got.yard.kept {
				if l.Reason != ModelPanic || !strings.Contains(l.Err.Error(), "index out of range") || strings.Contains(l.Err.Error(), "goroutine") {
					t.Errorf("got a dead letter %s: %v, want what the panic says and not where it was", l.Reason, l.Err)
				}
			}
			if n := got.shelf.unsettled(t); n != 0 {
				t.Errorf("%d unsettled", n)
			}
		})
	}
}

// runOnCPU runs messages through a model on the processor, which panics on the
// token "9" in a stage; never where that is negative.
func runOnCPU(t *testing.T, method inference.Method, stage int, messages []Message) *rig {
	t.Helper()
	d, err := cpu.Open(cpu.Options{Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	pool := cpu.NewPool(3)
	t.Cleanup(func() {
		pool.Close()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	trapped := &trap{Device: d, pool: pool, token: firstDigit + 9, stage: max(stage, 0)}
	if stage < 0 {
		trapped.token = -1
	}
	m, err := inference.New(randomDirectory(method, inference.MaxProbability), trapped, inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	layers := make([]int, m.Stages())
	for i := range layers {
		layers[i] = m.StageLayers(i)
	}
	m.Ladder.Rungs = append(m.Ladder.Rungs, inference.Rung{Thresholds: inference.Thresholds{0.5, 0.4}, Reach: []float64{1, 0.5, 0.25}})
	s := newShelf()
	s.putMessages(messages...)
	r := newRig(t, s, func(c *Config, parts *Parts) {
		c.MaxTokens, c.BatchTokens, c.ResultScores = 15, 200, true
		parts.Encoder, parts.Labels, parts.Layers, parts.Rungs = ModelEncoder(m), m.Labels, layers, m.Ladder.Rungs
	})
	if err := r.runUntil(t, len(messages)); err != nil {
		t.Fatal(err)
	}
	return r
}

// randomDirectory is a random model over the vocabulary of the tests.
func randomDirectory(method inference.Method, score inference.Score) *inference.Directory {
	return devicetest.Random(inference.Config{
		Vocab: len(words), Width: 16, Layers: 4, Heads: 2, FeedForward: 32, Positions: 16, Types: 2, Epsilon: 1e-12,
		Exits: []int{1, 2, 4}, Pooling: []inference.Pooling{inference.CLS, inference.CLS, inference.CLS},
		Score: score, Method: method, Labels: []string{"a", "b", "c"},
	}, 5)
}
