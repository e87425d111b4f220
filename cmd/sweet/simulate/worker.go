package simulate

import (
	"errors"
	"fmt"
	"time"

	"sweetspot/inference"
	"sweetspot/pipeline/control"
	"sweetspot/pipeline/schedule"
)

// A Worker is what every replica is: a model on a device, with its ladder and
// settings.
type Worker struct {
	Cost    Cost
	Ladder  inference.Ladder // of the same model; full depth alone where it has none
	Control control.Config
	Shares  Shares
	Publish time.Duration // from an answer until it is durable; ages and the controller count it
	Seed    uint64
}

// Validate reports what does not fit together.
func (w *Worker) Validate() error {
	if err := w.Cost.Validate(); err != nil {
		return err
	}
	s := w.Shares
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	switch {
	case len(w.Ladder.Rungs) == 0:
		return errors.New("the ladder has no rung, not even full depth")
	case len(w.Ladder.Rungs[0].Reach) != len(w.Cost.Stages):
		return fmt.Errorf("the cost model has %d stages and the model %d: they are not of the same model", len(w.Cost.Stages), len(w.Ladder.Rungs[0].Reach))
	case !share(s.Strict) || !share(s.BestEffort) || !share(s.Strict+s.BestEffort) || !share(s.Audited):
		return fmt.Errorf("shares %v of strict, %v of best-effort and %v of audited messages: want them in [0, 1], the first two together as well", s.Strict, s.BestEffort, s.Audited)
	case w.Publish < 0:
		return fmt.Errorf("%v to publish: want 0 or more", w.Publish)
	}
	_, err := control.New(w.Control, w.reach())
	return err
}

// reach returns (rungs, stages) the shares of messages that run each stage.
func (w *Worker) reach() [][]float64 {
	reach := make([][]float64, len(w.Ladder.Rungs))
	for k, r := range w.Ladder.Rungs {
		reach[k] = r.Reach
	}
	return reach
}

// rail is the highest rung.
func (w *Worker) rail() int { return len(w.Ladder.Rungs) - 1 }

// message returns what a message costs at rung k on average in full runs, in
// seconds, as the messages spread over the tiers.
func (w *Worker) message(k int) float64 {
	s, rungs := w.Shares, w.Ladder.Rungs
	full := s.Strict + (1-s.Strict)*s.Audited
	best := s.BestEffort * (1 - s.Audited)
	return full*w.Cost.Message(rungs[0].Reach) +
		best*w.Cost.Message(rungs[w.rail()].Reach) +
		(1-full-best)*w.Cost.Message(rungs[k].Reach)
}

// limit is what the certificate bounds the disagreement of every rung by. With a
// floor on accuracy ε bounds what is lost, and disagreement has a limit of its
// own.
func (w *Worker) limit() float64 {
	switch {
	case w.rail() == 0:
		return 0
	case w.Ladder.Floor == inference.AccuracyFloor:
		return w.Ladder.DisagreementLimit
	}
	return w.Ladder.Epsilon
}

// pass is what full runs of all stages take together.
func pass(lines []schedule.Line, budget int) time.Duration {
	var sum time.Duration
	for _, l := range lines {
		sum += l.Time(budget)
	}
	return sum
}
