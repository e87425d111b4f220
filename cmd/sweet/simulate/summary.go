package simulate

import "math"

// A Summary is what `sweet simulate --json` prints.
type Summary struct {
	Messages       int64   `json:"messages"`
	Shed           int64   `json:"shed"`      // of them, which became dead letters
	AgeP50         float64 `json:"age_p50_s"` // from arrival until the answer is durable
	AgeP99         float64 `json:"age_p99_s"`
	OverTarget     float64 `json:"over_target_share"` // messages older than the target age, or shed
	LayersMean     float64 `json:"layers_mean"`       // run by a message, audits included
	LayersFull     int     `json:"layers_full"`
	AgreementBound float64 `json:"agreement_bound"` // see [Worker.Summary]
	Moves          float64 `json:"moves"`           // of the rung, of one replica on average
	ReplicasNeeded *int    `json:"replicas_needed"` // nil where none was found, see [Planner.Needed]
}

// Summary sums up r. The agreement bound is 1 − ε·(share of messages admitted
// below full depth), where ε is what the ladder's certificate bounds the
// disagreement of every rung by. With the certificate's confidence no rung
// disagrees more, so neither does any mixture of them, whoever chose it and
// however; what ran at full depth does not disagree at all.
func (w *Worker) Summary(r *Result, needed *int) Summary {
	all := func(n int64) int64 { return int64(math.Round(float64(n) * r.Weight)) }
	return Summary{
		Messages:       all(r.Messages()),
		Shed:           all(r.Shed),
		AgeP50:         r.Ages.Quantile(0.5).Seconds(),
		AgeP99:         r.Ages.Quantile(0.99).Seconds(),
		OverTarget:     r.LateShare(),
		LayersMean:     r.MeanLayers(),
		LayersFull:     w.Cost.FullLayers(),
		AgreementBound: 1 - w.limit()*r.BelowFull(),
		Moves:          float64(r.Moves) * r.Weight / float64(r.Replicas),
		ReplicasNeeded: needed,
	}
}
