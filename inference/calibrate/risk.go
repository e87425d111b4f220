package calibrate

import "sweetspot/inference"

// A Rate is the share of some records that something happened to.
type Rate struct {
	Records int     `json:"records"`
	Count   int     `json:"count"` // those that it happened to
	Share   float64 `json:"share"` // Count/Records; 0 where there are no records
	Bound   float64 `json:"bound"` // Clopper–Pearson upper bound on the true share at level 1−δ, this one taken by itself; 1 where there are no records
}

func newRate(count, records int, delta float64) Rate {
	return Rate{
		Records: records, Count: count,
		Share: float64(count) / float64(max(records, 1)),
		Bound: UpperBound(count, records, delta),
	}
}

// A Risk is what one rung loses on the certification half: over all records, and
// over those that leave at each exit, which may be worse than the whole.
type Risk struct {
	Disagreement Rate   `json:"disagreement"`   // answers that differ from full depth's
	Loss         *Rate  `json:"loss,omitempty"` // full depth right, the rung wrong; nil without an accuracy floor
	Exits        []Rate `json:"exits"`          // (m) among those that leave there, what the floor counts: differing answers, or losses
}

func newRisk(f inference.Floor, y tally, delta float64) Risk {
	n := sum(y.left)
	r := Risk{Disagreement: newRate(sum(y.differ), n, delta), Exits: make([]Rate, len(y.left))}
	if f == inference.AccuracyFloor {
		loss := newRate(sum(y.lose), n, delta)
		r.Loss = &loss
	}
	for e, left := range y.left {
		r.Exits[e] = newRate(y.lose[e], left, delta)
	}
	return r
}

// fullDepth makes the bounds of rung 0 what they are by definition: full depth
// agrees with itself, on whatever records.
func (r Risk) fullDepth() Risk {
	r.Disagreement.Bound = 0
	if r.Loss != nil {
		r.Loss.Bound = 0
	}
	for e := range r.Exits {
		r.Exits[e].Bound = 0
	}
	return r
}
