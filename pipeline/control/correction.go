package control

import "time"

// A correction is the feedback u: by how much the load is more than arrivals,
// backlog and costs say. It is the PI step of PIE (RFC 8033, section 4.2) in
// signed arithmetic, with delays in target ages and half a target age as the
// delay to hold.
type correction struct {
	u     float64 // in [0, 1]
	delay float64 // at the last step, in target ages, at least half; 0 where there was none
}

// The gains of the correction.
const (
	// At a delay of a target age u grows from 0 to 1 in four target ages, or in
	// four seconds where the target is shorter: the queue answers no sooner than
	// a decision later.
	integral = 0.5
	// What the delay grows by, in target ages, counts half.
	proportional = 0.5
	// Where nothing is late, u falls from 1 to 0 in a minute.
	forgotten = 1.0 / 60

	held     = 0.5 // in target ages; below it nothing is wrong
	mostLate = 2.0 // a longer delay counts as this
)

// step returns u after the time dt, with the given delay and target in seconds.
// It is at most the given one: at the rail it must not grow, since there is no
// rung that it could ask for, and it would have to be forgotten later.
func (c *correction) step(delay, target float64, dt time.Duration, most float64) float64 {
	seconds := min(dt.Seconds(), 1)
	now := min(max(delay/target, held), mostLate)
	var change float64
	if c.delay > 0 {
		change = float64(proportional * (now - c.delay))
	}
	if now > held {
		change += float64(integral * (now - held) * seconds / max(target, 1))
	} else {
		change -= float64(forgotten * seconds)
	}
	c.delay = now
	c.u = min(max(c.u+change, 0), most)
	return c.u
}

// pause makes the next step the first one: while something stalls, what the
// delay grows by says nothing about the costs.
func (c *correction) pause() { c.delay = 0 }
