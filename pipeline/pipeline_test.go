package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/inference"
)

func TestRowsLeaveWhereTheirRungSaysSo(t *testing.T) {
	texts := []string{"9 no", "4 6 9 yes", "2 3 4 no", "7 7 9 yes"}
	for _, tt := range []struct {
		name string
		mode Mode
		rung int
		want []string
	}{
		{"full depth", Full, 0, []string{
			"2 3 4 no: no by exit 3 at rung 0", "4 6 9 yes: yes by exit 3 at rung 0",
			"7 7 9 yes: yes by exit 3 at rung 0", "9 no: no by exit 3 at rung 0",
		}},
		{"a fixed rung", Fixed, 1, []string{
			"2 3 4 no: no by exit 3 at rung 1", "4 6 9 yes: yes by exit 3 at rung 1",
			"7 7 9 yes: yes by exit 3 at rung 1", "9 no: no by exit 1 at rung 1",
		}},
		{"the cheapest certified rung", Auto, 0, []string{
			"2 3 4 no: no by exit 3 at rung 2", "4 6 9 yes: yes by exit 2 at rung 2",
			"7 7 9 yes: yes by exit 1 at rung 2", "9 no: no by exit 1 at rung 2",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newShelf(texts...), func(c *Config, _ *Parts) { c.Mode, c.Rung = tt.mode, tt.rung })
				if err := r.runUntil(t, len(texts)); err != nil {
					t.Fatal(err)
				}
				if got := r.outcomes(); !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestStrictRowsRunEveryLayer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.putMessage(Message{Value: []byte("9 yes"), Headers: []Header{{"sweet-tier", []byte("strict")}}})
		s.putMessage(Message{Value: []byte("9 no"), Headers: []Header{{"sweet-tier", []byte("best-effort")}}})
		r := newRig(t, s, func(_ *Config, parts *Parts) {
			// A ladder that is wrong about its rung 0 must not cost strictness.
			parts.Rungs = slices.Clone(rungs)
			parts.Rungs[0] = inference.Rung{Thresholds: inference.Thresholds{0, 0}}
		})
		if err := r.runUntil(t, 2); err != nil {
			t.Fatal(err)
		}
		want := []string{"9 no: no by exit 1 at rung 2", "9 yes: yes by exit 3 at rung 0"}
		if got := r.outcomes(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestRowsKeepTheirRung changes the rung while rows are under way.
func TestRowsKeepTheirRung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf("6 6 9 yes")
		r := newRig(t, s, nil)
		r.script.takes = time.Second
		var now atomic.Uint32
		now.Store(1)
		r.rung = func(Tier) uint8 { return uint8(now.Load()) }
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			<-time.After(500 * time.Millisecond) // in the first row's first stage
			now.Store(2)
			s.put("6 6 9 no")
			s.whenSettled(2)
			stop()
		}()
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		want := []string{"6 6 9 no: no by exit 1 at rung 2", "6 6 9 yes: yes by exit 3 at rung 1"}
		if got := r.outcomes(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestEveryMessageHasOneFate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf("9 yes", "", "5 no", "3 no", "\xff", "9 no", strings.Repeat("1 ", 10_000), "7 no")
		s.putMessage(Message{Value: nil})
		s.putMessage(Message{Value: []byte("8 no"), Headers: []Header{{"sweet-tier", []byte("gold")}}})
		s.at = 3
		s.foreign["3:3 no"] = true // revoked while in flight: the source counts it
		r := newRig(t, s, nil)
		r.sink.fail = func(_ int, rs []Result) error {
			partial := &PartialError{Refused: map[int]error{}, Err: errors.New("refused")}
			for i := range rs {
				rs[i].Duplicate = strings.HasSuffix(rs[i].Message.ID, "5 no")
				switch _, text, _ := strings.Cut(rs[i].Message.ID, ":"); text {
				case "9 no":
					partial.Refused[i] = fmt.Errorf("%w: 2 MiB", ErrTooLarge)
				case "7 no":
					partial.Refused[i] = errors.New("no subject")
				default:
					continue
				}
				partial.Failed = append(partial.Failed, i)
			}
			if partial.Failed == nil {
				return nil
			}
			return partial
		}
		const messages = 10
		if err := r.runUntil(t, messages); err != nil {
			t.Fatal(err)
		}
		if n := s.unsettled(t); n != 0 {
			t.Errorf("%d messages unsettled", n)
		}
		published := r.metric(t, "results_published_total", "texts")
		duplicates := r.metric(t, "results_duplicate_total")
		dead := r.metric(t, "dead_letters_total", "texts")
		tombstones := r.metric(t, "tombstones_total", "texts")
		if got, want := []float64{published, duplicates, dead, tombstones}, []float64{1, 1, 6, 1}; !slices.Equal(got, want) {
			t.Errorf("published, duplicates, dead letters, tombstones: got %v, want %v", got, want)
		}
		abandoned := float64(len(s.foreign))
		if sum := published + duplicates + dead + tombstones + abandoned; sum != messages {
			t.Errorf("the fates add up to %v, want %d", sum, messages)
		}
		for reason, want := range map[Reason]float64{Empty: 1, InvalidUTF8: 1, TooLarge: 1, BadHeader: 1, ResultTooLarge: 1, ResultRefused: 1} {
			if got := r.metric(t, "dead_letters_total", string(reason)); got != want {
				t.Errorf("%s: got %v dead letters, want %v", reason, got, want)
			}
		}
	})
}

func TestResultsSayWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf("2 5 9 yes" + strings.Repeat(" 1", 20))
		r := newRig(t, s, func(c *Config, _ *Parts) { c.ResultScores = true; c.BatchTokens = 16 })
		r.script.takes = time.Second
		if err := r.runUntil(t, 1); err != nil {
			t.Fatal(err)
		}
		got := r.sink.kept[0]
		got.Message = nil
		want := Result{
			Label: "yes", Score: 0.75, Exit: 2, Layers: 2, Rung: 2, Tier: Standard, Truncated: true, Tokens: 16,
			Timing: Timing{Queue: 0, Compute: 2 * time.Second, Total: 2 * time.Second},
		}
		if scores := fmt.Sprint(got.Scores); scores != "[{yes 0.75} {no 0.25}]" {
			t.Errorf("scores: got %s", scores)
		}
		got.Scores = nil
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		for name, want := range map[string]float64{
			"layers_run_total": 2, "layers_saved_total": 2, "truncated_total": 1, "tokens_total": 16,
			"exits_total": 1, "stage_seconds": 2, "batch_rows": 2, "exit_confidence": 1,
			"predictions_total": 1, "message_age_seconds": 1, "tokenize_seconds": 1,
		} {
			if got := r.metric(t, name); got != want {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
		}
	})
}

