package control_test

import (
	"math"
	"strings"
	"testing"

	"sweetspot/pipeline/control"
)

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reach [][]float64
		want  string
	}{
		{"no rungs", nil, "without rungs"},
		{"no stages", [][]float64{{}}, "without rungs or stages"},
		{"rungs of two models", [][]float64{{1, 1}, {1, 0.5, 0.2}}, "rung 1 has 3 stages"},
		{"rung 0 that lets rows leave", [][]float64{{1, 0.5}}, "rung 0 is full depth"},
		{"rows that come back", [][]float64{{1, 1, 1}, {1, 0.2, 0.5}}, "rung 1: a share 0.5 of messages runs stage 3"},
		{"no number", [][]float64{{1, 1}, {1, math.NaN()}}, "a share NaN"},
		{"less than nothing", [][]float64{{1, 1}, {1, -0.1}}, "a share -0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := control.New(goodConfig(), tt.reach); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := control.New(control.Config{}, ladders["two"]); err == nil || !strings.Contains(err.Error(), "SWEET_TARGET_AGE") {
		t.Errorf("got %v, want a word about SWEET_TARGET_AGE", err)
	}
}

// TestArriving leaves the backlog out: it is gone some time, what arrives is not.
func TestArriving(t *testing.T) {
	for _, tt := range []struct {
		name string
		d    control.Decision
		want float64
	}{
		{"nothing", control.Decision{}, 0},
		{"arrivals alone", control.Decision{Rate: 500, Load: 500, Utilization: 0.4}, 0.4},
		{"a backlog nine times as large", control.Decision{Rate: 500, Drain: 4500, Load: 5000, Utilization: 4}, 0.4},
		{"costs that were told too low", control.Decision{Rate: 500, Drain: 500, Correction: 0.5, Load: 1500, Utilization: 1.2}, 0.6},
	} {
		if got := tt.d.Arriving(); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
