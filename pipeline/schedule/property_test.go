package schedule_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sweetspot/pipeline/schedule"
)

// longestRow is the most tokens of a row in random worlds, whose budget is more.
const longestRow = 62

// window is how many budgets of rows are in the queue at most.
const window = 4

// randomWorld returns a world of up to five stages on a device of up to three
// batches. Stages cost what they like: a run is worth it from a single token,
// from a full budget, or from anything between. What the scheduler is told of
// it is up to twice too much or too little, or nothing.
func randomWorld(r *rand.Rand) *world {
	budget := longestRow + 2 + r.IntN(200)
	costs := make([]schedule.Line, 1+r.IntN(5))
	for i := range costs {
		full := math.Pow(float64(budget), 1.2*r.Float64())
		perToken := 100e-6 * math.Pow(4, r.Float64())
		costs[i] = schedule.Line{Base: perToken * full / 19, PerToken: perToken}
	}
	w := newWorld(budget, 1+r.IntN(3), costs...)
	wrong := math.Pow(2, 2*r.Float64()-1)
	if r.IntN(10) == 0 {
		wrong = 0
	}
	w.told = slices.Clone(costs)
	for i := range w.told {
		w.told[i].Base *= wrong
		w.told[i].PerToken *= wrong
	}
	return w
}

func randomRow(r *rand.Rand, w *world, id int) row {
	x := row{id: id, Row: schedule.Row{Tokens: 3 + r.IntN(longestRow-2), Came: w.now, BestEffort: r.IntN(3) == 0}}
	if r.IntN(4) == 0 {
		x.Deadline = w.now.Add(time.Duration(r.IntN(100)-20) * time.Millisecond)
	}
	return x
}

// TestRandomWorlds plays random costs, arrivals, lengths, tiers, deadlines and
// exits, and checks what must hold in every world.
func TestRandomWorlds(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := randomWorld(r)
		stay := r.Float64()
		rows, sent := 200+r.IntN(400), 0
		rest := false
		for steps := 0; !rest; steps++ {
			if steps > 20*rows*len(w.lanes) {
				t.Fatalf("seed %d: %d steps and only %d of %d rows answered", seed, steps, len(w.answered), rows)
			}
			for n := r.IntN(16); n > 0 && sent < rows && tokens(w.queue) < window*w.budget; n-- {
				w.queue = append(w.queue, randomRow(r, w, sent))
				sent++
			}
			w.draining = sent == rows
			rest = check(t, w, seed, func(int) bool { return r.Float64() < stay }) && sent == rows
			if t.Failed() {
				return
			}
		}
		slices.Sort(w.answered)
		for id := range rows {
			if w.answered[id] != id {
				t.Fatalf("seed %d: row %d was not answered exactly once", seed, id)
			}
		}
		checkBounds(t, w, seed)
	}
}

// check takes one step and holds it against what must be true of any. It
// reports whether the step was to rest.
func check(t *testing.T, w *world, seed uint64, stays func(int) bool) bool {
	t.Helper()
	waiting, deep := 0, 0
	for i := range w.lanes {
		n := len(w.waiting(i))
		waiting += n
		if i > 0 {
			deep += n
		}
	}
	state := w.state()
	s := schedule.Next(state)
	if w.draining && deep > 0 && len(w.running) < w.depth && (s.Do != schedule.Run || s.Stage == 0) {
		t.Errorf("seed %d: %d deep rows wait in spite of the drain: %+v", seed, deep, s)
	}
	switch s.Do {
	case schedule.Run:
		if len(w.running) >= w.depth {
			t.Errorf("seed %d: run with %d batches on the device", seed, len(w.running))
		}
		b := w.run(s.Stage)
		if n := tokens(b.rows); n == 0 || n > w.budget {
			t.Errorf("seed %d: run of %d tokens with a budget of %d", seed, n, w.budget)
		}
	case schedule.Wait:
		if len(w.running) == 0 {
			t.Fatalf("seed %d: wait for nothing: %+v", seed, state)
		}
		if _, _, err := w.finish(stays); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	case schedule.Rest:
		if waiting > 0 || len(w.running) > 0 {
			t.Errorf("seed %d: rest with %d rows in hand: %+v", seed, waiting, state)
		}
	}
	return s.Do == schedule.Rest
}

