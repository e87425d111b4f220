package pipeline

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/pipeline/control"
)

// pour puts messages on the shelf, so many a second, for a while.
func (s *shelf) pour(perSecond int, lasts time.Duration, m Message) {
	every := time.Second / time.Duration(perSecond)
	for range int(lasts / every) {
		s.putMessage(m)
		time.Sleep(every)
	}
}

// steered runs r beside a story, and then until everything is settled.
func steered(t *testing.T, r *rig, story func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	story()
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := r.shelf.unsettled(t); n != 0 {
		t.Errorf("%d messages are unsettled", n)
	}
}

// loaded is a rig whose runs take 20 ms, of up to 16 short rows: full depth
// carries 266 messages a second, the cheapest rung 457 if as many reach each stage
// as its ladder says.
func loaded(t *testing.T, change func(*Config, *Parts)) *rig {
	t.Helper()
	s := newShelf()
	s.tells = true
	r := newRig(t, s, change)
	r.script.takes = 20 * time.Millisecond
	if err := r.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheRungFollowsTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var trace, log bytes.Buffer
		r := loaded(t, func(_ *Config, parts *Parts) {
			parts.Trace, parts.Logger = &trace, slog.New(slog.NewTextHandler(&log, nil))
		})
		var quiet, busy, after int
		steered(t, r, func() {
			r.shelf.pour(100, 20*time.Second, Message{Value: []byte("9 yes")})
			quiet = int(r.choice.chosen.Load())
			r.shelf.pour(350, 20*time.Second, Message{Value: []byte("9 yes")})
			busy = int(r.choice.chosen.Load())
			r.shelf.pour(50, 90*time.Second, Message{Value: []byte("9 yes")})
			after = int(r.choice.chosen.Load())
		})
		if quiet != 0 || busy == 0 || after != 0 {
			t.Errorf("rungs %d, %d and %d, want full depth, a cheaper one, and full depth again", quiet, busy, after)
		}
		for _, want := range []string{"msg=rung from=0 to=", "reason=load", "to=0 reason=recovered"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, log.String())
			}
		}
		figures := regexp.MustCompile(`(?:rate|load|utilization)=(\S+)`).FindAllStringSubmatch(log.String(), -1)
		if len(figures) < 6 {
			t.Errorf("the log has the figures %v, want three for each move:\n%s", figures, log.String())
		}
		for _, f := range figures {
			if v, err := strconv.ParseFloat(f[1], 64); err != nil || v != brief(v) {
				t.Errorf("the log says %s, error %v; want four digits", f[0], err)
			}
		}
		if steps, err := control.Replay(&trace); err != nil || steps < 500 {
			t.Errorf("%d decisions play again, error %v; want one every quarter of a second", steps, err)
		}
	})
}

func TestTheLogHasFiguresThatCanBeRead(t *testing.T) {
	for figure, want := range map[float64]float64{
		0: 0, 1.0 / 3: 0.3333, 0.99996: 1, 1234.56: 1235, 98765.4: 98770, 1e-7 / 3: 3.333e-8, 250: 250, math.MaxFloat64: math.MaxFloat64,
	} {
		if got := brief(figure); got != want {
			t.Errorf("%v: got %v, want %v", figure, got, want)
		}
	}
}

func TestUnderOverloadBestEffortMessagesAreShed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := loaded(t, func(_ *Config, parts *Parts) {
			parts.Control.Overload, parts.Logger = control.Shed, slog.New(slog.NewTextHandler(&log, nil))
		})
		best := Message{Value: []byte("1 1 1 yes"), Headers: []Header{{"sweet-tier", []byte("best-effort")}}}
		steered(t, r, func() {
			r.shelf.pour(600, 20*time.Second, best)
			time.Sleep(20 * time.Second)
		})
		for _, want := range []string{"level=WARN msg=\"messages of the tier best-effort are shed from now on", "shed no more"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, log.String())
			}
		}
		shed, published := r.metric(t, "shed_total"), r.metric(t, "results_published_total")
		if shed == 0 || published == 0 || int(shed+published) != 12000 || int(shed) != len(r.yard.kept) {
			t.Errorf("%v shed, %v published, %d dead letters, want 12000 in all, and some of each", shed, published, len(r.yard.kept))
		}
		if r.metric(t, "dead_letters_total") != 0 {
			t.Error("a message that was shed is counted as a dead letter too")
		}
		if l := r.yard.kept[0]; l.Reason != Shed {
			t.Errorf("reason %s, want %s", l.Reason, Shed)
		}
	})
}

func TestAWorkerThatWaitsShedsNothingAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := loaded(t, func(_ *Config, parts *Parts) { parts.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		best := Message{Value: []byte("1 1 1 yes"), Headers: []Header{{"sweet-tier", []byte("best-effort")}}}
		steered(t, r, func() {
			r.shelf.pour(600, 10*time.Second, best)
			r.shelf.whenSettled(6000)
			time.Sleep(5 * time.Second)
		})
		if n := len(r.sink.kept); n != 6000 {
			t.Errorf("%d results, want all 6000", n)
		}
		for _, want := range []string{"level=WARN msg=\"saturated", "no longer saturated"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, log.String())
			}
		}
	})
}

