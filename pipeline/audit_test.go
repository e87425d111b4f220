package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/pipeline/control"
)

// A memory is a State that several pipelines may share.
type memory struct {
	mu       sync.Mutex
	record   []byte
	revision uint64
	refuses  bool          // what it is asked
	changed  chan struct{} // closed at the next change
}

func newMemory() *memory { return &memory{changed: make(chan struct{})} }

func (m *memory) set(record []byte) (revision uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record = record
	m.revision++
	close(m.changed)
	m.changed = make(chan struct{})
	return m.revision
}

func (m *memory) get() (record []byte, changed <-chan struct{}) {
	record, _, changed = m.look()
	return record, changed
}

// look returns the record with its revision.
func (m *memory) look() (record []byte, revision uint64, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record, m.revision, m.changed
}

func (m *memory) Follow(ctx context.Context, heard func([]byte, uint64)) error {
	if m.refuses {
		return fmt.Errorf("asking: %w", ErrNoState)
	}
	for {
		record, revision, changed := m.look()
		heard(record, revision)
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (m *memory) Update(_ context.Context, change func([]byte) []byte) (uint64, error) {
	if m.refuses {
		return 0, ErrNoState
	}
	record, revision, _ := m.look()
	if changed := change(record); changed != nil {
		revision = m.set(changed)
	}
	return revision, nil
}

// watched changes a rig so that all messages but strict ones are audited.
func watched(state State) func(*Config, *Parts) {
	return func(_ *Config, parts *Parts) {
		parts.Control.AuditRate, parts.Epsilon, parts.State, parts.Worker = 1, 0.02, state, "w"
	}
}

// Of these texts the first agrees with full depth at every rung, the second does
// not at rung 2, and the third runs all layers by itself.
const (
	agrees    = "9 yes"
	disagrees = "6 9 yes turns"
	deep      = "1 1 9 no"
)

func TestAuditedRowsAreAnsweredAtOnceAndComparedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(agrees, disagrees, deep)
		s.putMessage(Message{Value: []byte(agrees), Headers: []Header{{"sweet-tier", []byte("strict")}}})
		r := newRig(t, s, watched(nil))
		r.script.takes = time.Second
		var left []time.Duration
		start := time.Now()
		r.sink.fail = func(_ int, rs []Result) error {
			r.sink.mu.Lock()
			defer r.sink.mu.Unlock()
			for range rs {
				left = append(left, time.Since(start))
			}
			return nil
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		r.shelf.whenSettled(4)
		time.Sleep(time.Minute) // of the bubble: what is audited gets to its end
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		slices.Sort(left)
		if want := []time.Duration{time.Second, time.Second, 3 * time.Second, 3 * time.Second}; !slices.Equal(left, want) {
			t.Errorf("answers left after %v, want %v", left, want)
		}
		for _, res := range r.sink.kept {
			if res.Audited == (res.Tier == Strict) {
				t.Errorf("%s, tier %s: audited is %v", outcome(res), res.Tier, res.Audited)
			}
		}
		if agree, not := r.metric(t, "audits_total", "true"), r.metric(t, "audits_total", "false"); agree != 2 || not != 1 {
			t.Errorf("%v audits agree and %v do not, want 2 and 1", agree, not)
		}
		// Two rows left by the first exit and went on: all four ran all four layers,
		// and nothing was saved.
		if run, saved := r.metric(t, "layers_run_total"), r.metric(t, "layers_saved_total"); run != 16 || saved != 0 {
			t.Errorf("%v layers run and %v saved, want 16 and 0", run, saved)
		}
		if n := r.metric(t, "exits_total"); n != 4 {
			t.Errorf("%v rows left, want 4", n)
		}
	})
}

func TestAWorkerThatDrainsDropsItsAudits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newShelf(agrees), watched(nil))
		r.script.takes = time.Second
		start := time.Now()
		if err := r.runUntil(t, 1); err != nil { // it stops when the answer is out
			t.Fatal(err)
		}
		if n := r.metric(t, "audits_total"); n != 0 || time.Since(start) > 2*time.Second {
			t.Errorf("%v audits after %v, want none, and no more than the runs that were under way", n, time.Since(start))
		}
	})
}

