package calibrate

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

func TestOptionsOutOfRange(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options Options
		want    string
	}{
		{"agreement", Options{Floor: 0.98, Confidence: 0.95, Rungs: 12}, ""},
		{"accuracy", Options{MaxLoss: 0.01, Confidence: 0.95, Rungs: 12}, ""},
		{"both", Options{Floor: 0.98, MaxLoss: 0.01, Confidence: 0.95, Rungs: 12}, "certified for one of them"},
		{"neither", Options{Confidence: 0.95, Rungs: 12}, "floor 0: want a share above 0"},
		{"a floor of all", Options{Floor: 1, Confidence: 0.95, Rungs: 12}, "floor 1: want"},
		{"a loss of all", Options{MaxLoss: 1, Confidence: 0.95, Rungs: 12}, "largest loss 1: want"},
		{"a loss below none", Options{MaxLoss: -0.1, Confidence: 0.95, Rungs: 12}, "largest loss -0.1: want"},
		{"certainty", Options{Floor: 0.98, Confidence: 1, Rungs: 12}, "confidence 1: want"},
		{"one rung", Options{Floor: 0.98, Confidence: 0.95, Rungs: 1}, "rungs 1: want 2 to 256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.options.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

// uniform returns n records on which every exit says what answer gives for the
// record and the exit, with one confidence everywhere.
func uniform(n int, confidence float32, answer func(i, e int) int) Table {
	t := Table{Layers: []int{1, 2, 6}, Labels: make([]int, n)}
	for e := range 3 {
		exits := make([]inference.Exit, n)
		for i := range exits {
			exits[i] = inference.Exit{Label: answer(i, e), Confidence: confidence}
		}
		t.Exits = append(t.Exits, exits)
	}
	return t.probable()
}

// TestDegenerateRecords gives records that no diagram is drawn of in books. A
// number that is none could not be written as JSON.
func TestDegenerateRecords(t *testing.T) {
	for _, tt := range []struct {
		name  string
		table Table
		rungs [2]int // for agreement and for accuracy
	}{
		{"all right", uniform(1000, 1, func(int, int) int { return 0 }), [2]int{2, 2}},
		{"all wrong, at all exits alike", uniform(1000, 1, func(int, int) int { return 1 }), [2]int{2, 2}},
		{"all wrong, at every exit otherwise", uniform(1000, 0.5, func(_, e int) int { return 1 + e }), [2]int{1, 2}},
		{"only full depth is right", uniform(1000, 0.5, func(_, e int) int { return 2 - e }), [2]int{1, 1}},
		{"confidences of zero", uniform(1000, 0, func(int, int) int { return 0 }), [2]int{2, 2}},
		{"fewer records than bins", uniform(5, 0.7, func(int, int) int { return 0 }), [2]int{1, 1}},
		{"one record", uniform(1, 0.7, func(int, int) int { return 0 }), [2]int{1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for kind, o := range []Options{
				{Floor: 0.98, Confidence: 0.95, Rungs: 12},
				{MaxLoss: 0.02, Confidence: 0.95, Rungs: 12},
			} {
				o.Limits = inference.Options{MaxTokens: 8, Truncate: "right"}
				r := o.certify(tt.table, tt.table, []float32{1, 1, 1}, "abc")
				if got := len(r.Ladder.Rungs); got != tt.rungs[kind] {
					t.Errorf("floor %q: got %d rungs, want %d", r.Ladder.Floor, got, tt.rungs[kind])
				}
				if err := r.Ladder.Validate(3); err != nil {
					t.Errorf("floor %q: %v", r.Ladder.Floor, err)
				}
				if _, err := json.Marshal(r); err != nil {
					t.Errorf("floor %q: %v", r.Ladder.Floor, err)
				}
			}
		})
	}
}

// tiny returns the golden model, of two exits and three labels, and rows for it.
func tiny(t *testing.T, count int) (*inference.Directory, inference.Device, Records) {
	t.Helper()
	data, err := os.ReadFile("../testdata/golden/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Config map[string]any }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	file.Config["hidden_act"] = "gelu"
	if data, err = json.Marshal(file.Config); err != nil {
		t.Fatal(err)
	}
	c, err := inference.ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile("../testdata/golden/weights.safetensors"); err != nil {
		t.Fatal(err)
	}
	tensors, err := inference.ReadTensors(data)
	if err != nil {
		t.Fatal(err)
	}
	d, err := cpu.Open(cpu.Options{Kernels: "portable", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	random := rand.New(rand.NewPCG(3, 3))
	var r Records
	for range count {
		ids := make([]int32, 2+random.IntN(6))
		for i := range ids {
			ids[i] = int32(1 + random.IntN(99))
		}
		r.Rows = append(r.Rows, inference.Row{Tokens: ids, Second: len(ids)})
		r.Labels = append(r.Labels, random.IntN(3))
	}
	return &inference.Directory{Config: c, Tensors: tensors, Digest: "abc"}, d, r
}

func TestRun(t *testing.T) {
	dir, d, records := tiny(t, 600)
	limits := inference.Options{MaxTokens: 16, Truncate: "right"}
	for _, tt := range []struct {
		name    string
		labeled bool
		options Options
	}{
		{"agreement without labels", false, Options{Floor: 0.7}},
		{"agreement with labels", true, Options{Floor: 0.7}},
		{"accuracy", true, Options{MaxLoss: 0.3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, r := tt.options, records
			o.Confidence, o.Rungs, o.Limits = 0.95, 12, limits
			done, all := 0, 0
			o.Progress = func(d, a int) { done, all = d, a }
			if !tt.labeled {
				r.Labels = nil
			}
			got, err := Run(t.Context(), dir, d, r, o)
			if err != nil {
				t.Fatal(err)
			}
			l := got.Ladder
			if err := l.Validate(2); err != nil {
				t.Error(err)
			}
			if l.Model != "abc" || l.MaxTokens != 16 || l.Records != 300 || got.Tuning != 300 || done != all || all != 900 {
				t.Errorf("got ladder %+v, tuned on %d, progress %d of %d, want 300 and 300 records and 900 of 900", l, got.Tuning, done, all)
			}
			if got.Labeled != tt.labeled || (got.Exits[1].After != nil) != tt.labeled || (l.Temperatures[1] != 1) != tt.labeled {
				t.Errorf("labels: got %v, reliability of the last exit %v, temperatures %v", got.Labeled, got.Exits[1].After, l.Temperatures)
			}
			if got.Exits[0].Before == nil || got.Exits[0].After.ECE == got.Exits[0].Before.ECE {
				t.Errorf("got exit 1 %+v, want another error after the temperature", got.Exits[0])
			}
			accuracy := tt.options.MaxLoss > 0
			if (l.Floor == inference.AccuracyFloor) != accuracy || (l.DisagreementLimit > 0) != (accuracy && len(l.Rungs) > 1) {
				t.Errorf("got floor %q with limit %v", l.Floor, l.DisagreementLimit)
			}
			again, err := Run(t.Context(), dir, d, r, o)
			if err != nil || !slices.EqualFunc(again.Ladder.Rungs, l.Rungs, func(a, b inference.Rung) bool { return a.Cost == b.Cost && a.Bound == b.Bound }) {
				t.Errorf("the same records and seed: got %+v with error %v, want %+v", again.Ladder, err, l)
			}
		})
	}
}

// TestRunWithConstantLogits takes every weight from the classifiers: no record
// is told from another.
func TestRunWithConstantLogits(t *testing.T) {
	dir, d, r := tiny(t, 200)
	for name, tensor := range dir.Tensors {
		if strings.Contains(name, ".classifier.") {
			clear(tensor.Data)
		}
	}
	r.Labels = nil
	o := Options{Floor: 0.9, Confidence: 0.95, Rungs: 4, Limits: inference.Options{MaxTokens: 16, Truncate: "right"}}
	got, err := Run(t.Context(), dir, d, r, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Ladder.Rungs) != 2 || got.Ladder.Rungs[1].Cost != 0.5 || got.Ladder.Temperatures[0] != 1 {
		t.Errorf("got %+v, want one rung that leaves at once, at temperature 1", got.Ladder)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
}

func TestRunRefuses(t *testing.T) {
	dir, d, records := tiny(t, 120)
	options := Options{MaxLoss: 0.1, Confidence: 0.95, Rungs: 4, Limits: inference.Options{MaxTokens: 16, Truncate: "right"}}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, tt := range []struct {
		name   string
		ctx    context.Context //nolint:containedctx // the context is the case
		change func(r *Records, o *Options)
		want   string
	}{
		{"too few records", t.Context(), func(r *Records, _ *Options) { r.Rows = r.Rows[:99] }, "99 records: want at least 100"},
		{"a loss without labels", t.Context(), func(r *Records, _ *Options) { r.Labels = nil }, "cannot be measured without labels"},
		{"a label too few", t.Context(), func(r *Records, _ *Options) { r.Labels = r.Labels[1:] }, "119 labels for 120 records"},
		{"a label that the model lacks", t.Context(), func(r *Records, _ *Options) { r.Labels = append(slices.Clone(r.Labels[:119]), 3) }, "record 120: label 3, want 0 to 2"},
		{"options out of range", t.Context(), func(_ *Records, o *Options) { o.Rungs = 0 }, "rungs 0"},
		{"a stop", stopped, func(*Records, *Options) {}, "context canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, o := records, options
			tt.change(&r, &o)
			if _, err := Run(tt.ctx, dir, d, r, o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

// TestRunRefusesLogitsThatOverflow gives one exit weights that are numbers, each
// by itself.
func TestRunRefusesLogitsThatOverflow(t *testing.T) {
	dir, d, r := tiny(t, 120)
	for name, tensor := range dir.Tensors {
		if strings.Contains(name, "exits.0.classifier.weight") {
			for i := range tensor.Data {
				tensor.Data[i] = math.MaxFloat32
			}
		}
	}
	o := Options{MaxLoss: 0.1, Confidence: 0.95, Rungs: 4, Limits: inference.Options{MaxTokens: 16, Truncate: "right"}}
	if _, err := Run(t.Context(), dir, d, r, o); err == nil || !strings.Contains(err.Error(), "a logit is not a finite number") {
		t.Errorf("got error %v, want one about the logits", err)
	}
}
