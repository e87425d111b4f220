package train

// features are what the exits read of every training row. Where the backbone is
// frozen and rows are read as they are they never change: the layers run once
// for every row, in the first epoch.
type features struct {
	width int
	rows  [][]float32 // (rows) of (exits·D); nil for those that were not met
}

// maxFeatures bounds the values that are kept, 1 GiB.
const maxFeatures = 1 << 28

// keepFeatures makes the network keep what its exits read of so many rows, if
// that is always the same and not too much.
func (n *network) keepFeatures(rows int) {
	width := n.config.Width
	if n.options.Freeze.Backbone && n.options.UnknownRate == 0 && rows*len(n.exits)*width <= maxFeatures {
		n.features = &features{width: width, rows: make([][]float32, rows)}
	}
}

// knows reports whether all rows of b have been met.
func (f *features) knows(b *batch) bool {
	if f == nil {
		return false
	}
	for _, i := range b.indices {
		if f.rows[i] == nil {
			return false
		}
	}
	return true
}

// keep copies what the exits have read of b.
func (f *features) keep(b *batch, exits []*exitState) {
	if f == nil {
		return
	}
	for r, i := range b.indices {
		f.rows[i] = make([]float32, 0, len(exits)*f.width)
		for _, s := range exits {
			f.rows[i] = append(f.rows[i], s.pooled.Row(r)...)
		}
	}
}

// recall sets what exit g reads of b.
func (f *features) recall(b *batch, g int, s *exitState) {
	for r, i := range b.indices {
		copy(s.pooled.Row(r), f.rows[i][g*f.width:(g+1)*f.width])
	}
}

// learnFromFeatures is gradients without a forward pass of the layers.
func (n *network) learnFromFeatures(losses []float64) {
	for g, s := range n.exits {
		n.features.recall(n.batch, g, s)
		n.classify(g)
	}
	for g := range n.exits {
		losses[g] = n.learn(g)
	}
}
