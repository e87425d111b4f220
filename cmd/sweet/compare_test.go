package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
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
	args := compareArgs(t, out, "--methods", "ee,sweet,mm", "--pool", "mean", "--conflict", "10")
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
	conflicts, err := compare.ReadConflicts(filepath.Join(out, "conflicts.csv"))
	if err != nil {
		t.Fatal(err)
	}
	// 50 steps, looked at five times; the second exit's gradient alone reaches layer 2.
	if want := 5 * 2; len(conflicts) != want {
		t.Errorf("%d conflicts, want those of one pair of exits in the embeddings and layer 1, five times: %d", len(conflicts), want)
	}
	for _, c := range conflicts {
		if !(c.Cosine >= -1 && c.Cosine <= 1) || !(c.Norm > 0) || c.Exit != 1 || c.Deeper != 2 || c.Layer > 1 {
			t.Errorf("conflict %+v, want one of exits 1 and 2 with a cosine", c)
		}
	}
	for _, name := range []string{"results.md", "exits-mean.png", "layers-mean.svg", "millis-mean.svg", "conflict-mean.png"} {
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
	out := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no place for results": {[]string{"compare", "--data", "x"}, "--out is missing"},
		"no start":             {[]string{"compare", "--data", "x", "--out", t.TempDir()}, "--init is missing"},
		"nothing to draw":      {[]string{"compare", "--out", t.TempDir()}, "holds no runs"},
		"an unknown method":    {compareArgs(t, out, "--methods", "ee,magic"), "magic"},
		"an unknown pooling":   {compareArgs(t, out, "--pool", "mean,max"), "max"},
		"a method twice":       {compareArgs(t, out, "--methods", "ee,ee"), "ee is there twice"},
		"a task's name twice":  {compareArgs(t, out, "--data", "a/desk,b/desk/"), "desk is there twice"},
		"exits of a model":     {compareArgs(t, out, "--methods", "ee,exits"), "compare trains every model anew"},
		"too few threads":      {compareArgs(t, out, "--threads", "-1"), "--threads -1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runSweet(t.Context(), newCommand(), io.Discard, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
			if runs := readRuns(t, out); len(runs) > 0 {
				t.Errorf("%d runs were made before the error", len(runs))
			}
		})
	}
}

func TestScoreCountsByHand(t *testing.T) {
	// Two labels, five texts; logits of the second label are 0, so the first
	// label's logit decides. Exit 1 is right on three, exit 2 on four.
	r := compare.Run{Temperatures: []float64{1, 1}}
	scoreRun(&r, exitAnswers{
		labels: []int32{0, 0, 0, 1, 1}, classes: 2,
		logits: [][]float32{
			{3, 0, -1, 0, 2, 0, 1, 0, -9, 0},
			{3, 0, 1, 0, 2, 0, 1, 0, -9, 0},
		},
	})
	if r.Test != 5 || !near(r.Accuracy[0], 0.6) || !near(r.Accuracy[1], 0.8) {
		t.Errorf("%d texts, accuracy %v, want 5, [0.6 0.8]", r.Test, r.Accuracy)
	}
	// Exit 1: label 0 is given 3 times, right 2 of 3. Exit 2: given 4 times, right 3.
	if !near(r.F1[0], 2*2.0/6) || !near(r.F1[1], 2*3.0/7) {
		t.Errorf("F1 %v, want [2/3 6/7]", r.F1)
	}
	// (tp·tn − fp·fn)/√(…): (2·1 − 1·1)/√(3·3·2·2), (3·1 − 1·0)/√(4·3·2·1).
	if !near(r.MCC[0], 1.0/6) || !near(r.MCC[1], 3/math.Sqrt(24)) {
		t.Errorf("Matthews correlation %v, want [1/6 3/√24]", r.MCC)
	}
	first, last := r.Curve[0], r.Curve[len(r.Curve)-1]
	if first.Reach[1] != 0 || !near(first.Accuracy, 0.6) || last.Reach[1] != 1 || !near(last.Accuracy, 0.8) {
		t.Errorf("the curve goes from %+v to %+v, want from exit 1 alone to exit 2 alone", first, last)
	}
	// Probabilities at exit 1: 0.953, 0.731, 0.881, 0.731, 0.9999. At 0.85 the second
	// and the fourth go on; the second is mended there.
	at := slices.IndexFunc(r.Curve, func(p compare.Point) bool { return near(p.Threshold, 0.85) })
	if at < 0 || !near(r.Curve[at].Reach[1], 0.4) || !near(r.Curve[at].Accuracy, 0.8) {
		t.Errorf("got point %d of %+v, want one at 0.85 with reach 0.4 and accuracy 0.8", at, r.Curve)
	}
}

func near(got, want float64) bool { return math.Abs(got-want) < 1e-9 }

// stopAfterFirstRun stops a comparison once it has said that a run is done.
type stopAfterFirstRun struct{ stop func() }

func (s stopAfterFirstRun) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("accuracy by exit")) {
		s.stop()
	}
	return len(p), nil
}
