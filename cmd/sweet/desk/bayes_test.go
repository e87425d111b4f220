package desk

import (
	"math"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// A bayes is a multinomial naive Bayes classifier over words: as good as a bag
// of words gets without depth.
type bayes struct {
	labels  []string
	words   map[string][]float64 // count by label
	totals  []float64            // words by label
	lengths []float64            // messages by label
}

func bagOfWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return !unicode.IsLetter(c) })
}

func trainBayes(messages []Message) *bayes {
	b := &bayes{labels: Labels(), words: map[string][]float64{}}
	b.totals, b.lengths = make([]float64, len(b.labels)), make([]float64, len(b.labels))
	for _, m := range messages {
		l := slices.Index(b.labels, m.Label)
		b.lengths[l]++
		for _, w := range bagOfWords(m.Text) {
			if b.words[w] == nil {
				b.words[w] = make([]float64, len(b.labels))
			}
			b.words[w][l]++
			b.totals[l]++
		}
	}
	return b
}

func (b *bayes) classify(text string) string {
	scores := make([]float64, len(b.labels))
	for l := range scores {
		scores[l] = math.Log(b.lengths[l])
	}
	for _, w := range bagOfWords(text) {
		counts := b.words[w]
		if counts == nil {
			continue
		}
		for l := range scores {
			scores[l] += math.Log((counts[l] + 0.3) / (b.totals[l] + 0.3*float64(len(b.words))))
		}
	}
	return b.labels[slices.Index(scores, slices.Max(scores))]
}

func TestABagOfWordsNeedsDepthFromLevelTwoOn(t *testing.T) {
	b := trainBayes(write(New(1, Train, DefaultMix), 20_000))
	var right, all [5]float64
	for _, m := range write(New(2, Test, DefaultMix), 6_000) {
		all[m.Level]++
		if b.classify(m.Text) == m.Label {
			right[m.Level]++
		}
	}
	bounds := [5][2]float64{1: {0.88, 1}, 2: {0.3, 0.7}, 3: {0.3, 0.62}, 4: {0.25, 0.6}}
	for level := 1; level <= 4; level++ {
		got := right[level] / all[level]
		t.Logf("level %d: %.1f %% of %.0f right", level, 100*got, all[level])
		if got < bounds[level][0] || got > bounds[level][1] {
			t.Errorf("level %d: got %.3f right, want %v", level, got, bounds[level])
		}
	}
}

func write(g *Generator, n int) []Message {
	messages := make([]Message, n)
	for i := range messages {
		messages[i] = g.Next()
	}
	return messages
}
