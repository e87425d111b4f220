package train

import (
	"math"

	"sweetspot/inference/cpu"
)

// An optimizer moves a network's weights by AdamW (Loshchilov and Hutter 2019).
type optimizer struct {
	network *network
	mean    []float32 // running mean of the gradient, in the weights' layout
	square  []float32 // and of its square
	pieces  []piece
	sums    []float64 // of squared gradients, by piece
}

// A piece is a part of one tensor that one thread works on at a time. Sums over
// a gradient are sums over pieces, added in order.
type piece struct {
	span
	group  int
	decays bool
	word   int // first row of the word embeddings; -1 for other tensors
}

// pieceSize is about the number of values in a piece.
const pieceSize = 1 << 14

func newOptimizer(n *network) *optimizer {
	o := &optimizer{network: n, mean: make([]float32, n.layout.size), square: make([]float32, n.layout.size)}
	for i, t := range n.layout.tensors {
		if t.frozen {
			continue
		}
		size, word := pieceSize, -1
		if i == 0 {
			size, word = max(1, pieceSize/n.config.Width)*n.config.Width, 0
		}
		end := t.from + (t.size+lanes-1)/lanes*lanes
		for from := t.from; from < end; from += size {
			o.pieces = append(o.pieces, piece{
				span: span{from, min(end, from+size)}, group: t.group, decays: t.decays, word: word,
			})
			if word >= 0 {
				word += size / n.config.Width
			}
		}
	}
	o.sums = make([]float64, len(o.pieces))
	n.late.mean, n.late.square = o.mean[:len(n.w.word)], o.square[:len(n.w.word)]
	return o
}

// rate returns the learning rate of step, from 0, of steps: a rise from 0 over
// the warm-up, then a straight line down to 0.
func (o *Options) rate(step, steps int) float64 {
	rise := int(math.Round(o.Warmup * float64(steps)))
	if step < rise {
		return o.Rate * float64(step+1) / float64(rise)
	}
	return o.Rate * float64(steps-step) / float64(steps-rise)
}

// step takes one step with the network's gradients, after clipping them.
func (o *optimizer) step(step, steps int) {
	n := o.network
	clips := o.clips()
	common := n.options.factors(step, steps)
	n.engine.Run(len(o.pieces), n.layout.size*perValue, func(_, first, last int) {
		for _, p := range o.pieces[first:last] {
			f := common
			f.Clip = clips[p.group]
			if !p.decays {
				f.Keep = 1
			}
			o.move(p, &f)
		}
	})
	if o.pieces[0].word == 0 {
		n.postpone(&common)
	}
}

// factors are those of a step before clipping, for tensors that decay.
func (o *Options) factors(step, steps int) cpu.AdamW {
	rate, t := o.rate(step, steps), float64(step+1)
	return cpu.AdamW{
		Keep1: float32(o.Beta1), Add1: float32(1 - o.Beta1),
		Keep2: float32(o.Beta2), Add2: float32(1 - o.Beta2),
		Unbias:  float32(1 / math.Sqrt(1-math.Pow(o.Beta2, t))),
		Epsilon: float32(o.Epsilon),
		Rate:    float32(rate / (1 - math.Pow(o.Beta1, t))),
		Keep:    float32(1 - rate*o.Decay),
	}
}

// move takes the step on one piece. Of the words' embeddings it moves those that
// have a gradient; the others take the step later (see [late]).
func (o *optimizer) move(p piece, f *cpu.AdamW) {
	n := o.network
	if p.word < 0 {
		n.rows.AdamW(n.weights[p.from:p.to], n.grads[p.from:p.to], o.mean[p.from:p.to], o.square[p.from:p.to], f)
		return
	}
	o.eachWord(p, func(lo, hi int) {
		n.rows.AdamW(n.weights[lo:hi], n.grads[lo:hi], o.mean[lo:hi], o.square[lo:hi], f)
	})
}

// eachWord calls f with the range of every word that has a gradient, in a piece
// of the word embeddings.
func (o *optimizer) eachWord(p piece, f func(lo, hi int)) {
	width := o.network.config.Width
	for word, lo := p.word, p.from; lo < p.to; word, lo = word+1, lo+width {
		if o.network.touched.now[word] {
			f(lo, lo+width)
		}
	}
}

// clips returns for every group the factor that brings its gradient to at most
// the norm allowed.
func (o *optimizer) clips() []float32 {
	norms := o.norms()
	clips := make([]float32, len(norms))
	for g, norm := range norms {
		clips[g] = 1
		if limit := o.network.options.Clip; limit > 0 {
			clips[g] = float32(min(1, limit/(norm+1e-6)))
		}
	}
	return clips
}

// norms returns for every group the norm of the gradient that it is clipped
// with: its own, or that of all.
func (o *optimizer) norms() []float64 {
	n := o.network
	n.engine.Run(len(o.pieces), n.layout.size*perValue, func(_, first, last int) {
		for i := first; i < last; i++ {
			o.sums[i] = o.sumSquares(o.pieces[i])
		}
	})
	norms := make([]float64, len(n.layout.groups))
	var all float64
	for i, p := range o.pieces {
		norms[p.group] += o.sums[i]
		all += o.sums[i]
	}
	for g := range norms {
		if !n.phase.clipsPerGroup {
			norms[g] = all
		}
		norms[g] = math.Sqrt(norms[g])
	}
	return norms
}

func (o *optimizer) sumSquares(p piece) float64 {
	n := o.network
	if p.word < 0 {
		return n.rows.SumSquares(n.grads[p.from:p.to])
	}
	var sum float64
	o.eachWord(p, func(lo, hi int) { sum += n.rows.SumSquares(n.grads[lo:hi]) })
	return sum
}
