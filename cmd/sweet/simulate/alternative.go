package simulate

import (
	"fmt"

	"sweetspot/pipeline/control"
)

// An Alternative is a way to serve a load.
type Alternative struct {
	Name     string
	Grouping Grouping

	rule         func(s *stand) (rule, error)
	reach        func(w *Worker) [][]float64 // (rungs, stages)
	disagreement func(w *Worker) []float64   // by rung
}

// A Grouping says how rows are put into batches.
type Grouping uint8

// The groupings.
const (
	Regrouped Grouping = iota // survivors of several batches travel together, as package schedule says
	Apart                     // the survivors of a batch go on alone
	Single                    // every batch is one row
)

// A stand is where a rule is used: at one replica of a worker.
type stand struct {
	worker *Worker
	load   *Load
	share  float64 // of the load
	stream uint64  // of chance
}

// onLadder is an alternative that uses the rungs of the worker's ladder.
func onLadder(name string, g Grouping, r func(s *stand) (rule, error)) *Alternative {
	return &Alternative{Name: name, Grouping: g, rule: r, reach: (*Worker).reach, disagreement: (*Worker).disagreement}
}

// Ours is what the worker does: the controller chooses among the certified
// rungs, and survivors are regrouped.
func Ours() *Alternative { return onLadder("ours", Regrouped, newOurs) }

func newOurs(s *stand) (rule, error) {
	c, err := control.New(s.worker.Control, s.worker.reach())
	if err != nil {
		return nil, err
	}
	return &ours{c}, nil
}

// Unregrouped is ours without regrouping.
func Unregrouped() *Alternative { return onLadder("early exit without regrouping", Apart, newOurs) }

// OneByOne is ours with batches of one row.
func OneByOne() *Alternative { return onLadder("early exit, batch size one", Single, newOurs) }

// FullDepth is the model without exits.
func FullDepth() *Alternative {
	a := Fixed(0)
	a.Name = "full depth"
	return a
}

// Fixed is one rung, whatever the load.
func Fixed(rung int) *Alternative {
	return onLadder(fmt.Sprintf("fixed rung %d", rung), Regrouped, func(*stand) (rule, error) { return fixed{rung: rung}, nil })
}

// Mixture is a fixed rung, and for a share of the messages, chosen by chance,
// the one above.
func Mixture(rung int, share float64) *Alternative {
	name := fmt.Sprintf("fixed, %.0f %% rung %d and %.0f %% rung %d", 100*(1-share), rung, 100*share, rung+1)
	return onLadder(name, Regrouped, func(*stand) (rule, error) { return fixed{rung: rung, mix: share}, nil })
}

// AIMD probes: it goes deeper step by step, and half the way back to the last
// rung whenever messages get late.
func AIMD() *Alternative {
	return onLadder("AIMD", Regrouped, func(s *stand) (rule, error) {
		return &aimd{late: s.worker.Control.TargetAge / 2}, nil
	})
}

// Oracle knows how many messages the next control period brings. It takes the
// deepest rung that carries them and what has to be drained.
func Oracle() *Alternative {
	return onLadder("oracle", Regrouped, func(s *stand) (rule, error) {
		w := s.worker
		o := &oracle{period: w.Control.ControlEvery, target: w.Control.TargetAge.Seconds()}
		o.future = newArrivals(s.load, s.share, w.Cost.lengths(), w.Shares, w.Seed, s.stream)
		o.next, o.more = o.future.next()
		for k := range w.Ladder.Rungs {
			o.messages = append(o.messages, w.message(k))
		}
		return o, nil
	})
}

// WholeModels switches between models without exits, one for every exit of the
// worker's model: it ends there, and costs and answers what the worker's does
// where every message leaves by this exit. The rule is the worker's controller.
// No certificate covers it.
func WholeModels() *Alternative {
	return &Alternative{
		Name: "whole-model switching", Grouping: Apart,
		rule: func(s *stand) (rule, error) {
			c, err := control.New(s.worker.Control, wholeReach(s.worker))
			if err != nil {
				return nil, err
			}
			return &ours{c}, nil
		},
		reach: wholeReach,
		disagreement: func(w *Worker) []float64 {
			n := len(w.Cost.Stages)
			shares := make([]float64, n)
			for k := range shares {
				shares[k] = w.Cost.Stages[n-1-k].Disagreement
			}
			return shares
		},
	}
}

// wholeReach is the reach of models that end after each stage, the whole one
// first.
func wholeReach(w *Worker) [][]float64 {
	n := len(w.Cost.Stages)
	reach := make([][]float64, n)
	for k := range reach {
		reach[k] = make([]float64, n)
		for i := range n - k {
			reach[k][i] = 1
		}
	}
	return reach
}

// disagreement returns, by rung, the share of answers that differ from full
// depth's, as calibration measured it.
func (w *Worker) disagreement() []float64 {
	shares := make([]float64, len(w.Ladder.Rungs))
	for k, r := range w.Ladder.Rungs {
		shares[k] = r.Disagreement
	}
	return shares
}

// agreement returns the share of answers that is expected to be full depth's,
// from the rungs under which the messages of r were admitted.
func (a *Alternative) agreement(w *Worker, r *Result) float64 {
	var differ, all float64
	for k, d := range a.disagreement(w) {
		differ += d * float64(r.Admitted[k])
		all += float64(r.Admitted[k])
	}
	return 1 - differ/max(all, 1)
}
