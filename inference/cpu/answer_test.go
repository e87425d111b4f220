package cpu

import (
	"math"
	"testing"

	"sweetspot/inference"
)

func TestConfidenceIsByTheScore(t *testing.T) {
	ln3 := float32(math.Log(3)) // odds of three to one: probabilities of 3/4 and 1/4
	halves := 1 - (3*math.Log(4./3)+math.Log(4))/4/math.Log(2)
	for _, test := range []struct {
		name                         string
		logits                       []float32
		temperature                  float64
		probability, margin, entropy float64
	}{
		{"three to one", []float32{1, 1 + ln3}, 1, 0.75, 0.5, halves},
		{"three to one at temperature 2", []float32{2 * ln3, 0}, 2, 0.75, 0.5, halves},
		{"three of five", []float32{-4, ln3 - 4, -4}, 1, 0.6, 0.4, 1 - (0.6*math.Log(1/0.6)+0.4*math.Log(5))/math.Log(3)},
		{"all alike", []float32{7, 7, 7, 7, 7}, 1, 0.2, 0, 0},
		{"two alike, the third far below", []float32{500, 500, -500}, 1, 0.5, 0, 1 - math.Log(2)/math.Log(3)},
		{"certain", []float32{0, 3e38, -3e38}, 0.05, 1, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			for score, want := range map[inference.Score]float64{
				inference.MaxProbability: test.probability, inference.Margin: test.margin, inference.Entropy: test.entropy,
			} {
				e, ok := answer(test.logits, test.temperature, score)
				if !ok || math.Abs(float64(e.Confidence)-want) > 1e-6 || !(e.Confidence >= 0 && e.Confidence <= 1) {
					t.Errorf("%s: got confidence %v, %v, want %v", score, e.Confidence, ok, want)
				}
				if math.Abs(float64(e.Probability)-test.probability) > 1e-6 {
					t.Errorf("%s: got probability %v, want %v", score, e.Probability, test.probability)
				}
			}
		})
	}
}

func TestOneClassIsCertain(t *testing.T) {
	for _, score := range []inference.Score{inference.MaxProbability, inference.Margin} {
		if e, ok := answer([]float32{-3}, 1, score); !ok || e != (inference.Exit{Confidence: 1, Probability: 1}) {
			t.Errorf("%s: got %v, %v, want confidence and probability 1", score, e, ok)
		}
	}
}
