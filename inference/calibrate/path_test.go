package calibrate

import (
	"testing"
)

func TestPathOnlyFalls(t *testing.T) {
	table := population(4000, 3)
	for _, floor := range floors {
		t.Run(string(floor), func(t *testing.T) {
			path := Path(table, floor, 0.05, 12)
			if len(path) < 4 || len(path) > 12 {
				t.Fatalf("%d rungs, want some and at most 12", len(path))
			}
			for e, th := range path[0] {
				if th <= 1 {
					t.Errorf("rung 0 leaves at exit %d", e+1)
				}
			}
			before := 2.0
			for k, th := range path {
				now, y := table.rung(floor, th, 0.05)
				if lost := float64(sum(y.lose)) / 4000; lost > 0.05 {
					t.Errorf("rung %d loses %v of the tuning half, past the limit", k, lost)
				}
				if now.Cost >= before {
					t.Errorf("rung %d costs %v, no less than rung %d", k, now.Cost, k-1)
				}
				for e := range th {
					if k > 0 && th[e] > path[k-1][e] {
						t.Errorf("rung %d raises the threshold of exit %d", k, e+1)
					}
				}
				before = now.Cost
			}
		})
	}
}

// TestPathOfAccuracyGoesFurther compares both kinds at the same limit: what
// full depth has wrong cannot be lost.
func TestPathOfAccuracyGoesFurther(t *testing.T) {
	table := population(4000, 3)
	cost := map[string]float64{}
	for _, floor := range floors {
		path := Path(table, floor, 0.05, 12)
		r, _ := table.rung(floor, path[len(path)-1], 0.05)
		cost[string(floor)] = r.Cost
	}
	if cost["accuracy"] >= cost["agreement"] {
		t.Errorf("got cost %v, want less where only accuracy counts", cost)
	}
}
