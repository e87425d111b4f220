package cpu

// An Engine runs one kernel set on one pool of threads. One goroutine at a time
// may use it, but for the methods of its [Kernels], which any may call.
type Engine struct {
	*Kernels
	pool  *Pool
	edges [][]float32 // room for one tile per worker

	// The product under way. It is kept here, and its closure is made once, so
	// that a product allocates nothing.
	product product
	grid    grid
	cells   func(worker, lo, hi int)
}

// NewEngine starts an engine of the given number of threads, 1 or more. Close
// ends them.
func NewEngine(k *Kernels, threads int) *Engine {
	e := &Engine{Kernels: k, pool: NewPool(threads)}
	for range e.pool.Threads() {
		e.edges = append(e.edges, aligned(k.rows*k.width))
	}
	e.cells = e.multiplyCells
	return e
}

// Close ends the threads.
func (e *Engine) Close() { e.pool.Close() }

// Threads is the number of threads, the caller's among them.
func (e *Engine) Threads() int { return e.pool.Threads() }

// alone is the work, in floating-point operations, below which sharing it costs
// more than it saves.
const alone = 2e6

// Run calls f for all of 0 to n in pieces, as [Pool.Run] does, or on the
// calling goroutine only where the whole is fewer than two million
// floating-point operations.
func (e *Engine) Run(n, operations int, f func(worker, lo, hi int)) {
	if operations < alone {
		if n > 0 {
			f(0, 0, n)
		}
		return
	}
	e.pool.Run(n, f)
}

// Gemm sets c (M, N) to a (M, K) times b (K, N), or adds the product to c. It
// panics where the shapes do not fit, and writes nothing past c's columns.
func (e *Engine) Gemm(c, a Matrix, b *Packed, op Op) {
	e.run("Gemm", product{c: c, a: a, b: b, add: op, width: c.Cols})
}

// GemmT sets c (M, N) to aᵀ times b (K, N), or adds the product to c, for a
// (K, M). It panics where the shapes do not fit, and writes nothing past c's
// columns.
func (e *Engine) GemmT(c, a Matrix, b *Packed, op Op) {
	e.run("GemmT", product{c: c, a: a, b: b, add: op, byDepth: true, width: c.Cols})
}

// PackN packs w (K, N) into dst, reusing dst's room.
func (e *Engine) PackN(dst *Packed, w Matrix) {
	e.shapeN(dst, w)
	e.Run(dst.panels(), packing*w.Rows*w.Cols, func(_, lo, hi int) { e.packPanelsN(dst, w, lo, hi) })
}

// PackT packs wᵀ into dst, reusing dst's room: w is (N, K), as the weights of a
// linear layer lie in a model file.
func (e *Engine) PackT(dst *Packed, w Matrix) {
	e.shapeT(dst, w)
	e.Run(dst.panels(), packing*w.Rows*w.Cols, func(_, lo, hi int) { e.packPanelsT(dst, w, lo, hi) })
}

// packing is what moving one value weighs, in floating-point operations.
const packing = 32

// run computes a product on all threads.
func (e *Engine) run(operation string, j product) {
	j.check(e.Kernels, operation)
	e.product = j
	e.grid = e.gridFor(j.c.Rows, j.b.panels())
	e.Run(e.grid.cells(), 2*j.c.Rows*j.b.N*j.b.K, e.cells)
	e.product = product{} // hold on to nobody's memory
}

// A grid cuts C into cells, each some rows by some panels: the pieces of work
// that threads take. Where the cuts lie does not change the results.
type grid struct {
	rows, panels         int // of C
	cellRows, cellPanels int
	rowCells, panelCells int
}

// pieces is how many pieces of work a thread takes on average: enough that one
// which is held up leaves its share to the others.
const pieces = 4

func (e *Engine) gridFor(rows, panels int) grid {
	g := grid{rows: rows, panels: panels, cellRows: max(1, rows), cellPanels: max(1, panels)}
	if threads := e.pool.Threads(); threads > 1 {
		g.cellPanels = max(1, panels/(pieces*threads))
		if wide := ceil(panels, g.cellPanels); wide < pieces*threads && wide > 0 {
			// Too few columns for all: cut the rows as well, at whole tiles.
			g.cellRows = max(1, roundUp(ceil(rows, ceil(pieces*threads, wide)), e.rows))
		}
	}
	g.rowCells, g.panelCells = ceil(rows, g.cellRows), ceil(panels, g.cellPanels)
	return g
}

func (g grid) cells() int { return g.rowCells * g.panelCells }

// multiplyCells computes the cells from lo to hi, panels after panels.
func (e *Engine) multiplyCells(worker, lo, hi int) {
	g := e.grid
	for cell := lo; cell < hi; cell++ {
		m, p := cell%g.rowCells*g.cellRows, cell/g.rowCells*g.cellPanels
		e.multiply(&e.product, m, min(g.rows, m+g.cellRows), p, min(g.panels, p+g.cellPanels), e.edges[worker])
	}
}

func ceil(n, by int) int { return (n + by - 1) / by }
