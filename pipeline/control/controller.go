package control

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The constants of the rule that the package comment tells. None depends on the
// model: utilization is a share, and times are seconds or target ages.
const (
	// full is the utilization that the feed-forward aims for. The rest is for what
	// varies from batch to batch.
	full = 0.92

	// roomy is the utilization that a deeper rung may have under the highest load
	// of the last minute. The distance from full keeps a load at a rung's boundary
	// from moving it to and fro.
	roomy = 0.95 * full

	// hurried is the utilization that a cheaper rung may have that is taken in a
	// hurry: one move is better than three.
	hurried = 0.75

	// Where the highest load of the last ten seconds is a share fallen of that of
	// the last minute, and nothing has fallen behind unexpectedly, it is enough
	// that a deeper rung has utilization fallenFits under it. Chance seldom does
	// both. It must not do so again and again: there is at most one such move in
	// nearly a minute, and none in the minute after one that was taken back within
	// short. While the load is at most a share falling of that of the last ten
	// seconds and a still deeper rung will do, the fall is not over: one move is
	// better than two.
	fallen, fallenFits = 0.7, 0.9
	falling            = 0.8
	short              = 15 * time.Second
	oneFall            = 50 * time.Second

	// patience is the time between two moves that nothing forces. Any minute holds
	// two of them at most.
	patience = 31 * time.Second

	// λ is the rate over the slow window, or the rise that both halves of the fast
	// one show, whichever is more. The fast one is also for how long arrivals are
	// watched before there is a λ, and over which settled messages are counted.
	slow, fast = 5 * time.Second, time.Second

	// spend is the part of the target age, less slow, that messages may wait before
	// a load that is too much for the rung moves it. A target of 15 s or less is too
	// near for that. With a longer one a peak that is soon over costs no depth.
	spend = 1.0 / 3

	// heardWithin is how long ago the ends may have been heard where a deeper rung
	// is taken. The consumer asks every five seconds where it does not fetch.
	heardWithin = 10 * time.Second

	// explains is for how long a stall, a change of the assignment or too many
	// arrivals explain that messages are late.
	explains = 10 * time.Second

	// stillLate is how long messages are late at the rail before it is said. It is
	// said only where nothing waits for less than longCatch, or a longer target age,
	// from now: a backlog that is gone before another replica could help, after an
	// outage say, needs none.
	stillLate = 2 * time.Second
	longCatch = 10 * time.Second
)

// A Controller chooses the rung; the package comment has the rule. Its state is
// what it remembers of the readings before. One goroutine owns it.
type Controller struct {
	target float64       // age, seconds
	shed   bool          // where saturated
	wait   float64       // seconds that messages may be late before a cheaper rung is taken
	leap   time.Duration // a longer time between two readings is a clock that leapt
	reach  [][]float64   // (rungs, stages)

	begun  bool          // there was a reading
	chosen bool          // a rung has been chosen
	at     time.Duration // of the last reading
	epoch  int64         // of the last reading

	// Times by the sum of the steps that were decided on.
	now       time.Duration
	moved     time.Duration // when the rung last moved
	deepened  time.Duration // when it last moved to a deeper one
	returned  time.Duration // when it last moved back from there soon after
	explained time.Duration // when something last explained that messages are late

	arrived, settled flow
	costs            []float64 // (stages) seconds a message, as last known; nil before
	message          []float64 // (rungs) seconds a message, as the messages spread now
	load             peaks
	correction       correction
	failure          failure
	late             time.Duration // for how long messages have been late at the rail
	last             Decision
}

