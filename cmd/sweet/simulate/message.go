package simulate

import (
	"math/rand/v2"
	"time"
)

// A tier says under which rung a message is admitted.
type tier uint8

const (
	standard tier = iota
	strict
	bestEffort
)

// A message is one on its way through a replica. It is small and has no
// pointers: millions of them pass through a simulation.
type message struct {
	at      time.Duration // when it arrived
	came    time.Duration // to the stage where it is
	draw    float64       // in [0, 1): it stays past stage i at rung k where this is less than reach[k][i+1]
	id      int32         // in the order of arrival, as far as it fits
	tokens  int32
	rung    uint8
	tier    tier
	audited bool // it goes to full depth whatever its rung says
	settled bool // an audited one that has its answer already
}

// Shares are how messages spread over the tiers.
type Shares struct {
	Strict     float64 // of all messages, in [0, 1]
	BestEffort float64 // of all messages; with Strict at most 1
	Audited    float64 // of those that are not strict
}

// A source has messages in the order of their arrival.
type source interface {
	next() (message, bool) // false where there are no more
}

// An arrivals draws the messages of one replica: a Poisson process whose rate
// follows a load.
type arrivals struct {
	load    *Load
	share   float64 // of the load
	lengths []int32
	shares  Shares

	chance *rand.Rand
	at     float64 // seconds; of the last message
	span   int     // of the load, that at lies in
	n      int32
}

// newArrivals returns the messages of the given share of a load, which may run
// together with those of other streams of the same seed.
func newArrivals(load *Load, share float64, lengths []int32, shares Shares, seed, stream uint64) *arrivals {
	return &arrivals{load: load, share: share, lengths: lengths, shares: shares, chance: rand.New(rand.NewPCG(seed, stream))}
}

// next returns the next message, or false where the load has ended.
func (a *arrivals) next() (message, bool) {
	if !a.advance() {
		return message{}, false
	}
	// The 53 bits that a float64 holds make the draw; length, tier and audit are
	// made of 32 bits each.
	const whole = 1 << 32
	x, y, z := a.chance.Uint64(), a.chance.Uint64(), a.chance.Uint32()
	at := time.Duration(a.at * float64(time.Second))
	m := message{
		at: at, came: at, id: a.n,
		draw:   float64(x>>11) / (1 << 53),
		tokens: a.lengths[uint64(z)*uint64(len(a.lengths))/whole],
	}
	lot, audit := float64(y>>32)/whole, float64(uint32(y))/whole
	switch {
	case lot < a.shares.Strict:
		m.tier = strict
	case lot < a.shares.Strict+a.shares.BestEffort:
		m.tier = bestEffort
	}
	m.audited = m.tier != strict && audit < a.shares.Audited
	a.n++
	return m, true
}

// advance moves at to the next arrival. The expected number of messages until
// then is exponentially distributed with mean 1.
func (a *arrivals) advance() bool {
	wait := a.chance.ExpFloat64()
	for a.span < len(a.load.Spans) {
		rate := a.load.Spans[a.span].Rate * a.share
		until := a.load.until(a.span).Seconds()
		if expected := rate * (until - a.at); wait >= expected {
			wait -= expected
			a.at = until
			a.span++
			continue
		}
		a.at += wait / rate
		return true
	}
	return false
}
