package simulate

import (
	"context"
	"fmt"
	"math"
	"time"
)

// An Arrival is a message of standard tier that is given, not drawn.
type Arrival struct {
	At     time.Duration // not before the one before
	Tokens int
	Draw   float64 // in [0, 1): it stays past stage i at rung k where this is less than the rung's reach of the next stage

	Audited bool // it goes on to full depth after its answer
}

// An Answer is what became of an [Arrival].
type Answer struct {
	At   time.Duration // when it was durable
	Exit int           // the stage after which it left, from 0
	Rung int           // that it was admitted under
}

// Trace simulates one replica with the given messages and returns their answers,
// in the same order.
func (w *Worker) Trace(ctx context.Context, messages []Arrival) ([]Answer, error) {
	return w.trace(ctx, messages, Ours())
}

func (w *Worker) trace(ctx context.Context, messages []Arrival, a *Alternative) ([]Answer, error) {
	g := &given{messages: messages}
	load := &Load{}
	for i, m := range messages {
		if m.At < load.End || m.Tokens < 1 || m.Tokens > w.Cost.BatchTokens || len(messages) > math.MaxInt32 {
			return nil, fmt.Errorf("message %d at %v of %d tokens: want them in order of arrival, of 1 to %d tokens", i, m.At, m.Tokens, w.Cost.BatchTokens)
		}
		load.hold(m.At-load.End, 0)
	}
	r, err := newReplica(w, load, 1, 0, a)
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, len(messages))
	r.source = g
	r.observe = func(m *message, exit int) {
		answers[m.id] = Answer{At: r.now + r.lag, Exit: exit, Rung: int(m.rung)}
	}
	return answers, r.run(ctx)
}

// given is a source of messages that are given.
type given struct {
	messages []Arrival
	n        int32
}

func (g *given) next() (message, bool) {
	if int(g.n) == len(g.messages) {
		return message{}, false
	}
	m := g.messages[g.n]
	g.n++
	return message{at: m.At, came: m.At, draw: m.Draw, id: g.n - 1, tokens: int32(m.Tokens), audited: m.Audited}, true
}
