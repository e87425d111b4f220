package simulate

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestThroughputOfTheGroupings(t *testing.T) {
	for _, base := range []float64{1, 20} { // a processor, and a device with large batches
		w := bundled()
		for i := range w.Cost.Stages {
			w.Cost.Stages[i].Base *= base
		}
		all, err := w.Throughputs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if p.Regrouped < 0.9*p.Ideal || p.Regrouped > 1.01*p.Ideal {
				t.Errorf("base times %v, rung %d: got %.0f messages/s, want at least 0.9 times %.0f, which stage times and reach promise", base, p.Rung, p.Regrouped, p.Ideal)
			}
			if p.Apart > 1.001*p.Regrouped || p.Single >= p.Apart {
				t.Errorf("base times %v, rung %d: got %.0f messages/s regrouped, %.0f without and %.0f one by one, want them to fall", base, p.Rung, p.Regrouped, p.Apart, p.Single)
			}
		}
	}
}

func TestMixtureHasTheAgreementAskedFor(t *testing.T) {
	w := everything()
	load := Load{Spans: []Span{{0, 1000}}, End: 20 * time.Second}
	for _, want := range []float64{0.996, 0.993, 0.9885} {
		a := w.mixtureOf(want)
		r, err := w.run(t.Context(), load, 1, a)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.agreement(w, r); math.Abs(got-want) > 2e-4 {
			t.Errorf("%s: got an agreement of %v, want %v", a.Name, got, want)
		}
	}
	if got := w.mixtureOf(0.5).Name; got != "fixed rung 4" {
		t.Errorf("less agreement than the ladder has: got %s, want fixed rung 4", got)
	}
}

func TestOracleCarriesWhatTheLadderCarries(t *testing.T) {
	w := bundled()
	load := shape(t, w, "burst")
	load.Spans, load.End = load.Spans[:3], time.Minute
	r, err := w.run(t.Context(), load, 1, Oracle())
	if err != nil {
		t.Fatal(err)
	}
	cheapest, err := w.run(t.Context(), load, 1, Fixed(4))
	if err != nil {
		t.Fatal(err)
	}
	if r.LateShare() != 0 || r.MeanLayers() < 1.5*cheapest.MeanLayers() {
		t.Errorf("got a share %v late and %.2f layers, want none late and more layers than the last rung's %.2f", r.LateShare(), r.MeanLayers(), cheapest.MeanLayers())
	}
}

func TestAIMDComesBackFromTooDeep(t *testing.T) {
	w := bundled()
	load := Load{Spans: []Span{{0, 1.5 * w.Cost.Capacity()}}, End: time.Minute}
	r, err := w.run(t.Context(), load, 1, AIMD())
	if err != nil {
		t.Fatal(err)
	}
	if r.Moves < 5 || r.Admitted[0] == 0 || r.LateShare() > 0.1 {
		t.Errorf("got %d moves, %v admitted by rung and a share %v late, want it to probe full depth and leave it again", r.Moves, r.Admitted, r.LateShare())
	}
}

func TestWholeModelsRunAllLayersOfOne(t *testing.T) {
	w := bundled()
	w.Shares = Shares{}
	load := Load{Spans: []Span{{0, 2 * w.Cost.Capacity()}}, End: 20 * time.Second}
	a := WholeModels()
	r, err := w.run(t.Context(), load, 1, a)
	if err != nil {
		t.Fatal(err)
	}
	var layers, differ float64
	for k, n := range r.Admitted {
		exit := 3 - k
		if r.Exits[exit] != n {
			t.Errorf("model %d: %d messages admitted, %d answered", exit+1, n, r.Exits[exit])
		}
		layers += float64(n) * float64(w.Cost.Stages[exit].Layers)
		differ += float64(n) * w.Cost.Stages[exit].Disagreement
	}
	n := float64(r.Messages())
	if got := r.MeanLayers(); math.Abs(got-layers/n) > 1e-9 {
		t.Errorf("got %v layers a message, want %v", got, layers/n)
	}
	if got := a.agreement(w, r); math.Abs(got-(1-differ/n)) > 1e-9 {
		t.Errorf("got an agreement of %v, want %v", got, 1-differ/n)
	}
}

func TestComparisonHasARowForEveryAlternative(t *testing.T) {
	w := bundled()
	load := Load{Name: "short", Spans: []Span{{0, w.Cost.Capacity()}}, End: 3 * time.Second}
	c, err := w.Compare(t.Context(), load)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := Markdown(&text, w, []Comparison{c}, []Throughput{{Rung: 0, Ideal: 100, Regrouped: 98, Apart: 95, Single: 50}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## short", "| full depth |", "| best fixed rung in hindsight (fixed rung ", "| best fixed rung at our agreement (", "| AIMD |",
		"| early exit, batch size one |", "| early exit without regrouping |", "| whole-model switching |", "| ours |", "| oracle |",
		"| 0 | 98 (0.98) | 95 (0.95) | 50 (0.50) |",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("got no %q in\n%s", want, &text)
		}
	}
}

func TestBestFixedRungIsTheDeepestOfTheLeastLate(t *testing.T) {
	entry := func(name string, late int64) Entry {
		r := &Result{Late: late}
		r.Ages.n = 100
		return Entry{Name: name, Result: r}
	}
	got := bestFixed([]Entry{entry("fixed rung 0", 9), entry("fixed rung 1", 2), entry("fixed rung 2", 2), entry("fixed rung 3", 4)})
	if want := "best fixed rung in hindsight (fixed rung 1)"; got.Name != want {
		t.Errorf("got %s, want %s", got.Name, want)
	}
}
