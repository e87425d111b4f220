package calibrate

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"sweetspot/inference"
)

func TestFitTemperatureFindsTheScale(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	const n, classes = 4000, 4
	for _, want := range []float64{0.4, 1, 3} {
		logits, targets := make([]float32, n*classes), make([]int, n)
		for i := range n {
			z := logits[i*classes : (i+1)*classes]
			var sum float64
			for c := range z {
				z[c] = float32(r.NormFloat64() * 2)
				sum += math.Exp(float64(z[c]))
			}
			u := r.Float64() * sum
			for c := range z {
				if u -= math.Exp(float64(z[c])); u <= 0 {
					targets[i] = c
					break
				}
			}
			for c := range z {
				z[c] *= float32(want)
			}
		}
		if got, err := FitTemperature(logits, classes, targets); err != nil || math.Abs(got/want-1) > 0.1 {
			t.Errorf("temperature = %v with error %v, want about %v", got, err, want)
		}
	}
}

func TestFitTemperatureWhereThereIsNoMinimum(t *testing.T) {
	for _, tt := range []struct {
		name    string
		logits  []float32
		targets []int
		want    float64
	}{
		{"always right", []float32{1, 0, 0, 1}, []int{0, 1}, minTemperature},
		{"always wrong", []float32{1, 0, 0, 1}, []int{1, 0}, maxTemperature},
		{"always right by far", []float32{1e6, 0, 0, 1e6}, []int{0, 1}, minTemperature},
		{"always wrong by far", []float32{1e6, 0, 0, 1e6}, []int{1, 0}, maxTemperature},
		{"right as often as wrong", []float32{1, 0, 1, 0}, []int{0, 1}, maxTemperature},
		{"constant logits", []float32{3, 3, -2, -2}, []int{0, 1}, 1},
		{"no records", nil, nil, 1},
		{"all of one class, right", []float32{2, 1, 5, 3}, []int{0, 0}, minTemperature},
		{"one record", []float32{0.5, 0}, []int{0}, minTemperature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := FitTemperature(tt.logits, 2, tt.targets)
			if err != nil || math.Abs(got-tt.want) > 1e-6 {
				t.Errorf("got %v with error %v, want %v", got, err, tt.want)
			}
		})
	}
	if got, err := FitTemperature([]float32{1, 2}, 1, []int{0, 0}); err != nil || got != 1 {
		t.Errorf("one class, nothing to choose: got %v with error %v, want 1", got, err)
	}
}

// TestFitTemperatureIsTheLeast compares with points beside the fitted one, over
// sizes of logits that lie far apart.
func TestFitTemperatureIsTheLeast(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	const n, classes = 300, 7
	for _, size := range []float32{0.02, 0.3, 1, 8, 40} {
		logits, targets := make([]float32, n*classes), make([]int, n)
		for i := range n {
			targets[i] = r.IntN(classes)
			for c := range classes {
				logits[i*classes+c] = size * float32(r.NormFloat64())
			}
			logits[i*classes+targets[i]] += size
		}
		got, err := FitTemperature(logits, classes, targets)
		if err != nil {
			t.Fatalf("size %v: %v", size, err)
		}
		s := scaling{logits, classes, targets}
		at, _, _ := s.loss(1 / got)
		for _, beside := range []float64{got * 0.99, got * 1.01} {
			if beside < minTemperature || beside > maxTemperature {
				continue
			}
			if v, _, _ := s.loss(1 / beside); v < at {
				t.Errorf("size %v: loss %v at the fitted %v, less, %v, at %v", size, at, got, v, beside)
			}
		}
	}
}

