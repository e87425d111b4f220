package calibrate

import (
	"math"
	"math/rand/v2"

	"sweetspot/inference"
)

// population returns labeled records. Full depth is right on about nine of ten;
// the first two exits answer as full depth does more often the surer they are:
// with the probability of their confidence.
func population(n int, seed uint64) Table {
	r := rand.New(rand.NewPCG(seed, 1))
	t := Table{Layers: []int{1, 2, 6}, Exits: make([][]inference.Exit, 3), Labels: make([]int, n)}
	for e := range t.Exits {
		t.Exits[e] = make([]inference.Exit, n)
	}
	for i := range n {
		t.Labels[i] = r.IntN(5)
		full := t.Labels[i]
		if r.Float64() > 0.9 {
			full = (full + 2) % 5
		}
		t.Exits[2][i] = inference.Exit{Label: full, Confidence: 1}
		for e, sharpness := range []float64{2, 6} {
			c := 1 - math.Pow(r.Float64(), sharpness)
			answer := full
			if r.Float64() > c {
				answer = (full + 1) % 5
			}
			t.Exits[e][i] = inference.Exit{Label: answer, Confidence: float32(c)}
		}
	}
	return t.probable()
}

// probable gives a table the probabilities that its confidences are.
func (t Table) probable() Table {
	t.Before, t.After = nil, nil
	for _, exits := range t.Exits {
		p := make([]float32, len(exits))
		for i, e := range exits {
			p[i] = e.Confidence
		}
		t.Before, t.After = append(t.Before, p), append(t.After, p)
	}
	return t
}

// floors are both kinds.
var floors = []inference.Floor{inference.AgreementFloor, inference.AccuracyFloor}
