package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"sweetspot/inference"
)

// A program is a few operations on a device with the same random weights
// wherever it runs. It returns logits.
type program func(r *run) []float32

// A run is one program under way on one device.
type run struct {
	inference.Device

	t   *testing.T
	rng *rand.Rand
}

// play runs p on d. The seed fixes all weights.
func play(t *testing.T, d inference.Device, p program) []float32 {
	t.Helper()
	return p(&run{Device: d, t: t, rng: rand.New(rand.NewPCG(7, 7))})
}

// compare runs p on the device under test and on the plain one.
func compare(t *testing.T, open Open, o Options, p program) {
	t.Helper()
	got, want := play(t, opened(t, open), p), play(t, Reference(), p)
	if d := difference(got, want); !(d <= o.Tolerance) {
		t.Errorf("got values %v from float64's, want within %v", d, o.Tolerance)
	}
}

// finish waits for everything that was queued.
func (r *run) finish() {
	r.t.Helper()
	if err := r.Wait(r.t.Context(), r.Submit()); err != nil {
		r.t.Fatalf("waiting for the device: %v", err)
	}
}

func (r *run) linear(n, k int) inference.LinearWeights {
	return inference.LinearWeights{W: normal(r.rng, n*k, 0, 1/math.Sqrt(float64(k))), B: normal(r.rng, n, 0, 0.5), N: n, K: k}
}

func (r *run) norm(width int) inference.NormWeights {
	return inference.NormWeights{Gain: normal(r.rng, width, 1, 0.3), Bias: normal(r.rng, width, 0, 0.5), Epsilon: 1e-12}
}

func (r *run) embedding(vocabulary, positions, width int) inference.EmbeddingWeights {
	return inference.EmbeddingWeights{
		Word:     normal(r.rng, vocabulary*width, 0, 1),
		Position: normal(r.rng, positions*width, 0, 1),
		Type:     normal(r.rng, 2*width, 0, 1),
		Norm:     r.norm(width),
	}
}

// source returns a buffer of random activations (T, D): layer norms of random
// vectors, since embedding is the only way in.
func (r *run) source(tokens, width int) inference.Buffer {
	out := r.Buffer(tokens, width)
	in := inference.Tokens{IDs: make([]int32, tokens), Types: make([]uint8, tokens), Starts: single(tokens)}
	for t := range tokens {
		in.IDs[t] = int32(t)
	}
	r.Embed(out, in, r.PlaceEmbedding(r.embedding(tokens, 1, width)))
	return out
}

// single returns the starts of rows of one token each.
func single(tokens int) []int32 {
	return rowsOf(make([]int, tokens), 1)
}

// rowsOf returns the starts of rows of these lengths plus extra.
func rowsOf(lengths []int, extra int) []int32 {
	starts := make([]int32, 1, len(lengths)+1)
	for r, n := range lengths {
		starts = append(starts, starts[r]+int32(n+extra))
	}
	return starts
}

// values reads x (T, D) back.
func (r *run) values(x inference.Buffer, tokens int) []float32 {
	r.t.Helper()
	_, width := x.Shape()
	values := make([]float32, tokens*width)
	r.Read(values, x)
	r.finish()
	return values
}

// operations checks every operation by itself.
func operations(t *testing.T, open Open, o Options) {
	t.Helper()
	for _, lengths := range [][]int{{1}, {1, 2, 3, 4, 5}, {16, 1, 7, 31}} {
		for _, width := range []int{8, 24, 40, 64, 128} {
			t.Run(fmt.Sprintf("embed rows of %v, width %d", lengths, width), func(t *testing.T) {
				compare(t, open, o, embedRows(lengths, width))
			})
		}
	}
	for _, s := range []struct{ tokens, k, n int }{
		{1, 8, 8}, {1, 64, 192}, {3, 20, 60}, {7, 33, 5}, {13, 64, 17}, {16, 128, 96}, {29, 96, 256}, {37, 256, 96}, {61, 17, 100}, {5, 1, 1},
	} {
		t.Run(fmt.Sprintf("linear (%d, %d) to %d", s.tokens, s.k, s.n), func(t *testing.T) {
			compare(t, open, o, multiply(s.tokens, s.k, s.n, inference.Identity))
		})
		t.Run(fmt.Sprintf("linear and GELU (%d, %d) to %d", s.tokens, s.k, s.n), func(t *testing.T) {
			compare(t, open, o, multiply(s.tokens, s.k, s.n, inference.GELU))
		})
		t.Run(fmt.Sprintf("linear and norm (%d, %d)", s.tokens, s.k), func(t *testing.T) {
			compare(t, open, o, multiplyNorm(s.tokens, s.k, 40))
		})
	}
	for _, size := range []int{8, 16, 24, 32, 64} {
		for _, heads := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("attend, %d heads of %d", heads, size), func(t *testing.T) {
				compare(t, open, o, attendRows([]int{1, 2, 3, 9, 16, 17, 40, 1}, size, heads))
			})
		}
	}
	t.Run("attend one long row", func(t *testing.T) { compare(t, open, o, attendRows([]int{130}, 16, 2)) })
	for _, pooling := range []inference.Pooling{inference.CLS, inference.Mean} {
		for _, classes := range []int{1, 2, 3, 17, 151} {
			for _, score := range []inference.Score{inference.MaxProbability, inference.Margin, inference.Entropy} {
				if score.Validate(classes) != nil {
					continue
				}
				t.Run(fmt.Sprintf("answer by %s and %s, %d classes", pooling, score, classes), func(t *testing.T) {
					answers(t, open, o, pooling, score, classes)
				})
			}
		}
	}
	t.Run("pack", func(t *testing.T) { compare(t, open, o, packRows) })
	t.Run("read before and after a change", func(t *testing.T) { compare(t, open, o, readBack) })
}

