package pipeline

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/pipeline/control"
)

// alarmOf is a record that withdraws a rung and all cheaper ones.
func alarmOf(rung int) string {
	return fmt.Sprintf(`{"rung":%d,"audits":10,"disagreements":5,"time":"2026-01-02T03:04:05Z","worker":"operator"}`, rung)
}

// An ear is audits over rungs 0 to 2 that a test tells what is heard.
type ear struct {
	*audits

	log bytes.Buffer
}

func newEar(t *testing.T, state State) *ear {
	t.Helper()
	e := &ear{}
	a, err := newAudits(&choice{mode: Auto}, &Parts{
		Rungs: rungs, Epsilon: 0.02, State: state, Worker: "w", LadderDigest: "digest",
		Metrics: newRig(t, newShelf(), nil).parts.Metrics, Logger: slog.New(slog.NewTextHandler(&e.log, nil)),
	}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	e.audits = a
	return e
}

// hears tells e of a record, "" for none, and fails where it says anything but
// what is wanted of it.
func (e *ear) hears(t *testing.T, record string, revision uint64, usable int, says string) {
	t.Helper()
	e.log.Reset()
	e.hear(t.Context(), recordOf(record), revision)
	e.is(t, usable, says)
}

// recordOf returns a record as a State tells it: nil for "".
func recordOf(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

// is fails where another rung is usable than wanted, or the log says anything
// but the given words.
func (e *ear) is(t *testing.T, usable int, says string) {
	t.Helper()
	if got := int(e.choice.usable.Load()); got != usable {
		t.Errorf("rung %d is usable, want %d", got, usable)
	}
	if got := e.log.String(); says == "" && got != "" || !strings.Contains(got, says) {
		t.Errorf("the log says %q, want %q", got, says)
	}
}

// raise lets rows of a rung disagree until there is an alarm.
func (e *ear) raise(t *testing.T, rung int) {
	t.Helper()
	for before := e.evidence.Usable(); e.evidence.Usable() == before; {
		e.observe(t.Context(), rung, false)
	}
}

const (
	withdrawn = "rungs are withdrawn by the shared alarm"
	relaxed   = "it withdraws fewer rungs than before"
	cleared   = "the alarm was cleared"
	unclear   = "every text runs at full depth until it is put right or deleted"
)

// TestWhatTheRecordSaysNowIsWhatHolds tells one worker of every record in turn.
// After each, a worker that starts and hears of that one alone does the same.
func TestWhatTheRecordSaysNowIsWhatHolds(t *testing.T) {
	running := newEar(t, newMemory())
	for i, step := range []struct {
		name   string
		record string
		usable int
		says   string
	}{
		{"nothing at first", "", 2, ""},
		{"the cheapest rung", alarmOf(2), 1, withdrawn},
		{"the same again", alarmOf(2), 1, ""},
		{"a deeper rung as well", alarmOf(1), 0, withdrawn},
		{"relaxed", alarmOf(2), 1, relaxed},
		{"relaxed beyond the ladder", alarmOf(3), 0, "rung: 3, but the last rung of the ladder is 2"},
		{"the same again, of which nothing is left to say", alarmOf(3), 0, ""},
		{"put right", alarmOf(2), 1, relaxed},
		{"full depth", alarmOf(0), 0, "rung: 0, want at least 1"},
		{"less than that", alarmOf(-1), 0, "rung: -1, want at least 1"},
		{"deleted", "", 2, cleared},
		{"no record at all", "{", 0, unclear},
		{"deleted again", "", 2, cleared},
		{"deleted already", "", 2, ""},
	} {
		t.Run(step.name, func(t *testing.T) {
			running.hears(t, step.record, uint64(i), step.usable, step.says)
			fresh := newEar(t, newMemory())
			fresh.hear(t.Context(), recordOf(step.record), 1)
			if got := int(fresh.choice.usable.Load()); got != step.usable {
				t.Errorf("rung %d is usable by a worker that starts, want %d", got, step.usable)
			}
		})
	}
}

func TestARecordHeardTwiceLeavesTheEvidence(t *testing.T) {
	e := newEar(t, newMemory())
	e.hears(t, alarmOf(2), 1, 1, withdrawn)
	e.observe(t.Context(), 1, false)
	before := e.evidence.Strength()
	e.hears(t, alarmOf(2), 1, 1, "")
	e.hears(t, strings.ReplaceAll(alarmOf(2), "operator", "another"), 2, 1, "")
	if got := e.evidence.Strength(); got != before || got == 0 {
		t.Errorf("strength %v, want still %v", got, before)
	}
	e.hears(t, "", 3, 2, cleared)
	if got := e.evidence.Strength(); got != 0 {
		t.Errorf("strength %v after the clearing, want 0", got)
	}
}

// TestAnAlarmOfOursHoldsUntilTheRecordDoes tells a worker of records that are
// older than its own alarm, or were made without knowing of it.
func TestAnAlarmOfOursHoldsUntilTheRecordDoes(t *testing.T) {
	e := newEar(t, newMemory())
	e.hears(t, alarmOf(2), 1, 1, withdrawn)
	e.raise(t, 1)
	e.hears(t, alarmOf(2), 1, 0, "")
	e.hears(t, "", 2, 0, "")
	e.hears(t, alarmOf(2), 3, 0, "")
	alarm := e.toShare()
	e.told(t.Context(), alarm, 5)
	e.is(t, 0, "")
	e.hears(t, "", 4, 0, "") // what was there when it was written
	before := e.evidence.Strength()
	e.hears(t, string(e.merge(nil, *alarm)), 5, 0, "") // at last
	if got := e.evidence.Strength(); got != before {
		t.Errorf("strength %v, want still %v: its own alarm is no news", got, before)
	}
	e.hears(t, alarmOf(2), 6, 1, relaxed)
	e.hears(t, "", 7, 2, cleared)
}

// TestAnAlarmOfOursEndsWithTheRecord has the watch of the bucket faster than the
// answer to what was written, and an operator faster than both.
func TestAnAlarmOfOursEndsWithTheRecord(t *testing.T) {
	for _, tt := range []struct {
		name   string
		record string // heard under a later revision than that of the alarm
		usable int
		says   string
	}{
		{"it was deleted", "", 2, cleared},
		{"it was relaxed", alarmOf(2), 1, relaxed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEar(t, newMemory())
			e.hears(t, "", 0, 2, "")
			e.raise(t, 1)
			alarm := e.toShare()
			e.hears(t, string(e.merge(nil, *alarm)), 1, 0, "")
			e.hears(t, tt.record, 2, 0, "")
			e.told(t.Context(), alarm, 1)
			e.is(t, tt.usable, tt.says)
			if e.toShare() != nil {
				t.Error("the alarm is to be shared again")
			}
		})
	}
}

func TestAnAlarmRaisedWhileAnotherIsSharedIsSharedToo(t *testing.T) {
	state := newMemory()
	e := newEar(t, state)
	e.hears(t, "", 0, 2, "")
	e.raise(t, 2)
	first := e.toShare()
	e.raise(t, 1)
	e.told(t.Context(), first, state.set(e.merge(nil, *first)))
	record, revision, _ := state.look()
	e.hears(t, string(record), revision, 0, "")
	if !e.tell(t.Context()) {
		t.Fatal("the second alarm is not shared")
	}
	record, revision, _ = state.look()
	if alarm, err := control.DecodeAlarm(record); err != nil || alarm.Rung != 1 {
		t.Errorf("the record is %s, error %v, want an alarm of rung 1", record, err)
	}
	e.hears(t, string(record), revision, 0, "")
	e.hears(t, "", revision+1, 2, cleared)
}

// TestARecordThatCannotBeObeyedStays has an alarm of ours beside a record that
// withdraws everything: written over it, it would withdraw less.
func TestARecordThatCannotBeObeyedStays(t *testing.T) {
	for _, record := range []string{alarmOf(3), alarmOf(0), "{", ""} {
		e := newEar(t, newMemory())
		if got := e.merge([]byte(record), control.Alarm{Rung: 1, Time: time.Now()}); got != nil {
			t.Errorf("record %q is replaced by %s", record, got)
		}
	}
}

// TestARelaxedAlarmBindsRunningAndNewWorkersAlike has a worker raise an alarm,
// and an operator write into its record.
func TestARelaxedAlarmBindsRunningAndNewWorkersAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := newMemory()
		ladder := append(rungs[:2:2], rungs[1], rungs[2]) // full depth, twice careful, and bold
		change := func(c *Config, parts *Parts) {
			watched(state)(c, parts)
			parts.Rungs = ladder
		}
		running := newRig(t, newShelf(), change)
		stop := running.start(t)
		running.shelf.put(disagrees)
		running.shelf.whenSettled(1)
		for {
			if record, _ := state.get(); record != nil {
				break
			}
			running.shelf.put(disagrees)
			time.Sleep(time.Minute)
		}
		for _, step := range []struct{ record, usable int }{{3, 2}, {1, 0}, {2, 1}, {3, 2}, {4, 0}, {0, 0}} {
			state.set([]byte(alarmOf(step.record)))
			started := newRig(t, newShelf(), change)
			end := started.start(t)
			time.Sleep(time.Second)
			for name, r := range map[string]*rig{"running": running, "new": started} {
				if got := int(r.choice.usable.Load()); got != step.usable {
					t.Errorf("rung %d is usable by the %s worker under an alarm of rung %d, want %d", got, name, step.record, step.usable)
				}
			}
			end()
		}
		stop()
	})
}