// feed runs r over n messages and returns when their audits are over. A share
// of them, drawn by seed, disagrees with full depth.
func feed(t *testing.T, r *rig, n int, share float64, seed uint64) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	random := rand.New(rand.NewPCG(seed, 0))
	for range n {
		if random.Float64() < share {
			r.shelf.put(disagrees)
		} else {
			r.shelf.put(agrees)
		}
	}
	r.shelf.whenSettled(n)
	time.Sleep(time.Minute)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestAnAlarmWithdrawsRungsHereThereAndAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := newMemory()
		r := newRig(t, newShelf(), watched(state))
		feed(t, r, 2000, 0.3, 1)
		record, _ := state.get()
		alarm, err := control.DecodeAlarm(record)
		if err != nil || alarm.Rung != 2 || alarm.Worker != "w" {
			t.Fatalf("shared alarm %+v, error %v, want one of rung 2 raised by w", alarm, err)
		}
		if got := r.choice.usable.Load(); got != 1 {
			t.Errorf("rung %d is usable after the alarm, want 1", got)
		}
		for _, name := range []string{"here again", "elsewhere"} {
			other := newRig(t, newShelf(), watched(state))
			feed(t, other, 1, 0, 1)
			if got := other.sink.kept[0].Rung; got != 1 {
				t.Errorf("a worker started %s admits at rung %d, want 1", name, got)
			}
		}
	})
}

func TestAnAlarmThatIsClearedBindsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := newMemory()
		raised, err := control.Alarm{Rung: 1, Audits: 10, Disagreements: 5, Time: time.Now()}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		state.set(raised)
		r := newRig(t, newShelf(agrees), watched(state))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		r.shelf.whenSettled(1)
		synctest.Wait()
		state.set(nil)
		time.Sleep(time.Second) // the next decision
		r.shelf.put(agrees)
		r.shelf.whenSettled(2)
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if first, second := r.sink.kept[0].Rung, r.sink.kept[1].Rung; first != 0 || second != 2 {
			t.Errorf("rungs %d and %d, want 0 under the alarm and 2 after", first, second)
		}
	})
}

func TestWhatOthersWithdrewMustBeKnownFirst(t *testing.T) {
	for _, tt := range []struct {
		name   string
		record string
		state  *memory
		want   int
	}{
		{"nothing is withdrawn", "", newMemory(), 2},
		{"no state is kept", "", &memory{refuses: true}, 2},
		{"an alarm of the last rung", alarmOf(2), newMemory(), 1},
		{"an alarm that cannot be read", "{", newMemory(), 0},
		{"an alarm of a rung beyond the ladder", alarmOf(3), newMemory(), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.record != "" {
				tt.state.record = []byte(tt.record)
			}
			a, err := newAudits(&choice{mode: Auto}, &Parts{
				Rungs: rungs, Epsilon: 0.02, State: tt.state, Metrics: newRig(t, newShelf(), nil).parts.Metrics, Logger: slog.New(slog.DiscardHandler),
			}, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if got := a.choice.usable.Load(); got != 0 {
				t.Errorf("rung %d is usable before anything was heard, want 0", got)
			}
			found := make(chan int, 1)
			go func() { <-a.heard; found <- int(a.choice.usable.Load()) }()
			ctx, stop := context.WithCancel(t.Context())
			stop() // the record is told all the same
			a.follow(ctx)
			if got := int(a.choice.usable.Load()); got != tt.want {
				t.Errorf("rung %d is usable, want %d", got, tt.want)
			}
			if got := <-found; got != tt.want {
				t.Errorf("whoever waited finds rung %d usable, want %d", got, tt.want)
			}
		})
	}
}

// late is a State that tells nothing for a while.
type late struct {
	*memory

	by time.Duration
}

