package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/cmd/sweet/simulate"
)

func TestDemoAccountsForEveryText(t *testing.T) {
	input := filepath.Join(t.TempDir(), "texts")
	if err := os.WriteFile(input, []byte("where is my parcel?\n\nI was charged twice\nthanks, that was all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	c := newCommand()
	c.SetOut(&out)
	c.SetErr(t.Output())
	c.SetArgs([]string{"demo", "--duration", "4s", "--rate", "100", "--input", input, "--json"})
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var s summary
	if err := json.Unmarshal([]byte(out.String()), &s); err != nil {
		t.Fatal(err)
	}
	if s.Lost != 0 || s.Duplicated != 0 {
		t.Errorf("lost %d, duplicated %d; want 0 and 0", s.Lost, s.Duplicated)
	}
	// The second line of every four is empty, and nothing else is poison.
	if s.DeadLettered != (s.Consumed+2)/4 || s.Published != s.Consumed-s.DeadLettered || s.Consumed < 100 {
		t.Errorf("read %d, published %d, dead letters %d; want at least 100 with a quarter dead", s.Consumed, s.Published, s.DeadLettered)
	}
	if s.LayersFull != 6 || s.LayersMean <= 0 || s.LayersMean >= 6 {
		t.Errorf("%v of %d layers a text; want some saved", s.LayersMean, s.LayersFull)
	}
}

func TestMeterLeavesOutTheStart(t *testing.T) {
	start := time.Unix(0, 0)
	var m meter
	for i, done := range []int{0, 0, 0, 10, 20, 30} {
		m.read(start.Add(time.Duration(i)*time.Second), done)
	}
	if got := m.mean(); got != 10 {
		t.Errorf("mean = %v, want 10 a second from the moment of the first result on", got)
	}
	if got := new(meter).mean(); got != 0 {
		t.Errorf("nothing read: mean = %v, want 0", got)
	}
}

func TestBarFillsItsShare(t *testing.T) {
	for share, want := range map[float64]string{0: "    ", 0.5: "██  ", 1: "████", 0.3125: "█▎  "} {
		if got := bar(share, 4); got != want {
			t.Errorf("bar(%v) = %q, want %q", share, got, want)
		}
	}
}

func TestChangingLoadsBeginQuietAndReachTheirPeak(t *testing.T) {
	const carried, lasts = 1000, 55 * time.Second
	for _, name := range simulate.Shapes() {
		l, err := changing(name, carried, lasts)
		if err != nil {
			t.Fatal(err)
		}
		rates := make([]float64, len(l.Spans))
		for i, s := range l.Spans {
			rates[i] = s.Rate
		}
		if least := slices.Min(rates); l.End != lasts || math.Abs(least-quiet*carried) > 1e-6 || math.Abs(l.Peak()-peak*carried) > 1e-6 {
			t.Errorf("%s: %v from %v to %v a second, want %v from %v to %v", name, l.End, least, l.Peak(), lasts, quiet*carried, peak*carried)
		}
		if first := l.At(0); first > carried {
			t.Errorf("%s: begins with %v a second, more than full depth carries", name, first)
		}
		for at := lasts*2/3 + 1; at < lasts; at += time.Second {
			if got := l.At(at); math.Abs(got-quiet*carried) > 1e-6 {
				t.Errorf("%s: at %v of %v got %v a second, want %v", name, at, lasts, got, quiet*carried)
			}
		}
	}
}

// A viewer sees load rise, the rung move, and depth return, once: at the default
// duration with the bundled ladder and the costs that are committed, and where
// the worker's clients take so much of the cores that the load is heavier by 0.3.
func TestDepthReturnsBeforeAChangingLoadEnds(t *testing.T) {
	world := defaultWorld()
	world.cost = filepath.Join("simulate", "results", "cost.json")
	w, err := world.open(newDemoCommand())
	if err != nil {
		t.Fatal(err)
	}
	o := demoOptions{duration: changingDuration}
	for _, name := range simulate.Shapes() {
		for _, heavier := range []float64{1, 1.3} {
			l, err := changing(name, heavier*w.Cost.Capacity(), o.duration-o.comparison())
			if err != nil {
				t.Fatal(err)
			}
			r, err := w.Run(t.Context(), l, 1)
			if err != nil {
				t.Fatal(err)
			}
			var rungs, returned []int        // returned: after moves toward full depth
			for _, s := range r.Series[2:] { // after the warm-up
				if n := len(rungs); n > 0 && s.Rung < rungs[n-1] {
					returned = append(returned, s.Rung)
				}
				rungs = append(rungs, s.Rung)
			}
			if rungs[0] != 0 || slices.Max(rungs) == 0 || !slices.Equal(returned, []int{0}) {
				t.Errorf("%s, %v times: got rungs %v by second, want 0, then cheaper ones, then 0 once and for all", name, heavier, rungs)
			}
		}
	}
}

func TestAChangingLoadIsAnswered(t *testing.T) {
	var out, talk strings.Builder
	c := newCommand()
	c.SetOut(&out)
	c.SetErr(&talk)
	c.SetArgs([]string{"demo", "--load", "burst", "--duration", "8s", "--json"})
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var s summary
	if err := json.Unmarshal([]byte(out.String()), &s); err != nil {
		t.Fatal(err)
	}
	if s.Lost != 0 || s.Duplicated != 0 || s.Consumed < 100 || s.Moves == 0 {
		t.Errorf("got %+v, want nothing lost, and a rung that moves", s)
	}
	for _, want := range []string{"load ", "rung ", "layers a text"} {
		if !strings.Contains(talk.String(), want) {
			t.Errorf("the talk lacks %q:\n%s", want, talk.String())
		}
	}
}
