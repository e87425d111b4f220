package simulate

import (
	"context"
	"math"
)

// mostLate is the share of messages over the target age that is good enough.
const mostLate = 0.01

// A Planner finds how many replicas a load needs.
type Planner struct {
	worker *Worker
	load   Load
	late   map[int]float64 // share of late messages by the number of replicas, as far as simulated
}

// NewPlanner returns a planner to which the given results, of the same load, are
// known.
func NewPlanner(w *Worker, load Load, known ...*Result) *Planner {
	p := &Planner{worker: w, load: load, late: map[int]float64{}}
	for _, r := range known {
		p.late[r.Replicas] = r.LateShare()
	}
	return p
}

// beyond is how many times the number of replicas that would carry a fluid is
// tried. With more than that a replica has less than a hundredth to do of what
// it can: a message hardly ever waits for another one.
const beyond = 100

// Needed returns the least number of replicas with which at most 1 % of the
// messages are over the target age. Where that many are not enough that a message
// hardly ever waits for another, it gives up, and returns false and how many
// were tried: messages take longer than the target age by themselves.
//
// The search begins where the load would be carried if messages were a fluid and
// all ran at the highest rung, see bound, and goes on from there by simulation:
// down while fewer are enough, else up in steps that double and then back in
// between. That more replicas are never worse is assumed; where chance has it
// otherwise at the edge, a neighboring number may come out.
func (p *Planner) Needed(ctx context.Context) (replicas int, ok bool, err error) {
	n := p.bound()
	enough, err := p.enough(ctx, n)
	if err != nil {
		return 0, false, err
	}
	if enough {
		n, err = p.down(ctx, n)
		return n, err == nil, err
	}
	return p.up(ctx, n)
}

// enough reports whether n replicas are.
func (p *Planner) enough(ctx context.Context, n int) (bool, error) {
	late, known := p.late[n]
	if !known {
		r, err := p.worker.Run(ctx, p.load, n)
		if err != nil {
			return false, err
		}
		late = r.LateShare()
		p.late[n] = late
	}
	return late <= mostLate, nil
}

// down returns the least number of replicas that are enough, where n are.
func (p *Planner) down(ctx context.Context, n int) (int, error) {
	for ; n > 1; n-- {
		if enough, err := p.enough(ctx, n-1); err != nil || !enough {
			return n, err
		}
	}
	return n, nil
}

// up returns the least number of replicas that are enough, where n are not.
func (p *Planner) up(ctx context.Context, n int) (int, bool, error) {
	few, most := n, beyond*(n+1)
	for step := 1; ; step *= 2 {
		n = few + step
		enough, err := p.enough(ctx, n)
		if err != nil {
			return 0, false, err
		}
		if enough {
			break
		}
		if few = n; few > most {
			return few, false, nil
		}
	}
	for n-few > 1 {
		middle := (few + n) / 2
		enough, err := p.enough(ctx, middle)
		if err != nil {
			return 0, false, err
		}
		if enough {
			n = middle
		} else {
			few = middle
		}
	}
	return n, true, nil
}

// bound returns the least number of replicas that would be enough if messages
// were a fluid that is served in order of arrival, as fast as the highest rung
// allows.
func (p *Planner) bound() int {
	each := 1 / p.worker.message(p.worker.rail())
	few, n := 0, int(math.Ceil(p.load.Peak()/each))
	for n-few > 1 {
		middle := (few + n) / 2
		if p.fluid(float64(middle)*each) <= mostLate {
			n = middle
		} else {
			few = middle
		}
	}
	return max(n, 1)
}

// fluid returns the share of a load that is over the target age where so many
// messages a second are served. What arrives while the backlog is worth more
// than the target age will be.
func (p *Planner) fluid(served float64) float64 {
	var backlog, late float64
	most := served * p.worker.Control.TargetAge.Seconds()
	for i, s := range p.load.Spans {
		lasts := (p.load.until(i) - s.From).Seconds()
		grows := s.Rate - served
		above := 0.0 // seconds for which the backlog is too large
		switch {
		case grows > 0:
			above = lasts - max(0, most-backlog)/grows
		case grows < 0:
			above = (backlog - most) / -grows
		case backlog > most:
			above = lasts
		}
		late += s.Rate * min(max(above, 0), lasts)
		backlog = max(0, backlog+grows*lasts)
	}
	return late / p.load.Messages()
}
