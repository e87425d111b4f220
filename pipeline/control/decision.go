package control

import "time"

// A Decision is what holds until the next one, why, and the figures that it was
// made from. All of its numbers are finite.
type Decision struct {
	Rung       int    `json:"rung"`           // for standard rows
	BestEffort int    `json:"best_effort"`    // for best-effort rows: the highest usable rung
	Saturated  bool   `json:"saturated"`      // at the highest usable rung, late, and not about to catch up: more replicas are needed
	Shed       bool   `json:"shed,omitempty"` // best-effort messages go to the dead letters
	Reason     Reason `json:"reason"`         // why it is this rung

	Rate        float64       `json:"rate"`        // λ, messages a second
	Drain       float64       `json:"drain"`       // what the backlog adds to λ, messages a second
	Correction  float64       `json:"correction"`  // u, in [0, 1]
	Load        float64       `json:"load"`        // (λ + drain)·(1 + u), messages a second
	Utilization float64       `json:"utilization"` // the share of the device's time that the load takes at Rung; more than 1 cannot be carried
	Delay       time.Duration `json:"delay"`       // the age of the oldest message, or the time that the backlog takes if that is less
}

// Arriving is the share of the device's time that what arrives takes at Rung,
// whatever has to be drained besides: more than 1 cannot be carried. It is what a
// number of replicas should follow.
func (d Decision) Arriving() float64 {
	if d.Load <= 0 {
		return 0
	}
	return d.Utilization * (d.Rate / (d.Rate + d.Drain))
}

// A Reason says why a [Decision] has the rung that it has. The set is closed:
// tests, logs and metrics use these names.
type Reason string

// The reasons. The first five move the rung; the last three hold it, since the
// reading is no ground to move it.
const (
	Load      Reason = "load"      // cheaper: more arrives than the rung before carries
	Backlog   Reason = "backlog"   // cheaper: the rung before carries what arrives, but not what has to be drained too
	Age       Reason = "age"       // cheaper: by the costs the rung before carries all that, and still messages get late
	Recovered Reason = "recovered" // deeper: the load has been low for long enough
	Withdrawn Reason = "alarm"     // deeper: the evidence has withdrawn the rung in use

	Steady     Reason = "steady"     // the rung suits the load
	Recovering Reason = "recovering" // a deeper rung would do; waiting to be sure
	Rail       Reason = "rail"       // a cheaper rung is wanted, but the evidence allows none; not late, or soon no more
	Saturated  Reason = "saturated"  // late at the rail, or only just not late there

	WarmUp    Reason = "warmup"     // costs or rate were not known until now: the highest usable rung, or full depth of an idle worker, and then the first choice
	Stalled   Reason = "stalled"    // Kafka or NATS stalls
	NoReading Reason = "no_reading" // the clock leapt or stood still, or the ends have not been heard for long
)

// Reasons returns all reasons, for a metric that shows each from the start.
func Reasons() []Reason {
	return []Reason{
		Load, Backlog, Age, Recovered, Withdrawn,
		Steady, Recovering, Rail, Saturated,
		WarmUp, Stalled, NoReading,
	}
}