func (l late) Follow(ctx context.Context, heard func([]byte, uint64)) error {
	select {
	case <-time.After(l.by):
		return l.memory.Follow(ctx, heard)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// TestAWorkerTakesMessagesOnceAlarmsAreKnown looks every second whether it does.
func TestAWorkerTakesMessagesOnceAlarmsAreKnown(t *testing.T) {
	for _, tt := range []struct {
		name  string
		state func() State // made inside the bubble, for its channel
		full  bool
		after int // seconds until it takes messages
	}{
		{"alarms are heard at once", func() State { return newMemory() }, false, 0},
		{"alarms are heard late", func() State { return late{newMemory(), 2500 * time.Millisecond} }, false, 3},
		{"alarms are not heard", func() State { return late{newMemory(), time.Hour} }, false, 10},
		{"alarms cannot be heard", func() State { return &memory{refuses: true} }, false, 0},
		{"there are none to hear", func() State { return nil }, false, 0},
		{"alarms would change nothing", func() State { return late{newMemory(), time.Hour} }, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newShelf(agrees), func(c *Config, parts *Parts) {
					watched(tt.state())(c, parts)
					if tt.full {
						c.Mode = Full
					}
				})
				if r.Taking() {
					t.Error("it takes messages before it runs")
				}
				start := time.Now()
				stop := r.start(t)
				for synctest.Wait(); !r.Taking() && time.Since(start) < time.Minute; synctest.Wait() {
					r.shelf.mu.Lock()
					n := r.shelf.read
					r.shelf.mu.Unlock()
					if n > 0 {
						t.Fatalf("it took %d messages and says that it takes none", n)
					}
					time.Sleep(time.Second)
				}
				if got, want := time.Since(start), time.Duration(tt.after)*time.Second; got != want {
					t.Errorf("it takes messages after %v, want %v", got, want)
				}
				r.shelf.whenSettled(1)
				stop()
			})
		})
	}
}

func TestAWorkerThatStopsBeforeAlarmsAreKnownTakesNoMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newShelf(agrees), watched(late{newMemory(), time.Hour}))
		stop := r.start(t)
		time.Sleep(time.Second)
		stop()
		if r.Taking() || r.shelf.read != 0 {
			t.Errorf("it took %d messages, and says %v of it; want 0 and false", r.shelf.read, r.Taking())
		}
	})
}

// TestAWorkerWhoseAlarmIsRefusedSaysSoOnce has workers that may not write the
// record; the second one may not read it either.
func TestAWorkerWhoseAlarmIsRefusedSaysSoOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		state func() State // made inside the bubble, for its channel
	}{
		{"it may read the record", func() State { return readOnly{newMemory()} }},
		{"it may not read the record", func() State { return &memory{refuses: true} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				r := newRig(t, newShelf(), func(c *Config, parts *Parts) {
					watched(tt.state())(c, parts)
					parts.Logger = slog.New(slog.NewTextHandler(&log, nil))
				})
				feed(t, r, 2000, 0.3, 1)
				if got := r.choice.usable.Load(); got != 1 {
					t.Errorf("rung %d is usable after the alarm, want 1", got)
				}
				if n := strings.Count(log.String(), "alarms are not shared and end with this worker"); n != 1 || strings.Contains(log.String(), "again") {
					t.Errorf("the log says %d times that alarms are not shared, want once, and no other try:\n%s", n, log.String())
				}
			})
		})
	}
}

// readOnly is a memory that refuses to be written.
type readOnly struct{ *memory }

func (readOnly) Update(context.Context, func([]byte) []byte) (uint64, error) {
	return 0, fmt.Errorf("writing: %w", ErrNoState)
}

// TestAgreementIsShownOfTheEvidenceThatCounts has audits that disagree until
// they raise an alarm, whereupon the evidence begins again.
func TestAgreementIsShownOfTheEvidenceThatCounts(t *testing.T) {
	var log bytes.Buffer
	r := newRig(t, newShelf(), func(c *Config, parts *Parts) {
		watched(nil)(c, parts)
		parts.LadderDigest, parts.Logger = "digest", slog.New(slog.NewTextHandler(&log, nil))
	})
	shown := func() [3]float64 {
		return [3]float64{r.metric(t, "agreement_ratio"), r.metric(t, "agreement_ratio_lower"), r.metric(t, "agreement_ratio_upper")}
	}
	nothing := [3]float64{1, 0, 1}
	if got := shown(); got != nothing {
		t.Errorf("got %v before the first audit, want %v", got, nothing)
	}
	r.audits.observe(t.Context(), 2, false)
	if got := shown(); got[0] != 0 || got[2] == 1 {
		t.Errorf("got %v after an audit that disagreed", got)
	}
	for r.metric(t, "alarm") == 0 {
		r.audits.observe(t.Context(), 2, false)
	}
	if got := shown(); got != nothing {
		t.Errorf("got %v after the alarm, want %v", got, nothing)
	}
	if !strings.Contains(log.String(), "ladder=digest") {
		t.Errorf("the log does not say under what key the alarm is found:\n%s", log.String())
	}
}
