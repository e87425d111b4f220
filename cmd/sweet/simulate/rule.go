package simulate

import (
	"math/rand/v2"
	"time"

	"sweetspot/pipeline/control"
)

// A choice is what messages are admitted under until the next one.
type choice struct {
	rung       int
	bestEffort int
	mix        float64 // the share of standard messages that are admitted one rung higher, in [0, 1)
	shed       bool    // best-effort messages go to the dead letters
	begun      bool    // the rule has chosen; from now on a change of rung is a move
}

// A rule chooses, at the start and once a control period.
type rule interface {
	choose(r *control.Reading) choice
}

// ours is the controller of the worker.
type ours struct {
	*control.Controller
}

func (o *ours) choose(r *control.Reading) choice {
	d := o.Step(*r)
	return choice{rung: d.Rung, bestEffort: d.BestEffort, shed: d.Shed, begun: d.Reason != control.WarmUp}
}

// fixed is one rung for all, or for a mixture of two.
type fixed struct {
	rung int
	mix  float64
}

func (f fixed) choose(r *control.Reading) choice {
	return choice{rung: f.rung, bestEffort: r.Usable, mix: f.mix, begun: true}
}

// aimd adds to the depth while nothing is late and halves it when something is,
// as TCP does with its window.
type aimd struct {
	late  time.Duration // age from which the oldest message is late
	depth float64       // in rungs below the last
}

// The gains of aimd: a rung deeper takes ten control periods.
const (
	deeper  = 0.1
	lighter = 0.5
)

func (a *aimd) choose(r *control.Reading) choice {
	if r.Age > a.late {
		a.depth *= lighter
	} else {
		a.depth = min(a.depth+deeper, float64(r.Usable))
	}
	return choice{rung: r.Usable - int(a.depth), bestEffort: r.Usable, begun: true}
}

// oracle is told the future: the messages that will arrive.
type oracle struct {
	period   time.Duration
	target   float64   // age, in seconds
	messages []float64 // (rungs) seconds a message

	future *arrivals // of the same seed as the replica's
	next   message
	more   bool
}

func (o *oracle) choose(r *control.Reading) choice {
	coming := 0
	for o.more && o.next.at <= r.At-born+o.period {
		coming++
		o.next, o.more = o.future.next()
	}
	rate := float64(coming) / o.period.Seconds()
	load := rate + max(0, float64(r.Backlog)-rate*o.target/2)/o.target
	k := 0
	for k < r.Usable && load*o.messages[k] > 1 {
		k++
	}
	return choice{rung: k, bestEffort: r.Usable, begun: true}
}

// lottery draws what a rule leaves to chance.
type lottery struct{ chance *rand.Rand }

// The streams of a seed: replicas have the lower ones.
const lotteries = 1 << 32

func newLottery(seed, stream uint64) lottery {
	return lottery{rand.New(rand.NewPCG(seed, lotteries+stream))}
}

// wins is true with probability p.
func (l lottery) wins(p float64) bool { return l.chance.Float64() < p }
