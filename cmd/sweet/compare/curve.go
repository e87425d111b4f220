package compare

import (
	"cmp"
	"slices"
)

// An At is an accuracy at a cost.
type At struct{ Cost, Accuracy float64 }

// LayerCurve returns accuracy against relative cost: the mean number of layers
// run by a text as a share of those of the deepest model, which is the measure
// of the paper. Multi-Model runs a text's models one after another, so that its
// cost can pass 1. Points come by ascending cost.
func (r *Run) LayerCurve() []At {
	per := make([]float64, len(r.Layers))
	before := 0
	for i, l := range r.Layers {
		per[i] = float64(l-before) / float64(r.Exits[len(r.Exits)-1])
		before = l
	}
	return r.curve(per)
}

// MillisCurve returns accuracy against the milliseconds that a text takes in
// full batches, given those of each stage.
func (r *Run) MillisCurve(stages []float64) []At { return r.curve(stages) }

func (r *Run) curve(stageCost []float64) []At {
	points := make([]At, len(r.Curve))
	for i, p := range r.Curve {
		points[i].Accuracy = p.Accuracy
		for s, reach := range p.Reach {
			points[i].Cost += reach * stageCost[s]
		}
	}
	slices.SortStableFunc(points, func(a, b At) int { return cmp.Compare(a.Cost, b.Cost) })
	return points
}

// Interpolate returns the accuracy of a curve at a cost, on the straight line
// between its points; before the first and behind the last it is theirs.
func Interpolate(curve []At, cost float64) float64 {
	if cost <= curve[0].Cost {
		return curve[0].Accuracy
	}
	for i := 1; i < len(curve); i++ {
		a, b := curve[i-1], curve[i]
		if cost <= b.Cost {
			if b.Cost == a.Cost {
				return b.Accuracy
			}
			share := (cost - a.Cost) / (b.Cost - a.Cost)
			return a.Accuracy + share*(b.Accuracy-a.Accuracy)
		}
	}
	return curve[len(curve)-1].Accuracy
}

// Area returns the mean accuracy of a curve over the costs from lo to hi.
func Area(curve []At, lo, hi float64) float64 {
	const steps = 1000
	sum := 0.0
	for i := range steps {
		sum += Interpolate(curve, lo+(hi-lo)*(float64(i)+0.5)/steps)
	}
	return sum / steps
}

// AUC returns the mean accuracy over the relative costs from that of the first
// exit to that of full depth.
func (r *Run) AUC() float64 {
	return Area(r.LayerCurve(), float64(r.Exits[0])/float64(r.Exits[len(r.Exits)-1]), 1)
}
