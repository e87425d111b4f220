package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"sweetspot/pipeline/control"
)

// State is one record that all workers with the same ladder share, and that
// outlives them. [sweetspot/pipeline/publish.State] is the one that ships.
type State interface {
	// Follow calls heard with the record as it is, and then whenever it has
	// changed; nil means that there is none yet, or that it was deleted. A record
	// that is lost in any other way is not told. It returns when ctx ends, and before
	// only with ErrNoState.
	Follow(ctx context.Context, heard func(record []byte)) error
	// Update replaces the record by what change makes of it, as if no other
	// worker did so meanwhile. Where change returns nil the record stays. An
	// error other than ErrNoState is worth another try.
	Update(ctx context.Context, change func(record []byte) []byte) error
}

// ErrNoState is the error of a [State] that there cannot be.
var ErrNoState = errors.New("no state is kept for this worker")

// audits is what the rows show that run to full depth after they were answered,
// and what follows from it: which rungs may be used.
type audits struct {
	choice  *choice
	metrics *Metrics
	log     *slog.Logger
	state   State // nil where alarms end with the worker
	worker  string
	ladder  string        // its digest, under which the alarm is found
	raised  chan struct{} // poked when there is an alarm to share; closed when there will be none
	once    *remembrance  // belongs to the goroutine of prepare

	heard   chan struct{} // closed when known
	cheaper int           // rungs of the ladder below full depth

	mu       sync.Mutex
	evidence *control.Evidence // guarded by mu
	known    bool              // guarded by mu: what other workers have withdrawn has been heard, or cannot be
	alone    bool              // guarded by mu: alarms cannot be shared
	shared   bool              // guarded by mu: there was a record when it was last heard
	toShare  *control.Alarm    // guarded by mu: not shared yet; nil for none
}

