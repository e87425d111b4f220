package calibrate

import "sweetspot/inference"

// differs reports whether record i is answered otherwise at exit e than at full
// depth.
func (t Table) differs(e, i int) bool { return t.Exits[e][i].Label != t.full(i) }

// loses reports whether the answer of exit e to record i counts against the
// floor. A record that full depth has wrong is never lost to an accuracy floor,
// so its loss is a difference too.
func (t Table) loses(f inference.Floor, e, i int) bool {
	return t.differs(e, i) && (f != inference.AccuracyFloor || t.full(i) == t.Labels[i])
}

// A tally counts what one vector of thresholds does to the records of a table,
// by the exit where they leave.
type tally struct {
	left   []int // (m) records that leave
	differ []int // (m) of them, those that full depth answers otherwise
	lose   []int // (m) of them, those that count against the floor
}

func (t Table) tally(f inference.Floor, th inference.Thresholds) tally {
	m := len(t.Exits)
	y := tally{left: make([]int, m), differ: make([]int, m), lose: make([]int, m)}
	for i := range t.Records() {
		e := 0
		for !th.Leaves(e, t.Exits[e][i]) {
			e++
		}
		y.left[e]++
		if t.differs(e, i) {
			y.differ[e]++
		}
		if t.loses(f, e, i) {
			y.lose[e]++
		}
	}
	return y
}

// rung describes thresholds by what they do to the records of the table. The
// bounds hold at level 1−δ.
func (t Table) rung(f inference.Floor, th inference.Thresholds, delta float64) (inference.Rung, tally) {
	y := t.tally(f, th)
	n, m := t.Records(), len(t.Exits)
	r := inference.Rung{Thresholds: th, Reach: make([]float64, m), Risk: make([]float64, m)}
	layers, reach := 0, n
	for e, left := range y.left {
		layers += left * t.Layers[e]
		r.Reach[e] = float64(reach) / float64(n)
		r.Risk[e] = float64(y.lose[e]) / float64(max(left, 1))
		reach -= left
	}
	r.Cost = float64(layers) / float64(n) / float64(t.Layers[m-1])
	differ := newRate(sum(y.differ), n, delta)
	r.Disagreement, r.Bound = differ.Share, differ.Bound
	if f == inference.AccuracyFloor {
		lose := newRate(sum(y.lose), n, delta)
		r.Loss, r.LossBound = lose.Share, lose.Bound
	}
	return r, y
}

func sum(counts []int) int {
	total := 0
	for _, c := range counts {
		total += c
	}
	return total
}
