package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sweetspot/pipeline/control"
)

// State is one record that all workers with the same ladder share, and that
// outlives them. [sweetspot/pipeline/publish.State] is the one that ships.
type State interface {
	// Follow calls heard with the record as it is, and then whenever it has
	// changed; nil means that there is none yet, or that it was deleted. Each change
	// has a higher revision than the one before, 0 where there was none. The same one
	// may be told again, and one that another follows soon may not be. A record that is
	// lost in any other way is not told. It returns when ctx ends, and before only
	// with ErrNoState.
	Follow(ctx context.Context, heard func(record []byte, revision uint64)) error
	// Update replaces the record by what change makes of it, as if no other
	// worker did so meanwhile, and returns the revision of what it leaves. Where
	// change returns nil the record stays. An error other than ErrNoState is worth
	// another try.
	Update(ctx context.Context, change func(record []byte) []byte) (revision uint64, err error)
}

// ErrNoState is the error of a [State] that there cannot be.
var ErrNoState = errors.New("no state is kept for this worker")

// shared is the record that workers share, as it was last heard. What it says now
// is all that holds of it: an operator may relax it or delete it, and whoever
// heard it before must then do as one that starts.
type shared struct {
	record   []byte // nil for none
	revision uint64
	alarm    control.Alarm // what it says; of rung 1 where that cannot be told, and of rung 0 where there is none
}

// own is an alarm that this worker has raised. It holds beside the record until
// the record that holds it is heard, or a later one: until then the record says
// nothing of it, and what says that is no relaxing.
type own struct {
	alarm   *control.Alarm // nil for none
	written uint64         // revision of the record that holds it; 0 before
}

// hear takes the record that workers share. It does what that asks for before it
// says so.
func (a *audits) hear(ctx context.Context, record []byte, revision uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	again := a.shared.record != nil && bytes.Equal(record, a.shared.record)
	a.shared = shared{record: record, revision: revision}
	var err error
	if record != nil {
		if a.shared.alarm, err = a.read(record); err != nil {
			a.shared.alarm = control.Alarm{Rung: 1}
		}
	}
	before := a.evidence.Usable()
	a.obey()
	a.know()
	if err != nil && !again {
		a.log.ErrorContext(ctx, "the shared alarm cannot be obeyed as it is written: every text runs at full depth until it is put right or deleted",
			slog.Any("error", err), slog.String("ladder", a.ladder))
		return
	}
	a.tellChange(ctx, before)
}

// read reads a record. One that names a rung beyond the ladder was meant for
// another, or is a slip: which rungs it withdraws is as little known as of one
// that cannot be decoded.
func (a *audits) read(record []byte) (control.Alarm, error) {
	alarm, err := control.DecodeAlarm(record)
	if err == nil && alarm.Rung > a.cheaper {
		err = fmt.Errorf("rung: %d, but the last rung of the ladder is %d", alarm.Rung, a.cheaper)
	}
	return alarm, err
}

// obey makes usable what the record, and an alarm of our own that it does not
// hold yet, leave. The caller holds mu.
func (a *audits) obey() {
	if a.own.written > 0 && a.shared.revision >= a.own.written {
		a.own = own{}
	}
	usable := a.cheaper
	if rung := a.shared.alarm.Rung; rung > 0 {
		usable = rung - 1
	}
	if a.own.alarm != nil {
		usable = min(usable, a.own.alarm.Rung-1)
	}
	a.evidence.Allow(usable)
	a.apply()
}

// tellChange logs that the record has changed which rungs are usable, where it
// has. The caller holds mu.
func (a *audits) tellChange(ctx context.Context, before int) {
	usable, alarm := a.evidence.Usable(), a.shared.alarm
	about := []any{
		slog.Int("from_rung", alarm.Rung), slog.String("worker", alarm.Worker), slog.Time("since", alarm.Time), slog.String("ladder", a.ladder),
	}
	switch {
	case usable < before:
		a.log.WarnContext(ctx, "rungs are withdrawn by the shared alarm", about...)
	case usable > before && usable < a.cheaper:
		a.log.WarnContext(ctx, "the shared alarm was relaxed: it withdraws fewer rungs than before", about...)
	case usable > before:
		a.log.WarnContext(ctx, "the alarm was cleared: all certified rungs may be used again")
	}
}

// follow obeys what other workers, and operators, say until ctx ends.
func (a *audits) follow(ctx context.Context) {
	if a.state == nil {
		return
	}
	err := a.state.Follow(ctx, func(record []byte, revision uint64) { a.hear(ctx, record, revision) })
	if errors.Is(err, ErrNoState) {
		a.keep(ctx, err)
	}
}

// keep notes that alarms cannot be shared, for the given reason, and says so
// once.
func (a *audits) keep(ctx context.Context, why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.alone {
		a.log.WarnContext(ctx, "alarms are not shared and end with this worker", slog.Any("error", why))
	}
	a.alone = true
	a.know()
}

// lastTry is for how long a worker that has nothing left to do tries to share an
// alarm.
const lastTry = 5 * time.Second

// end says that no audit will follow.
func (a *audits) end() {
	if a != nil {
		close(a.raised)
	}
}

// share tells the others of the alarms that are raised, until raised is closed
// and all have been told, or ctx ends.
func (a *audits) share(ctx context.Context) {
	for range receive(ctx, a.raised) {
		for wait := firstRetry; !a.tell(ctx); wait = min(2*wait, lastRetry) {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
	}
}

// tell tries to share our own alarm, and reports whether that is done with.
func (a *audits) tell(ctx context.Context) bool {
	alarm := a.toShare()
	if alarm == nil {
		return true
	}
	revision, err := a.state.Update(ctx, func(record []byte) []byte { return a.merge(record, *alarm) })
	switch {
	case err == nil:
		a.log.InfoContext(ctx, "the alarm is shared", slog.Int("from_rung", alarm.Rung))
		a.told(ctx, alarm, revision)
		return true
	case errors.Is(err, ErrNoState):
		a.keep(ctx, err)
		return true
	default:
		a.log.WarnContext(ctx, "sharing an alarm again", slog.Any("error", err))
		return false
	}
}

// toShare returns our own alarm where it can be shared and is not, else nil.
func (a *audits) toShare() *control.Alarm {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == nil || a.alone || a.own.written > 0 {
		return nil
	}
	return a.own.alarm
}

// told notes that the record holds an alarm of ours from a revision on. Where a
// later one has been heard already, that is what holds.
func (a *audits) told(ctx context.Context, alarm *control.Alarm, revision uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.own.alarm != alarm {
		return // another one was raised meanwhile, which withdraws more
	}
	a.own.written = revision
	before := a.evidence.Usable()
	a.obey()
	a.tellChange(ctx, before)
}

// merge returns the record of alarm beside the one that there is: nil where that
// one holds already, or cannot be read and so withdraws everything.
func (a *audits) merge(record []byte, alarm control.Alarm) []byte {
	if record != nil {
		there, err := a.read(record)
		if err != nil || there.Merge(alarm) == there {
			return nil
		}
	}
	merged, err := alarm.Encode()
	if err != nil {
		return nil // an alarm of ours is valid
	}
	return merged
}
