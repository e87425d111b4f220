package simulate

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"sweetspot/inference"
)

func TestSummaryHasTheNamesThatScriptsRead(t *testing.T) {
	r := &Result{Replicas: 16, Weight: 2, Late: 1, Shed: 1, Layers: 8, Admitted: []int64{1, 3, 0, 0, 0}, Moves: 12}
	for _, age := range []time.Duration{64, 128, 192, 255} {
		r.Ages.add(age)
	}
	four := 4
	got, err := json.Marshal(bundled().Summary(r, &four))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"messages":10,"shed":2,"age_p50_s":1.28e-7,"age_p99_s":2.55e-7,"over_target_share":0.4,"layers_mean":2,"layers_full":6,` +
		`"agreement_bound":0.985,"moves":1.5,"replicas_needed":4}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAgreementBoundIsOfDisagreementWhateverTheFloorIsOn(t *testing.T) {
	w := bundled()
	r := &Result{Replicas: 1, Weight: 1, Admitted: []int64{5, 0, 5, 0, 0}}
	w.Ladder.Floor, w.Ladder.DisagreementLimit = inference.AccuracyFloor, 0.05
	if got := w.Summary(r, nil).AgreementBound; math.Abs(got-0.975) > 1e-12 {
		t.Errorf("got %v, want 0.975", got)
	}
	w.Ladder = inference.FullDepth(4)
	r.Admitted = []int64{10}
	if got := w.Summary(r, nil).AgreementBound; got != 1 {
		t.Errorf("full depth alone: got %v, want 1", got)
	}
}
