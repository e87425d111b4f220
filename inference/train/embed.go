package train

import (
	"cmp"
	"slices"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// embeddingState is what the embeddings' backward pass reads.
type embeddingState struct {
	sum   cpu.Matrix // (T, D) of the three tables' rows
	unit  cpu.Matrix // (T, D)
	out   cpu.Matrix // (T, D)
	scale []float32  // (T)
	order []int32    // (T) tokens sorted by id
}

func (s *embeddingState) grow(b *batch, c *inference.Config) {
	for _, m := range []*cpu.Matrix{&s.sum, &s.unit, &s.out} {
		growMatrix(m, b.tokens(), c.Width)
	}
	growSlice(&s.scale, b.tokens())
	growSlice(&s.order, b.tokens())
}

// embed returns the layer norm of the sum of word, position and type embeddings.
func (n *network) embed() cpu.Matrix {
	s, w, width := &n.embedding, n.w, n.config.Width
	d := n.dropout(0, placeEmbedding)
	epsilon := float32(n.config.Epsilon)
	row := func(table []float32, i int) []float32 { return table[i*width : (i+1)*width] }
	n.eachRow(func(_, _, lo, hi int) {
		for i := lo; i < hi; i++ {
			sum := s.sum.Row(i)
			copy(sum, row(w.word, int(n.batch.IDs[i])))
			out := s.out.Row(i)
			s.scale[i] = n.rows.KeepNorm(out, s.unit.Row(i), sum, row(w.position, i-lo), row(w.types, n.typeOf(i)), w.norm.gain, w.norm.bias, epsilon)
			if !d.off() {
				d.row(out, out, i)
			}
		}
	})
	return s.out.Part(0, n.batch.tokens())
}

// typeOf returns the token type of token i; a table of one row has one type.
func (n *network) typeOf(i int) int {
	return min(int(n.batch.Types[i]), n.config.Types-1)
}

// eachRow calls f with every row of the batch and its tokens, several at once.
func (n *network) eachRow(f func(worker, row, lo, hi int)) {
	starts := n.batch.Starts
	n.engine.Run(n.batch.rows(), n.batch.tokens()*n.config.Width*perValue, func(worker, first, last int) {
		for r := first; r < last; r++ {
			f(worker, r, int(starts[r]), int(starts[r+1]))
		}
	})
}

// backwardEmbedding sets the gradients of the embeddings, given dx, that of
// their output. Of the word embeddings only the rows of the batch's tokens have
// one.
func (n *network) backwardEmbedding(dx cpu.Matrix) {
	s, dw, width := &n.embedding, n.dw, n.config.Width
	d := n.dropout(0, placeEmbedding)
	n.eachStrip(dx.Rows, func(lo, hi int) {
		dgain, dshift := n.strips.row(0, lo, width), n.strips.row(1, lo, width)
		both := n.strips.row(2, lo, 2*width)
		for i := lo; i < hi; i++ {
			row := dx.Row(i)
			if !d.off() {
				d.row(row, row, i)
			}
			n.rows.NormGradient(row, row, s.unit.Row(i), n.w.norm.gain, dgain, dshift, s.scale[i])
			at := n.typeOf(i) * width
			n.kernels.AddBias(both[at:at+width], row)
		}
	})
	n.total(dw.norm.gain, 0)
	n.total(dw.norm.bias, 1)
	n.total(dw.types[:min(2, n.config.Types)*width], 2)
	n.sumPositions(dx)
	n.sumWords(dx)
}

// sumPositions adds up the gradient of every position over the rows that reach
// it.
func (n *network) sumPositions(dx cpu.Matrix) {
	longest := 0
	starts := n.batch.Starts
	for r := range n.batch.rows() {
		longest = max(longest, int(starts[r+1]-starts[r]))
	}
	width := n.config.Width
	clear(n.dw.position[longest*width:])
	n.engine.Run(longest, n.batch.tokens()*width, func(_, first, last int) {
		for p := first; p < last; p++ {
			sum := n.dw.position[p*width : (p+1)*width]
			clear(sum)
			for r := range n.batch.rows() {
				if t := int(starts[r]) + p; t < int(starts[r+1]) {
					n.kernels.AddBias(sum, dx.Row(t))
				}
			}
		}
	})
}

// sumWords adds up the gradient of every word of the batch over its tokens, in
// their order.
func (n *network) sumWords(dx cpu.Matrix) {
	ids, order := n.batch.IDs, n.embedding.order
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(ids[a], ids[b]), cmp.Compare(a, b))
	})
	n.touched.mark(ids, order)
	width := n.config.Width
	n.engine.Run(len(n.touched.ids), len(ids)*width, func(_, first, last int) {
		for i := first; i < last; i++ {
			id, tokens := n.touched.at(i, order)
			sum := n.dw.word[int(id)*width : (int(id)+1)*width]
			for _, t := range tokens {
				n.kernels.AddBias(sum, dx.Row(int(t)))
			}
		}
	})
}

// touched lists the words whose embeddings have a gradient in this step, and
// remembers those that ever were in a batch.
type touched struct {
	ids   []int32 // ascending
	from  []int32 // from[i]:from[i+1] are the tokens of ids[i], as indices into the order by id
	now   []bool  // (V) ids as a set
	alive []bool  // (V)
}

func (t *touched) init(vocabulary int) {
	t.now, t.alive = make([]bool, vocabulary), make([]bool, vocabulary)
}

// mark lists the ids of tokens, which order sorts by id.
func (t *touched) mark(ids, order []int32) {
	t.ids, t.from = t.ids[:0], t.from[:0]
	for i, token := range order {
		if id := ids[token]; i == 0 || id != t.ids[len(t.ids)-1] {
			t.ids, t.from = append(t.ids, id), append(t.from, int32(i))
			t.now[id] = true
		}
	}
	t.from = append(t.from, int32(len(order)))
}

// at returns touched word i and its tokens.
func (t *touched) at(i int, order []int32) (id int32, tokens []int32) {
	return t.ids[i], order[t.from[i]:t.from[i+1]]
}

// clearGradients sets to 0 what the last step left and this one does not set:
// the word embeddings' rows, and the poolers, which several exits may add to.
func (n *network) clearGradients() {
	width := n.config.Width
	for _, id := range n.touched.ids {
		clear(n.dw.word[int(id)*width : (int(id)+1)*width])
		n.touched.now[id] = false
	}
	n.touched.ids = n.touched.ids[:0]
	for _, h := range n.dw.heads {
		clear(h.pooler.w)
		clear(h.pooler.b)
	}
}
