package control_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"sweetspot/pipeline/control"
)

// record plays a minute of a random world and returns its trace.
func record(tb testing.TB, seed uint64) []byte {
	tb.Helper()
	w, err := newWorld(goodConfig(), "even", 1000)
	if err != nil {
		tb.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 7))
	w.chance = r
	w.rate = func(now time.Duration) float64 { return 1500 + 1500*math.Sin(now.Seconds()/7+float64(seed)) }
	var trace bytes.Buffer
	rec, err := control.NewRecorder(&trace, control.Header{Config: w.cfg, Reach: w.reach, Ladder: "a1b2"})
	if err != nil {
		tb.Fatal(err)
	}
	w.observe = func() {
		if err := rec.Record(w.reading, w.decision); err != nil {
			tb.Fatal(err)
		}
	}
	w.run(30 * time.Second)
	w.publish, w.usable = true, 2
	w.run(5 * time.Second)
	w.publish, w.usable = false, 3
	w.run(25 * time.Second)
	return trace.Bytes()
}

func TestReplay(t *testing.T) {
	trace := record(t, 1)
	if n, err := control.Replay(bytes.NewReader(trace)); n != 240 || err != nil {
		t.Errorf("got %d decisions and %v, want 240", n, err)
	}
	two := append(bytes.Clone(trace), record(t, 2)...)
	if n, err := control.Replay(bytes.NewReader(two)); n != 480 || err != nil {
		t.Errorf("two runs in one file: got %d decisions and %v, want 480", n, err)
	}
}

// TestReplayFindsTheFirstDifference changes one bit of a figure.
func TestReplayFindsTheFirstDifference(t *testing.T) {
	lines := bytes.SplitAfter(record(t, 1), []byte("\n"))
	const at = 100
	_, rate, _ := strings.Cut(string(lines[at]), `"decision":`)
	_, rate, _ = strings.Cut(rate, `"rate":`)
	rate, _, _ = strings.Cut(rate, ",")
	v, err := strconv.ParseFloat(rate, 64)
	if err != nil {
		t.Fatal(err)
	}
	next := strconv.FormatFloat(math.Nextafter(v, 1e9), 'g', -1, 64)
	lines[at] = bytes.Replace(lines[at], []byte(`"rate":`+rate), []byte(`"rate":`+next), 1)

	n, err := control.Replay(bytes.NewReader(bytes.Join(lines, nil)))
	different, ok := errors.AsType[*control.DifferenceError](err)
	if !ok || different.Line != at+1 || n != at-1 {
		t.Fatalf("got %d decisions and %v, want a difference in line %d", n, err, at+1)
	}
	if different.Now.Rate != v || different.Recorded.Rate == v {
		t.Errorf("recorded %v and now %v, want now %v", different.Recorded.Rate, different.Now.Rate, v)
	}
}