// newAudits returns audits over so many rungs, or nil where there is nothing to
// be watched: full depth alone, or a ladder that allows any disagreement.
func newAudits(c *choice, parts *Parts, alarmEvery int) (*audits, error) {
	n := len(parts.Rungs)
	if c.mode == Full || n < 2 || parts.Epsilon == 1 {
		return nil, nil
	}
	e, err := control.NewEvidence(n, parts.Epsilon, alarmEvery)
	if err != nil {
		return nil, err
	}
	a := &audits{
		choice: c, metrics: parts.Metrics, log: parts.Logger, state: parts.State, worker: parts.Worker, ladder: parts.LadderDigest,
		raised: make(chan struct{}, 1), once: newRemembrance(rememberedAudits), heard: make(chan struct{}), cheaper: n - 1, evidence: e,
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apply()
	if parts.State == nil {
		a.know()
	}
	return a, nil
}

// know notes that it is known what other workers have withdrawn, and makes known
// what is left. Whoever waited for that must find it: told before, the controller
// would take its first decision for a ladder of full depth alone. The caller
// holds mu.
func (a *audits) know() {
	first := !a.known
	a.known = true
	a.apply()
	if first {
		close(a.heard)
	}
}

// longestHearing is how long a worker that starts waits for what other workers
// have withdrawn. Then it begins at full depth.
const longestHearing = 10 * time.Second

// await returns when that is known, and at the latest after longestHearing.
func (a *audits) await(ctx context.Context) {
	if a == nil {
		return
	}
	late := time.NewTimer(longestHearing)
	defer late.Stop()
	select {
	case <-a.heard:
	case <-late.C:
		a.log.WarnContext(ctx, "it is not known yet which rungs other workers have withdrawn: every text runs at full depth until it is")
	case <-ctx.Done():
	}
}

// apply makes known what the evidence allows. Until it is known what other
// workers have withdrawn, only full depth is certain to be allowed. The caller
// holds mu.
func (a *audits) apply() {
	usable := 0
	if a.known {
		usable = a.evidence.Usable()
	}
	a.choice.usable.Store(int32(usable))
	a.metrics.usable.Set(float64(usable))
	a.metrics.alarm.Set(number[a.evidence.Usable() < a.cheaper])
	a.metrics.evidence.Set(a.evidence.Strength())
	a.metrics.agreement(a.evidence.Recent())
}

// observe takes one audit of a row that was admitted under the given rung.
func (a *audits) observe(ctx context.Context, rung int, agree bool) {
	a.metrics.audit(agree)
	a.mu.Lock()
	defer a.mu.Unlock()
	alarm, raised := a.evidence.Observe(rung, agree)
	a.apply()
	if raised {
		alarm.Time, alarm.Worker = time.Now(), a.worker
		unshared := alarm
		if a.toShare != nil {
			unshared = a.toShare.Merge(alarm)
		}
		a.toShare = &unshared
		select {
		case a.raised <- struct{}{}:
		default: // it is poked already
		}
		a.log.ErrorContext(ctx, "the certificate does not hold for the messages that come now: rungs are withdrawn until the alarm is cleared",
			slog.Int("from_rung", alarm.Rung), slog.Int("audits", alarm.Audits), slog.Int("disagreements", alarm.Disagreements),
			slog.String("ladder", a.ladder))
	}
}

// hear takes the record that workers share. It does what that asks for before it
// says so.
func (a *audits) hear(ctx context.Context, record []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// Where there was no record before, an alarm of our own may be on its way there.
	cleared := record == nil && a.shared
	before := a.evidence.Usable()
	var alarm control.Alarm
	var err error
	switch {
	case record != nil:
		if alarm, err = control.DecodeAlarm(record); err != nil {
			alarm.Rung = 1
		}
		a.evidence.Withdraw(alarm.Rung)
	case cleared:
		a.evidence.Clear()
	}
	a.shared = record != nil
	a.know()

	switch {
	case err != nil:
		a.log.ErrorContext(ctx, "an alarm cannot be read: every text runs at full depth until it is cleared", slog.Any("error", err), slog.String("ladder", a.ladder))
	case record != nil && alarm.Rung <= before:
		a.log.WarnContext(ctx, "rungs are withdrawn by the shared alarm",
			slog.Int("from_rung", alarm.Rung), slog.String("worker", alarm.Worker), slog.Time("since", alarm.Time), slog.String("ladder", a.ladder))
	case cleared:
		a.log.WarnContext(ctx, "the alarm was cleared: all certified rungs may be used again")
	}
}

// follow obeys what other workers, and operators, say until ctx ends.
func (a *audits) follow(ctx context.Context) {
	if a.state == nil {
		return
	}
	err := a.state.Follow(ctx, func(record []byte) { a.hear(ctx, record) })
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

// keeps reports whether alarms cannot be shared.
func (a *audits) keeps() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.alone
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
		a.mu.Lock()
		alarm := a.toShare
		a.toShare = nil
		a.mu.Unlock()
		for wait := firstRetry; alarm != nil && !a.tell(ctx, *alarm); wait = min(2*wait, lastRetry) {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
	}
}

// tell tries to share an alarm, and reports whether that is done with.
func (a *audits) tell(ctx context.Context, alarm control.Alarm) bool {
	if a.state == nil || a.keeps() {
		return true
	}
	err := a.state.Update(ctx, func(record []byte) []byte { return merge(record, alarm) })
	switch {
	case err == nil:
		a.log.InfoContext(ctx, "the alarm is shared", slog.Int("from_rung", alarm.Rung))
		return true
	case errors.Is(err, ErrNoState):
		a.keep(ctx, err)
		return true
	default:
		a.log.WarnContext(ctx, "sharing an alarm again", slog.Any("error", err))
		return false
	}
}

// merge returns the record of alarm beside the one that there is: nil where that
// one holds already, or cannot be read and so withdraws everything.
func merge(record []byte, alarm control.Alarm) []byte {
	if record != nil {
		there, err := control.DecodeAlarm(record)
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
