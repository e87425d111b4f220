package train

import "sweetspot/inference/cpu"

// late holds the optimizer's steps that word embeddings have yet to take. Most
// words are not in a batch and have no gradient, yet AdamW moves them: by their
// moments, and by the decay. Nobody reads them meanwhile, so they take many such
// steps in one pass, when they are met or somebody asks for the weights. What
// comes out is the same, bit for bit.
type late struct {
	steps        []cpu.AdamW
	taken        []uint8   // (V) how many of steps a word has taken
	zero         []float32 // (D) the gradient
	mean, square []float32 // (V, D)
}

// mostLate is how many steps words may be late.
const mostLate = 64

// meet counts the words of the batch as met and brings them up to date.
func (n *network) meet() {
	for _, id := range n.batch.IDs {
		n.catchUp(int(id))
		n.touched.alive[id] = true
	}
}

// postpone leaves a step to all words but those that have taken it.
func (n *network) postpone(f *cpu.AdamW) {
	l := &n.late
	l.steps = append(l.steps, *f)
	for _, id := range n.touched.ids {
		l.taken[id] = uint8(len(l.steps))
	}
	if len(l.steps) == mostLate {
		n.settle()
	}
}

// settle brings all words up to date.
func (n *network) settle() {
	l := &n.late
	n.engine.Run(len(l.taken), len(n.w.word)*len(l.steps), func(_, first, last int) {
		for word := first; word < last; word++ {
			n.catchUp(word)
		}
	})
	clear(l.taken)
	l.steps = l.steps[:0]
}

// catchUp takes the steps that a word is late by. One that was never met has no
// moments and only decays.
func (n *network) catchUp(word int) {
	l, width := &n.late, n.config.Width
	lo, hi := word*width, (word+1)*width
	x := n.w.word[lo:hi]
	for i := int(l.taken[word]); i < len(l.steps); i++ {
		f := &l.steps[i]
		if n.touched.alive[word] {
			n.rows.AdamW(x, l.zero, l.mean[lo:hi], l.square[lo:hi], f)
		} else if f.Keep != 1 {
			n.rows.Scale(x, f.Keep)
		}
	}
	l.taken[word] = uint8(len(l.steps))
}
