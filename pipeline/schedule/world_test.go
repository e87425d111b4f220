package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sweetspot/pipeline/schedule"
)

// A world is a stage loop without a model: rows are numbers of tokens, and who
// stays is said from outside. Every stage has one batch more than the device
// holds, as in the pipeline.
type world struct {
	now      time.Time
	budget   int
	depth    int
	costs    []schedule.Line // (stages) of the runs
	told     []schedule.Line // (stages) what the scheduler is told of them
	draining bool

	queue    []row           // rows that wait to be admitted, as they came; they are the first stage
	lanes    [][]*bin        // (stages) idle batches with rows, the next to run first; lanes[0] is not used
	running  []*bin          // on the device, oldest first
	answered []int           // ids of the rows that have left, in order
	most     []int           // (stages) most tokens ever held by a stage
	runs     [][2]int        // stage and tokens of every run
	longest  []time.Duration // (stages) that any row waited there
}

type row struct {
	schedule.Row
	id   int
	name string // in stories; most rows have none
}

type bin struct {
	stage int
	rows  []row
}

// newWorld returns a world in which the costs, one line a stage, are known.
func newWorld(budget, depth int, costs ...schedule.Line) *world {
	stages := len(costs)
	return &world{
		now: time.Unix(0, 0), budget: budget, depth: depth, costs: costs, told: costs,
		lanes: make([][]*bin, stages), most: make([]int, stages), longest: make([]time.Duration, stages),
	}
}

// even returns the costs of stages of which a full run takes the given time, and
// is worth it from the given tokens on.
func even(stages, budget int, run time.Duration, full int) []schedule.Line {
	perToken := run.Seconds() / (float64(budget) + float64(full)/19)
	return slices.Repeat([]schedule.Line{{Base: perToken * float64(full) / 19, PerToken: perToken}}, stages)
}

// pass is what full runs of all stages take, as the scheduler is told.
func (w *world) pass() time.Duration {
	var sum time.Duration
	for _, l := range w.told {
		sum += l.Time(w.budget)
	}
	return sum
}

// slowest is what a full run of the slowest stage takes.
func (w *world) slowest() time.Duration {
	var most time.Duration
	for _, l := range w.costs {
		most = max(most, l.Time(w.budget))
	}
	return most
}

func tokens(rows []row) int {
	n := 0
	for _, r := range rows {
		n += r.Tokens
	}
	return n
}

// state is what the scheduler is told.
func (w *world) state() schedule.State {
	s := schedule.State{Now: w.now, Budget: w.budget, Running: len(w.running), Depth: w.depth, Draining: w.draining}
	for i := range w.lanes {
		s.Stages = append(s.Stages, w.stage(i))
	}
	return s
}

func (w *world) stage(i int) schedule.Stage {
	st := schedule.Stage{Cost: w.told[i]}
	waiting := w.waiting(i)
	for _, r := range waiting {
		st.Tokens += r.Tokens
		if st.Oldest.IsZero() || r.Came.Before(st.Oldest) {
			st.Oldest = r.Came
		}
		if !r.Deadline.IsZero() && (st.Deadline.IsZero() || r.Deadline.Before(st.Deadline)) {
			st.Deadline = r.Deadline
		}
	}
	st.Next = min(st.Tokens, w.budget)
	if i > 0 && len(waiting) > 0 {
		st.Next = tokens(w.lanes[i][0].rows)
	}
	return st
}

// waiting returns the rows that wait at stage i.
func (w *world) waiting(i int) []row {
	if i == 0 {
		return w.queue
	}
	var rows []row
	for _, b := range w.lanes[i] {
		rows = append(rows, b.rows...)
	}
	return rows
}

// admit takes the rows of a run of the first stage out of the queue.
func (w *world) admit() []row {
	a := schedule.Admission{Now: w.now, Budget: w.budget, Pass: w.pass()}
	for _, r := range w.queue {
		a.Rows = append(a.Rows, r.Row)
	}
	var rows, left []row
	chosen := make([]bool, len(w.queue))
	for _, i := range schedule.Choose(a) {
		r := w.queue[i]
		if !r.Deadline.After(w.now) {
			r.Deadline = time.Time{} // what is missed already hurries nobody
		}
		rows = append(rows, r)
		chosen[i] = true
	}
	for i, r := range w.queue {
		if !chosen[i] {
			left = append(left, r)
		}
	}
	w.queue = left
	return rows
}

func (w *world) flying(stage int) int {
	n := 0
	for _, b := range w.running {
		if b.stage == stage {
			n++
		}
	}
	return n
}

// run queues stage i on the device.
func (w *world) run(i int) *bin {
	b := &bin{stage: i}
	if i == 0 {
		b.rows = w.admit()
	} else {
		b.rows = w.lanes[i][0].rows
		w.lanes[i] = w.lanes[i][1:]
	}
	for _, r := range b.rows {
		w.longest[i] = max(w.longest[i], w.now.Sub(r.Came))
	}
	w.running = append(w.running, b)
	w.runs = append(w.runs, [2]int{i, tokens(b.rows)})
	return b
}

// finish ends the oldest run after the time that it takes; the rows for which
// stays says so go to the next stage. It reports an error where there is no room.
func (w *world) finish(stays func(i int) bool) (*bin, int, error) {
	b := w.running[0]
	w.running = w.running[1:]
	w.now = w.now.Add(w.costs[b.stage].Time(tokens(b.rows)))
	n := 0
	for i, r := range b.rows {
		if b.stage == len(w.lanes)-1 || !stays(i) {
			w.answered = append(w.answered, r.id)
			continue
		}
		n++
		r.Came = w.now
		if err := w.put(b.stage+1, r); err != nil {
			return b, n, err
		}
	}
	return b, n, nil
}

func (w *world) put(stage int, r row) error {
	lane := w.lanes[stage]
	if n := len(lane); n == 0 || tokens(lane[n-1].rows)+r.Tokens > w.budget {
		if n+w.flying(stage) > w.depth {
			return fmt.Errorf("stage %d has no room for a row of %d tokens", stage+1, r.Tokens)
		}
		lane = append(lane, &bin{stage: stage})
	}
	last := lane[len(lane)-1]
	last.rows = append(last.rows, r)
	w.lanes[stage] = lane
	w.most[stage] = max(w.most[stage], tokens(w.waiting(stage)))
	return nil
}

// names lists the rows of a batch that have names, such as " (2 long, 1 new)".
func names(rows []row) string {
	var all []string
	for len(rows) > 0 {
		name, n := rows[0].name, 0
		for n < len(rows) && rows[n].name == name {
			n++
		}
		if name != "" {
			all = append(all, fmt.Sprintf("%d %s", n, name))
		}
		rows = rows[n:]
	}
	if all == nil {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}

// String draws what waits, stage by stage: rows and tokens of every batch.
func (w *world) String() string {
	var b strings.Builder
	for i := range w.lanes {
		if i > 0 {
			b.WriteString("  ")
		}
		fmt.Fprintf(&b, "%d:", i+1)
		if i == 0 {
			fmt.Fprintf(&b, " %d rows/%d", len(w.queue), tokens(w.queue))
			continue
		}
		for _, bin := range w.lanes[i] {
			fmt.Fprintf(&b, " %d rows/%d", len(bin.rows), tokens(bin.rows))
		}
		if len(w.lanes[i]) == 0 {
			b.WriteString(" -")
		}
	}
	return b.String()
}
