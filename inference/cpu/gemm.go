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

// block is how many rows of A pass a panel before the next panel: with depth,
// the part of A that is read again and again.
const block = 336

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
	for first := m0; first < m1; first += block {
		last := min(m1, first+block)
		if j.b.K == 0 && j.add == Overwrite {
			k.clear(j, first, last, p0, p1)
		}
		for k0 := 0; k0 < j.b.K; k0 += depth {
			add := j.add
			if k0 > 0 {
				add = Accumulate
			}
			for p := p0; p < p1; p++ {
				k.strip(j, first, last, k0, p, add, edge)
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

// strip is one panel's columns of the rows from first to last, in tiles of
// about equal height, for the steps of K from k0 on.
func (k *Kernels) strip(j *product, first, last, k0, p int, add Op, edge []float32) {
	tile, a, step := k.tile, j.a.Data[k0:], j.a.Stride
	if j.byDepth {
		tile, a, step = k.tileT, j.a.Data[k0*j.a.Stride:], 1
	}
	steps := min(depth, j.b.K-k0)
	panel := j.b.panel(p, k0)
	columns := min(k.width, j.width-p*k.width)
	tiles := (last - first + k.rows - 1) / k.rows
	height, taller := (last-first)/tiles, (last-first)%tiles
	i := first
	for t := range tiles {
		rows := height
		if t < taller {
			rows++
		}
		c := j.c.Data[i*j.c.Stride+p*k.width:]
		if columns == k.width {
			tile(rows, steps, a[i*step:], j.a.Stride, panel, c, j.c.Stride, int(add))
		} else {
			// A tile that would reach past the columns of C goes by way of edge.
			if add == Accumulate {
				copyTile(edge, k.width, c, j.c.Stride, rows, columns)
			}
			tile(rows, steps, a[i*step:], j.a.Stride, panel, edge, k.width, int(add))
			copyTile(c, j.c.Stride, edge, k.width, rows, columns)
		}
		i += rows
	}
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
