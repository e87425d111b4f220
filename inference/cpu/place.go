package cpu

import (
	"math"

	"sweetspot/inference"
)

// What is placed on a device remembers which, because panels packed for one
// kernel set mean nothing to another.
type (
	buffer struct {
		owner  *Device
		matrix Matrix
	}
	linear struct {
		owner *Device
		w     Packed    // Wᵀ (K, N)
		b     []float32 // (N), and zeros up to whole panels
	}
	norm struct {
		owner      *Device
		gain, bias []float32 // (D)
		epsilon    float32
	}
	embedding struct {
		owner                *Device
		word, position, kind Matrix // (V, D), (P, D), (2, D)
		norm                 norm
	}
	head struct {
		owner              *Device
		pooler, classifier linear
		pooling            inference.Pooling
		temperature        float64
		score              inference.Score
	}
)

// Shape reports the room of the buffer.
func (b *buffer) Shape() (tokens, width int) { return b.matrix.Rows, b.matrix.Cols }

// Shape reports the sizes of the weight.
func (l *linear) Shape() (n, k int) { return l.w.N, l.w.K }

// Width is D.
func (n *norm) Width() int { return len(n.gain) }

// Shape reports the sizes of the tables.
func (e *embedding) Shape() (vocabulary, positions, width int) {
	return e.word.Rows, e.position.Rows, e.word.Cols
}

// Classes is C.
func (h *head) Classes() int { return h.classifier.w.N }

func (b *buffer) device() *Device    { return b.owner }
func (l *linear) device() *Device    { return l.owner }
func (n *norm) device() *Device      { return n.owner }
func (e *embedding) device() *Device { return e.owner }
func (h *head) device() *Device      { return h.owner }

// resolve is what v stands for on d, or nothing where it is of another device.
func resolve[T interface{ device() *Device }](d *Device, operation, what string, v any) (found T, ok bool) {
	if d.err != nil {
		return found, false
	}
	found, ok = v.(T)
	if !ok || found.device() != d {
		return found, d.failf("%s: %s is not of this device", operation, what)
	}
	return found, true
}

// Buffer returns zeroed room for activations.
func (d *Device) Buffer(tokens, width int) inference.Buffer {
	b := &buffer{owner: d}
	if tokens < 0 || width < 1 {
		d.failf("Buffer: (%d, %d): want tokens of 0 or more and a width above 0", tokens, width)
		return b
	}
	b.matrix = NewMatrix(tokens, width)
	return b
}

// PlaceLinear packs the weights of a linear layer.
func (d *Device) PlaceLinear(w inference.LinearWeights) inference.Linear {
	l := d.linear("PlaceLinear", w)
	return &l
}

// PlaceNorm copies the weights of a layer norm. Its width must be a multiple
// of 8.
func (d *Device) PlaceNorm(w inference.NormWeights) inference.Norm {
	n := d.norm("PlaceNorm", w)
	return &n
}

// PlaceEmbedding copies the embedding tables.
func (d *Device) PlaceEmbedding(w inference.EmbeddingWeights) inference.Embedding {
	n := d.norm("PlaceEmbedding", w.Norm)
	e := &embedding{owner: d, norm: n}
	if d.err != nil {
		return e
	}
	e.word = d.table("word", w.Word, n.Width())
	e.position = d.table("position", w.Position, n.Width())
	e.kind = d.table("token-type", w.Type, n.Width())
	if e.kind.Rows == 1 {
		e.kind = Matrix{Rows: 2, Cols: e.kind.Cols, Data: e.kind.Data} // stride 0: the same row twice
	}
	if d.err == nil && e.kind.Rows != 2 {
		d.failf("PlaceEmbedding: %d token types, want 1 or 2", e.kind.Rows)
	}
	return e
}

// PlaceHead packs the weights of an exit.
func (d *Device) PlaceHead(w inference.HeadWeights) inference.Head {
	h := &head{
		owner: d, pooling: w.Pooling, temperature: float64(w.Temperature), score: w.Score,
		pooler:     d.linear("PlaceHead: pooler", w.Pooler),
		classifier: d.linear("PlaceHead: classifier", w.Classifier),
	}
	switch {
	case d.err != nil:
	case w.Pooler.N != w.Pooler.K || w.Pooler.N != w.Classifier.K:
		d.failf("PlaceHead: pooler (%d, %d) and classifier (%d, %d): want (D, D) and (C, D)",
			w.Pooler.N, w.Pooler.K, w.Classifier.N, w.Classifier.K)
	case w.Pooler.K%8 != 0:
		d.failf("PlaceHead: width %d, want a multiple of 8", w.Pooler.K)
	case w.Pooling != inference.CLS && w.Pooling != inference.Mean:
		d.failf("PlaceHead: pooling %q, want %s or %s", w.Pooling, inference.CLS, inference.Mean)
	case w.Score.Validate(w.Classifier.N) != nil:
		d.failf("PlaceHead: score %v", w.Score.Validate(w.Classifier.N))
	case !(w.Temperature > 0) || math.IsInf(float64(w.Temperature), 0):
		d.failf("PlaceHead: temperature %v, want a number above 0", w.Temperature)
	}
	return h
}

func (d *Device) linear(operation string, w inference.LinearWeights) linear {
	l := linear{owner: d}
	switch {
	case d.err != nil:
	case w.N < 1 || w.K < 1:
		d.failf("%s: weight of (%d, %d)", operation, w.N, w.K)
	case len(w.W) != w.N*w.K || len(w.B) != w.N:
		d.failf("%s: %d weights and %d biases, want %d and %d for (%d, %d)",
			operation, len(w.W), len(w.B), w.N*w.K, w.N, w.N, w.K)
	default:
		d.engine.PackT(&l.w, Matrix{Rows: w.N, Cols: w.K, Stride: w.K, Data: w.W})
		l.b = aligned(roundUp(w.N, widest))
		copy(l.b, w.B)
	}
	return l
}

func (d *Device) norm(operation string, w inference.NormWeights) norm {
	n := norm{owner: d, epsilon: w.Epsilon}
	switch width := len(w.Gain); {
	case d.err != nil:
	case len(w.Bias) != width:
		d.failf("%s: norm of %d gains and %d biases", operation, width, len(w.Bias))
	case width == 0 || width%8 != 0:
		d.failf("%s: width %d, want a multiple of 8", operation, width)
	case !(w.Epsilon >= 0):
		d.failf("%s: epsilon %v, want 0 or more", operation, w.Epsilon)
	default:
		n.gain, n.bias = aligned(width), aligned(width)
		copy(n.gain, w.Gain)
		copy(n.bias, w.Bias)
	}
	return n
}

// table copies an embedding table, whose rows are read one here, one there, and
// so need no padding.
func (d *Device) table(name string, values []float32, width int) Matrix {
	if len(values) == 0 || len(values)%width != 0 {
		d.failf("PlaceEmbedding: %s table of %d values, want a multiple of the width %d", name, len(values), width)
		return Matrix{}
	}
	m := Matrix{Rows: len(values) / width, Cols: width, Stride: width, Data: aligned(len(values))}
	copy(m.Data, values)
	return m
}
