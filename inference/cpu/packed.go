package cpu

import "fmt"

// Packed is a matrix B (K, N) cut into panels of a kernel set's width, one
// after the other, each row-major: element (k, n) is at
// Data[(n/width*K+k)*width+n%width]. The last panel is filled up with zeros.
// The tile kernels read it from end to end.
type Packed struct {
	K, N  int
	Data  []float32
	width int
}

// panel is panel p from row k on.
func (b *Packed) panel(p, k int) []float32 {
	return b.Data[(p*b.K+k)*b.width:]
}

// panels is how many panels there are.
func (b *Packed) panels() int {
	return (b.N + b.width - 1) / b.width
}

// shape gives b its sizes and room, keeping the room it has where that is
// enough.
func (b *Packed) shape(k, n, width int) {
	size := roundUp(n, width) * k
	if cap(b.Data) < size {
		b.Data = aligned(size)
	}
	b.K, b.N, b.Data, b.width = k, n, b.Data[:size], width
}

// PackN packs w (K, N) into dst, reusing dst's room.
func (k *Kernels) PackN(dst *Packed, w Matrix) {
	k.shapeN(dst, w)
	k.packPanelsN(dst, w, 0, dst.panels())
}

// PackT packs wᵀ into dst, reusing dst's room: w is (N, K), as the weights of a
// linear layer lie in a model file.
func (k *Kernels) PackT(dst *Packed, w Matrix) {
	k.shapeT(dst, w)
	k.packPanelsT(dst, w, 0, dst.panels())
}

func (k *Kernels) shapeN(dst *Packed, w Matrix) {
	mustFit("PackN", w)
	dst.shape(w.Rows, w.Cols, k.width)
}

func (k *Kernels) shapeT(dst *Packed, w Matrix) {
	mustFit("PackT", w)
	dst.shape(w.Cols, w.Rows, k.width)
}

func (k *Kernels) packPanelsN(dst *Packed, w Matrix, lo, hi int) {
	for p := lo; p < hi; p++ {
		first := p * k.width
		n := min(k.width, w.Cols-first)
		panel := dst.panel(p, 0)
		if n == k.width && w.Rows > 0 {
			k.copyPanel(panel, w.Data[first:], w.Stride, w.Rows)
			continue
		}
		for i := range w.Rows {
			row := panel[i*k.width : (i+1)*k.width]
			copy(row, w.Data[i*w.Stride+first:i*w.Stride+first+n])
			clear(row[n:])
		}
	}
}

func (k *Kernels) packPanelsT(dst *Packed, w Matrix, lo, hi int) {
	for p := lo; p < hi; p++ {
		first := p * k.width
		part := w.Part(first, min(w.Rows, first+k.width))
		panel := dst.panel(p, 0)
		k.transposeInto(panel, part)
		if part.Rows < k.width {
			for i := range w.Cols {
				clear(panel[i*k.width+part.Rows : (i+1)*k.width])
			}
		}
	}
}

// transposeInto writes w (n, K), n at most the panel width, into the first n
// columns of a panel (K, width). It goes by blocks of eight by eight; the last
// block of each direction overlaps its neighbor where the size is no multiple
// of 8, which writes some values twice but needs no second kind of block.
func (k *Kernels) transposeInto(panel []float32, w Matrix) {
	if w.Rows < 8 || w.Cols < 8 {
		for i := range w.Rows {
			for j, x := range w.Row(i) {
				panel[j*k.width+i] = x
			}
		}
		return
	}
	whole, last := w.Cols&^7, w.Cols-8
	for first := 0; first < whole; first += strip {
		k.transposeStrip(panel, w, first, min(strip, whole-first))
	}
	if whole < w.Cols {
		k.transposeStrip(panel, w, last, 8)
	}
}

// strip is how many columns of a matrix are transposed before the next ones: so
// few that their part of the panel stays in the first-level cache until all rows
// have gone into it.
const strip = 64

// transposeStrip writes columns first to first+n of w, n a multiple of 8.
func (k *Kernels) transposeStrip(panel []float32, w Matrix, first, n int) {
	for i := 0; i < w.Rows; i += 8 {
		i := min(i, w.Rows-8)
		k.transpose8(panel[first*k.width+i:], k.width, w.Data[i*w.Stride+first:], w.Stride, n)
	}
}

func mustFit(operation string, ms ...Matrix) {
	for _, m := range ms {
		if !m.fits() {
			panic(fmt.Sprintf("cpu: %s: (%d, %d) matrix of stride %d holds %d values", operation, m.Rows, m.Cols, m.Stride, len(m.Data)))
		}
	}
}
