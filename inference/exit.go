package inference

// An Exit is one row's answer at one stage, temperature applied.
type Exit struct {
	Label      int     // index into [Model.Labels]
	Confidence float32 // in [0, 1], by the exit's [Score]
}

// Thresholds says, for every stage but the last, how confident a row must be
// to leave there. A value above 1 means never. Thresholds are never changed
// once made; another policy is another value.
type Thresholds []float32

// Leaves reports whether a row with exit e leaves after the given stage,
// counted from 0. Every row leaves after the last.
func (t Thresholds) Leaves(stage int, e Exit) bool {
	return stage >= len(t) || e.Confidence >= t[stage]
}
