package devicetest

import (
	"testing"

	"sweetspot/inference"
)

// A misuse is a program that does not fit together in one place.
type misuse struct {
	name string
	do   func(r *run)
}

// misuses lists one of every kind. Each begins from parts that do fit: width 8,
// room for 6 tokens, a vocabulary of 6 and one position.
func misuses() []misuse {
	starts := []int32{0, 2, 6}
	exits := func(n int) []inference.Exit { return make([]inference.Exit, n) }
	embed := func(change func(in *inference.Tokens)) func(r *run) {
		return func(r *run) {
			in := inference.Tokens{IDs: []int32{0, 1, 2, 3}, Types: make([]uint8, 4), Starts: []int32{0, 2, 4}}
			change(&in)
			r.Embed(r.Buffer(6, 8), in, r.PlaceEmbedding(r.embedding(6, 3, 8)))
		}
	}
	head := func(r *run, temperature float32) inference.Head {
		return r.PlaceHead(inference.HeadWeights{
			Pooler: r.linear(8, 8), Classifier: r.linear(3, 8),
			Pooling: inference.CLS, Score: inference.MaxProbability, Temperature: temperature,
		})
	}
	scored := func(r *run, classes int, score inference.Score) {
		r.PlaceHead(inference.HeadWeights{
			Pooler: r.linear(8, 8), Classifier: r.linear(classes, 8), Pooling: inference.CLS, Score: score, Temperature: 1,
		})
	}
	return []misuse{
		{"embed an id outside the vocabulary", embed(func(in *inference.Tokens) { in.IDs[1] = 6 })},
		{"embed a negative id", embed(func(in *inference.Tokens) { in.IDs[1] = -1 })},
		{"embed a third token type", embed(func(in *inference.Tokens) { in.Types[3] = 2 })},
		{"embed a row longer than the positions", embed(func(in *inference.Tokens) { in.Starts = []int32{0, 4} })},
		{"embed fewer ids than the rows have", embed(func(in *inference.Tokens) { in.IDs = in.IDs[:3] })},
		{"embed fewer types than the rows have", embed(func(in *inference.Tokens) { in.Types = in.Types[:3] })},
		{"embed rows that go back", embed(func(in *inference.Tokens) { in.Starts = []int32{0, 3, 2, 4} })},
		{"embed no starts", embed(func(in *inference.Tokens) { in.Starts = nil })},
		{"embed into another width", func(r *run) {
			r.Embed(r.Buffer(6, 16), inference.Tokens{IDs: []int32{0}, Types: []uint8{0}, Starts: []int32{0, 1}},
				r.PlaceEmbedding(r.embedding(6, 3, 8)))
		}},
		{"embed into too small a buffer", func(r *run) {
			r.Embed(r.Buffer(1, 8), inference.Tokens{IDs: []int32{0, 1}, Types: []uint8{0, 0}, Starts: []int32{0, 2}},
				r.PlaceEmbedding(r.embedding(6, 3, 8)))
		}},
		{"multiply from another width", func(r *run) {
			r.Linear(r.Buffer(6, 16), r.source(6, 8), 6, r.PlaceLinear(r.linear(16, 12)), inference.Identity)
		}},
		{"multiply into another width", func(r *run) {
			r.Linear(r.Buffer(6, 12), r.source(6, 8), 6, r.PlaceLinear(r.linear(16, 8)), inference.Identity)
		}},
		{"multiply more tokens than there are", func(r *run) {
			r.Linear(r.Buffer(9, 16), r.source(6, 8), 7, r.PlaceLinear(r.linear(16, 8)), inference.Identity)
		}},
		{"multiply more tokens than there is room for", func(r *run) {
			r.Linear(r.Buffer(5, 16), r.source(6, 8), 6, r.PlaceLinear(r.linear(16, 8)), inference.Identity)
		}},
		{"multiply fewer than no tokens", func(r *run) {
			r.Linear(r.Buffer(6, 16), r.source(6, 8), -1, r.PlaceLinear(r.linear(16, 8)), inference.Identity)
		}},
		{"normalize by another width", func(r *run) {
			r.LinearNorm(r.source(6, 8), r.source(6, 8), 6, r.PlaceLinear(r.linear(8, 8)), r.PlaceNorm(r.norm(16)))
		}},
		{"attend with heads that do not divide the width", func(r *run) { r.Attend(r.Buffer(6, 8), r.source(6, 24), starts, 3) }},
		{"attend with no heads", func(r *run) { r.Attend(r.Buffer(6, 8), r.source(6, 24), starts, 0) }},
		{"attend without room for q, k and v", func(r *run) { r.Attend(r.Buffer(6, 8), r.source(6, 16), starts, 2) }},
		{"attend past the end", func(r *run) { r.Attend(r.Buffer(6, 8), r.source(6, 24), []int32{0, 7}, 2) }},
		{"attend rows that go back", func(r *run) { r.Attend(r.Buffer(6, 8), r.source(6, 24), []int32{0, 5, 3, 6}, 2) }},
		{"answer into too few exits", func(r *run) { r.Answer(exits(1), nil, r.source(6, 8), starts, head(r, 1)) }},
		{"answer into too few logits", func(r *run) { r.Answer(exits(2), make([]float32, 5), r.source(6, 8), starts, head(r, 1)) }},
		{"answer from another width", func(r *run) { r.Answer(exits(2), nil, r.source(6, 16), starts, head(r, 1)) }},
		{"answer past the end", func(r *run) { r.Answer(exits(1), nil, r.source(6, 8), []int32{0, 7}, head(r, 1)) }},
		{"pack a row that is not there", func(r *run) { r.Pack(r.Buffer(6, 8), 0, r.source(6, 8), starts, []int{2}) }},
		{"pack a negative row", func(r *run) { r.Pack(r.Buffer(6, 8), 0, r.source(6, 8), starts, []int{-1}) }},
		{"pack past the end", func(r *run) { r.Pack(r.Buffer(6, 8), 4, r.source(6, 8), starts, []int{1}) }},
		{"pack before the beginning", func(r *run) { r.Pack(r.Buffer(6, 8), -1, r.source(6, 8), starts, []int{0}) }},
		{"pack a buffer into itself", func(r *run) {
			x := r.source(6, 8)
			r.Pack(x, 0, x, starts, []int{1})
		}},
		{"pack into another width", func(r *run) { r.Pack(r.Buffer(6, 16), 0, r.source(6, 8), starts, []int{0}) }},
		{"read more tokens than there are", func(r *run) { r.Read(make([]float32, 7*8), r.source(6, 8)) }},
		{"read half a token", func(r *run) { r.Read(make([]float32, 12), r.source(6, 8)) }},
		{"place a linear layer with too few weights", func(r *run) {
			w := r.linear(8, 8)
			w.W = w.W[:63]
			r.PlaceLinear(w)
		}},
		{"place a linear layer with too few biases", func(r *run) {
			w := r.linear(8, 8)
			w.B = w.B[:7]
			r.PlaceLinear(w)
		}},
		{"place a norm of two widths", func(r *run) {
			w := r.norm(8)
			w.Bias = w.Bias[:7]
			r.PlaceNorm(w)
		}},
		{"place embeddings of two widths", func(r *run) {
			w := r.embedding(6, 3, 8)
			w.Word = w.Word[:47]
			r.PlaceEmbedding(w)
		}},
		{"place a head without a temperature", func(r *run) { head(r, 0) }},
		{"place a head with a score that there is not", func(r *run) { scored(r, 3, "luck") }},
		{"place a head for the entropy of one class", func(r *run) { scored(r, 1, inference.Entropy) }},
	}
}

