package schedule_test

import (
	"flag"
	"fmt"
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
//	model stages=3 budget=100 depth=1 base=400us token=100us   what every run takes; known=no: the scheduler is not told
//	arrive rows=5 tokens=20 deadline=30ms tier=best-effort name=a   rows join the queue
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
		line := schedule.Line{Base: span(args["base"]).Seconds(), PerToken: span(args["token"]).Seconds()}
		w = newWorld(number("budget"), number("depth"), slices.Repeat([]schedule.Line{line}, number("stages"))...)
		if args["known"] == "no" {
			w.told = make([]schedule.Line, len(w.costs))
		}
	case "arrive":
		r := row{name: args["name"], Row: schedule.Row{Tokens: number("tokens"), Came: w.now, BestEffort: args["tier"] == "best-effort"}}
		if d := args["deadline"]; d != "" {
			r.Deadline = w.now.Add(span(d))
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
		fmt.Fprintf(out, "run stage %d, %d rows/%d%s: %s\n", s.Stage+1, len(b.rows), tokens(b.rows), names(b.rows), s.Reason)
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
