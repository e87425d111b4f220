package simulate

import (
	"testing"
	"time"

	"sweetspot/inference"
	"sweetspot/pipeline/control"
)

// bundled is a worker much like one with the bundled model on two cores.
func bundled() *Worker {
	w := &Worker{
		Cost: Cost{
			Model: "bundled", Device: "cpu", Precision: "f32", BatchTokens: 2048, Depth: 1,
			Stages: []StageCost{
				{Base: 60e-6, PerToken: 4.6e-6, Layers: 1, Disagreement: 0.40},
				{Base: 60e-6, PerToken: 4.0e-6, Layers: 2, Disagreement: 0.03},
				{Base: 80e-6, PerToken: 8.0e-6, Layers: 4, Disagreement: 0.01},
				{Base: 80e-6, PerToken: 8.0e-6, Layers: 6},
			},
			Lengths: []LengthCount{{9, 10}, {15, 20}, {22, 25}, {30, 20}, {40, 15}, {60, 8}, {100, 2}},
		},
		Control: control.Config{
			TargetAge: time.Second, ControlEvery: 250 * time.Millisecond, Overload: control.Wait,
			AuditRate: 0.01, AlarmEvery: 10000, StateBucket: "sweetspot",
		},
		Shares: Shares{Audited: 0.01},
		Seed:   1,
	}
	w.Ladder.Rungs = []inference.Rung{
		{Reach: []float64{1, 1, 1, 1}},
		{Reach: []float64{1, 0.543, 0.0895, 0.0559}, Disagreement: 0.0031},
		{Reach: []float64{1, 0.513, 0.0777, 0.0372}, Disagreement: 0.0057},
		{Reach: []float64{1, 0.504, 0.0480, 0.0288}, Disagreement: 0.0091},
		{Reach: []float64{1, 0.472, 0.0387, 0.0195}, Disagreement: 0.0142},
	}
	w.Ladder.Epsilon = 0.02
	return w
}

// shape is a load of the worker's: its peak is 2.5 times full depth.
func shape(t *testing.T, w *Worker, name string) Load {
	t.Helper()
	l, err := Shape(name)
	if err != nil {
		t.Fatal(err)
	}
	return l.Scaled(2.5 * w.Cost.Capacity())
}
