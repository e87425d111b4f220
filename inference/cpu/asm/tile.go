package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The tiles of the matrix product: C (m, NR) from A (m, k) and one panel of B
// (k, NR). There is one kernel per row count, so that no row is padded and a
// remainder costs no more than its share.
//
// Every element of C is one chain of fused multiply-adds in the order of k,
// whatever the instruction set, the row count and the layout of A. That is what
// makes the AVX2 and AVX-512 kernels agree bit for bit.
type tile struct {
	name    string
	rows    int
	bytes   int  // of a vector register
	byDepth bool // A lies k-major: element (i, k) at a[k·lda+i]
}

const (
	panelVectors = 2 // NR = 2 vectors
	unroll       = 4
	ahead        = 2048 // bytes that B is prefetched ahead: the latency of the outer caches
	rows512      = 14
	rows256      = 6
)

func tiles(p *program) {
	for m := 1; m <= rows512; m++ {
		p.tile(tile{name: fmt.Sprintf("tile512x%d", m), rows: m, bytes: 64})
	}
	for m := 1; m <= rows512; m++ {
		p.tile(tile{name: fmt.Sprintf("tile512t%d", m), rows: m, bytes: 64, byDepth: true})
	}
	for m := 1; m <= rows256; m++ {
		p.tile(tile{name: fmt.Sprintf("tile256x%d", m), rows: m, bytes: 32})
	}
	for m := 1; m <= rows256; m++ {
		p.tile(tile{name: fmt.Sprintf("tile256t%d", m), rows: m, bytes: 32, byDepth: true})
	}
	p.peak("peak512", 64)
	p.peak("peak256", 32)
}

func (p *program) tile(t tile) {
	p.text(t.name, "func(k int, a *float32, lda int, b *float32, c *float32, ldc int, add int)",
		fmt.Sprintf("%s computes a tile of %d rows: c = a·b, or c += a·b where add is not 0.", t.name, t.rows))
	k, a, lda, b := p.integer("k"), p.integer("a"), p.integer("lda"), p.integer("b")
	p.SHLQ(operand.Imm(2), lda)
	p.prefetchC(t)
	sums := p.zeroSums(t)
	var at rowPointers
	if !t.byDepth {
		at = p.rowPointers(a, lda, t.rows)
	}
	step := func(u int) {
		p.step(t, sums, operand.Mem{Base: b, Disp: u * panelVectors * t.bytes}, func(i int) operand.Mem {
			if t.byDepth {
				return operand.Mem{Base: a, Disp: 4 * i}
			}
			return at.element(i, u)
		})
		if t.byDepth {
			p.ADDQ(lda, a)
		}
	}
	advance := func(steps int) {
		p.ADDQ(operand.U32(uint32(steps*panelVectors*t.bytes)), b)
		for _, r := range at.bases {
			p.ADDQ(operand.U32(uint32(4*steps)), r)
		}
	}
	p.SUBQ(operand.U32(unroll), k)
	p.JLT(operand.LabelRef("tail"))
	p.Label("loop")
	for u := range unroll {
		step(u)
	}
	advance(unroll)
	p.SUBQ(operand.U32(unroll), k)
	p.JGE(operand.LabelRef("loop"))
	p.Label("tail")
	p.ADDQ(operand.U32(unroll), k)
	p.JZ(operand.LabelRef("done"))
	p.Label("one")
	step(0)
	advance(1)
	p.DECQ(k)
	p.JNZ(operand.LabelRef("one"))
	p.Label("done")
	p.store(t, sums)
	p.end()
}

// step adds one k: every row's element of A times the panel's row of B.
func (p *program) step(t tile, sums [][]reg.VecVirtual, b operand.Mem, a func(row int) operand.Mem) {
	var panel [panelVectors]reg.VecVirtual
	for j := range panel {
		panel[j] = p.vector(t)
		p.VMOVUPS(b.Offset(j*t.bytes), panel[j])
	}
	for line := 0; line < panelVectors*t.bytes; line += 64 {
		p.PREFETCHT0(b.Offset(line + ahead))
	}
	for i := range t.rows {
		x := p.vector(t)
		p.VBROADCASTSS(a(i), x)
		for j := range panel {
			p.VFMADD231PS(panel[j], x, sums[i][j])
		}
	}
}

