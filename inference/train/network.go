package train

import (
	"fmt"
	"math"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// A network holds the parameters that are trained, their gradients, and the
// activations of one step. One goroutine at a time may use it.
type network struct {
	config  *inference.Config
	options *Options
	layout  *layout
	weights []float32
	grads   []float32
	w, dw   *view

	engine    *cpu.Engine
	kernels   *cpu.Kernels
	rows      *cpu.Gradients
	attention []*cpu.Attention // by worker

	main    *phase
	opening *phase // nil where the run has no other beginning
	phase   *phase // under way

	batch *batch
	step  int // of the run; dropout is drawn by it

	embedding embeddingState
	layers    []*layerState // by slot, see state
	exits     []*exitState
	tips      half       // of the last layer of the group at hand
	tipsIn    cpu.Matrix // (R, D)
	scratch   scratch
	strips    strips
	touched   touched
	late      late
	features  *features  // nil where they change or are too many
	packed    cpu.Packed // the right-hand side of the product under way
}

// newNetwork returns a network with all parameters 0.
func newNetwork(c *inference.Config, o *Options, e *cpu.Engine) (*network, error) {
	if err := checkShape(c); err != nil {
		return nil, fmt.Errorf("model shape: %w", err)
	}
	if err := o.Validate(c); err != nil {
		return nil, fmt.Errorf("training options: %w", err)
	}
	l := newLayout(c, o.Method)
	l.freeze(o.Freeze)
	n := &network{
		config: c, options: o, layout: l,
		weights: make([]float32, l.size), grads: make([]float32, l.size),
		engine: e, kernels: e.Kernels, rows: e.Gradients(),
	}
	n.w, n.dw = l.view(n.weights), l.view(n.grads)
	n.main, n.opening = o.phases(c)
	n.setPhase(n.main)
	for range c.Exits {
		n.exits = append(n.exits, &exitState{})
	}
	for range e.Threads() {
		n.attention = append(n.attention, cpu.NewAttention(e.Kernels))
	}
	n.touched.init(c.Vocab)
	n.late = late{taken: make([]uint8, c.Vocab), zero: make([]float32, c.Width)}
	return n, nil
}

// setPhase makes the next steps those of phase p.
func (n *network) setPhase(p *phase) {
	n.phase = p
	for len(n.layers) < p.slots(n.config) {
		n.layers = append(n.layers, &layerState{})
	}
}

// state returns the activations of a layer: the layers of a chain have one each,
// and those of the next chain use the same. Of frozen layers nothing is kept for
// a backward pass, so that one does for all: a layer has read its input before
// it writes its output.
func (n *network) state(layer, group int) *layerState {
	if group < n.phase.frozen {
		return n.layers[0]
	}
	return n.layers[layer-groupStart(n.config, n.phase.first(group))]
}

// gradients runs b forward and backward and leaves the gradients of the summed
// loss in n.grads. It returns the mean loss of every exit on the labels, not yet
// weighted.
func (n *network) gradients(b *batch, step int) []float64 {
	n.begin(b, step)
	losses := make([]float64, len(n.exits))
	if n.features.knows(b) {
		n.learnFromFeatures(losses)
		return losses
	}
	if n.phase.distill.Weight > 0 && len(n.phase.chains) > 1 {
		n.askLast()
	}
	x := n.embed()
	for _, chain := range n.phase.chains {
		for g := chain.from; g < chain.to; g++ {
			x = n.forwardGroup(g, x)
			n.answer(g, x)
		}
		for g := chain.from; g < chain.to; g++ {
			losses[g] = n.learn(g)
		}
		if chain.from >= n.phase.frozen {
			n.backwardChain(chain)
		}
		if chain.to < len(n.exits) {
			x = n.carry(x)
		}
	}
	n.features.keep(b, n.exits)
	return losses
}

// backwardChain runs the groups of a chain backward, deepest first.
func (n *network) backwardChain(chain span) {
	dx := n.noGradient(chain.to - 1)
	for g := chain.to - 1; g >= chain.from; g-- {
		dx = n.backwardGroup(g, dx)
		if g > chain.from {
			n.pass(g-1, dx)
		}
	}
}

// begin makes room for b and forgets the last step's gradients.
func (n *network) begin(b *batch, step int) {
	n.batch, n.step = b, step
	c := n.config
	for _, s := range n.layers[:n.phase.slots(c)] {
		s.grow(b, c, n.kernels)
	}
	for _, s := range n.exits {
		s.grow(b, c)
	}
	n.growTips(b)
	n.embedding.grow(b, c)
	n.scratch.grow(b, c)
	if len(n.phase.chains) > 1 {
		growMatrix(&n.scratch.carried, b.tokens(), c.Width)
	}
	n.strips.grow(b.tokens(), max(3*c.Width, c.FeedForward))
	n.clearGradients()
	n.meet()
}

// forwardGroup runs the layers of group g on x and returns their output.
func (n *network) forwardGroup(g int, x cpu.Matrix) cpu.Matrix {
	for l := groupStart(n.config, g); l < n.config.Exits[g]; l++ {
		x = n.forwardLayer(l, n.state(l, g), x)
	}
	return x
}

// backwardGroup runs the layers of group g backward. dx holds the gradient of
// the group's output that comes from deeper groups, exit g's own is added, and
// the gradient of the group's input comes back in it, unless none goes there.
func (n *network) backwardGroup(g int, dx cpu.Matrix) cpu.Matrix {
	last := n.config.Exits[g] - 1
	if n.learnsFromTips(g) {
		n.backwardTips(g, last, n.state(last, g), dx)
		last--
	} else {
		n.spread(g, dx)
	}
	for l := last; l >= groupStart(n.config, g); l-- {
		n.backwardLayer(l, n.state(l, g), dx)
	}
	if g == 0 {
		n.backwardEmbedding(dx)
	}
	return dx
}

// noGradient returns the gradient of group g's output before any exit has added
// to it.
func (n *network) noGradient(g int) cpu.Matrix {
	dx := n.scratch.dx.Part(0, n.batch.tokens())
	if n.learnsFromTips(g) {
		return dx // it is going to be set
	}
	n.eachStrip(dx.Rows, func(lo, hi int) {
		for t := lo; t < hi; t++ {
			clear(dx.Row(t))
		}
	})
	return dx
}

// carry copies a group's output out of the slot that the next group uses.
func (n *network) carry(x cpu.Matrix) cpu.Matrix {
	next := n.scratch.carried.Part(0, x.Rows)
	n.eachStrip(x.Rows, func(lo, hi int) {
		for t := lo; t < hi; t++ {
			copy(next.Row(t), x.Row(t))
		}
	})
	return next
}

// pass multiplies dx, the gradient that comes back to the output of group g, by
// the share of it that is let through, row by row where there is a gate.
func (n *network) pass(g int, dx cpu.Matrix) {
	a, gated := n.phase.pass[g], n.phase.gate.Kind != NoGate
	if a == 1 && !gated {
		return
	}
	n.eachRow(func(_, r, lo, hi int) {
		share := a
		if gated {
			share *= n.exits[g].gate[r]
		}
		for t := lo; t < hi; t++ {
			multiply(dx.Row(t), share)
		}
	})
}

func multiply(x []float32, a float32) {
	for i := range x {
		x[i] *= a
	}
}

// scratch is what a step needs but does not keep.
type scratch struct {
	dx       cpu.Matrix // (T, D) the gradient on its way down
	carried  cpu.Matrix // (T, D) input of the next group
	product  cpu.Matrix // (T, D) what the residual is added to
	dropped  cpu.Matrix // (T, D) gradient behind a dropout
	dcontext cpu.Matrix // (T, D)
	dinner   cpu.Matrix // (T, F)
	dqkv     cpu.Matrix // (T, 3D)
	zero     []float32  // (D) a bias of zeros
}

func (s *scratch) grow(b *batch, c *inference.Config) {
	t := b.tokens()
	growMatrix(&s.dx, t, c.Width)
	growMatrix(&s.product, t, c.Width)
	growMatrix(&s.dropped, t, c.Width)
	growMatrix(&s.dcontext, t, c.Width)
	growMatrix(&s.dinner, t, c.FeedForward)
	growMatrix(&s.dqkv, t, 3*c.Width)
	if s.zero == nil {
		s.zero = make([]float32, c.Width)
	}
}

// growMatrix makes m hold at least rows rows, losing what it held.
func growMatrix(m *cpu.Matrix, rows, cols int) {
	if m.Rows < rows {
		*m = cpu.NewMatrix(rows+rows/4, cols)
	}
}

// growSlice makes s hold exactly n values, losing what it held.
func growSlice[T any](s *[]T, n int) {
	if cap(*s) < n {
		*s = make([]T, n+n/4)
	}
	*s = (*s)[:n]
}

// stripTokens is the number of tokens that are worked on as one piece. Sums over
// all tokens are sums over strips, added in order: the result is the same for
// any number of threads.
const stripTokens = 64

// perValue is about what a row kernel does with a value, in floating-point
// operations.
const perValue = 16

// eachStrip calls f with every strip of rows rows, several at once. The strips'
// sums, if f asks for any, are those of these rows from now on.
func (n *network) eachStrip(rows int, f func(lo, hi int)) {
	count := (rows + stripTokens - 1) / stripTokens
	n.strips.count = count
	n.engine.Run(count, rows*n.config.Width*perValue, func(_, first, last int) {
		for i := first; i < last; i++ {
			f(i*stripTokens, min(rows, (i+1)*stripTokens))
		}
	})
}

// strips holds sums over single strips.
type strips struct {
	count int // of strips that were summed last
	width int
	data  [3][]float32
}

func (s *strips) grow(tokens, width int) {
	s.width = (width + align - 1) / align * align
	for i := range s.data {
		growSlice(&s.data[i], (tokens+stripTokens-1)/stripTokens*s.width)
	}
}

// row returns the zeroed sum number which of the strip that starts at token lo.
func (s *strips) row(which, lo, width int) []float32 {
	at := lo / stripTokens * s.width
	r := s.data[which][at : at+width]
	clear(r)
	return r
}

// total adds up sum number which over all strips into dst.
func (n *network) total(dst []float32, which int) {
	s := &n.strips
	clear(dst)
	for i := range s.count {
		n.kernels.AddBias(dst, s.data[which][i*s.width:i*s.width+len(dst)])
	}
}

// finite reports whether every loss is a number.
func finite(losses []float64) bool {
	for _, l := range losses {
		if math.IsNaN(l) || math.IsInf(l, 0) {
			return false
		}
	}
	return true
}
