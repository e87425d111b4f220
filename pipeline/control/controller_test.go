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
