package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sweetspot/cmd/sweet/compare"
)

// compareArgs are the arguments of a small comparison.
func compareArgs(t *testing.T, out string, more ...string) []string {
	t.Helper()
	data, start := writeFruit(t), filepath.Join(t.TempDir(), "start")
	trainFruit(t, fruitArgs(data, start, "--epochs", "1"))
	return append([]string{
		"compare", "--data", data, "--init", start, "--out", out, "--exits", "1,2", "--limit", "200", "--batch", "8",
		"--lr", "4e-3", "--max-length", "16", "--threads", "1",
	}, more...)
}

func readRuns(t *testing.T, dir string) []compare.Run {
	t.Helper()
	runs, err := compare.ReadRuns(filepath.Join(dir, "runs.csv"))
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

func TestComparisonGoesOnWhereItStopped(t *testing.T) {
	out := t.TempDir()
	args := compareArgs(t, out, "--methods", "ee,sweet,mm", "--pool", "mean")
	ctx, stop := context.WithCancel(t.Context())
	talk := stopAfterFirstRun{stop: stop}
	if _, err := runSweet(ctx, newCommand(), talk, args...); !errors.Is(err, errStopped) {
		t.Fatalf("got error %v, want that it was stopped", err)
	}
	if runs := readRuns(t, out); len(runs) != 1 {
		t.Fatalf("%d runs after the stop, want 1", len(runs))
	}
	for range 2 { // the second time there is nothing left to do
		if _, err := runSweet(t.Context(), newCommand(), io.Discard, args...); err != nil {
			t.Fatal(err)
		}
		runs := readRuns(t, out)
		if len(runs) != 3 {
			t.Fatalf("%d runs in all, want 3", len(runs))
		}
		for i, method := range []string{"ee", "sweet", "mm"} {
			if runs[i].Method != method || runs[i].Rows != 200 || runs[i].Test != 30 {
				t.Errorf("run %d is %+v, want %s on 200 rows and 30 test texts", i, runs[i].Setting, method)
			}
		}
	}
	for _, name := range []string{"results.md", "exits-mean.png", "layers-mean.svg", "millis-mean.svg"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestFirstModelOfMultiModelIsSWEETsFirstExit holds because both learn from the
// same loss alone, and draw the same numbers.
func TestFirstModelOfMultiModelIsSWEETsFirstExit(t *testing.T) {
	out := t.TempDir()
	args := compareArgs(t, out, "--methods", "sweet,mm", "--jobs", "2")
	if _, err := runSweet(t.Context(), newCommand(), io.Discard, args...); err != nil {
		t.Fatal(err)
	}
	runs := readRuns(t, out)
	slices.SortFunc(runs, func(a, b compare.Run) int { return strings.Compare(a.Method, b.Method) })
	mm, sweet := runs[0], runs[1]
	if mm.Accuracy[0] != sweet.Accuracy[0] || mm.Temperatures[0] != sweet.Temperatures[0] {
		t.Errorf("exit 1 of mm: accuracy %v, T %v; of sweet: %v, %v; want the same", mm.Accuracy[0], mm.Temperatures[0], sweet.Accuracy[0], sweet.Temperatures[0])
	}
	if want := []int{1, 3}; !slices.Equal(mm.Layers, want) {
		t.Errorf("mm runs %v layers up to each exit, want %v", mm.Layers, want)
	}
}

func TestComparisonRefusesWhatItCannotDo(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no place for results": {[]string{"compare", "--data", "x"}, "--out is missing"},
		"no start":             {[]string{"compare", "--data", "x", "--out", t.TempDir()}, "--init is missing"},
		"nothing to draw":      {[]string{"compare", "--out", t.TempDir()}, "holds no runs"},
		"an unknown method":    {compareArgs(t, t.TempDir(), "--methods", "magic"), "magic"},
		"an unknown pooling":   {compareArgs(t, t.TempDir(), "--pool", "max"), "max"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runSweet(t.Context(), newCommand(), io.Discard, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// stopAfterFirstRun stops a comparison once it has said that a run is done.
type stopAfterFirstRun struct{ stop func() }

func (s stopAfterFirstRun) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("accuracy by exit")) {
		s.stop()
	}
	return len(p), nil
}
