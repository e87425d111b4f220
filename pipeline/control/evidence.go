package control

import (
	"errors"
	"fmt"
)

// Evidence watches, audit by audit, whether the certificate still holds for the
// text that comes now, and withdraws rungs when it does not. One goroutine owns
// it.
//
// The certificate says that on every rung at most a share ε of the answers
// differs from full depth's. Against that bets one process over the audits of
// all rungs, which sees a change that concerns them all even while the rung
// keeps moving, and one process per rung, which sees a single rung go bad among
// good ones. [process] has the formula. At an audit that disagreed, when the
// mean over the bets of one of its two processes reaches 2A, Evidence raises an
// alarm: the rung of that row and all cheaper ones are withdrawn, until an
// operator clears it or a new ladder brings new Evidence.
//
// Between false alarms there are at least A audits on average, whoever chooses
// the rungs and by whatever rule, this evidence included. For while the
// certificate holds, an audit raises the expected value of the processes that it
// moves by at most 1 each, and it moves two. So with S the sum of all
// processes after t audits, S − 2t is a supermartingale, and it starts at 0. At
// the alarm S is at least 2A; stopped there or at audit n,
// 2A·P(alarm by n) ≤ E[S] ≤ 2·E[audits until then], and the claim follows as n
// grows. Since all processes start again at 0, it holds anew after every alarm,
// whatever came before. It holds as well for several workers that share their
// alarms, with S the sum over all of them: an alarm of any for every A audits of
// all.
//
// A message counts once, however often it is read: its second audit would show
// what is known. So the caller must not tell of it again, not even after
// everything has started again at 0, and messages that several workers audit, as
// after a rebalance, must be few.
//
// Everything starts again at 0 after an alarm, after one heard from another
// worker, and after a clearing, of some rungs or of all. It must: the process over all rungs holds the
// rows of those withdrawn, and would soon blame the rest for them. It never
// starts again for another reason. A change of rung least of all: the delay
// until a change is seen would begin anew each time.
//
// Rows of rung 0 are counted and move nothing. They agree with full depth by
// being it, so they tell nothing of any rung; but taken for audits that agreed,
// those of one quiet night would wash out what a busy day has shown. Rows of a
// rung already withdrawn, still under way when the alarm came, are counted and
// move nothing either. Neither choice looks at the outcome, so the bound stands.
// A row on a cheaper rung that no exit let go is a row of that rung, and agrees.
type Evidence struct {
	odds  odds
	limit float64 // 2A

	all    process
	own    []process // of rung 1 and on
	usable int       // rungs above it are withdrawn

	total, recent Tally
}

// NewEvidence returns evidence that has seen nothing, for a ladder of so many
// rungs, full depth included, whose certified share of disagreement is epsilon,
// in (0, 1). alarmEvery is A, how many audits pass between false alarms on
// average at least, from 1.
func NewEvidence(rungs int, epsilon float64, alarmEvery int) (*Evidence, error) {
	var faults []error
	if rungs < 1 {
		faults = append(faults, fmt.Errorf("%d rungs, want at least 1, full depth", rungs))
	}
	if !(epsilon > 0 && epsilon < 1) {
		faults = append(faults, fmt.Errorf("a certified disagreement of %v, want more than 0 and less than 1", epsilon))
	}
	if alarmEvery < 1 {
		faults = append(faults, fmt.Errorf("%d audits between false alarms, want at least 1", alarmEvery))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Evidence{
		odds:   newOdds(epsilon),
		limit:  2 * float64(alarmEvery),
		own:    make([]process, rungs-1),
		usable: rungs - 1,
	}, nil
}

// Observe takes one audit, of a message that it was told nothing of before:
// whether the answer of a row that was admitted under the given rung of the
// ladder agrees with full depth's. If that raises an alarm, it withdraws the
// alarm's rung and all cheaper ones and returns true. The caller fills in the
// alarm's time and worker.
func (e *Evidence) Observe(rung int, agree bool) (Alarm, bool) {
	differs := rung > 0 && !agree
	d := 0
	if differs {
		d = 1
	}
	e.total, e.recent = e.total.and(d), e.recent.and(d)
	if rung <= 0 || rung > e.usable {
		return Alarm{}, false
	}
	reached := max(e.all.move(&e.odds[d]), e.own[rung-1].move(&e.odds[d]))
	// Below ε = 2/A agreement alone could carry a process to the limit. That is
	// no sign of trouble, so only a row that disagrees raises an alarm; it makes
	// false alarms rarer still.
	if !differs || reached < e.limit {
		return Alarm{}, false
	}
	alarm := Alarm{Rung: rung, Audits: e.recent.Audits(), Disagreements: e.recent.Disagreed}
	e.restart(rung - 1)
	return alarm, true
}

// Allow makes the rungs up to usable, and no cheaper ones, usable: what an alarm
// heard from elsewhere leaves, or an operator gives back. Full depth always stays,
// and the ladder has an end: usable is taken for the nearest rung that there is.
// Where that is what holds already, nothing changes.
func (e *Evidence) Allow(usable int) {
	if usable = min(max(usable, 0), len(e.own)); usable != e.usable {
		e.restart(usable)
	}
}

func (e *Evidence) restart(usable int) {
	e.usable = usable
	e.all = process{}
	clear(e.own)
	e.recent = Tally{}
}

// Usable returns the cheapest rung that is not withdrawn; 0 is full depth.
func (e *Evidence) Usable() int { return e.usable }

// Strength returns how near the evidence is to an alarm: the largest mean over
// bets of any process as a share of the limit, in [0, 1].
func (e *Evidence) Strength() float64 {
	largest := e.all.mean()
	for i := range e.own {
		largest = max(largest, e.own[i].mean())
	}
	return min(largest/e.limit, 1)
}

// Total returns all audits since the start.
func (e *Evidence) Total() Tally { return e.total }

// Recent returns the audits since the evidence last began: since the latest
// alarm, from here or elsewhere, or clearing.
func (e *Evidence) Recent() Tally { return e.recent }
