package calibrate

import (
	"cmp"
	"slices"

	"sweetspot/inference"
)

// Never is a threshold that no confidence reaches.
const Never = 2

// levels is how many values each threshold may take on the path: quantiles of
// the confidences that the exit was seen with.
const levels = 96

// Path chooses ever cheaper vectors of thresholds on the tuning half. It starts
// at full depth and, greedily, lowers the one threshold that saves most layers
// per record that it loses to floor f, until the share of lost ones passes
// limit. Thresholds only fall along the path, so a record never runs more layers
// at a later rung. Of the many small steps at most rungs are kept, evenly spaced
// in what they lose; the first element is full depth.
func Path(t Table, f inference.Floor, limit float64, rungs int) []inference.Thresholds {
	s := newSearch(t, f)
	steps := []step{{thresholds: s.thresholds(), measure: s.measure(s.level)}}
	for {
		next, ok := s.cheapest(steps[len(steps)-1].measure)
		if !ok {
			break
		}
		s.level = next
		m := s.measure(next)
		if m.lost > limit {
			break
		}
		steps = append(steps, step{s.thresholds(), m})
	}
	return thin(steps, limit, rungs)
}

// A step is one vector of thresholds with what it does on the tuning half.
type step struct {
	thresholds inference.Thresholds
	measure    measure
}

// A measure is the mean number of layers a record and the share of records lost.
type measure struct{ layers, lost float64 }

// A search walks over levels of thresholds: level 0 is Never, and higher levels
// are lower thresholds.
type search struct {
	table Table
	floor inference.Floor
	grid  [][]float32 // (m−1, levels) descending
	level []int       // (m−1) index into grid
}

func newSearch(t Table, f inference.Floor) *search {
	s := &search{table: t, floor: f, level: make([]int, len(t.Exits)-1)}
	for e := range s.level {
		s.grid = append(s.grid, quantiles(t.Exits[e]))
	}
	return s
}

// quantiles returns Never and then confidences that occur among exits, from the
// highest down, evenly spaced by rank.
func quantiles(exits []inference.Exit) []float32 {
	seen := make([]float32, len(exits))
	for i, e := range exits {
		seen[i] = e.Confidence
	}
	slices.SortFunc(seen, func(a, b float32) int { return cmp.Compare(b, a) })
	grid := []float32{Never}
	for l := 1; l <= levels; l++ {
		v := seen[(len(seen)-1)*l/levels]
		if v < grid[len(grid)-1] {
			grid = append(grid, v)
		}
	}
	return grid
}

func (s *search) thresholds() inference.Thresholds {
	th := make(inference.Thresholds, len(s.level))
	for e, l := range s.level {
		th[e] = s.grid[e][l]
	}
	return th
}

// measure returns what the given levels do on the tuning half.
func (s *search) measure(level []int) measure {
	last := len(s.table.Exits) - 1
	var layers, lost int
	for i := range s.table.Records() {
		e := 0
		for e < last && !(s.table.Exits[e][i].Confidence >= s.grid[e][level[e]]) {
			e++
		}
		layers += s.table.Layers[e]
		if s.table.loses(s.floor, e, i) {
			lost++
		}
	}
	n := float64(s.table.Records())
	return measure{float64(layers) / n, float64(lost) / n}
}

// cheapest returns the levels after the best single move from here: one
// threshold, any number of levels down, with the most layers saved per
// record lost. Moves that lose none come first, by what they save.
func (s *search) cheapest(now measure) ([]int, bool) {
	smallest := 0.5 / float64(s.table.Records()) // what "nothing lost" counts as
	var best []int
	var bestRatio float64
	for e := range s.level {
		for l := s.level[e] + 1; l < len(s.grid[e]); l++ {
			try := slices.Clone(s.level)
			try[e] = l
			m := s.measure(try)
			saved := now.layers - m.layers
			if saved <= 0 {
				continue
			}
			ratio := saved / max(m.lost-now.lost, smallest)
			if best == nil || ratio > bestRatio {
				best, bestRatio = try, ratio
			}
		}
	}
	return best, best != nil
}

// thin keeps full depth and at most rungs−1 further steps, evenly spaced in
// what they lose, each cheaper than the one before.
func thin(steps []step, limit float64, rungs int) []inference.Thresholds {
	path := []inference.Thresholds{steps[0].thresholds}
	kept := steps[0]
	for k := 1; k < rungs; k++ {
		want := limit * float64(k) / float64(rungs-1)
		at := kept
		for _, s := range steps {
			if s.measure.lost <= want && s.measure.layers < at.measure.layers {
				at = s
			}
		}
		if at.measure.layers < kept.measure.layers {
			path = append(path, at.thresholds)
			kept = at
		}
	}
	return path
}