// New returns a controller over a ladder. Reach is (rungs, stages): the share of
// messages that run each stage at each certified rung, full depth first, as in
// ladder.json. Its errors are configuration errors.
func New(cfg Config, reach [][]float64) (*Controller, error) {
	if err := errors.Join(cfg.validateController()...); err != nil {
		return nil, err
	}
	if err := validateReach(reach); err != nil {
		return nil, err
	}
	c := &Controller{
		target:    cfg.TargetAge.Seconds(),
		shed:      cfg.Overload == Shed,
		wait:      max(0, float64(spend*cfg.TargetAge.Seconds())-slow.Seconds()),
		leap:      max(5*time.Second, 8*cfg.ControlEvery),
		arrived:   flow{keep: slow},
		settled:   flow{keep: fast},
		message:   make([]float64, len(reach)),
		explained: -explains,
		deepened:  -time.Minute,
		returned:  -time.Minute,
	}
	for _, shares := range reach {
		c.reach = append(c.reach, slices.Clone(shares))
	}
	return c, nil
}

func validateReach(reach [][]float64) error {
	if len(reach) == 0 || len(reach[0]) == 0 {
		return errors.New("a ladder without rungs or stages")
	}
	for k, shares := range reach {
		if len(shares) != len(reach[0]) {
			return fmt.Errorf("rung %d has %d stages, rung 0 has %d", k, len(shares), len(reach[0]))
		}
		before := 1.0
		for i, share := range shares {
			if !(share >= 0 && share <= before) {
				return fmt.Errorf("rung %d: a share %v of messages runs stage %d, and %v the one before", k, share, i+1, before)
			}
			if k == 0 && share != 1 {
				return fmt.Errorf("rung 0 is full depth, but a share %v of messages runs stage %d", share, i+1)
			}
			before = share
		}
	}
	return nil
}

// Step takes a reading and decides. Until costs and rate are known the rung is
// the highest usable one: every certified rung is within the floor, and a worker
// that starts usually has a backlog. Where it is known that nothing arrives and
// nothing waits, the rung is full depth. The first choice then goes straight to
// the rung that the load wants.
func (c *Controller) Step(r Reading) Decision {
	dt, sound := c.elapse(r.At)
	if !sound || r.Epoch != c.epoch {
		c.forget()
	}
	c.learn(&r)

	d := c.last
	d.BestEffort = min(max(r.Usable, 0), len(c.reach)-1)
	d.Reason = ""
	if d.Rung > d.BestEffort {
		d.Rung, d.Reason = d.BestEffort, Withdrawn
		c.moved, c.explained = c.now, c.now
	}
	switch {
	case !c.chosen && (c.costs == nil || c.arrived.span() < fast):
		d = Decision{Rung: c.first(&r, d.BestEffort), BestEffort: d.BestEffort, Reason: cmp.Or(d.Reason, WarmUp)}
	case !sound:
		c.hold(&d, NoReading)
	case r.FetchStalled || r.PublishStalled:
		c.hold(&d, Stalled)
		// What is late is late for another reason: shedding would lose messages
		// and make none fresh.
		d.Shed = false
		c.explained = c.now
	default:
		c.now += dt
		c.decide(&r, &d, dt)
	}
	c.last = d
	return d
}

// first is the rung before the first choice.
func (c *Controller) first(r *Reading, rail int) int {
	if c.arrived.span() >= fast && c.arrived.rate(slow) == 0 && r.Backlog <= 0 {
		return 0
	}
	return rail
}

// elapse returns the time since the last reading. It reports false where a
// reading does not come after the one before, or so long after it that the
// clock leapt or the machine stood still.
func (c *Controller) elapse(at time.Duration) (dt time.Duration, sound bool) {
	first := !c.begun
	dt = at - c.at
	c.at, c.begun = at, true
	if first {
		return 0, true
	}
	if dt <= 0 || dt > c.leap {
		return 0, false
	}
	return dt, true
}

// forget drops the counts, which cannot be compared with those to come.
func (c *Controller) forget() {
	c.arrived.restart()
	c.settled.restart()
	c.explained = c.now
}

