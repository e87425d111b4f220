package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestMedianIsTheMiddle(t *testing.T) {
	if got := median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("got %v, want 5", got)
	}
}

func TestBenchReportsEveryRung(t *testing.T) {
	var out strings.Builder
	c := newCommand()
	c.SetOut(&out)
	c.SetArgs([]string{"bench", "--texts", "40", "--duration", "1ms", "--threads", "1", "--json"})
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var r benchReport
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatal(err)
	}
	if r.Texts != 40 || r.Tokens < 2*40 || len(r.Rungs) == 0 || r.Rungs[0].TextsPerSecond <= 0 || r.Rungs[0].Speedup != 1 {
		t.Errorf("got %+v", r)
	}
	for _, g := range r.Rungs[1:] {
		if g.Layers >= r.Rungs[0].Layers {
			t.Errorf("rung %d runs %v layers a text, full depth %v", g.Rung, g.Layers, r.Rungs[0].Layers)
		}
	}
}
