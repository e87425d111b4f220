package pipeline

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/devicetest"
)

// newModel returns a random model over the vocabulary of the tests, with a
// ladder of thresholds beside full depth.
func newModel(t *testing.T, method inference.Method, score inference.Score, thresholds inference.Thresholds) *inference.Model {
	t.Helper()
	m, err := inference.New(randomDirectory(method, score), devicetest.Reference(), inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m.Ladder.Rungs = append(m.Ladder.Rungs, inference.Rung{Thresholds: thresholds, Reach: []float64{1, 0.5, 0.25}})
	return m
}

// TestStagedResultsAreTheModels runs texts through the pipeline in small
// batches, with a real model, and compares every result with what the model
// says of its row alone.
func TestStagedResultsAreTheModels(t *testing.T) {
	for _, test := range []struct {
		method     inference.Method
		score      inference.Score
		thresholds inference.Thresholds // that about half of the rows pass
		layers     []int
	}{
		{inference.EarlyExit, inference.MaxProbability, inference.Thresholds{0.5, 0.4}, []int{1, 2, 4}},
		{inference.EarlyExit, inference.Margin, inference.Thresholds{0.2, 0.1}, []int{1, 2, 4}},
		{inference.MultiModel, inference.Entropy, inference.Thresholds{0.18, 0.06}, []int{1, 3, 7}},
	} {
		t.Run(fmt.Sprintf("%s by %s", test.method, test.score), func(t *testing.T) {
			stagedResultsAreTheModels(t, newModel(t, test.method, test.score, test.thresholds), test.layers)
		})
	}
}

func stagedResultsAreTheModels(t *testing.T, m *inference.Model, layers []int) {
	t.Helper()
	r := rand.New(rand.NewPCG(4, 4))
	s := newShelf()
	const messages = 200
	for range messages {
		s.putMessage(randomMessage(r))
	}
	rig := newRig(t, s, func(c *Config, parts *Parts) {
		c.BatchTokens, c.ResultScores = 40, true
		parts.Encoder, parts.Labels, parts.Layers, parts.Rungs = ModelEncoder(m), m.Labels, layers, m.Ladder.Rungs
	})
	if err := rig.runUntil(t, messages); err != nil {
		t.Fatal(err)
	}
	runner, err := inference.NewRunner(m, 16)
	if err != nil {
		t.Fatal(err)
	}
	left := map[int]int{}
	for _, got := range rig.sink.kept {
		row, err := rig.parts.Tokenizer.Row(nil, string(got.Message.Value), "", 16, rig.truncate)
		if err != nil {
			t.Fatal(err)
		}
		alone, err := runner.Answers(t.Context(), []inference.Row{{Tokens: row.IDs, Second: row.Second, Rung: uint8(got.Rung)}})
		if err != nil {
			t.Fatal(err)
		}
		want := alone[0]
		if got.Label != m.Labels[want.Exit.Label] || got.Score != want.Exit.Probability || got.Exit != want.Stage+1 || got.Layers != m.StageLayers(want.Stage) {
			t.Errorf("%s: got %s %v by exit %d after %d layers, alone it is %+v", got.Message.Value, got.Label, got.Score, got.Exit, got.Layers, want)
		}
		if len(got.Scores) != 3 || got.Scores[0] != (LabelScore{got.Label, got.Score}) || got.Scores[1].Score < got.Scores[2].Score {
			t.Errorf("%s: got scores %v of %s %v", got.Message.Value, got.Scores, got.Label, got.Score)
		}
		left[got.Exit]++
	}
	if len(left) != 3 || len(rig.sink.kept) != messages {
		t.Errorf("%d of %d results, by exits %v: the test has tested little", len(rig.sink.kept), messages, left)
	}
}

func TestModelEncoderRefusesBatchesOfOthers(t *testing.T) {
	e := ModelEncoder(newModel(t, inference.EarlyExit, inference.MaxProbability, inference.Thresholds{0.5, 0.4}))
	foreign := &scriptBatch{}
	if err := e.Forward(t.Context(), foreign); err == nil || !strings.Contains(err.Error(), "another encoder") {
		t.Errorf("forward: got %v", err)
	}
	b, err := e.NewBatch(1, 16)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Take(foreign, []int{0}); err == nil || !strings.Contains(err.Error(), "another encoder") {
		t.Errorf("take: got %v", err)
	}
}
