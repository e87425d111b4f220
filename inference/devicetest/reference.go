package devicetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sweetspot/inference"
)

// Reference returns a device of plain loops in float64. It is exact to about
// twelve digits and slow, for tests only.
func Reference() inference.Device { return &reference{} }

// reference carries every operation out at once.
type reference struct {
	err error // the first failure
}

type buffer struct {
	tokens, width int
	data          []float64
}

// Shape is the room of the buffer.
func (b *buffer) Shape() (tokens, width int) { return b.tokens, b.width }

type (
	placedLinear    struct{ inference.LinearWeights }
	placedNorm      struct{ inference.NormWeights }
	placedEmbedding struct{ inference.EmbeddingWeights }
	placedHead      struct{ inference.HeadWeights }
)

// Shape is (N, K).
func (l placedLinear) Shape() (n, k int) { return l.N, l.K }

// Width is D.
func (n placedNorm) Width() int { return len(n.Gain) }

// Shape is (V, P, D).
func (e placedEmbedding) Shape() (vocabulary, positions, width int) {
	width = len(e.Norm.Gain)
	return len(e.Word) / width, len(e.Position) / width, width
}

// Classes is C.
func (h placedHead) Classes() int { return h.Classifier.N }

// Values returns the activations in a buffer of the [Reference] device (T, D).
func Values(b inference.Buffer) []float64 {
	if mine, ok := b.(*buffer); ok {
		return mine.data
	}
	return nil
}

// Describe says what this is.
func (d *reference) Describe() inference.DeviceInfo {
	return inference.DeviceInfo{Name: "reference", Kernels: "float64", Threads: 1, Precision: inference.F32, BatchTokens: 256}
}

// Buffer makes room.
func (d *reference) Buffer(tokens, width int) inference.Buffer {
	return &buffer{tokens: tokens, width: width, data: make([]float64, tokens*width)}
}

// PlaceLinear keeps a copy.
func (d *reference) PlaceLinear(w inference.LinearWeights) inference.Linear {
	d.check(fits(w), "placing a linear layer")
	return placedLinear{cloneLinear(w)}
}

// PlaceNorm keeps a copy.
func (d *reference) PlaceNorm(w inference.NormWeights) inference.Norm {
	d.check(len(w.Gain) == len(w.Bias) && len(w.Gain) > 0, "placing a norm")
	return placedNorm{cloneNorm(w)}
}

// PlaceEmbedding keeps a copy.
func (d *reference) PlaceEmbedding(w inference.EmbeddingWeights) inference.Embedding {
	width := max(len(w.Norm.Gain), 1)
	d.check(len(w.Norm.Gain) == len(w.Norm.Bias) && len(w.Word)%width == 0 && len(w.Position)%width == 0 && len(w.Type) == 2*width,
		"placing embeddings")
	w.Word, w.Position, w.Type = slices.Clone(w.Word), slices.Clone(w.Position), slices.Clone(w.Type)
	w.Norm = cloneNorm(w.Norm)
	return placedEmbedding{w}
}

// PlaceHead keeps a copy.
func (d *reference) PlaceHead(w inference.HeadWeights) inference.Head {
	d.check(fits(w.Pooler) && fits(w.Classifier) && w.Pooler.N == w.Pooler.K && w.Classifier.K == w.Pooler.N &&
		w.Temperature > 0 && w.Score.Validate(w.Classifier.N) == nil, "placing a head")
	w.Pooler, w.Classifier = cloneLinear(w.Pooler), cloneLinear(w.Classifier)
	return placedHead{w}
}

func cloneLinear(w inference.LinearWeights) inference.LinearWeights {
	w.W, w.B = slices.Clone(w.W), slices.Clone(w.B)
	return w
}

func cloneNorm(w inference.NormWeights) inference.NormWeights {
	w.Gain, w.Bias = slices.Clone(w.Gain), slices.Clone(w.Bias)
	return w
}

func fits(w inference.LinearWeights) bool {
	return w.N > 0 && w.K > 0 && len(w.W) == w.N*w.K && len(w.B) == w.N
}

// Close does nothing.
func (d *reference) Close() error { return nil }

// check makes the first thing that does not hold the device's failure, and
// reports whether the device still works.
//
//nolint:revive // holds is what is checked; it steers nothing
func (d *reference) check(holds bool, doing string) bool {
	if d.err == nil && !holds {
		d.err = fmt.Errorf("%s: the shapes do not fit", doing)
	}
	return d.err == nil
}

// mine returns b's activations where it is a buffer of this kind with room for
// so many tokens of that width, or nil.
func mine(b inference.Buffer, tokens, width int) []float64 {
	m, ok := b.(*buffer)
	if !ok || tokens < 0 || m.tokens < tokens || m.width != width {
		return nil
	}
	return m.data[:tokens*width]
}

