// Package schedule decides which stage of a model runs next, and which of the
// rows that wait are admitted to it.
//
// It is told what waits at every stage, what runs cost and how many batches
// the device holds, and answers with one step: run a stage, wait for the
// device, or rest. It knows no texts, models, devices or clocks. [Next] and
// [Choose] keep nothing between two questions; [Costs] keeps what the runs
// that it was told of cost.
//
// The rule is depth first. Rows deep in the model are nearest to leaving and
// free the most memory, but a batch is worth the device's time only when it is
// well filled. So the deepest stage runs that is full enough, or whose rows
// have waited their share; else new rows are admitted; else the deepest stage
// that holds any. Full enough is where the cost of a run itself, whatever its
// size, is at most 5 % of it (see [Line.Full]): on a processor almost at once,
// so rows go through the model one batch after another; on a large device only
// after several batches have left their survivors.
//
// # Room
//
// A run's survivors always find room, if every stage has one batch more than
// the device holds, and if they are put into the batch begun last until one
// does not fit, then into an empty one. For at every stage but the first, of
// the batches of one stage,
//
//	waiting + running + running one stage before ≤ depth + 1,
//
// and the last of these take at most one batch each when they end. Only a
// choice adds to the sum, one for the stage behind the chosen one. When it is
// made, that stage has at most one batch waiting: with two its rows would be
// more than one run takes, so it would be full, and it, or a deeper one like
// it, would have been chosen. The batches that run are fewer than depth. So the
// sum is at most 1 + (depth − 1) + 1. How much is full enough does not matter.
//
// # Waiting
//
// Nor does a row wait for ever. At a stage after the first it is due once it has
// waited as long as full runs of the stages that remain take together. From
// then on no shallower stage is chosen until it runs. So what runs before it is
// the depth batches that run already, and the batches that wait at its own
// stage and deeper or are on their way there: at most depth + 1 for each stage,
// as shown above, and each runs at most once at every stage from there to the
// last. With r stages from the row's to the last, the row thus waits for at most
//
//	r + depth + (depth + 1)·(1 + 2 + … + r)
//
// full runs. How long a row waits to be admitted is said at [Choose].
package schedule

import "time"

// A State is all that the choice depends on.
type State struct {
	Now      time.Time
	Budget   int     // tokens of one run at most
	Stages   []Stage // from the first
	Running  int     // batches that the device holds
	Depth    int     // batches that it may hold
	Draining bool    // nothing more will come
}

// A Stage is what waits at one stage.
type Stage struct {
	Tokens   int       // of all rows that wait
	Next     int       // of those that a run now would take; at most Tokens and Budget
	Oldest   time.Time // when the row came that has waited longest
	Deadline time.Time // the earliest deadline of its rows; zero where there is none
	Cost     Line      // of its runs; zero while unknown
}

// A Step is what to do next, and why.
type Step struct {
	Do     Do
	Stage  int // for Run, from 0
	Reason Reason
}

// Do is a kind of [Step].
type Do uint8

// The steps.
const (
	Rest Do = iota // nothing is in hand: wait for rows
	Wait           // wait for the batch that the device has held longest
	Run            // queue a stage on the device
)

// A Reason says why a step was chosen.
type Reason string

// The reasons.
const (
	Full   Reason = "full"    // a deep stage is worth a run
	Due    Reason = "due"     // a deep stage's rows have waited their share
	Admit  Reason = "admit"   // new rows wait and no deep stage is pressing
	Left   Reason = "left"    // only deep stages hold rows
	Busy   Reason = "busy"    // the device holds all that it may, or more would not help
	NoRows Reason = "no rows" // nothing waits and nothing runs
)

// Next chooses a step. While rows wait and the device is free, it is a run.
func Next(s State) Step {
	if s.Running >= s.Depth {
		return Step{Do: Wait, Reason: Busy}
	}
	stage, reason, pressing := s.choose()
	if !pressing && s.Running > 0 {
		// A small batch gains nothing by queueing behind another: meanwhile it
		// may grow.
		return Step{Do: Wait, Reason: Busy}
	}
	if reason == NoRows {
		return Step{Do: Rest, Reason: reason}
	}
	return Step{Do: Run, Stage: stage, Reason: reason}
}

// choose returns the stage whose turn it is. Pressing means that it deserves a
// place behind a batch that runs.
func (s State) choose() (stage int, reason Reason, pressing bool) {
	var remaining time.Duration // of a run of each stage from i to the last
	for i := len(s.Stages) - 1; i > 0; i-- {
		st := s.Stages[i]
		remaining += st.Cost.Time(s.Budget)
		switch {
		case st.Tokens == 0:
		case s.full(st):
			return i, Full, true
		case s.due(st, remaining):
			return i, Due, true
		}
	}
	if s.Stages[0].Tokens > 0 {
		return 0, Admit, s.full(s.Stages[0])
	}
	for i := len(s.Stages) - 1; i > 0; i-- {
		if s.Stages[i].Tokens > 0 {
			return i, Left, false
		}
	}
	return 0, NoRows, false
}

// full reports whether st is worth a run. Rows that wait beyond the next run
// are there because that run is as full as it can be.
func (s State) full(st Stage) bool {
	return st.Tokens >= st.Cost.Full(s.Budget) || st.Tokens > st.Next
}

// due reports whether st's rows should wait no longer, when all that remains
// for them takes the given time.
func (s State) due(st Stage, remaining time.Duration) bool {
	return s.Draining ||
		s.Now.Sub(st.Oldest) >= remaining ||
		!st.Deadline.IsZero() && st.Deadline.Sub(s.Now) <= remaining
}
