package compare

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// exampleRun is a run whose numbers all have a short decimal form.
func exampleRun(method string, seed uint64, accuracy ...float64) Run {
	return Run{
		Setting: Setting{
			Task: "desk", Method: method, Pool: "mean", Seed: seed, Rows: 100, Epochs: 2, Batch: 16, Rate: 2e-4,
			MaxTokens: 64, Exits: []int{1, 2}, Init: "abc",
		},
		Test: 10, Accuracy: accuracy, F1: accuracy, MCC: accuracy, Temperatures: []float64{1, 1.5}, Layers: []int{1, 2},
		StageMillis: []float64{0.5, 0.25}, TrainSeconds: 3, TokensPerSecond: 1000, Kernels: "portable/1",
		Curve: []Point{{0, accuracy[0], []float64{1, 0}}, {0.75, 0.7, []float64{1, 0.5}}, {2, accuracy[1], []float64{1, 1}}},
	}
}

func TestRunsComeBackAsTheyWereWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.csv")
	none, err := ReadRuns(path)
	if err != nil || none != nil {
		t.Fatalf("a file that is not there: got %v, %v, want no runs", none, err)
	}
	want := []Run{exampleRun("ee", 1, 0.5, 0.75), exampleRun("mm", 2, 0.25, 1)}
	for _, r := range want {
		if err := Append(path, r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadRuns(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got[0].Key() != want[0].Key() || got[0].Key() == got[1].Key() {
		t.Errorf("keys %q and %q: want the first as before, and the two different", got[0].Key(), got[1].Key())
	}
}

func TestDamagedRunsAreNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.csv")
	if err := Append(path, exampleRun("ee", 1, 0.5, 0.75)); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, to, want string }{
		"another version's columns":     {"task,method", "job,method", "another version"},
		"a word for a number":           {",100,2,16,", ",many,2,16,", "run 1: rows"},
		"too few accuracies":            {"0.5 0.75", "0.5", "accuracy: 1 entries for 2 exits"},
		"a point without reach":         {"2:0.75:1:1", "2:0.75", "run 1: curve"},
		"a row cut off by a full disk":  {",portable/1\n", "", "wrong number of fields"},
		"a point for exits not trained": {"2:0.75:1:1", "2:0.75:1", "curve: 1 shares for 2 exits"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(string(good), c.from, c.to, 1)
			if bad == string(good) {
				t.Fatalf("%q is not in the file", c.from)
			}
			if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadRuns(path); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}