// ascending reports whether starts describe rows of at least one token each.
func ascending(starts []int32) bool {
	if len(starts) == 0 || starts[0] != 0 {
		return false
	}
	for r := 1; r < len(starts); r++ {
		if starts[r] <= starts[r-1] {
			return false
		}
	}
	return true
}

// Embed computes at once.
func (d *reference) Embed(out inference.Buffer, tokens inference.Tokens, e inference.Embedding) {
	w, ok := e.(placedEmbedding)
	if !d.check(ok && ascending(tokens.Starts), "embedding") {
		return
	}
	vocabulary, positions, width := w.Shape()
	n := int(tokens.Starts[len(tokens.Starts)-1])
	x := mine(out, n, width)
	valid := x != nil && len(tokens.IDs) == n && len(tokens.Types) == n
	for t := 0; valid && t < n; t++ {
		valid = tokens.IDs[t] >= 0 && int(tokens.IDs[t]) < vocabulary && tokens.Types[t] < 2
	}
	for r := 1; valid && r < len(tokens.Starts); r++ {
		valid = int(tokens.Starts[r]-tokens.Starts[r-1]) <= positions
	}
	if d.check(valid, "embedding") {
		copy(x, embed(tokens, w.EmbeddingWeights))
	}
}

// Linear computes at once.
func (d *reference) Linear(out, in inference.Buffer, tokens int, l inference.Linear, act inference.Activation) {
	w, ok := l.(placedLinear)
	y, x := mine(out, tokens, w.N), mine(in, tokens, w.K)
	if d.check(ok && x != nil && y != nil, "multiplying") {
		copy(y, linear(x, tokens, w.LinearWeights, act))
	}
}

// LinearNorm computes at once.
func (d *reference) LinearNorm(x, in inference.Buffer, tokens int, l inference.Linear, n inference.Norm) {
	w, isLinear := l.(placedLinear)
	norm, isNorm := n.(placedNorm)
	y, z := mine(x, tokens, w.N), mine(in, tokens, w.K)
	if !d.check(isLinear && isNorm && y != nil && z != nil && norm.Width() == w.N, "multiplying and normalizing") {
		return
	}
	for i, v := range linear(z, tokens, w.LinearWeights, inference.Identity) {
		y[i] += v
	}
	normalize(y, norm.NormWeights)
}

// Attend computes at once.
func (d *reference) Attend(out, qkv inference.Buffer, starts []int32, heads int) {
	if !d.check(ascending(starts), "attending") {
		return
	}
	_, width := out.Shape()
	n := int(starts[len(starts)-1])
	y, x := mine(out, n, width), mine(qkv, n, 3*width)
	if d.check(y != nil && x != nil && heads > 0 && width%heads == 0, "attending") {
		copy(y, attend(x, starts, width, heads))
	}
}

// Answer computes at once.
func (d *reference) Answer(exits []inference.Exit, logits []float32, x inference.Buffer, starts []int32, h inference.Head) {
	w, ok := h.(placedHead)
	if !d.check(ok && ascending(starts), "answering") {
		return
	}
	rows, width, classes := len(starts)-1, w.Pooler.K, w.Classes()
	data := mine(x, int(starts[rows]), width)
	if !d.check(data != nil && len(exits) == rows && (logits == nil || len(logits) == rows*classes), "answering") {
		return
	}
	for r := range rows {
		z := read(data[int(starts[r])*width:int(starts[r+1])*width], w.HeadWeights)
		exits[r] = judge(z, w.HeadWeights)
		for i, v := range z {
			if logits != nil {
				logits[r*classes+i] = float32(v)
			}
		}
	}
}

// Pack copies at once.
func (d *reference) Pack(dst inference.Buffer, at int, src inference.Buffer, starts []int32, rows []int) {
	if !d.check(ascending(starts), "packing") {
		return
	}
	_, width := dst.Shape()
	from := mine(src, int(starts[len(starts)-1]), width)
	valid, tokens := from != nil && at >= 0 && dst != src, 0
	for _, r := range rows {
		if valid = valid && r >= 0 && r < len(starts)-1; valid {
			tokens += int(starts[r+1] - starts[r])
		}
	}
	to := mine(dst, at+tokens, width)
	if !d.check(valid && to != nil, "packing") {
		return
	}
	to = to[at*width:]
	for _, r := range rows {
		to = to[copy(to, from[int(starts[r])*width:int(starts[r+1])*width]):]
	}
}

// Read copies at once.
func (d *reference) Read(values []float32, x inference.Buffer) {
	_, width := x.Shape()
	if !d.check(width > 0 && len(values)%width == 0, "reading") {
		return
	}
	data := mine(x, len(values)/width, width)
	if !d.check(data != nil, "reading") {
		return
	}
	for i, v := range data {
		values[i] = float32(v)
	}
}

// Submit has nothing to hand over.
func (d *reference) Submit() inference.Ticket { return 0 }

// Wait reports the first failure, or that ctx has ended.
func (d *reference) Wait(ctx context.Context, _ inference.Ticket) error {
	return errors.Join(d.err, context.Cause(ctx))
}
