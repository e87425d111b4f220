package calibrate

import (
	"math"
	"testing"
)

// TestECE works a case by hand: bins are a fifteenth wide, so 0.9 and 0.92 share
// the fourteenth, (0.8667, 0.9333].
func TestECE(t *testing.T) {
	for _, tt := range []struct {
		name  string
		p     []float32
		right []bool
		want  float64
	}{
		{"no records", nil, nil, 0},
		{"sure and right", []float32{1, 1}, []bool{true, true}, 0},
		{"sure and wrong", []float32{1, 1}, []bool{false, false}, 1},
		{"unsure and right", []float32{0.25}, []bool{true}, 0.75},
		// Two in one bin: mean 0.91, half right. One alone: 0.39, wrong.
		{"two bins", []float32{0.9, 0.92, 0.39}, []bool{true, false, false}, (2*0.41 + 0.39) / 3},
		// In one bin, what is too much and what is too little make up for each other.
		{"within a bin", []float32{0.51, 0.51}, []bool{true, false}, 0.01},
		{"at both ends", []float32{0, 1}, []bool{false, true}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReliability(tt.p, tt.right)
			if math.Abs(r.ECE-tt.want) > 1e-7 {
				t.Errorf("got %v, want %v", r.ECE, tt.want)
			}
			records := 0
			for _, b := range r.Bins {
				records += b.Records
			}
			if len(r.Bins) != 15 || records != len(tt.p) {
				t.Errorf("got %d bins with %d records, want 15 with %d", len(r.Bins), records, len(tt.p))
			}
		})
	}
	b := NewReliability([]float32{0.9, 0.92, 0.39}, []bool{true, false, false}).Bins
	if got := b[13]; got.Records != 2 || math.Abs(got.Confidence-0.91) > 1e-7 || got.Right != 0.5 {
		t.Errorf("got fourteenth bin %+v, want 2 records of mean 0.91, half right", got)
	}
	if got := b[5]; got.Records != 1 {
		t.Errorf("got sixth bin %+v, want the record of 0.39", got)
	}
}

// TestExitsAreHeldAgainstTheirTargets looks at the same answers with labels and
// without.
func TestExitsAreHeldAgainstTheirTargets(t *testing.T) {
	table := fiftyWrong().probable()
	temperatures := []float32{2, 1}
	labeled := table.exits(temperatures)
	if labeled[0].Right != 0.95 || labeled[1].Right != 0.97 || labeled[1].After == nil {
		t.Errorf("got %+v, want 95 %% and 97 %% right by the labels", labeled)
	}
	table.Labels = nil
	free := table.exits(temperatures)
	if free[0].Right != 0.95 || free[0].After == nil || free[0].Temperature != 2 || free[0].Layers != 1 {
		t.Errorf("got exit 1 %+v, want 95 %% as full depth", free[0])
	}
	if free[1].Right != 1 || free[1].Before != nil || free[1].After != nil {
		t.Errorf("got the last exit %+v, want no reliability: it is its own target", free[1])
	}
}
