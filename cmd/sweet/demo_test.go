package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

func TestLoadsStayWithinTheirLevels(t *testing.T) {
	for name, shape := range shapes {
		least, most := math.Inf(1), 0.0
		for i := range 1001 {
			v := shape(float64(i) / 1000)
			least, most = min(least, v), max(most, v)
		}
		if math.Abs(least-low) > 1e-9 || math.Abs(most-high) > 1e-9 || shape(0) != low || shape(1) > low+1e-9 {
			t.Errorf("%s: from %v to %v, beginning at %v and ending at %v; want %v to %v, and low at both ends", name, least, most, shape(0), shape(1), low, high)
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
