package pipeline

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"sweetspot/pipeline/control"
)

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

	mu sync.Mutex
	// mu guards what follows.
	evidence *control.Evidence
	known    bool // what other workers have withdrawn has been heard, or cannot be
	alone    bool // alarms cannot be shared
	shared   shared
	own      own
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
		a.own = own{alarm: &alarm} // of a lower rung than one that is on its way already
		select {
		case a.raised <- struct{}{}:
		default: // it is poked already
		}
		a.log.ErrorContext(ctx, "the certificate does not hold for the messages that come now: rungs are withdrawn until the alarm is cleared",
			slog.Int("from_rung", alarm.Rung), slog.Int("audits", alarm.Audits), slog.Int("disagreements", alarm.Disagreements),
			slog.String("ladder", a.ladder))
	}
}