// checkBounds holds memory and waits against what the package promises.
func checkBounds(t *testing.T, w *world, seed uint64) {
	t.Helper()
	stages, slowest := len(w.lanes), w.slowest()
	// cascade is the most runs of what waits at the last r stages and runs.
	cascade := func(r int) int { return w.depth + (w.depth+1)*r*(r+1)/2 }
	var remaining time.Duration
	for i := stages - 1; i > 0; i-- {
		remaining += w.told[i].Time(w.budget)
		if most := (w.depth + 1) * w.budget; w.most[i] > most {
			t.Errorf("seed %d: stage %d held %d tokens, want at most %d", seed, i+1, w.most[i], most)
		}
		if most := remaining + time.Duration(cascade(stages-i))*slowest; w.longest[i] > most {
			t.Errorf("seed %d: a row waited %v at stage %d, want at most %v", seed, w.longest[i], i+1, most)
		}
	}
	// After nine passes only what is in the window goes before a row. Every
	// admission takes so much of it that the row finds no room.
	admissions := 2 + (window*w.budget+longestRow)/(w.budget-longestRow+1)
	most := 9*w.pass() + time.Duration(admissions*stages+cascade(stages))*slowest
	if w.longest[0] > most {
		t.Errorf("seed %d: a row waited %v to be admitted, want at most %v", seed, w.longest[0], most)
	}
}

// load keeps two budgets of rows in the queue for so many steps. Of the rows of
// any run a share stays.
func load(t *testing.T, w *world, seed uint64, steps int, share float64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	for i := range steps {
		for tokens(w.queue) < 2*w.budget {
			w.queue = append(w.queue, row{id: i, Row: schedule.Row{Tokens: 10 + r.IntN(30), Came: w.now}})
		}
		check(t, w, seed, func(int) bool { return r.Float64() < share })
	}
}

// TestNoRowStarves keeps new rows coming faster than they are answered, and few
// of them stay: the deep stages are never full, and their rows must not wait
// for that.
func TestNoRowStarves(t *testing.T) {
	w := newWorld(1000, 1, even(4, 1000, 10*time.Millisecond, 1000)...)
	load(t, w, 7, 3_000, 0.05)
	// Rows wait for what remains to them (at most 3 full runs), then for the run
	// that is under way and for deeper stages that are due as well.
	for i, longest := range w.longest[1:] {
		if limit := 60 * time.Millisecond; longest > limit {
			t.Errorf("a row waited %v at stage %d, want at most %v", longest, i+2, limit)
		}
	}
}

// TestThroughputAtAFixedRung holds the scheduler to its purpose: under load the
// device is at least 90 % as fast as if every run were full, wherever a run is
// worth it and although only some of the rows of any run stay.
func TestThroughputAtAFixedRung(t *testing.T) {
	for _, full := range []int{1, 50, 250, 1000} {
		for _, share := range []float64{0.1, 0.5, 0.9} {
			for _, depth := range []int{1, 2} {
				w := newWorld(1000, depth, even(4, 1000, 10*time.Millisecond, full)...)
				load(t, w, 3, 1_000, share)
				var ideal time.Duration
				for _, run := range w.runs {
					ideal += w.costs[0].Time(1000) * time.Duration(run[1]) / 1000
				}
				if got := ideal.Seconds() / w.now.Sub(time.Unix(0, 0)).Seconds(); got < 0.9 {
					t.Errorf("full from %d tokens, %v stay, depth %d: %.3f of full runs' speed, want 0.9", full, share, depth, got)
				}
			}
		}
	}
}

// TestBatchesAreWellFilled has runs that are worth it only when they are full.
// Under load the stages run so although only half the rows of any run stay. The
// last stage's rows wait for one run at most, so theirs is the least.
func TestBatchesAreWellFilled(t *testing.T) {
	w := newWorld(1000, 1, even(4, 1000, 10*time.Millisecond, 750)...)
	load(t, w, 3, 4_000, 0.5)
	runs, sum := make([]int, 4), make([]int, 4)
	for _, run := range w.runs {
		runs[run[0]]++
		sum[run[0]] += run[1]
	}
	for i, least := range []float64{0.95, 0.9, 0.5, 0.25} {
		if fill := float64(sum[i]) / float64(runs[i]*w.budget); fill < least {
			t.Errorf("stage %d ran %.2f full on average, want at least %.2f", i+1, fill, least)
		}
	}
}

// TestAProcessorWorksDepthFirst has runs that are worth it almost at once: what
// stays goes on to the last stage before new rows are admitted, and nothing
// waits in the model but for the run before it.
func TestAProcessorWorksDepthFirst(t *testing.T) {
	w := newWorld(1000, 1, even(4, 1000, 10*time.Millisecond, 10)...)
	load(t, w, 5, 2_000, 0.5)
	for i := range w.runs[1:] {
		before, run := w.runs[i], w.runs[i+1]
		if run[0] != 0 && run[0] != before[0]+1 {
			t.Errorf("stage %d ran after stage %d, want the next one or new rows", run[0]+1, before[0]+1)
		}
	}
	for i, longest := range w.longest[1:] {
		if longest > 0 {
			t.Errorf("a row waited %v at stage %d, want none to wait", longest, i+2)
		}
	}
}
