package control_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/pipeline/control"
)

// A world is Kafka, one worker and NATS without any of them: messages arrive by
// a function of time, wait, are served in batches that take as long as the rung
// in force says, and are settled a little later. The controller sees of it what
// a worker would see, and its decisions are obeyed.
type world struct {
	cfg     control.Config
	reach   [][]float64
	ctl     *control.Controller
	observe func() // called after each decision; nil for nobody

	// The worker as it is.
	costs                       []float64     // (stages) seconds a message
	told                        float64       // what the readings say of the costs; 1 is the truth
	batch                       time.Duration // that a batch takes at full depth
	latency                     time.Duration // from the end of a batch until its messages are settled
	window                      int64         // unsettled messages in the worker at most
	strict, audited, bestEffort float64       // shares
	usable                      int

	// What happens to it.
	rate            func(t time.Duration) float64 // messages a second
	chance          *rand.Rand                    // makes arrivals a Poisson process; nil for even ones
	lump            int64                         // messages come in such lumps; 0 for one by one
	old             time.Duration                 // record times are so much before the arrival
	dated           bool
	broker, publish bool          // stalled
	unnoticed       bool          // the readings do not say so
	noReadings      bool          // the controller is not asked
	clock           time.Duration // the readings' clock is so much ahead

	// What is so now.
	now              time.Duration
	comes            float64         // messages, the last one of them in part, that have come but are not in Kafka
	waiting, taken   []parcel        // in Kafka and in the worker, oldest first
	inKafka          int64           // messages in waiting
	busy             float64         // until when the device is, seconds
	done             []time.Duration // when the parcels of taken will be settled
	arrived, settled int64
	shed             int64
	offset, epoch    int64 // of the ends when nothing had arrived
	heard            int64 // messages arrived, as known
	heardAt          time.Duration
	nextReading      time.Duration
	reading          control.Reading
	decision         control.Decision
	work, fullWork   float64 // seconds of device time taken, and what it would be at full depth
}

// A parcel is messages that travel together.
type parcel struct {
	n       int64
	written time.Duration // record time of the oldest
}

const tick = 5 * time.Millisecond

// The ladders that worlds are made with.
var ladders = map[string][][]float64{
	// Of the model that comes with the program: far from full depth to the next
	// rung, then close together.
	"bundled": {
		{1, 1, 1, 1},
		{1, 0.543, 0.0895, 0.0559},
		{1, 0.513, 0.0777, 0.0372},
		{1, 0.513, 0.0683, 0.0351},
		{1, 0.504, 0.0480, 0.0288},
		{1, 0.472, 0.0473, 0.0287},
		{1, 0.472, 0.0387, 0.0248},
		{1, 0.472, 0.0387, 0.0195},
	},
	"even": {{1, 1, 1, 1}, {1, 0.8, 0.6, 0.4}, {1, 0.6, 0.3, 0.2}, {1, 0.4, 0.1, 0.05}},
	"two":  {{1, 1}, {1, 0.1}},
	"one":  {{1, 1, 1, 1}},
}

// newWorld returns a worker with nothing to do, which settles so many messages a
// second at full depth.
func newWorld(cfg control.Config, ladder string, capacity float64) (*world, error) {
	reach := ladders[ladder]
	ctl, err := control.New(cfg, reach)
	if err != nil {
		return nil, err
	}
	w := &world{
		cfg: cfg, reach: reach, ctl: ctl,
		told: 1, batch: 60 * time.Millisecond, latency: 20 * time.Millisecond, window: 20000, usable: len(reach) - 1,
		rate: func(time.Duration) float64 { return 0 }, dated: true,
	}
	// Stages take 1, 1, 2, 2 layers, as with exits after 1, 2, 4 and 6.
	layers := []float64{1, 1, 2, 2}[:len(reach[0])]
	var sum float64
	for _, l := range layers {
		sum += l
	}
	for _, l := range layers {
		w.costs = append(w.costs, l/sum/capacity)
	}
	return w, nil
}

// message is what a message costs while the controller's rung is k, in seconds.
func (w *world) message(k int) float64 {
	full := w.strict + w.audited
	var sum float64
	for i, c := range w.costs {
		sum += c * (full + w.bestEffort*w.reach[w.usable][i] + (1-full-w.bestEffort)*w.reach[k][i])
	}
	return sum
}

// spare is what is left of 0.85 of the highest usable rung's capacity at that
// load, in messages a second.
func (w *world) spare(load float64) float64 { return 0.85/w.message(w.usable) - load }

