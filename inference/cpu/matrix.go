package cpu

import "unsafe"

// A Matrix is a row-major matrix of float32. Row i is
// Data[i*Stride : i*Stride+Cols].
type Matrix struct {
	Rows, Cols int
	Stride     int // from one row to the next, at least Cols
	Data       []float32
}

// line is the number of float32 in a cache line, and widest the columns of the
// widest panel.
const (
	line   = 16
	widest = 32
)

// NewMatrix returns a matrix of zeros. Its data begins on a cache line, and its
// stride is an odd number of lines with room for whole panels past Cols.
func NewMatrix(rows, cols int) Matrix {
	return reshape(Matrix{}, rows, cols)
}

// reshape returns a matrix of the sizes and stride that [NewMatrix] would give
// it, in the room of m, with what that holds, where it is enough.
func reshape(m Matrix, rows, cols int) Matrix {
	stride := roundUp(cols, widest) + line
	if cap(m.Data) < rows*stride {
		m.Data = aligned(rows * stride)
	}
	return Matrix{Rows: rows, Cols: cols, Stride: stride, Data: m.Data[:rows*stride]}
}

// Row is row i, without what lies past Cols.
func (m Matrix) Row(i int) []float32 {
	return m.Data[i*m.Stride : i*m.Stride+m.Cols]
}

// Part is the rows from lo up to hi, sharing m's data.
func (m Matrix) Part(lo, hi int) Matrix {
	m.Rows, m.Data = hi-lo, m.Data[lo*m.Stride:]
	return m
}

// Columns is the columns from lo up to hi, sharing m's data.
func (m Matrix) Columns(lo, hi int) Matrix {
	m.Cols, m.Data = hi-lo, m.Data[lo:]
	return m
}

// fits reports whether the data holds what the sizes say.
func (m Matrix) fits() bool {
	return m.Rows >= 0 && m.Cols >= 0 && m.Stride >= m.Cols &&
		(m.Rows == 0 || len(m.Data) >= (m.Rows-1)*m.Stride+m.Cols)
}

// aligned returns n zeros that begin on a cache line.
func aligned(n int) []float32 {
	b := make([]float32, n+line-1)
	skip := 0
	if n > 0 {
		address := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
		skip = int(-address%(4*line)) / 4
	}
	return b[skip : skip+n : skip+n]
}

func roundUp(n, to int) int {
	return (n + to - 1) / to * to
}
