package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/inference"
)

// runFor runs the pipeline for a time and returns how long Run took, too.
func (r *rig) runFor(t *testing.T, d time.Duration) (time.Duration, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	start := time.Now()
	err := r.Run(ctx)
	return time.Since(start), err
}

func TestRunSettlesWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(slices.Repeat([]string{"1 2 3 yes"}, 40)...)
		s.at = 10
		r := newRig(t, s, nil)
		r.script.takes = time.Second
		if _, err := r.runFor(t, 2500*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if n := s.unsettled(t); n != 0 || len(r.sink.kept) == 0 || len(r.sink.kept) != len(s.settled) {
			t.Errorf("%d unsettled, %d published, %d settled", n, len(r.sink.kept), len(s.settled))
		}
	})
}

func TestRunAbandonsWhenTheTimeToDrainIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf("9 yes", "1 no", "1 no")
		r := newRig(t, s, func(c *Config, _ *Parts) { c.Drain = 3 * time.Second })
		r.script.takes = 2 * time.Second
		took, err := r.runFor(t, 500*time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), "2 messages left unsettled after 3s") {
			t.Errorf("got error %v", err)
		}
		if took != 3500*time.Millisecond {
			t.Errorf("Run took %v, want 3.5s", took)
		}
		if n := s.unsettled(t); n != 2 {
			t.Errorf("%d unsettled, want the 2 that were in the second stage", n)
		}
	})
}

// TestDrainThatEndsWithARetry stops while the server is down: what cannot be
// published stays unsettled, what was partly published is settled.
func TestDrainThatEndsWithARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf("9 yes", "9 no")
		r := newRig(t, s, nil)
		r.sink.fail = func(int, []Result) error {
			return &PartialError{Failed: []int{0}, Err: errors.New("no server")}
		}
		_, err := r.runFor(t, time.Second)
		if err == nil || !strings.Contains(err.Error(), "1 messages left unsettled") {
			t.Errorf("got error %v", err)
		}
		if n := s.unsettled(t); n != 1 {
			t.Errorf("%d unsettled, want 1", n)
		}
	})
}

func TestAFailureOfTheDeviceIsFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("device lost")
		s := newShelf("9 yes", "1 no")
		r := newRig(t, s, nil)
		r.script.takes = time.Second
		r.script.fail = func(stage int) error {
			if stage == 1 {
				return broken
			}
			return nil
		}
		took, err := r.runFor(t, time.Hour)
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "running stage 2") {
			t.Errorf("got error %v, want the device's", err)
		}
		if took != 2*time.Second {
			t.Errorf("Run took %v, want 2s", took)
		}
		if n := s.unsettled(t); n == 0 {
			t.Error("the message that was in the failed run was settled")
		}
	})
}

// TestAnswersThatMeanNothingAreFatal gives answers that only broken weights or a
// broken device give.
func TestAnswersThatMeanNothingAreFatal(t *testing.T) {
	for name, broken := range map[string]inference.Exit{
		"a label that is not there":      {Label: 2, Confidence: 0.5},
		"a negative label":               {Label: -1, Confidence: 0.5},
		"a confidence that is no number": {Confidence: float32(math.NaN())},
		"an infinite confidence":         {Confidence: float32(math.Inf(1))},
		"a probability that is none":     {Confidence: 0.5, Probability: 1.5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf("9 yes")
				r := newRig(t, s, nil)
				r.script.breaks = &broken
				if _, err := r.runFor(t, time.Hour); err == nil || !strings.Contains(err.Error(), "stage 1 answered with") {
					t.Errorf("got error %v", err)
				}
				if n := s.unsettled(t); n != 1 {
					t.Errorf("%d unsettled, want 1", n)
				}
			})
		})
	}
}

func TestASourceThatFailsEndsTheIntakeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("group lost")
		s := newShelf("9 yes", "1 no")
		s.fails = lost
		r := newRig(t, s, nil)
		r.script.takes = time.Second
		_, err := r.runFor(t, time.Hour)
		if !errors.Is(err, lost) || !strings.HasPrefix(err.Error(), "fetching messages") {
			t.Errorf("got error %v, want the source's", err)
		}
		if n := s.unsettled(t); n != 0 {
			t.Errorf("%d unsettled", n)
		}
	})
}

func TestAPublisherThatIsClosedEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf("9 yes")
		r := newRig(t, s, nil)
		r.sink.fail = func(int, []Result) error { return fmt.Errorf("publishing: %w", ErrClosed) }
		if _, err := r.runFor(t, time.Hour); !errors.Is(err, ErrClosed) {
			t.Errorf("got error %v, want ErrClosed", err)
		}
		if n := s.unsettled(t); n != 1 {
			t.Errorf("%d unsettled, want 1", n)
		}
	})
}

// TestAnOutagePausesTheIntake takes the server away for a minute.
func TestAnOutagePausesTheIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages, bound = 500, 60
		s := newShelf(slices.Repeat([]string{"9 yes"}, messages)...)
		s.bound = bound
		r := newRig(t, s, nil)
		back := time.Now().Add(time.Minute)
		most := 0
		r.sink.fail = func(int, []Result) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			most = max(most, s.read-len(s.settled))
			if time.Now().Before(back) {
				return errors.New("no server")
			}
			return nil
		}
		if err := r.runUntil(t, messages); err != nil {
			t.Fatal(err)
		}
		if n := s.unsettled(t); n != 0 || len(r.sink.kept) != messages {
			t.Errorf("%d unsettled, %d published", n, len(r.sink.kept))
		}
		if most > bound {
			t.Errorf("%d messages were in flight, want at most %d", most, bound)
		}
		if took := time.Since(back); took > 10*time.Second {
			t.Errorf("it went on %v after the server came back", took)
		}
	})
}

func TestOnlyWhatFailedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf("9 yes", "9 no", "8 yes", "")
		r := newRig(t, s, nil)
		r.sink.fail = func(attempt int, rs []Result) error {
			if attempt <= 3 {
				return &PartialError{Failed: []int{len(rs) - 1}, Err: errors.New("no server")}
			}
			return nil
		}
		r.yard.fail = func(attempt int, _ []DeadLetter) error {
			if attempt <= 2 {
				return errors.New("no broker")
			}
			return nil
		}
		if err := r.runUntil(t, 4); err != nil {
			t.Fatal(err)
		}
		if n := s.unsettled(t); n != 0 || len(r.sink.kept) != 3 || len(r.yard.kept) != 1 {
			t.Errorf("%d unsettled, %d published, %d dead letters; want 0, 3 and 1", n, len(r.sink.kept), len(r.yard.kept))
		}
		if r.sink.attempts != 4 || r.yard.attempts != 3 {
			t.Errorf("%d attempts to publish and %d to bury, want 4 and 3", r.sink.attempts, r.yard.attempts)
		}
	})
}

// TestErrorsThatSayNothingSettleNothing gives errors that a careless publisher
// might: settling on them would lose messages.
func TestErrorsThatSayNothingSettleNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want int // settled of 3
	}{
		{"no item named", &PartialError{Err: errors.New("x")}, 0},
		{"an item that is not there", &PartialError{Failed: []int{3}, Err: errors.New("x")}, 0},
		{"an item named twice", &PartialError{Failed: []int{1, 1}, Err: errors.New("x")}, 2},
		{"items in no order", &PartialError{Failed: []int{2, 0}, Err: errors.New("x")}, 1},
		{"a refusal of an item that did not fail", &PartialError{Failed: []int{2}, Refused: map[int]error{0: errors.New("x")}, Err: errors.New("x")}, 2},
		{"wrapped", fmt.Errorf("publishing: %w", &PartialError{Failed: []int{0}, Err: errors.New("x")}), 2},
		{"any other error", errors.New("x"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done, refused := 0, 0
			d := delivery[int]{done: func(int) { done++ }, refused: func(int, error) { refused++ }}
			if again := d.sort([]int{0, 1, 2}, tt.err); done != tt.want || refused != 0 || len(again) != 3-tt.want {
				t.Errorf("settled %d, refused %d, again %v; want %d settled", done, refused, again, tt.want)
			}
		})
	}
}