// learn notes what r says of counts and costs.
func (c *Controller) learn(r *Reading) {
	if r.PublishStalled {
		c.settled.restart()
	}
	c.epoch = r.Epoch
	c.settled.add(r.At, r.Settled)
	if r.Heard > 0 {
		c.arrived.add(min(r.Heard, r.At), r.Arrived)
	}
	if known(r.Costs, len(c.reach[0])) {
		c.costs = append(c.costs[:0], r.Costs...)
	}
}

// hold leaves the rung where it is, unless the evidence has just moved it.
func (c *Controller) hold(d *Decision, why Reason) {
	c.correction.pause()
	if d.Reason == "" {
		d.Reason = why
	}
}

// decide moves the rung where that is due. d is the last decision, within the
// rail.
func (c *Controller) decide(r *Reading, d *Decision, dt time.Duration) {
	c.price(r.blend(), d.BestEffort)
	if c.arrived.span() >= fast {
		d.Rate = max(c.arrived.rate(slow), c.arrived.risen(fast))
	}
	backlog := max(0, float64(r.Backlog))
	delay := c.delay(r, backlog, c.message[d.Rung])
	d.Delay = time.Duration(delay * float64(time.Second))
	d.Drain = c.drain(backlog, d.Rate, delay)
	most := 1.0
	if d.Rung == d.BestEffort {
		most = c.correction.u
	}
	d.Correction = c.correction.step(delay, c.target, dt, most)
	d.Load = (d.Rate + d.Drain) * (1 + d.Correction)
	c.load.add(c.now, d.Load)
	if d.Rate*max(c.message[d.Rung], c.failure.suspicion.message) > full {
		c.explained = c.now
	}
	c.failure.conclude(c.explained, c.now)

	rung, why := c.choose(r, d)
	if d.Reason == "" || rung != d.Rung {
		d.Reason = why
	}
	if rung != d.Rung {
		d.Rung = rung
		c.moved = c.now
	}
	d.Utilization = d.Load * c.message[d.Rung]
	c.saturate(d, backlog, dt)
}

// price computes what a message costs at each rung, as the messages spread.
func (c *Controller) price(b blend, rail int) {
	for k := range c.reach {
		var seconds float64
		for i, cost := range c.costs {
			share := b.full + float64(b.bestEffort*c.reach[rail][i]) + float64(b.standard*c.reach[k][i])
			seconds += float64(share * cost)
		}
		c.message[k] = seconds
	}
}

// delay is how late messages are, in seconds: the age of the oldest, or the time
// that the backlog takes at the rate at which messages are settled, whichever is
// less. Where none was settled of late, it is the rate that the costs promise.
func (c *Controller) delay(r *Reading, backlog, message float64) float64 {
	if r.Backlog <= 0 {
		return 0
	}
	takes := backlog * message
	if rate := c.settled.rate(fast); rate > 0 {
		takes = backlog / rate
	}
	takes = min(takes, mostAge.Seconds())
	if r.Dated && r.Age >= 0 {
		takes = min(takes, r.Age.Seconds())
	}
	return takes
}

// drain is what the backlog adds to the load. What is more than arrives in half
// a target age is to be drained within a target age; and what makes messages
// late already, within a second if the target is longer.
func (c *Controller) drain(backlog, rate, delay float64) float64 {
	drain := max(0, backlog-float64(rate*c.target/2)) / c.target
	if delay > c.target && c.target > 1 {
		drain = max(drain, backlog-float64(rate*c.target))
	}
	return drain
}

// choose returns the rung for the load in d, and why.
func (c *Controller) choose(r *Reading, d *Decision) (int, Reason) {
	want := c.lowest(d.Load, full, d.BestEffort)
	if !c.chosen {
		c.chosen = true
		return want, WarmUp
	}
	if want > d.Rung {
		return c.cheaper(d, want)
	}
	if r.At-r.Heard > heardWithin {
		return d.Rung, NoReading
	}
	switch {
	case c.lowest(d.Load, roomy, d.BestEffort) < d.Rung:
		return c.deeper(d)
	case d.Load*c.message[d.Rung] > full:
		return d.Rung, Rail
	}
	return d.Rung, Steady
}

