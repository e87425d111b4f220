package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBenchComparesWaysToServeALoad(t *testing.T) {
	load := file(t, "short.csv", "seconds,messages_per_second\n0,1\n2,3\n4,1\n6,0\n")
	out := filepath.Join(t.TempDir(), "results")
	stdout, talk, err := said(t, "bench", "--load", load, "--cost", costFile(t), "--out", out, "--json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []loadRow
	if err := json.Unmarshal([]byte(stdout), &rows); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	seen := map[string]loadRow{}
	for _, r := range rows {
		name, _, _ := strings.Cut(r.Alternative, " (")
		seen[name] = r
	}
	full, ours := seen["full depth"], seen["ours"]
	if len(rows) != 9 || full.Agreement != 1 || full.LayersMean != 6 || full.OverTarget == 0 || ours.LayersMean >= 6 || ours.OverTarget >= full.OverTarget {
		t.Errorf("got %+v", rows)
	}
	for _, name := range []string{"results.md", "cost.json", "short.svg", "short.png"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: not there, or empty: %v", name, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(out, "results.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"sweet bench --load short.csv --cost cost.json --out DIR", "## short.csv", "| ours |", "## Throughput"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("got no %q in\n%s", want, text)
		}
	}
	if !strings.Contains(talk, "wrote "+filepath.Join(out, "results.md")) {
		t.Errorf("got talk %q", talk)
	}
}

func TestBenchRefusesLoadsThatMakeNoSense(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--load", "step,step"}, "step is there twice"},
		{[]string{"--load", "flood"}, "--load flood"},
		{[]string{"--out", "results"}, "belong to --load"},
		{[]string{"--load", "step", "--texts", "5"}, "write a cost model with --cost first"},
		{[]string{"--load", "step", "--rate", "fast", "--cost", costFile(t)}, "--rate fast"},
	} {
		_, _, err := said(t, append([]string{"bench"}, c.args...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, new(usageError)) {
			t.Errorf("%v: got error %v, want a usage error with %q", c.args, err, c.want)
		}
	}
}