// TestOneStuckResultHoldsUpNoOther keeps one result failing while many pass.
func TestOneStuckResultHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(append([]string{"9 yes"}, slices.Repeat([]string{"9 no"}, 100)...)...)
		s.at = 10
		r := newRig(t, s, nil)
		r.sink.fail = func(_ int, rs []Result) error {
			for i := range rs {
				if rs[i].Label == "yes" {
					return &PartialError{Failed: []int{i}, Err: errors.New("stuck")}
				}
			}
			return nil
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			s.whenSettled(100)
			stop()
		}()
		if err := r.Run(ctx); err == nil {
			t.Error("Run returned nil with a message unsettled")
		}
		if n := s.unsettled(t); n != 1 {
			t.Errorf("%d unsettled, want 1", n)
		}
	})
}

// TestManyStuckResultsHoldUpNoOther keeps more results failing than there are
// calls of the publisher at once.
func TestManyStuckResultsHoldUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stuck, others = 2 * publishers, 100
		s := newShelf(append(slices.Repeat([]string{"9 yes"}, stuck), slices.Repeat([]string{"9 no"}, others)...)...)
		r := newRig(t, s, func(c *Config, _ *Parts) { c.MaxTokens, c.BatchTokens = 4, 4 }) // a row a batch
		r.sink.fail = func(_ int, rs []Result) error {
			partial := &PartialError{Err: errors.New("stuck")}
			for i := range rs {
				if rs[i].Label == "yes" {
					partial.Failed = append(partial.Failed, i)
				}
			}
			if partial.Failed == nil {
				return nil
			}
			return partial
		}
		if _, err := r.runFor(t, time.Minute); err == nil {
			t.Error("Run returned nil with messages unsettled")
		}
		if n := s.unsettled(t); n != stuck || len(r.sink.kept) != others {
			t.Errorf("%d unsettled and %d published, want %d and %d", n, len(r.sink.kept), stuck, others)
		}
	})
}

// TestOneStuckLetterHoldsUpNothingElse has poison in every fetch, one letter
// that is never written, and a broker that takes its time to say so.
func TestOneStuckLetterHoldsUpNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const fetches = 50
		s := newShelf(slices.Repeat([]string{"9 yes", ""}, fetches)...)
		s.at = 2
		r := newRig(t, s, nil)
		r.yard.fail = func(_ int, ls []DeadLetter) error {
			<-time.After(10 * time.Second)
			for i := range ls {
				if ls[i].Message.Origin.Offset == 1 {
					return &PartialError{Failed: []int{i}, Err: errors.New("stuck")}
				}
			}
			return nil
		}
		if _, err := r.runFor(t, 5*time.Second); err == nil {
			t.Error("Run returned nil with a message unsettled")
		}
		if s.read != 2*fetches || len(r.sink.kept) != fetches {
			t.Errorf("%d messages read and %d published while a letter was being written, want %d and %d", s.read, len(r.sink.kept), 2*fetches, fetches)
		}
		if n := s.unsettled(t); n != 1 || len(r.yard.kept) != fetches-1 {
			t.Errorf("%d unsettled and %d dead letters, want 1 and %d", n, len(r.yard.kept), fetches-1)
		}
	})
}

// TestDeadLettersThatAreClosedEndTheRun ends it from the list of what waits.
func TestDeadLettersThatAreClosedEndTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf("", "9 yes")
		r := newRig(t, s, nil)
		r.yard.fail = func(int, []DeadLetter) error { return fmt.Errorf("writing: %w", ErrClosed) }
		if _, err := r.runFor(t, time.Hour); !errors.Is(err, ErrClosed) {
			t.Errorf("got error %v, want ErrClosed", err)
		}
	})
}

// TestABacklogWaitsAtTheSource has a worker with much more to do than it can. It
// holds little of it, so that a partition that moves does not wait for all.
func TestABacklogWaitsAtTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const fetch = 100
		s := newShelf()
		s.at = fetch
		for range 5000 {
			s.put("9 yes")
		}
		r := newRig(t, s, nil)
		r.script.takes = time.Second
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		s.whenSettled(64)
		held := s.unsettled(t)
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		// What was fetched and waits to be prepared, what is being prepared, and what
		// the model may choose from, once on its way there and once at it.
		if most := 3*fetch + 2*(fetch+window*r.cfg.BatchTokens/4); held > most {
			t.Errorf("%d messages are held, want at most %d", held, most)
		}
	})
}
