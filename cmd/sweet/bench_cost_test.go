package main

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sweetspot/cmd/sweet/simulate"
)

func TestBenchWritesWhatStagesCost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cost.json")
	out, _, err := said(t, "bench", "--cost", path, "--texts", "60", "--duration", "1ms", "--threads", "1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := simulate.ReadCost(path)
	if err != nil {
		t.Fatal(err)
	}
	texts := 0
	for _, l := range c.Lengths {
		texts += l.Texts
	}
	if len(c.Stages) != 4 || c.FullLayers() != 6 || texts != 60 || c.Digest == "" || c.Threads != 1 || c.Capacity() <= 0 {
		t.Errorf("got %+v", c)
	}
	if last := c.Stages[3].Disagreement; last != 0 {
		t.Errorf("the last exit disagrees with itself on a share %v", last)
	}
	if c.Stages[0].Disagreement <= c.Stages[2].Disagreement {
		t.Errorf("the first exit disagrees on a share %v, the third on %v; want more", c.Stages[0].Disagreement, c.Stages[2].Disagreement)
	}
	if !strings.Contains(out, "full depth carries") {
		t.Errorf("got %q", out)
	}
}

func TestWhatBenchWroteCanBeSimulated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cost.json")
	out, _, err := said(t, "bench", "--cost", path, "--texts", "60", "--duration", "1ms", "--threads", "1", "--json")
	if err != nil {
		t.Fatal(err)
	}
	written, err := simulate.ReadCost(path)
	if err != nil {
		t.Fatal(err)
	}
	var printed simulate.Cost
	if err := json.Unmarshal([]byte(out), &printed); err != nil || !reflect.DeepEqual(printed, written) {
		t.Errorf("got %s with error %v, want what was written: %+v", out, err, written)
	}
	load := file(t, "load.csv", "seconds,messages_per_second\n0,1\n2,0\n")
	if _, talk, err := said(t, "simulate", "--load", load, "--cost", path); err != nil || talk != "" {
		t.Errorf("got error %v and talk %q", err, talk)
	}
}
