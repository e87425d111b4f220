package compare

import (
	"cmp"
	"math"
	"slices"
)

// A Group holds the runs of one cell and method, by ascending seed.
type Group struct {
	Cell   Cell
	Method string
	Runs   []Run
}

// Groups sorts runs into groups: by cell, and within a cell in the order in
// which methods were first run.
func Groups(runs []Run) []Group {
	order := map[string]int{}
	at := map[Cell]map[string]int{}
	var groups []Group
	for _, r := range runs {
		if _, ok := order[r.Method]; !ok {
			order[r.Method] = len(order)
		}
		c := r.Cell()
		if at[c] == nil {
			at[c] = map[string]int{}
		}
		i, ok := at[c][r.Method]
		if !ok {
			i = len(groups)
			at[c][r.Method] = i
			groups = append(groups, Group{Cell: c, Method: r.Method})
		}
		groups[i].Runs = append(groups[i].Runs, r)
	}
	for _, g := range groups {
		slices.SortFunc(g.Runs, func(a, b Run) int { return cmp.Compare(a.Seed, b.Seed) })
	}
	slices.SortStableFunc(groups, func(a, b Group) int {
		return cmp.Or(a.Cell.Compare(b.Cell), cmp.Compare(order[a.Method], order[b.Method]))
	})
	return groups
}

// exits returns the number of exits of the group's models.
func (g Group) exits() int { return len(g.Runs[0].Exits) }

// each returns one number of every run.
func (g Group) each(value func(*Run) float64) []float64 {
	values := make([]float64, len(g.Runs))
	for i := range g.Runs {
		values[i] = value(&g.Runs[i])
	}
	return values
}

// stageMillis returns the milliseconds of each stage, the least over the runs: a
// machine that is shared slows down one run or another.
func (g Group) stageMillis() []float64 {
	millis := make([]float64, g.exits())
	for s := range millis {
		millis[s] = slices.Min(g.each(func(r *Run) float64 { return r.StageMillis[s] }))
	}
	return millis
}

// meanAndDeviation returns the mean of values and their standard deviation,
// which is 0 for a single one.
func meanAndDeviation(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	if len(values) < 2 {
		return mean, 0
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(values)-1))
}