// prefetchC asks for the tile of C on entry: it is read or written only at the
// end, and by then it is there.
func (p *program) prefetchC(t tile) {
	c, ldc := p.integer("c"), p.integer("ldc")
	for i := range t.rows {
		for line := 0; line < panelVectors*t.bytes; line += 64 {
			p.PREFETCHT0(operand.Mem{Base: c, Disp: line})
		}
		if i < t.rows-1 {
			p.LEAQ(operand.Mem{Base: c, Index: ldc, Scale: 4}, c)
		}
	}
}

func (p *program) store(t tile, sums [][]reg.VecVirtual) {
	c, ldc, add := p.integer("c"), p.integer("ldc"), p.integer("add")
	p.SHLQ(operand.Imm(2), ldc)
	p.TESTQ(add, add)
	p.JZ(operand.LabelRef("store"))
	from := p.GP64()
	p.MOVQ(c, from)
	for i := range t.rows {
		for j, v := range sums[i] {
			p.VADDPS(operand.Mem{Base: from, Disp: j * t.bytes}, v, v)
		}
		if i < t.rows-1 {
			p.ADDQ(ldc, from)
		}
	}
	p.Label("store")
	for i := range t.rows {
		for j, v := range sums[i] {
			p.VMOVUPS(v, operand.Mem{Base: c, Disp: j * t.bytes})
		}
		if i < t.rows-1 {
			p.ADDQ(ldc, c)
		}
	}
}

func (p *program) vector(t tile) reg.VecVirtual {
	if t.bytes == 64 {
		return p.ZMM()
	}
	return p.YMM()
}

func (p *program) zeroVector(t tile) reg.VecVirtual {
	v := p.vector(t)
	if t.bytes == 64 {
		p.VPXORD(v, v, v)
	} else {
		p.VXORPS(v, v, v)
	}
	return v
}

func (p *program) zeroSums(t tile) [][]reg.VecVirtual {
	sums := make([][]reg.VecVirtual, t.rows)
	for i := range sums {
		for range panelVectors {
			sums[i] = append(sums[i], p.zeroVector(t))
		}
	}
	return sums
}

// rowPointers reach every row of A with one pointer per three rows: base,
// base+lda and base+2·lda.
type rowPointers struct {
	bases []reg.GPVirtual
	lda   reg.GPVirtual // bytes
}

func (p *program) rowPointers(a, lda reg.GPVirtual, m int) rowPointers {
	r := rowPointers{bases: []reg.GPVirtual{a}, lda: lda}
	for i := 3; i < m; i += 3 {
		next := p.GP64()
		p.LEAQ(operand.Mem{Base: r.bases[len(r.bases)-1], Index: lda, Scale: 2}, next)
		p.ADDQ(lda, next)
		r.bases = append(r.bases, next)
	}
	return r
}

func (r rowPointers) element(row, k int) operand.Mem {
	m := operand.Mem{Base: r.bases[row/3], Disp: 4 * k}
	if row%3 > 0 {
		m.Index, m.Scale = r.lda, uint8(row%3)
	}
	return m
}

// peak runs 12 independent chains of fused multiply-adds on registers: the most
// the core can do, which benchmarks are measured against.
func (p *program) peak(name string, bytes int) {
	p.text(name, "func(n int)", name+" does 12·n fused multiply-adds on registers.")
	n := p.integer("n")
	t := tile{bytes: bytes}
	var chains [12]reg.VecVirtual
	for i := range chains {
		chains[i] = p.zeroVector(t)
	}
	x, y := p.zeroVector(t), p.zeroVector(t)
	p.Label("loop")
	for _, c := range chains {
		p.VFMADD231PS(x, y, c)
	}
	p.DECQ(n)
	p.JNZ(operand.LabelRef("loop"))
	p.end()
}
