package train

import (
	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// attention keeps the probabilities of every row of a batch.
type attention struct {
	probabilities []float32
	starts        []int // (R+1) row r's are probabilities[starts[r]:starts[r+1]]
}

func (a *attention) grow(b *batch, c *inference.Config, k *cpu.Kernels) {
	growSlice(&a.starts, b.rows()+1)
	size := 0
	for r := range b.rows() {
		a.starts[r] = size
		size += k.ProbabilitySize(int(b.Starts[r+1]-b.Starts[r]), c.Heads)
	}
	a.starts[b.rows()] = size
	growSlice(&a.probabilities, size)
}

func (a *attention) of(row int) []float32 {
	return a.probabilities[a.starts[row]:a.starts[row+1]]
}

// attend sets layer l's context to what its heads read.
func (n *network) attend(l int, s *layerState) {
	n.eachRow(func(worker, row, lo, hi int) {
		n.attention[worker].Forward(s.upper.context.Part(lo, hi), s.qkv.Part(lo, hi), n.config.Heads, s.heads.of(row), n.drop(l, row))
	})
}

// attendGradient sets the gradient of layer l's queries, keys and values.
func (n *network) attendGradient(l int, s *layerState) {
	n.eachRow(func(worker, row, lo, hi int) {
		n.attention[worker].Backward(n.scratch.dqkv.Part(lo, hi), n.scratch.dcontext.Part(lo, hi), s.qkv.Part(lo, hi),
			n.config.Heads, s.heads.of(row), n.drop(l, row))
	})
}

// drop returns the dropout of the attention probabilities of one row.
func (n *network) drop(layer, row int) cpu.Drop {
	d := n.dropout(layer, placeAttention)
	if d.off() {
		return nil
	}
	d.key = key(d.key, uint64(row))
	heads := n.config.Heads
	return func(dst, p []float32, head, query int) { d.row(dst, p, query*heads+head) }
}
