package calibrate

import (
	"math"
	"math/rand/v2"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/devicetest"
)

// TestCostOfAMultiModelIsOfAllItsModels calibrates models that differ in the
// method alone: a rung costs what its records ran, as a share of what they would
// have run at full depth.
func TestCostOfAMultiModelIsOfAllItsModels(t *testing.T) {
	for _, test := range []struct {
		method inference.Method
		run    []float64 // layers that each stage runs
	}{
		{inference.EarlyExit, []float64{1, 1, 2}},
		{inference.MultiModel, []float64{1, 2, 4}},
	} {
		t.Run(string(test.method), func(t *testing.T) {
			dir := devicetest.Random(inference.Config{
				Vocab: 40, Width: 8, Layers: 4, Heads: 1, FeedForward: 16, Positions: 8, Types: 2, Epsilon: 1e-12,
				Labels: []string{"a", "b", "c"}, Exits: []int{1, 2, 4}, Pooling: []inference.Pooling{inference.CLS, inference.CLS, inference.CLS},
				Score: inference.Margin, Method: test.method,
			}, 1)
			r := rand.New(rand.NewPCG(1, 1))
			rows := make([]inference.Row, 400)
			for i := range rows {
				rows[i] = inference.Row{Tokens: []int32{2, r.Int32N(40), r.Int32N(40), 3}, Second: 4}
			}
			got, err := Run(t.Context(), dir, devicetest.Reference(), Records{Rows: rows}, Options{
				Floor: 0.3, Confidence: 0.5, Rungs: 5, Seed: 1, Limits: inference.Options{MaxTokens: 8, Truncate: "right"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Ladder.Rungs) < 2 {
				t.Fatalf("got %d rungs: the test has tested little", len(got.Ladder.Rungs))
			}
			for k, rung := range got.Ladder.Rungs {
				ran, full := 0.0, 0.0
				for stage, layers := range test.run {
					ran += rung.Reach[stage] * layers
					full += layers
				}
				if math.Abs(rung.Cost-ran/full) > 1e-9 {
					t.Errorf("rung %d: got cost %v with reach %v, want %v", k, rung.Cost, rung.Reach, ran/full)
				}
			}
		})
	}
}

// TestProbabilitiesAreNotTheScores measures a model whose exits are judged by
// their margin: reliability is about the probability of the answer all the same.
func TestProbabilitiesAreNotTheScores(t *testing.T) {
	dir := devicetest.Random(inference.Config{
		Vocab: 40, Width: 8, Layers: 2, Heads: 1, FeedForward: 16, Positions: 8, Types: 2, Epsilon: 1e-12,
		Labels: []string{"a", "b", "c"}, Exits: []int{1, 2}, Pooling: []inference.Pooling{inference.CLS, inference.CLS},
		Score: inference.Margin, Method: inference.EarlyExit,
	}, 1)
	rows := []inference.Row{{Tokens: []int32{2, 7, 3}, Second: 3}, {Tokens: []int32{2, 30, 11, 3}, Second: 4}}
	temperatures := []float32{0.5, 2}
	m, err := inference.New(dir, devicetest.Reference(), inference.Options{Temperatures: temperatures})
	if err != nil {
		t.Fatal(err)
	}
	logits, err := Measure(t.Context(), m, rows, WithLogits, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Measure(t.Context(), m, rows, WithProbabilities, nil)
	if err != nil {
		t.Fatal(err)
	}
	for e := range temperatures {
		for i := range rows {
			z := logits.Logits[e][3*i : 3*i+3]
			for _, tt := range []struct{ got, temperature float32 }{{got.Before[e][i], 1}, {got.After[e][i], temperatures[e]}} {
				want, sum := 0.0, 0.0
				for _, v := range z {
					p := math.Exp(float64(v / tt.temperature))
					want, sum = max(want, p), sum+p
				}
				if math.Abs(float64(tt.got)-want/sum) > 1e-6 {
					t.Errorf("exit %d, record %d: got probability %v at temperature %v, want %v", e+1, i+1, tt.got, tt.temperature, want/sum)
				}
			}
			if got.After[e][i] == got.Exits[e][i].Confidence {
				t.Errorf("exit %d, record %d: the probability is the margin, %v", e+1, i+1, got.After[e][i])
			}
		}
	}
}