func (w *world) run(d time.Duration) {
	for end := w.now + d; w.now < end; w.now += tick {
		w.arrive()
		w.hear()
		w.serve()
		w.settle()
		if w.now >= w.nextReading {
			w.nextReading += w.cfg.ControlEvery
			w.control()
		}
	}
}

func (w *world) arrive() {
	mean := w.rate(w.now) * tick.Seconds()
	if w.chance != nil {
		mean = poisson(w.chance, mean)
	}
	w.comes += mean
	n := int64(w.comes + 1e-9)
	if w.lump > 0 {
		n -= n % w.lump
	}
	w.comes -= float64(n)
	w.add(n, w.now-w.old)
}

// add puts n messages into Kafka.
func (w *world) add(n int64, written time.Duration) {
	if n > 0 {
		w.waiting = append(w.waiting, parcel{n, written})
		w.inKafka += n
		w.arrived += n
	}
}

func (w *world) hear() {
	if !w.broker {
		w.heard, w.heardAt = w.arrived, w.now
	}
}

// poisson draws the number of messages that come where mean are expected.
func poisson(r *rand.Rand, mean float64) float64 {
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	n, limit := 0.0, math.Exp(-mean)
	for product := r.Float64(); product > limit; product *= r.Float64() {
		n++
	}
	return n
}

// serve runs batches until the device is busy beyond now.
func (w *world) serve() {
	now := w.now.Seconds()
	for w.busy <= now {
		p := w.take()
		if p.n == 0 {
			w.busy = now
			return
		}
		served := float64(p.n)
		if w.decision.Shed {
			gone := int64(math.Round(served * w.bestEffort))
			w.shed += gone
			served -= float64(gone)
		}
		w.work += served * w.message(w.decision.Rung)
		w.fullWork += served * w.message(0)
		w.busy += max(1, served) * w.message(w.decision.Rung)
		w.taken = append(w.taken, p)
		w.done = append(w.done, time.Duration(w.busy*float64(time.Second))+w.latency)
	}
}

// take moves a batch out of Kafka.
func (w *world) take() parcel {
	batch := parcel{written: math.MaxInt64}
	if w.broker {
		return batch
	}
	most := max(1, int64(w.batch.Seconds()/w.message(0)))
	most = min(most, w.window-(w.backlog()-w.inKafka))
	for len(w.waiting) > 0 && batch.n < most {
		p := &w.waiting[0]
		n := min(most-batch.n, p.n)
		batch = parcel{batch.n + n, min(batch.written, p.written)}
		w.inKafka -= n
		if p.n -= n; p.n == 0 {
			w.waiting = w.waiting[1:]
		}
	}
	return batch
}

func (w *world) settle() {
	for !w.publish && len(w.done) > 0 && w.done[0] <= w.now {
		w.settled += w.taken[0].n
		w.taken, w.done = w.taken[1:], w.done[1:]
	}
}

func (w *world) backlog() int64 { return w.arrived - w.settled }

// age is how old the oldest unsettled message is, by its record time.
func (w *world) age() time.Duration {
	switch {
	case len(w.taken) > 0:
		return w.now - w.taken[0].written
	case len(w.waiting) > 0:
		return w.now - w.waiting[0].written
	}
	return 0
}

// waited is how long the oldest unsettled message has been there.
func (w *world) waited() time.Duration { return max(0, w.age()-w.old) }

// rebalance gives the worker partitions whose ends are at offset, with so many
// messages in them that nobody has settled.
func (w *world) rebalance(offset, backlog int64) {
	w.epoch++
	w.offset += offset - backlog
	w.add(backlog, w.now-w.old)
}

// control takes a reading and obeys the decision.
func (w *world) control() {
	if w.noReadings {
		return
	}
	told := slices.Clone(w.costs)
	for i := range told {
		told[i] *= w.told
	}
	w.reading = control.Reading{
		At: w.now + w.clock, Epoch: w.epoch, Arrived: w.offset + w.heard, Heard: w.heardAt + w.clock,
		Settled: w.settled, Backlog: max(0, w.heard-w.settled), Age: w.age(), Dated: w.dated,
		FetchStalled: w.broker && !w.unnoticed, PublishStalled: w.publish && !w.unnoticed,
		Costs: told, Strict: w.strict, Audited: w.audited, BestEffort: w.bestEffort, Usable: w.usable,
	}
	w.decision = w.ctl.Step(w.reading)
	if w.observe != nil {
		w.observe()
	}
}

// layers is the share of the work at full depth that was done.
func (w *world) layers() float64 { return w.work / max(w.fullWork, 1e-9) }