// embedRows embeds rows whose second text begins in their middle.
func embedRows(lengths []int, width int) program {
	return func(r *run) []float32 {
		const vocabulary = 50
		in := inference.Tokens{Starts: rowsOf(lengths, 0)}
		for _, n := range lengths {
			for i := range n {
				in.IDs = append(in.IDs, r.rng.Int32N(vocabulary))
				in.Types = append(in.Types, uint8(2*i/n))
			}
		}
		out := r.Buffer(len(in.IDs), width)
		r.Embed(out, in, r.PlaceEmbedding(r.embedding(vocabulary, 31, width)))
		return r.values(out, len(in.IDs))
	}
}

// multiply checks (T, K) times (K, N). Both sizes are free, unlike those of
// embeddings and answers, so there is a product before and one after it.
func multiply(tokens, k, n int, act inference.Activation) program {
	const width = 64
	return func(r *run) []float32 {
		in, out, back := r.Buffer(tokens, k), r.Buffer(tokens+3, n), r.Buffer(tokens, width)
		r.Linear(in, r.source(tokens, width), tokens, r.PlaceLinear(r.linear(k, width)), inference.Identity)
		r.Linear(out, in, tokens, r.PlaceLinear(r.linear(n, k)), act)
		r.Linear(back, out, tokens, r.PlaceLinear(r.linear(width, n)), inference.Identity)
		return r.values(back, tokens)
	}
}

func multiplyNorm(tokens, k, width int) program {
	return func(r *run) []float32 {
		in, x := r.Buffer(tokens, k), r.source(tokens, width)
		r.Linear(in, x, tokens, r.PlaceLinear(r.linear(k, width)), inference.GELU)
		r.LinearNorm(x, in, tokens, r.PlaceLinear(r.linear(width, k)), r.PlaceNorm(r.norm(width)))
		return r.values(x, tokens)
	}
}

func attendRows(lengths []int, size, heads int) program {
	return func(r *run) []float32 {
		starts, width := rowsOf(lengths, 0), size*heads
		tokens := int(starts[len(lengths)])
		in, qkv, out := r.source(tokens, width), r.Buffer(tokens, 3*width), r.Buffer(tokens, width)
		r.Linear(qkv, in, tokens, r.PlaceLinear(r.linear(3*width, width)), inference.Identity)
		r.Attend(out, qkv, starts, heads)
		return r.values(out, tokens)
	}
}

// packRows packs twice behind what is there: rows out of order, one of them
// twice, and what lies behind them stays as it was.
func packRows(r *run) []float32 {
	const width = 24
	starts := rowsOf([]int{3, 1, 5, 2, 4}, 0)
	src, dst := r.source(15, width), r.source(30, width)
	r.Pack(dst, 4, src, starts, []int{3, 0})
	r.Pack(dst, 9, src, starts, []int{4, 2, 4})
	r.Pack(dst, 0, src, starts, nil)
	return r.values(dst, 30)
}

// readBack reads a part of a buffer, and none of it, with an operation queued
// behind that changes it.
func readBack(r *run) []float32 {
	const width = 24
	x, up := r.source(9, width), r.linear(width, width)
	first, none := make([]float32, 5*width), []float32{}
	r.Read(first, x)
	r.Read(none, x)
	r.LinearNorm(x, r.source(9, width), 9, r.PlaceLinear(up), r.PlaceNorm(r.norm(width)))
	return append(r.values(x, 9), first...)
}

// answers checks logits, labels, confidences and probabilities of a head at a temperature
// other than 1, and that logits need not be asked for.
func answers(t *testing.T, open Open, o Options, pooling inference.Pooling, score inference.Score, classes int) {
	t.Helper()
	lengths := []int{1, 2, 3, 12, 1, 20}
	const width, temperature = 40, 1.7
	head := func(r *run) (exits []inference.Exit, logits []float32) {
		starts := rowsOf(lengths, 0)
		x := r.source(int(starts[len(lengths)]), width)
		h := r.PlaceHead(inference.HeadWeights{
			Pooler: r.linear(width, width), Classifier: r.linear(classes, width),
			Pooling: pooling, Score: score, Temperature: temperature,
		})
		exits, logits = make([]inference.Exit, len(lengths)), make([]float32, len(lengths)*classes)
		without := make([]inference.Exit, len(lengths))
		r.Answer(exits, logits, x, starts, h)
		r.Answer(without, nil, x, starts, h)
		r.finish()
		for i, e := range exits {
			if without[i] != e {
				r.t.Errorf("row %d: got %v without logits, want %v", i, without[i], e)
			}
		}
		return exits, logits
	}
	var want []inference.Exit
	reference := play(t, Reference(), func(r *run) (logits []float32) {
		want, logits = head(r)
		return logits
	})
	compare(t, open, o, func(r *run) []float32 {
		exits, logits := head(r)
		for i, e := range exits {
			checkExit(r.t, i, e, want[i], reference[i*classes:(i+1)*classes], o)
		}
		return logits
	})
}
