package control

import "time"

// A failure remembers that a rung fell behind a load that it should have
// carried by its costs, while nothing explained it. Without that memory the
// controller would go back to the rung as soon as the backlog is drained, and
// leave it again, for ever. What is wrong with the costs of one rung is wrong
// with all, since they are sums over the same stages; so it is a utilization
// that fails and not a rung.
type failure struct {
	utilization float64       // at which a rung failed, by the costs
	until       time.Duration // then as much is tried again
	wait        time.Duration // how long that was; 0 where nothing has failed
	retried     time.Duration // when a deeper rung was tried after that; 0 before

	suspicion suspicion
}

// A suspicion may prove to be a failure. A backlog shows sooner than the rate or
// the stall that explains it, so there is time for an explanation.
type suspicion struct {
	since       time.Duration
	message     float64 // what a message cost at the rung that was left, in seconds; 0 where there is no suspicion
	utilization float64
}

// The bounds of the time for which what failed is not tried again.
const (
	firstWait = time.Minute
	lastWait  = time.Hour
)

// suspect notes that a rung was left without an explanation. Further moves soon
// after are part of the same.
func (f *failure) suspect(message, utilization float64, now time.Duration) {
	if f.suspicion.message == 0 {
		f.suspicion = suspicion{since: now, message: message, utilization: utilization}
	}
	f.suspicion.utilization = min(f.suspicion.utilization, utilization)
}

// conclude drops a suspicion that something has explained, and makes a failure
// of one that nothing has explained in time. The wait doubles, unless the last
// try was good for as long as the wait before it.
func (f *failure) conclude(explained, now time.Duration) {
	s := f.suspicion
	switch {
	case s.message == 0:
		return
	case explained >= s.since:
		f.suspicion = suspicion{}
		return
	case now < s.since+explains:
		return
	}
	switch {
	case f.wait == 0 || f.retried > 0 && s.since-f.retried >= f.wait:
		f.wait = firstWait
	case s.since >= f.until:
		f.wait = min(2*f.wait, lastWait)
	}
	*f = failure{utilization: s.utilization, until: s.since + f.wait, wait: f.wait}
}

// retry notes a move to a deeper rung.
func (f *failure) retry(now time.Duration) {
	if now >= f.until {
		f.retried = now
	}
}

// allows returns the utilization that a deeper rung may have now. Where one has
// failed, it is less than that one had.
func (f *failure) allows(now time.Duration) (utilization float64, failed bool) {
	if now >= f.until {
		return 1, false
	}
	return 0.9 * f.utilization, true
}