// TestAStalledPublisherMovesNothing has a stream that takes nothing for a while.
func TestAStalledPublisherMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := loaded(t, nil)
		down, up := 15*time.Second, 40*time.Second
		start := time.Now()
		r.sink.fail = func(_ int, rs []Result) error {
			if d := time.Since(start); d > down && d < up {
				return &PartialError{Failed: all(len(rs)), Err: context.DeadlineExceeded}
			}
			return nil
		}
		moved := 0
		steered(t, r, func() {
			go r.shelf.pour(100, 60*time.Second, Message{Value: []byte("9 yes")})
			for time.Since(start) < up {
				time.Sleep(time.Second)
				if d := time.Since(start); d > 10*time.Second && d < up && r.choice.chosen.Load() != 0 {
					moved++
				}
			}
			r.shelf.whenSettled(6000)
		})
		if moved != 0 {
			t.Errorf("at %d moments of an outage the rung was not 0: nothing would have got better by it", moved)
		}
	})
}

// TestAnAcknowledgementThatTakesItsTimeIsNoStall has a target age that is hardly
// longer than what the stream takes.
func TestAnAcknowledgementThatTakesItsTimeIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := loaded(t, func(_ *Config, parts *Parts) {
			parts.Control.TargetAge, parts.Control.ControlEvery = 10*time.Millisecond, 10*time.Millisecond
		})
		r.sink.fail = func(int, []Result) error {
			time.Sleep(30 * time.Millisecond)
			return nil
		}
		steered(t, r, func() {
			r.shelf.pour(100, 10*time.Second, Message{Value: []byte("9 yes")})
			r.shelf.whenSettled(1000)
		})
		if n, all := r.metric(t, "decisions_total", "stalled"), r.metric(t, "decisions_total"); n != 0 || all < 900 {
			t.Errorf("%v of %v decisions were for a stall, want none", n, all)
		}
	})
}

func all(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func TestAFixedRungIsSteeredByNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := loaded(t, func(c *Config, parts *Parts) {
			c.Mode, c.Rung = Fixed, 1
			parts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		steered(t, r, func() { r.shelf.pour(800, 10*time.Second, Message{Value: []byte("1 1 9 yes")}) })
		for _, res := range r.sink.kept {
			if res.Rung != 1 {
				t.Fatalf("%s, want rung 1", outcome(res))
			}
		}
		if want := "more replicas are needed\" rung=1"; !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	})
}

// TestAFixedRungThatIsWithdrawnCostsMore has the load of a worker on a fixed
// rung be that of the rung that it is really on.
func TestAFixedRungThatIsWithdrawnCostsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := loaded(t, func(c *Config, _ *Parts) { c.Mode, c.Rung = Fixed, 2 })
		r.traffic.rows.Store(100)
		r.traffic.tokens.Store(400)
		before := r.steering.costs()
		r.choice.usable.Store(0)
		after := r.steering.costs()
		for i, reach := range rungs[2].Reach {
			if got := before[i] / after[i]; math.Abs(got-reach) > 1e-9 {
				t.Errorf("stage %d costs %v of what it does at full depth, want %v", i+1, got, reach)
			}
		}
	})
}

func TestATraceThatCannotBeWrittenIsASettingThatCannotWork(t *testing.T) {
	full := errors.New("no space left")
	r := newRig(t, newShelf(), nil)
	parts := r.parts
	parts.Trace = writer(func([]byte) (int, error) { return 0, full })
	if _, err := New(r.cfg, parts); !errors.Is(err, full) || !strings.Contains(err.Error(), "SWEET_TRACE") {
		t.Errorf("got %v, want %v with the name of the setting", err, full)
	}
}

// TestATraceThatEndsStopsNothing has the disk run full after a while.
func TestATraceThatEndsStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		lines := 0
		r := loaded(t, func(_ *Config, parts *Parts) {
			parts.Logger = slog.New(slog.NewTextHandler(&log, nil))
			parts.Trace = writer(func(p []byte) (int, error) {
				if lines++; lines > 10 {
					return 0, errors.New("no space left")
				}
				return len(p), nil
			})
		})
		steered(t, r, func() {
			r.shelf.pour(100, 10*time.Second, Message{Value: []byte("9 yes")})
			r.shelf.whenSettled(1000)
		})
		if n := strings.Count(log.String(), "the trace ends here"); n != 1 || lines != 11 {
			t.Errorf("the log says %d times that the trace ends, and %d lines were tried, want once and 11:\n%s", n, lines, log.String())
		}
	})
}

// A writer is a function that writes.
type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
