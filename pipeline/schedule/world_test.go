package schedule_test

import (
	"fmt"
	"strings"
	"time"

	"sweetspot/pipeline/schedule"
)

// A world is a stage loop without a model: rows are numbers of tokens, and who
// stays is said from outside. Every stage
// has one batch more than the device holds, as in the pipeline.
type world struct {
	now      time.Time
	budget   int
	depth    int
	cost     time.Duration // of a full run of any stage
	draining bool

	queue    []row         // rows that wait to be admitted; they are the first stage
	lanes    [][]*bin      // (stages) idle batches with rows, the next to run first; lanes[0] is not used
	running  []*bin        // on the device, oldest first
	answered []int         // ids of the rows that have left, in order
	most     []int         // (stages) most tokens ever held by a stage
	runs     [][2]int      // stage and tokens of every run
	longest  time.Duration // that any row waited at a stage after the first
}

type row struct {
	id, tokens int
	came       time.Time
	deadline   time.Time
}

type bin struct {
	stage int
	rows  []row
}

func newWorld(stages, budget, depth int, cost time.Duration) *world {
	return &world{
		now: time.Unix(0, 0), budget: budget, depth: depth, cost: cost,
		lanes: make([][]*bin, stages), most: make([]int, stages),
	}
}

func tokens(rows []row) int {
	n := 0
	for _, r := range rows {
		n += r.tokens
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
	st := schedule.Stage{Cost: w.cost}
	waiting := w.waiting(i)
	for _, r := range waiting {
		st.Tokens += r.tokens
		if st.Oldest.IsZero() || r.came.Before(st.Oldest) {
			st.Oldest = r.came
		}
		if !r.deadline.IsZero() && (st.Deadline.IsZero() || r.deadline.Before(st.Deadline)) {
			st.Deadline = r.deadline
		}
	}
	st.Next = tokens(w.next(i))
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

// next returns the rows that a run of stage i would take.
func (w *world) next(i int) []row {
	if i > 0 {
		if len(w.lanes[i]) == 0 {
			return nil
		}
		return w.lanes[i][0].rows
	}
	n, sum := 0, 0
	for n < len(w.queue) && sum+w.queue[n].tokens <= w.budget {
		sum += w.queue[n].tokens
		n++
	}
	return w.queue[:n]
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
	b := &bin{stage: i, rows: w.next(i)}
	if i == 0 {
		w.queue = w.queue[len(b.rows):]
	} else {
		w.lanes[i] = w.lanes[i][1:]
		for _, r := range b.rows {
			w.longest = max(w.longest, w.now.Sub(r.came))
		}
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
	w.now = w.now.Add(w.cost * time.Duration(tokens(b.rows)) / time.Duration(w.budget))
	n := 0
	for i, r := range b.rows {
		if b.stage == len(w.lanes)-1 || !stays(i) {
			w.answered = append(w.answered, r.id)
			continue
		}
		n++
		r.came = w.now
		if err := w.put(b.stage+1, r); err != nil {
			return b, n, err
		}
	}
	return b, n, nil
}

func (w *world) put(stage int, r row) error {
	lane := w.lanes[stage]
	if n := len(lane); n == 0 || tokens(lane[n-1].rows)+r.tokens > w.budget {
		if n+w.flying(stage) > w.depth {
			return fmt.Errorf("stage %d has no room for a row of %d tokens", stage+1, r.tokens)
		}
		lane = append(lane, &bin{stage: stage})
	}
	last := lane[len(lane)-1]
	last.rows = append(last.rows, r)
	w.lanes[stage] = lane
	w.most[stage] = max(w.most[stage], tokens(w.waiting(stage)))
	return nil
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