// lowest is the lowest rung that carries the load at the given utilization, or
// the rail where none does.
func (c *Controller) lowest(load, utilization float64, rail int) int {
	for k := range rail {
		if load*c.message[k] <= utilization {
			return k
		}
	}
	return rail
}

// cheaper moves to the rung wanted: with patience, or at once and to a roomy one
// where the rung in force cannot carry the load or messages get late. A long
// target age is spent in part before.
func (c *Controller) cheaper(d *Decision, want int) (int, Reason) {
	if d.Delay.Seconds() < c.wait {
		return d.Rung, Steady
	}
	message := c.message[d.Rung]
	if c.now-c.deepened < short {
		c.returned = c.now
	}
	if d.Load*message > 1 || d.Delay.Seconds() > held*c.target {
		want = c.lowest(d.Load, hurried, d.BestEffort)
	} else if c.now-c.moved < patience {
		return d.Rung, Steady
	}
	switch {
	case d.Rate*message > full:
		return want, Load
	case c.now-c.explained >= explains:
		c.failure.suspect(message, d.Rate*message, c.now)
	}
	if (d.Rate+d.Drain)*message > full {
		return want, Backlog
	}
	return want, Age
}

// deeper moves to the lowest rung that would have carried the load for a while
// with room to spare.
func (c *Controller) deeper(d *Decision) (int, Reason) {
	calm := c.now - c.moved
	if calm < 10*time.Second || d.Delay.Seconds() > held*c.target {
		return d.Rung, Recovering
	}
	lately, long := c.load.over(10), c.load.over(60)
	allowed, failed := c.failure.allows(c.now)
	fell := !failed && c.now-c.returned >= time.Minute && c.now-c.deepened >= oneFall && lately <= fallen*long && !c.falls(d, lately)
	for k := range d.Rung {
		lasting := calm >= time.Minute && long*c.message[k] <= min(roomy, allowed)
		plain := fell && lately*c.message[k] <= fallenFits
		if lasting || plain {
			c.failure.retry(c.now)
			c.deepened = c.now
			return k, Recovered
		}
	}
	return d.Rung, Recovering
}

// falls reports whether the load still falls from what it was lately, toward a
// deeper rung than that leaves.
func (c *Controller) falls(d *Decision, lately float64) bool {
	return d.Load <= falling*lately && c.lowest(d.Load, fallenFits, d.Rung) < c.lowest(lately, fallenFits, d.Rung)
}

// saturate says whether the ladder is at its end: messages are late at the rail,
// have been for a while, and will be for longer. It ends when the rail is left,
// or when nothing is late and the rail carries all that arrives, shed messages
// too.
func (c *Controller) saturate(d *Decision, backlog float64, dt time.Duration) {
	delay := d.Delay.Seconds()
	switch late := d.Rung == d.BestEffort && delay > c.target; {
	case !late:
		c.late = 0
	case backlog > max(longCatch.Seconds(), c.target)*c.spare(d):
		c.late += dt
	}
	switch {
	case c.late >= stillLate:
		d.Saturated = true
	case d.Rung < d.BestEffort, delay <= held*c.target && d.Utilization <= full:
		d.Saturated = false
	}
	d.Shed = d.Saturated && c.shed
	if d.Saturated && (d.Reason == Rail || d.Reason == Steady || d.Reason == Recovering) {
		d.Reason = Saturated
	}
}

// spare is what the rung in force carries beyond what arrives now, in messages a
// second, negative where it does not carry that. The rate of the last moment
// counts where it is below λ: what came at once is in the backlog by now.
func (c *Controller) spare(d *Decision) float64 {
	carried := 1 / c.message[d.Rung]
	if rate := c.settled.rate(fast); rate > 0 {
		carried = min(carried, rate)
	}
	return carried - min(d.Rate, c.arrived.rate(fast))
}
