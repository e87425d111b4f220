package cpu

import "fmt"

// An Op says what a matrix product does with what C holds.
type Op int

// The operations.
const (
	Overwrite  Op = iota // C = A·B
	Accumulate           // C = C + A·B
)

// depth is how many steps of K an element's chain of multiply-adds takes before
// it goes to memory: a panel of that depth stays in the caches while the rows
// of A pass. It is part of the result (see the package comment), so it is the
// same for every kernel set.
const depth = 768

// The caches decide the order in which tiles are computed, and the order decides
// nothing about the results. Of rows, a block stays in the second-level cache;
// of panels, a group of so many bytes stays there beside it. Within these, a
// tile's rows of A stay in the first-level cache while the panels pass.
const (
	blockRows  = 336
	groupBytes = 256 << 10
)

// A product is C = A·B or C += A·B, and what is done to C after it.
type product struct {
	c, a    Matrix
	b       *Packed
	add     Op
	byDepth bool // A is (K, M), and C is Aᵀ·B
	width   int  // columns of C that may be written
	bias    []float32
	act     func(x, b []float32) // of every finished row of C, with bias; or nil
}

// check panics where the shapes do not fit: that is the caller's mistake, like
// an index out of range.
func (j *product) check(k *Kernels, operation string) {
	m, depth := j.a.Rows, j.a.Cols
	if j.byDepth {
		m, depth = depth, m
	}
	mustFit(operation, j.a, j.c)
	if j.b.width != k.width {
		panic(fmt.Sprintf("cpu: %s: weights packed %d wide for kernels %d wide", operation, j.b.width, k.width))
	}
	if depth != j.b.K || j.c.Rows != m || j.c.Cols != j.b.N {
		panic(fmt.Sprintf("cpu: %s: (%d, %d) times (%d, %d) into (%d, %d)",
			operation, m, depth, j.b.K, j.b.N, j.c.Rows, j.c.Cols))
	}
}

// multiply computes rows m0 to m1 and panels p0 to p1 of a product. edge is
// room for one tile.
func (k *Kernels) multiply(j *product, m0, m1, p0, p1 int, edge []float32) {
	for first := m0; first < m1; first += blockRows {
		last := min(m1, first+blockRows)
		if j.b.K == 0 && j.add == Overwrite {
			k.clear(j, first, last, p0, p1)
		}
		for k0 := 0; k0 < j.b.K; k0 += depth {
			group := max(1, groupBytes/(4*k.width*min(depth, j.b.K-k0)))
			for p := p0; p < p1; p += group {
				k.tiles(j, first, last, p, min(p1, p+group), k0, edge)
			}
		}
		if j.act != nil {
			lo, hi := p0*k.width, min(p1*k.width, j.width)
			for i := first; i < last; i++ {
				j.act(j.c.Data[i*j.c.Stride+lo:i*j.c.Stride+hi], j.bias[lo:hi])
			}
		}
	}
}

// tiles computes rows first to last of panels p0 to p1 for the steps of K from
// k0 on, in tiles of about equal height.
func (k *Kernels) tiles(j *product, first, last, p0, p1, k0 int, edge []float32) {
	n := ceil(last-first, k.rows)
	height, taller := (last-first)/n, (last-first)%n
	i := first
	for t := range n {
		rows := height
		if t < taller {
			rows++
		}
		for p := p0; p < p1; p++ {
			k.oneTile(j, i, rows, p, k0, edge)
		}
		i += rows
	}
}

// oneTile computes the given number of rows from row i on of panel p for the
// steps of K from k0 on.
func (k *Kernels) oneTile(j *product, i, rows, p, k0 int, edge []float32) {
	tile, a := k.tile, j.a.Data
	if j.byDepth {
		tile, a = k.tileT, a[k0*j.a.Stride+i:]
	} else {
		a = a[i*j.a.Stride+k0:]
	}
	add := j.add
	if k0 > 0 {
		add = Accumulate
	}
	steps, panel := min(depth, j.b.K-k0), j.b.panel(p, k0)
	c := j.c.Data[i*j.c.Stride+p*k.width:]
	columns := j.width - p*k.width
	if columns >= k.width {
		tile(rows, steps, a, j.a.Stride, panel, c, j.c.Stride, int(add))
		return
	}
	// A tile that would reach past the columns of C goes by way of edge.
	if add == Accumulate {
		copyTile(edge, k.width, c, j.c.Stride, rows, columns)
	}
	tile(rows, steps, a, j.a.Stride, panel, edge, k.width, int(add))
	copyTile(c, j.c.Stride, edge, k.width, rows, columns)
}

func copyTile(dst []float32, dstStride int, src []float32, srcStride, rows, columns int) {
	for i := range rows {
		copy(dst[i*dstStride:i*dstStride+columns], src[i*srcStride:])
	}
}

// clear zeroes what an empty product has to set.
func (k *Kernels) clear(j *product, first, last, p0, p1 int) {
	for i := first; i < last; i++ {
		row := j.c.Data[i*j.c.Stride:]
		clear(row[p0*k.width : min(p1*k.width, j.width)])
	}
}