// TestTraceHoldsAnyReading records figures that JSON cannot say. The controller
// takes them for unknown, so a replay decides the same.
func TestTraceHoldsAnyReading(t *testing.T) {
	var trace bytes.Buffer
	h := control.Header{Config: goodConfig(), Reach: ladders["even"]}
	rec, err := control.NewRecorder(&trace, h)
	if err != nil {
		t.Fatal(err)
	}
	c, err := control.New(h.Config, h.Reach)
	if err != nil {
		t.Fatal(err)
	}
	strange := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -3, 1e308}
	for i := range 40 {
		at := time.Duration(i+1) * 250 * time.Millisecond
		r := control.Reading{
			At: at, Heard: at, Arrived: int64(i) * 400, Settled: int64(i) * 390, Backlog: 10, Usable: 3,
			Costs: []float64{1e-4, 1e-4, 2e-4, 2e-4},
		}
		v := strange[i%len(strange)]
		switch i % 4 {
		case 1:
			r.Costs[2] = v
		case 2:
			r.Strict, r.Audited = v, -v
		case 3:
			r.BestEffort = v
		}
		if err := rec.Record(r, c.Step(r)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := control.Replay(&trace); n != 40 || err != nil {
		t.Errorf("got %d decisions and %v, want 40", n, err)
	}
}

const (
	header = `{"sweetspot_trace":1,"config":{"target_age":1000000000,"control_every":250000000,"overload":"wait"},"reach":[[1,1],[1,0.5]],"ladder":"a1b2"}` + "\n"
	first  = `{"reading":{"at":0,"epoch":0,"arrived":0,"heard":0,"settled":0,"backlog":0,"age":0,"dated":false,"costs":null,"strict":0,"audited":0,"best_effort":0,"usable":1},` +
		`"decision":{"rung":1,"best_effort":1,"saturated":false,"reason":"warmup","rate":0,"drain":0,"correction":0,"load":0,"utilization":0,"delay":0}}` + "\n"
)

func TestTraceErrors(t *testing.T) {
	for _, tt := range []struct{ name, trace, want string }{
		{"nothing", "", "it is empty"},
		{"a text", "hello\n", "line 1: invalid character"},
		{"another JSON", "{}\n", "line 1: this is not a trace"},
		{"no header", first, "line 1: this is not a trace"},
		{"another version", strings.Replace(header, `_trace":1`, `_trace":2`, 1), "line 1: a trace of version 2"},
		{"a header without reach", `{"sweetspot_trace":1,"config":{}}` + "\n", "line 1: a header without config or reach"},
		{"settings that cannot work", strings.Replace(header, "wait", "hope", 1) + first, "before line 2: SWEET_OVERLOAD=hope"},
		{"a ladder that cannot be", strings.Replace(header, "0.5", "1.5", 1) + first, "before line 2: rung 1"},
		{"a line cut off", header + first + first[:100], "line 3: it ends in the middle"},
		{"a blank line", header + "\n" + first, "line 2: it ends in the middle"},
		{"two values in a line", header + strings.TrimSpace(first) + " {}\n", "line 2: more than one JSON value"},
		{"garbage after a value", header + strings.TrimSpace(first) + "}\n", "line 2: more than one JSON value"},
		{"a field of the future", header + strings.Replace(first, `"at"`, `"moon":1,"at"`, 1), "line 2: json: unknown field"},
		{"a reading alone", header + `{"reading":{}}` + "\n", "line 2: want a reading and a decision"},
		{"both at once", header + header[:len(header)-2] + `,"reading":{}}` + "\n", "line 2: a header and a step at once"},
		{"a line too long", header + strings.Repeat(" ", 2<<20), "line 2: bufio.Scanner: token too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := control.Replay(strings.NewReader(tt.trace)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if n, err := control.Replay(strings.NewReader(header + first)); n != 1 || err != nil {
		t.Errorf("the lines that these are made of: got %d, %v", n, err)
	}
}

func TestStepsKnowTheirRun(t *testing.T) {
	second := strings.Replace(header, "a1b2", "c3d4", 1)
	var runs []string
	for s, err := range control.Steps(strings.NewReader(header + first + first + second + first)) {
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, strconv.Itoa(s.Line)+s.Header.Ladder)
	}
	if got, want := strings.Join(runs, " "), "2a1b2 3a1b2 5c3d4"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A writer that is full.
type fullDisk struct{}

var errFull = errors.New("no space left")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestRecorderReportsTheWriter(t *testing.T) {
	if _, err := control.NewRecorder(fullDisk{}, control.Header{Config: goodConfig(), Reach: ladders["two"]}); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}

// FuzzReplay reads anything. What can be read is decided on without a panic, and
// recorded again it replays.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(header + first))
	f.Add([]byte(header + first + header + first + first[:50]))
	f.Add(record(f, 3)[:4000])
	f.Fuzz(func(t *testing.T, trace []byte) {
		var run *control.Header
		var c *control.Controller
		var again bytes.Buffer
		var rec *control.Recorder
		steps := 0
		for s, err := range control.Steps(bytes.NewReader(trace)) {
			if err != nil {
				break
			}
			if s.Header != run {
				run = s.Header
				if c, err = control.New(run.Config, run.Reach); err != nil {
					break
				}
				if rec, err = control.NewRecorder(&again, *run); err != nil {
					t.Fatal(err)
				}
			}
			if err := rec.Record(s.Reading, c.Step(s.Reading)); err != nil {
				t.Fatal(err)
			}
			steps++
		}
		if steps == 0 {
			return
		}
		if n, err := control.Replay(&again); n != steps || err != nil {
			t.Errorf("got %d decisions and %v, want %d", n, err, steps)
		}
	})
}
