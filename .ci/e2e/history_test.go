package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A header, and a worker that starts at rung 2, goes to full depth and comes back to rung 1.
const traced = `{"sweetspot_trace":1,"config":{"target_age":1000000000},"reach":[[1,1],[1,0.5],[1,0.2]]}
{"reading":{"at":0,"backlog":0,"age":0,"costs":null},"decision":{"rung":2,"reason":"warmup","rate":0,"load":0,"utilization":0,"delay":0}}
{"reading":{"at":1,"backlog":7,"age":250000000},"decision":{"rung":0,"reason":"warmup","rate":360.4567,"load":361,"utilization":0.25,"delay":5}}
{"reading":{"at":2,"backlog":5,"age":300000000},"decision":{"rung":0,"reason":"steady","rate":360.5,"load":361,"utilization":0.25,"delay":5}}
{"reading":{"at":3,"backlog":6,"age":0},"decision":{"rung":1,"reason":"load","rate":900,"load":901,"utilization":0.5,"delay":6}}
`

// The same worker's log.
const told = `{"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"serving","http":"127.0.0.1:80"}
{"time":"2026-01-01T00:00:10.5Z","level":"INFO","msg":"rung","from":2,"to":0,"reason":"warmup","rate":360.5,"load":361,"utilization":0.25,"delay":5}
{"time":"2026-01-01T00:00:20Z","level":"INFO","msg":"rung","from":0,"to":1,"reason":"load","rate":900,"load":901,"utilization":0.5,"delay":6}
`

func TestTraceFollowsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	tr, err := openTrace(path)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.close()
	if rung, known := tr.rung(); known {
		t.Errorf("got rung %d of an empty trace, want none", rung)
	}
	for part := range slices.Chunk([]byte(traced), 100) { // a line here and there is cut
		if _, err := file.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := tr.read(); err != nil {
			t.Fatal(err)
		}
	}
	if rung, known := tr.rung(); rung != 1 || !known || tr.backlog() != 6 {
		t.Errorf("got rung %d (known: %v) and backlog %d, want 1 and 6", rung, known, tr.backlog())
	}
	if backlog, age := tr.most(); backlog != 7 || age != 300*time.Millisecond {
		t.Errorf("got backlog %d and age %v at most, want 7 and 300ms", backlog, age)
	}
	if got, want := tell(tr.steps), "rung 2 → 0 (warmup) → 1 (load)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTraceRefusesWhatIsNone(t *testing.T) {
	header, step, _ := strings.Cut(traced, "\n")
	step, _, _ = strings.Cut(step, "\n")
	for name, text := range map[string]string{
		"a step without a header":      step,
		"two runs":                     traced + header + "\n" + step,
		"a reading without a decision": header + "\n" + `{"reading":{"backlog":1}}`,
		"no JSON":                      "rung 1",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "trace")
			if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			tr, err := openTrace(path)
			if err != nil {
				t.Fatal(err)
			}
			defer tr.close()
			if err := tr.read(); err == nil {
				t.Errorf("got no error for %q", text)
			}
		})
	}
}

// openTraced returns the trace above, as a file in dir that was read.
func openTraced(t *testing.T, dir string) *trace {
	t.Helper()
	path := filepath.Join(dir, "trace")
	if err := os.WriteFile(path, []byte(traced), 0o644); err != nil {
		t.Fatal(err)
	}
	tr, err := openTrace(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.close)
	if err := tr.read(); err != nil {
		t.Fatal(err)
	}
	return tr
}

// history returns the moves of trace and log above.
func history(t *testing.T) ([]line, []move) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "worker.log"), []byte(told), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := readMoves(dir, "worker")
	if err != nil {
		t.Fatal(err)
	}
	return log, moves(openTraced(t, dir).steps)
}

func TestSameMovesFindsWhatIsNotTold(t *testing.T) {
	log, decided := history(t)
	if err := sameMoves(log, decided); err != nil {
		t.Fatalf("got %v, want no error", err)
	}
	if err := sameMoves(log[:1], decided); err == nil {
		t.Error("got no error for a log without the last move")
	}
	if err := sameMoves(log, decided[1:]); err == nil {
		t.Error("got no error for a trace without the first move")
	}
	for name, change := range map[string]func(m *move){
		"another reason":      func(m *move) { m.Reason = "age" },
		"another rung":        func(m *move) { m.To++ },
		"another delay":       func(m *move) { m.Delay++ },
		"another rate":        func(m *move) { m.Rate *= 1.001 },
		"another load":        func(m *move) { m.Load *= 0.999 },
		"another utilization": func(m *move) { m.Utilization = 0 },
	} {
		was := log[1].move
		if change(&log[1].move); sameMoves(log, decided) == nil {
			t.Errorf("got no error for %s", name)
		}
		log[1].move = was
	}
}

func TestCheckReignsFindsARungOutOfForce(t *testing.T) {
	log, _ := history(t) // rung 2 until 10.5 s, full depth until 20 s, then rung 1
	at := func(seconds float64) time.Time {
		return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
	}
	for name, test := range map[string]struct {
		rung            int
		written, stored float64 // seconds
		found           bool
	}{
		"the first rung, before every move":    {2, 1, 2, true},
		"the first rung, just after it ended":  {2, 11, 11.2, true},
		"the first rung, long after it ended":  {2, 15, 16, false},
		"the first rung, of a message of then": {2, 5, 30, true},
		"full depth, before it began":          {0, 5, 6, false},
		"full depth, in its time":              {0, 14, 15, true},
		"full depth, after its time":           {0, 25, 26, false},
		"a message that waited for full depth": {0, 5, 15, true},
		"the last rung":                        {1, 25, 26, true},
		"the last rung, too early":             {1, 14, 15, false},
		"a rung that was never in force":       {3, 0, 30, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := result{answer: answer{Rung: test.rung}, stored: at(test.stored)}
			r.Source.Timestamp = at(test.written)
			if err := checkReigns([]result{r}, 2, log); (err == nil) != test.found {
				t.Errorf("got %v, want an error: %v", err, !test.found)
			}
		})
	}
}

func TestCheckStoryWantsLoadAndRecovery(t *testing.T) {
	why := func(from, to int, reason string) move { return move{from, to, grounds{Reason: reason}} }
	up, down := why(0, 3, "backlog"), why(3, 0, "recovered")
	for name, test := range map[string]struct {
		up, down []move
		fine     bool
	}{
		"there and back":                     {[]move{up}, []move{down}, true},
		"back in two moves":                  {[]move{up}, []move{why(3, 1, "recovered"), why(1, 0, "recovered")}, true},
		"nothing under load":                 {nil, []move{down}, false},
		"a cheaper rung for no known reason": {[]move{why(0, 3, "steady")}, []move{down}, false},
		"a deeper rung under load":           {[]move{why(3, 1, "load")}, []move{down}, false},
		"nothing after the load":             {[]move{up}, nil, false},
		"back because of an alarm":           {[]move{up}, []move{why(3, 0, "alarm")}, false},
		"not back all the way":               {[]move{up}, []move{why(3, 1, "recovered")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := checkStory(test.up, test.down); (err == nil) != test.fine {
				t.Errorf("got %v, want an error: %v", err, !test.fine)
			}
		})
	}
}
