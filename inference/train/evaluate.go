package train

import (
	"context"
	"errors"

	"sweetspot/inference"
)

// A Measurement is what every exit of a model answers to every row of a set.
type Measurement struct {
	classes int
	labels  []int32            // (R) the right ones
	layers  []int              // (exits) run by a row that leaves there
	answers [][]inference.Exit // (exits, R)
}

// Measure runs labeled rows through all exits of m.
func Measure(ctx context.Context, m *inference.Model, rows []Row) (*Measurement, error) {
	if len(rows) == 0 {
		return nil, errors.New("there are no rows to measure")
	}
	x := &Measurement{classes: len(m.Labels), labels: make([]int32, len(rows))}
	in := make([]inference.Row, len(rows))
	for i, r := range rows {
		if r.Label < 0 {
			return nil, errors.New("there is a row without a label")
		}
		x.labels[i] = r.Label
		in[i] = inference.Row{Tokens: r.Tokens, Second: r.Second}
	}
	for stage := range m.Stages() {
		x.layers = append(x.layers, m.StageLayers(stage))
		x.answers = append(x.answers, make([]inference.Exit, len(rows)))
	}
	runner, err := inference.NewRunner(m, 0)
	if err != nil {
		return nil, err
	}
	err = runner.Each(ctx, in, func(row, stage int, e inference.Exit, _ []float32) bool {
		x.answers[stage][row] = e
		return false
	})
	return x, err
}

// ExitScore says how good one exit is on its own.
type ExitScore struct {
	Layer int `json:"layer"`
	Scores
	Agreement float64 `json:"agreement"` // share of rows on which it answers as the last exit does
}

// Exits scores every exit; positive is the label that F1 is of, see
// [Tally.Scores].
func (x *Measurement) Exits(positive int) []ExitScore {
	scores := make([]ExitScore, len(x.answers))
	for stage := range scores {
		s, agreement := x.score(positive, nil, func(int) int { return stage })
		scores[stage] = ExitScore{Layer: x.layers[stage], Scores: s, Agreement: agreement}
	}
	return scores
}

// AccuracyOf returns every exit's accuracy over the rows that keep says.
func (x *Measurement) AccuracyOf(keep func(row int) bool) []float64 {
	accuracies := make([]float64, len(x.answers))
	for stage := range accuracies {
		s, _ := x.score(0, keep, func(int) int { return stage })
		accuracies[stage] = s.Accuracy
	}
	return accuracies
}

// A Point is how good the model is where rows leave at one threshold.
type Point struct {
	Threshold float64 `json:"threshold"`
	Scores
	Agreement  float64 `json:"agreement"`
	MeanLayers float64 `json:"mean_layers"`
}

// Sweep scores the model for each threshold, the same for all exits; positive is
// the label that F1 is of.
func (x *Measurement) Sweep(positive int, thresholds []float64) []Point {
	points := make([]Point, len(thresholds))
	for i, threshold := range thresholds {
		layers := 0
		s, agreement := x.score(positive, nil, func(row int) int {
			stage := 0
			for stage < len(x.answers)-1 && !(float64(x.answers[stage][row].Confidence) >= threshold) {
				stage++
			}
			layers += x.layers[stage]
			return stage
		})
		points[i] = Point{
			Threshold: threshold, Scores: s, Agreement: agreement,
			MeanLayers: float64(layers) / float64(len(x.labels)),
		}
	}
	return points
}

// score returns the metrics and the agreement over the rows that keep says, nil
// for all, where each row leaves at the stage that leave says.
func (x *Measurement) score(positive int, keep func(row int) bool, leave func(row int) int) (scores Scores, agreement float64) {
	last := x.answers[len(x.answers)-1]
	tally := NewTally(x.classes)
	var agree, all int
	for row, label := range x.labels {
		if keep != nil && !keep(row) {
			continue
		}
		all++
		got := x.answers[leave(row)][row].Label
		tally.Add(int(label), got)
		if got == last[row].Label {
			agree++
		}
	}
	return tally.Scores(positive), float64(agree) / float64(all)
}
