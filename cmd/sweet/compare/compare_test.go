package compare

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func near(got, want float64) bool { return math.Abs(got-want) < 1e-9 }

func TestCurveCostsAreThoseOfTheStagesThatTextsReach(t *testing.T) {
	ee, mm := exampleRun("ee", 1, 0.5, 0.75), exampleRun("mm", 1, 0.5, 0.75)
	mm.Layers = []int{1, 3} // the second model has two layers of its own
	for _, c := range []struct {
		name string
		run  Run
		want []float64
	}{
		{"shared layers", ee, []float64{0.5, 0.75, 1}},
		{"models one after another", mm, []float64{0.5, 1, 1.5}},
	} {
		for i, p := range c.run.LayerCurve() {
			if !near(p.Cost, c.want[i]) {
				t.Errorf("%s: point %d costs %v, want %v", c.name, i, p.Cost, c.want[i])
			}
		}
	}
	if got := ee.MillisCurve(ee.StageMillis)[1].Cost; !near(got, 0.5+0.5*0.25) {
		t.Errorf("half of the texts in the second stage take %v ms, want 0.625", got)
	}
}

func TestInterpolationAndArea(t *testing.T) {
	curve := []At{{0.2, 0.4}, {0.6, 0.8}, {0.6, 0.9}, {1, 0.9}}
	for _, c := range []struct{ cost, want float64 }{
		{0, 0.4}, {0.2, 0.4}, {0.4, 0.6}, {0.6, 0.8}, {0.8, 0.9}, {1, 0.9}, {3, 0.9},
	} {
		if got := Interpolate(curve, c.cost); !near(got, c.want) {
			t.Errorf("accuracy at cost %v is %v, want %v", c.cost, got, c.want)
		}
	}
	// Two pieces: a mean of 0.6 over 0.4, and 0.9 over 0.4.
	if got := Area(curve, 0.2, 1); math.Abs(got-0.75) > 1e-4 {
		t.Errorf("area is %v, want 0.75", got)
	}
}

func TestSignFlip(t *testing.T) {
	for _, c := range []struct {
		name        string
		differences []float64
		want        float64
	}{
		{"all on one side: only they and their mirror are as far", []float64{1, 2, 3, 4}, 2.0 / 16},
		{"nothing at all", []float64{0, 0, 0}, 1},
		{"both ways alike", []float64{1, -1}, 1},
		{"one smaller on the other side", []float64{3, 2, -1}, 4.0 / 8},
		{"a single one proves nothing", []float64{5}, 1},
	} {
		if got := Pair(c.differences).P; !near(got, c.want) {
			t.Errorf("%s: p = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestPairedIntervalIsStudents(t *testing.T) {
	// Mean 2, deviation 1, three values: the 97.5 % quantile of Student's t with two
	// degrees of freedom is 4.302653.
	p := Pair([]float64{1, 2, 3})
	if half := 4.30265273 / math.Sqrt(3); math.Abs(p.Low-(2-half)) > 1e-6 || math.Abs(p.High-(2+half)) > 1e-6 {
		t.Errorf("interval %v to %v, want 2 ± %v", p.Low, p.High, half)
	}
	many := make([]float64, exact+1)
	for i := range many {
		many[i] = float64(1 + i%2)
	}
	if p := Pair(many); p.P > 1e-6 || p.P < 0 {
		t.Errorf("21 differences of about 1.5: p = %v, want next to nothing", p.P)
	}
}

func TestReportOfModelsWithFewerExitsHasNoInventedNumbers(t *testing.T) {
	var runs []Run
	for _, task := range []string{"desk", "mail"} {
		for _, method := range []string{"ee", "mm"} {
			r := exampleRun(method, 1, 0.5, 0.75)
			r.Task, r.Pool = task, "cls"
			runs = append(runs, r)
		}
	}
	deeper := exampleRun("ee", 1, 0.5, 0.75)
	deeper.Exits = []int{1, 2, 3}
	for _, list := range []*[]float64{&deeper.Accuracy, &deeper.F1, &deeper.MCC, &deeper.Temperatures, &deeper.StageMillis} {
		*list = append(slices.Clone(*list), 1)
	}
	deeper.Layers = []int{1, 2, 3}
	for i := range deeper.Curve {
		deeper.Curve[i].Reach = append(deeper.Curve[i].Reach, 0)
	}
	var text strings.Builder
	if err := Markdown(&text, append(runs, deeper)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "NaN") || !strings.Contains(text.String(), "*all 2*") {
		t.Errorf("want a line over two tasks and no NaN:\n%s", &text)
	}
}

func TestReportPairsSeeds(t *testing.T) {
	runs := []Run{
		exampleRun("ee", 1, 0.50, 0.75), exampleRun("ee", 2, 0.60, 0.75), exampleRun("ee", 3, 0.1, 0.1),
		exampleRun("mm", 2, 0.70, 0.75), exampleRun("mm", 1, 0.50, 0.85), // no third seed: the 0.1 above must not count
	}
	var text strings.Builder
	if err := Markdown(&text, runs); err != nil {
		t.Fatal(err)
	}
	want := "| desk | mean | mm − ee | 2 | +5.0 ± 7.1 | +5.0 ± 7.1 |"
	if !strings.Contains(text.String(), want) {
		t.Errorf("no line %q in:\n%s", want, &text)
	}
	dir := t.TempDir()
	names, err := Plots(dir, runs)
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != 6 {
		t.Errorf("plots %v, want three as SVG and PNG", names)
	}
	for _, n := range names {
		if info, err := os.Stat(filepath.Join(dir, n)); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v, %v", n, info, err)
		}
	}
}

func TestATaskUnderTwoSettingsCountsOnce(t *testing.T) {
	var runs []Run
	for _, c := range []struct {
		task     string
		rows     int
		accuracy float64 // of mm; that of ee is 0.5
	}{{"desk", 100, 0.6}, {"desk", 200, 0.8}, {"mail", 100, 0.5}} {
		for method, accuracy := range map[string]float64{"ee": 0.5, "mm": c.accuracy} {
			r := exampleRun(method, 1, accuracy, 0.75)
			r.Task, r.Rows = c.task, c.rows
			runs = append(runs, r)
		}
	}
	slices.SortFunc(runs, func(a, b Run) int { return strings.Compare(a.Method, b.Method) })
	var text strings.Builder
	if err := Markdown(&text, runs); err != nil {
		t.Fatal(err)
	}
	// 20 points of one task, by the mean of 10 and 30, and none of the other.
	if want := "| *all 2* | mean | *mm − ee* |  | **+10.0**"; !strings.Contains(text.String(), want) {
		t.Errorf("no line %q in:\n%s", want, &text)
	}
}

func TestConflictsOfARunThatWasMadeTwiceCountOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "conflicts.csv")
	c := Conflict{Task: "desk", Pool: "cls", Seed: 1, Step: 10, Layer: 1, Exit: 1, Deeper: 2, Cosine: -0.5, Norm: 1, DeeperNorm: 2}
	later := c
	later.Step = 20
	for _, part := range [][]Conflict{{c}, {c, later}} {
		if err := AppendConflicts(path, part); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadConflicts(path)
	if err != nil || !slices.Equal(got, []Conflict{c, later}) {
		t.Errorf("got %v, %v, want both once", got, err)
	}
}
