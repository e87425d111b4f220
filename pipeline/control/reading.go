package control

import (
	"math"
	"time"
)

// A Reading is all that the controller is told at one time. Counts are sums
// over the partitions that the worker holds.
type Reading struct {
	// At is when it was taken: the time since the worker started, on a clock that
	// nobody sets.
	At time.Duration `json:"at"`

	// Epoch is another number after every change of the assignment. What the ends
	// of the partitions differ by across two epochs did not arrive between them.
	Epoch int64 `json:"epoch"`

	// Arrived is the sum of the partitions' end offsets, as they were heard last.
	// Heard is when, by At's clock; of several partitions it is the one heard
	// longest ago, and without partitions it is At. It is 0 until all have been
	// heard in this epoch, and while nothing is heard it stands still.
	Arrived int64         `json:"arrived"`
	Heard   time.Duration `json:"heard"`

	// Settled counts messages settled since the worker started, whatever their
	// fate.
	Settled int64 `json:"settled"`

	// Backlog is the number of unsettled messages: those that wait in Kafka, as
	// far as the ends are known, and those on their way through the worker.
	Backlog int64 `json:"backlog"`

	// Age is how long ago the oldest unsettled message was written, by its record
	// time. Dated says whether that is known: topics without record times have no
	// ages. A negative age, from a producer whose clock is ahead, counts as not
	// known.
	Age   time.Duration `json:"age"`
	Dated bool          `json:"dated"`

	FetchStalled   bool `json:"fetch_stalled,omitempty"`   // Kafka gives nothing although there is something
	PublishStalled bool `json:"publish_stalled,omitempty"` // results do not become durable

	// Costs is (stages) the seconds of the device's time that a message takes at
	// each stage that it runs: ℓ·(a_i/T_i + b_i). T_i is the fill that the stage's
	// runs have when rows are waiting. An idle worker runs rows as they come, in
	// small batches, and by their fill it would look busy. A figure that is not
	// positive and finite is not known; then the last one holds.
	Costs []float64 `json:"costs"`

	// Shares of all messages. No message counts in two of them; all that is left
	// is standard.
	Strict     float64 `json:"strict"`      // of the strict tier
	Audited    float64 `json:"audited"`     // run to full depth for the evidence
	BestEffort float64 `json:"best_effort"` // of the tier best-effort, not audited; shed ones count too

	// Usable is the highest rung that the evidence allows. It is the rail: the
	// controller does not go beyond it.
	Usable int `json:"usable"`
}

// mostCost is the cost from which a figure is taken for nonsense, in seconds a
// message. It also keeps everything computed from costs finite.
const mostCost = 3600

// known reports whether costs are those of a model of so many stages.
func known(costs []float64, stages int) bool {
	if len(costs) != stages {
		return false
	}
	for _, c := range costs {
		if !(c > 0 && c <= mostCost) {
			return false
		}
	}
	return true
}

// A blend says how the messages spread over the ways through the ladder. The
// three add up to 1.
type blend struct {
	full       float64 // at full depth: strict and audited
	bestEffort float64 // at the highest usable rung
	standard   float64 // at the rung that is chosen
}

// blend returns the spread of r's messages. Shares that are no shares count as
// none, and shares that add up to more than 1 are scaled down.
func (r *Reading) blend() blend {
	full := part(r.Strict) + part(r.Audited)
	best := part(r.BestEffort)
	if sum := full + best; sum > 1 {
		full, best = full/sum, best/sum
	}
	return blend{full: full, bestEffort: best, standard: max(0, 1-full-best)}
}

func part(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(max(v, 0), 1)
}
