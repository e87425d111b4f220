package train

import "sweetspot/inference/cpu"

// Activations returns the bytes of all activations and gradients of activations
// that training keeps, for the largest batch so far: those of the layers of the
// longest chain, of the exits and the embeddings, and what a step works with.
// Parameters, their gradients and moments are not among them, nor the packed
// copy of one factor of the product under way.
func (t *Trainer) Activations() int { return t.network.activations() }

func (n *network) activations() int {
	size := n.embedding.size() + n.tips.size() + values(n.tipsIn) + n.scratch.size() + n.strips.size()
	for _, s := range n.layers {
		size += values(s.qkv) + cap(s.heads.probabilities) + 2*cap(s.heads.starts) + s.upper.size()
	}
	for _, s := range n.exits {
		size += s.size()
	}
	return 4 * size
}

// values returns how many values matrices hold room for.
func values(ms ...cpu.Matrix) int {
	size := 0
	for _, m := range ms {
		size += cap(m.Data)
	}
	return size
}

func (s *embeddingState) size() int {
	return values(s.sum, s.unit, s.out) + cap(s.scale) + cap(s.order)
}

func (h *half) size() int {
	return values(h.context, h.unit1, h.middle, h.slope, h.inner, h.unit2, h.out) + cap(h.scale1) + cap(h.scale2)
}

func (s *exitState) size() int {
	return values(s.pooled, s.squashed, s.kept, s.logits, s.dsquashed, s.dpooled, s.dcontext) + cap(s.pull) + cap(s.gate)
}

func (s *scratch) size() int {
	return values(s.dx, s.carried, s.product, s.dropped, s.dcontext, s.dinner, s.dqkv) + len(s.zero)
}

func (s *strips) size() int {
	size := 0
	for _, d := range s.data {
		size += cap(d)
	}
	return size
}
