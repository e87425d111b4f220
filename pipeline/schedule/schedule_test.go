package schedule_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sweetspot/pipeline/schedule"
)

var update = flag.Bool("update", false, "rewrite the stories in testdata")

// TestStories plays testdata/*.txt. A story is commands, a line of dashes, what
// came of them, and a blank line:
//
//	model stages=3 budget=100 depth=1 cost=10ms
//	arrive rows=5 tokens=20 deadline=30ms   rows join the queue
//	step stay=2                             do what Next says; of a batch that ends, the first 2 rows stay
//	later 5ms                               time goes by
//	drain                                   nothing more will come
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("the story has changed; if that is right, run with -update\ngot:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// play returns the story with the outcomes as they are now.
func play(t *testing.T, story string) string {
	t.Helper()
	var w *world
	var out strings.Builder
	for block := range strings.SplitSeq(strings.TrimRight(story, "\n"), "\n\n") {
		commands, _, played := strings.Cut(block, "\n----")
		out.WriteString(commands)
		if played {
			out.WriteString("\n----\n")
			for line := range strings.SplitSeq(commands, "\n") {
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				w = command(t, w, strings.Fields(line), &out)
			}
			fmt.Fprintf(&out, "%v %s", w.now.Sub(time.Unix(0, 0)), w)
		}
		out.WriteString("\n\n")
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

func command(t *testing.T, w *world, words []string, out *strings.Builder) *world {
	t.Helper()
	args := map[string]string{}
	for _, word := range words[1:] {
		k, v, _ := strings.Cut(word, "=")
		args[k] = v
	}
	number := func(key string) int {
		if args[key] == "" {
			return 0
		}
		n, err := strconv.Atoi(args[key])
		if err != nil {
			t.Fatalf("%v: %v", words, err)
		}
		return n
	}
	span := func(s string) time.Duration {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("%v: %v", words, err)
		}
		return d
	}
	switch words[0] {
	case "model":
		w = newWorld(number("stages"), number("budget"), number("depth"), span(args["cost"]))
	case "arrive":
		r := row{tokens: number("tokens"), came: w.now}
		if d := args["deadline"]; d != "" {
			r.deadline = w.now.Add(span(d))
		}
		for range number("rows") {
			w.queue = append(w.queue, r)
		}
	case "later":
		w.now = w.now.Add(span(words[1]))
	case "drain":
		w.draining = true
	case "step":
		step(t, w, number("stay"), out)
	default:
		t.Fatalf("unknown command %q", words[0])
	}
	return w
}

// step does what Next says and tells it.
func step(t *testing.T, w *world, stay int, out *strings.Builder) {
	t.Helper()
	switch s := schedule.Next(w.state()); s.Do {
	case schedule.Run:
		b := w.run(s.Stage)
		fmt.Fprintf(out, "run stage %d, %d rows/%d: %s\n", s.Stage+1, len(b.rows), tokens(b.rows), s.Reason)
	case schedule.Wait:
		b, n, err := w.finish(func(i int) bool { return i < stay })
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(out, "wait for stage %d: %s; %d stay\n", b.stage+1, s.Reason, n)
	case schedule.Rest:
		fmt.Fprintf(out, "rest: %s\n", s.Reason)
	}
}

// TestRandomWorlds plays random arrivals, lengths and exits, and checks what
// must hold in every world.
func TestRandomWorlds(t *testing.T) {
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(1+r.IntN(5), 64+r.IntN(200), 1+r.IntN(2), 10*time.Millisecond)
		if r.IntN(10) == 0 {
			w.cost = 0
		}
		stay := r.Float64()
		rows, sent := 200+r.IntN(400), 0
		rest := false
		for steps := 0; !rest; steps++ {
			if steps > 20*rows*len(w.lanes) {
				t.Fatalf("seed %d: %d steps and only %d of %d rows answered", seed, steps, len(w.answered), rows)
			}
			for n := r.IntN(8); n > 0 && sent < rows; n-- {
				w.queue = append(w.queue, row{id: sent, tokens: 3 + r.IntN(60), came: w.now})
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
		for i, most := range w.most {
			if most > (w.depth+1)*w.budget {
				t.Errorf("seed %d: stage %d held %d tokens, with a budget of %d", seed, i+1, most, w.budget)
			}
		}
	}
}

// check takes one step and holds it against what must be true of any. It
// reports whether the step was to rest.
func check(t *testing.T, w *world, seed uint64, stays func(int) bool) bool {
	t.Helper()
	waiting := 0
	for i := range w.lanes {
		waiting += len(w.waiting(i))
	}
	state := w.state()
	s := schedule.Next(state)
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

// TestNoRowStarves keeps new rows coming faster than they are answered, and few
// of them stay: the deep stages are never full, and their rows must not wait
// for that.
func TestNoRowStarves(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	w := newWorld(4, 1000, 1, 10*time.Millisecond)
	for i := range 6_000 {
		for tokens(w.queue) < 2*w.budget {
			w.queue = append(w.queue, row{id: i, tokens: 10 + r.IntN(30), came: w.now})
		}
		check(t, w, 7, func(int) bool { return r.IntN(20) == 0 })
	}
	// Rows wait for what remains to them (at most 3 full runs), then for the run
	// that is under way and for deeper stages that are due as well.
	if limit := 6 * w.cost; w.longest > limit {
		t.Errorf("a row waited %v at a stage, want at most %v", w.longest, limit)
	}
}

// TestBatchesAreWellFilled holds the scheduler to its purpose: under load the
// stages run well filled although only half the rows of any run stay. The last
// stage's rows wait for one run at most, so theirs is the least.
func TestBatchesAreWellFilled(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	w := newWorld(4, 1000, 1, 10*time.Millisecond)
	for i := range 4_000 {
		for tokens(w.queue) < 2*w.budget {
			w.queue = append(w.queue, row{id: i, tokens: 10 + r.IntN(30), came: w.now})
		}
		check(t, w, 3, func(int) bool { return r.IntN(2) == 0 })
	}
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