// failuresStick checks that every misuse is reported by Wait, that it stays the
// one that is reported, and that nothing panics.
func failuresStick(t *testing.T, open Open) {
	t.Helper()
	for _, m := range misuses() {
		t.Run(m.name, func(t *testing.T) {
			d := opened(t, open)
			play(t, d, func(r *run) []float32 {
				m.do(r)
				first := r.Wait(t.Context(), r.Submit())
				if first == nil {
					t.Fatal("got no error")
				}
				x := r.source(6, 8)
				r.Pack(r.Buffer(1, 8), 0, x, single(6), []int{0, 1})
				if again := r.Wait(t.Context(), r.Submit()); again == nil || again.Error() != first.Error() {
					t.Errorf("got %v after a second failure, want still the first: %v", again, first)
				}
				return nil
			})
		})
	}
}

// copiesWeights checks that what a caller does to its weights after placing
// them changes nothing.
func copiesWeights(t *testing.T, open Open, o Options) {
	t.Helper()
	placed := func(spoil func(weights ...[]float32)) program {
		return func(r *run) []float32 {
			table, up, norm, pooler, classifier := r.embedding(6, 1, 8), r.linear(8, 8), r.norm(8), r.linear(8, 8), r.linear(3, 8)
			e, l, n := r.PlaceEmbedding(table), r.PlaceLinear(up), r.PlaceNorm(norm)
			h := r.PlaceHead(inference.HeadWeights{
				Pooler: pooler, Classifier: classifier, Pooling: inference.Mean, Score: inference.MaxProbability, Temperature: 1,
			})
			spoil(table.Word, table.Position, table.Type, table.Norm.Gain, table.Norm.Bias, up.W, up.B, norm.Gain, norm.Bias,
				pooler.W, pooler.B, classifier.W, classifier.B)
			x, y := r.Buffer(6, 8), r.Buffer(6, 8)
			in := inference.Tokens{IDs: []int32{0, 1, 2, 3, 4, 5}, Types: make([]uint8, 6), Starts: single(6)}
			r.Embed(x, in, e)
			r.Linear(y, x, 6, l, inference.GELU)
			r.LinearNorm(x, y, 6, l, n)
			logits := make([]float32, 18)
			r.Answer(make([]inference.Exit, 6), logits, x, in.Starts, h)
			r.finish()
			return logits
		}
	}
	got := play(t, opened(t, open), placed(func(weights ...[]float32) {
		for _, w := range weights {
			clear(w)
		}
	}))
	want := play(t, Reference(), placed(func(...[]float32) {}))
	if d := difference(got, want); !(d <= o.Tolerance) {
		t.Errorf("got logits %v from float64's after the weights were cleared, want within %v", d, o.Tolerance)
	}
}