// golden is what a float64 program computed for two exits and 60 records.
type golden struct {
	Labels      []int
	Logits      [][][]float32 // by exit and record
	Temperature []float64
	NLLBefore   []float64 `json:"nll_before"`
	NLLAfter    []float64 `json:"nll_after"`
	Confidence  [][]float64
	Curve       []struct {
		Theta      float64
		TakenFirst int `json:"taken_first"`
		Correct    int
		CostEE     float64 `json:"cost_ee"`
		CostMM     float64 `json:"cost_mm"`
	}
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("../testdata/golden/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Calibration golden }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file.Calibration
}

// table returns the golden records for a model that has run so many layers
// after each exit.
func (g golden) table(layers []int) Table {
	table := Table{Layers: layers, Labels: g.Labels}
	for _, rows := range g.Logits {
		exits := make([]inference.Exit, len(rows))
		for i, z := range rows {
			exits[i].Label = slices.Index(z, slices.Max(z))
		}
		table.Exits = append(table.Exits, exits)
		table.Logits = append(table.Logits, slices.Concat(rows...))
	}
	return table
}

func TestTemperaturesAreTheGoldenOnes(t *testing.T) {
	g := readGolden(t)
	table := g.table([]int{1, 2})
	got, err := Temperatures(table, 3)
	if err != nil {
		t.Fatal(err)
	}
	for e, want := range g.Temperature {
		if math.Abs(float64(got[e])/want-1) > 1e-6 {
			t.Errorf("exit %d: got temperature %v, want %v", e+1, got[e], want)
		}
		s := scaling{table.Logits[e], 3, g.Labels}
		before, _, _ := s.loss(1)
		after, _, _ := s.loss(1 / float64(got[e]))
		if math.Abs(before-g.NLLBefore[e]) > 1e-6 || math.Abs(after-g.NLLAfter[e]) > 1e-6 {
			t.Errorf("exit %d: got losses %v and %v, want %v and %v", e+1, before, after, g.NLLBefore[e], g.NLLAfter[e])
		}
		for i, z := range g.Logits[e] {
			if p := Probability(z, table.Exits[e][i].Label, float64(got[e])); math.Abs(p-g.Confidence[e][i]) > 1e-6 {
				t.Errorf("exit %d, record %d: got probability %v, want %v", e+1, i, p, g.Confidence[e][i])
			}
		}
	}
}

// TestRungsAreTheGoldenCurve leaves at one threshold after another, for one
// encoder and for models of their own, whose layers add up.
func TestRungsAreTheGoldenCurve(t *testing.T) {
	g := readGolden(t)
	for _, point := range g.Curve {
		for _, tt := range []struct {
			name   string
			layers []int
			cost   float64
		}{
			{"one encoder", []int{1, 2}, point.CostEE},
			{"two models", []int{1, 3}, point.CostMM * 2 / 3}, // the curve divides by two layers
		} {
			table := g.table(tt.layers)
			for e := range table.Exits {
				for i := range table.Exits[e] {
					table.Exits[e][i].Confidence = float32(g.Confidence[e][i])
				}
			}
			th := inference.Thresholds{float32(point.Theta)}
			r, y := table.rung(inference.AgreementFloor, th, 0.05)
			right := 0
			for i, label := range g.Labels {
				e := 0
				if !th.Leaves(0, table.Exits[0][i]) {
					e = 1
				}
				if table.Exits[e][i].Label == label {
					right++
				}
			}
			if y.left[0] != point.TakenFirst || right != point.Correct || math.Abs(r.Cost-tt.cost) > 1e-9 {
				t.Errorf("%s, threshold %v: got %d at exit 1, %d right, cost %v, want %d, %d and %v",
					tt.name, point.Theta, y.left[0], right, r.Cost, point.TakenFirst, point.Correct, tt.cost)
			}
		}
	}
}

// TestTemperaturesWithoutLabels fit what full depth answers and leave it alone.
func TestTemperaturesWithoutLabels(t *testing.T) {
	table := readGolden(t).table([]int{1, 2})
	table.Labels = nil
	got, err := Temperatures(table, 3)
	if err != nil {
		t.Fatal(err)
	}
	full := make([]int, table.Records())
	for i := range full {
		full[i] = table.full(i)
	}
	want, err := FitTemperature(table.Logits[0], 3, full)
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != float32(want) || got[1] != 1 {
		t.Errorf("got %v, want %v and 1", got, want)
	}
}

func TestProbabilityIsTheSoftmax(t *testing.T) {
	for _, tt := range []struct {
		name        string
		logits      []float32
		temperature float64
		want        []float64
	}{
		{"of equal logits", []float32{3, 3}, 1, []float64{0.5, 0.5}},
		{"of odds one to three", []float32{0, float32(math.Log(3))}, 1, []float64{0.25, 0.75}},
		{"at half the temperature the odds are squared", []float32{0, float32(math.Log(3))}, 0.5, []float64{0.1, 0.9}},
		{"of three labels", []float32{0, 0, float32(math.Log(2))}, 1, []float64{0.25, 0.25, 0.5}},
		{"of logits beyond the range of exp", []float32{-1e6, 1e6}, 0.05, []float64{0, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for label, want := range tt.want {
				if got := Probability(tt.logits, label, tt.temperature); math.Abs(got-want) > 1e-7 {
					t.Errorf("label %d: got %v, want %v", label, got, want)
				}
			}
		})
	}
}