// TestRecordsWithoutATimeHaveNoAge keeps records of no time from looking as if
// they had waited since 1970.
func TestRecordsWithoutATimeHaveNoAge(t *testing.T) {
	r := newRig(t, newShelf(), nil)
	for _, at := range []time.Time{{}, time.UnixMilli(-1), time.Now()} {
		r.published(Result{Message: NewMessage(Message{Origin: Origin{Topic: "texts", Time: at}}, func() bool { return true })})
	}
	if got := r.metric(t, "results_published_total"); got != 3 {
		t.Errorf("got %v results, want 3", got)
	}
	if got := r.metric(t, "message_age_seconds"); got != 1 {
		t.Errorf("got %v ages, want 1: only one record has a time", got)
	}
}

// TestTimeWaitedForAdmissionIsQueueTime fills the first batch so that the rest
// wait for it.
func TestTimeWaitedForAdmissionIsQueueTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newShelf("9 yes", "9 yes", "9 no"), func(c *Config, _ *Parts) { c.MaxTokens, c.BatchTokens = 4, 8 })
		r.script.takes = time.Second
		if err := r.runUntil(t, 3); err != nil {
			t.Fatal(err)
		}
		want := Timing{Queue: time.Second, Compute: time.Second, Total: 2 * time.Second}
		for _, res := range r.sink.kept {
			if res.Label == "no" && res.Timing != want {
				t.Errorf("got %+v, want %+v", res.Timing, want)
			}
		}
	})
}

func TestPairsAndJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newShelf(`{"a":{"b":"3 9"},"c":"yes"}`, `{"a":{"b":"3 9"}}`), func(c *Config, _ *Parts) {
			c.Input, c.InputText, c.InputPair = JSON, "a.b", "c"
		})
		if err := r.runUntil(t, 2); err != nil {
			t.Fatal(err)
		}
		if len(r.sink.kept) != 1 || r.sink.kept[0].Label != "yes" || r.sink.kept[0].Tokens != 6 {
			t.Errorf("got results %+v, want one, yes with 6 tokens", r.sink.kept)
		}
		if len(r.yard.kept) != 1 || r.yard.kept[0].Reason != MissingText {
			t.Errorf("got dead letters %+v, want one, %s", r.yard.kept, MissingText)
		}
	})
}

func TestTextsThatDoNotFitAreRejectedWhereAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newShelf(strings.Repeat("1 ", 17)), func(c *Config, _ *Parts) { c.Truncate = "reject" })
		if err := r.runUntil(t, 1); err != nil {
			t.Fatal(err)
		}
		if len(r.yard.kept) != 1 || r.yard.kept[0].Reason != TooLong {
			t.Errorf("got dead letters %+v, want one, %s", r.yard.kept, TooLong)
		}
	})
}

// TestLabelsBeyondTheFirstFifty bounds the series of a model with many labels.
func TestLabelsBeyondTheFirstFifty(t *testing.T) {
	labels := make([]string, 60)
	for i := range labels {
		labels[i] = fmt.Sprintf("label %d", i)
	}
	r := newRig(t, newShelf(), func(_ *Config, parts *Parts) { parts.Labels = labels })
	l, err := newLoop(r.Pipeline)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for i := range labels {
			l.count(i)
		}
	}
	if got := r.metric(t, "predictions_total", "label 49"); got != 2 {
		t.Errorf("label 49: got %v, want 2", got)
	}
	if got := r.metric(t, "predictions_total", "other"); got != 20 {
		t.Errorf("other: got %v, want 20", got)
	}
	if got := r.metric(t, "predictions_total"); got != 120 {
		t.Errorf("all: got %v, want 120", got)
	}
}
