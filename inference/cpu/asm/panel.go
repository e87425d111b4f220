package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// panels writes the transposing pack: eight rows of a matrix become eight
// columns of a panel, eight by eight values at a time.
func panels(p *program) {
	p.text("transpose8", "func(dst *float32, ldd int, src *float32, lds int, n int)",
		"transpose8 sets dst[j·ldd+i] = src[i·lds+j] for i < 8 and j < n, a multiple of 8 above 0.")
	dst, ldd := p.integer("dst"), p.integer("ldd")
	src, lds := p.integer("src"), p.integer("lds")
	n := p.integer("n")
	p.SHLQ(operand.Imm(2), ldd)
	p.SHLQ(operand.Imm(2), lds)
	from := p.rowPointers(src, lds, 8)
	to := p.rowPointers(dst, ldd, 8)
	p.Label("loop")
	var rows [8]reg.VecVirtual
	for i := range rows {
		rows[i] = p.YMM()
		p.VMOVUPS(from.element(i, 0), rows[i])
	}
	for i, column := range p.transposed(rows) {
		p.VMOVUPS(column, to.element(i, 0))
	}
	for _, r := range from.bases {
		p.ADDQ(operand.U32(32), r)
	}
	for _, r := range to.bases {
		p.LEAQ(operand.Mem{Base: r, Index: ldd, Scale: 8}, r)
	}
	p.SUBQ(operand.U32(8), n)
	p.JG(operand.LabelRef("loop"))
	p.end()
}

// transposed exchanges pairs, then quarters, then halves.
func (p *program) transposed(r [8]reg.VecVirtual) [8]reg.VecVirtual {
	var pairs, quads, columns [8]reg.VecVirtual
	for i := 0; i < 8; i += 2 {
		pairs[i], pairs[i+1] = p.YMM(), p.YMM()
		p.VUNPCKLPS(r[i+1], r[i], pairs[i])
		p.VUNPCKHPS(r[i+1], r[i], pairs[i+1])
	}
	for i := 0; i < 8; i += 4 {
		for j := range 2 {
			low, high := p.YMM(), p.YMM()
			p.VSHUFPS(operand.Imm(0x44), pairs[i+j+2], pairs[i+j], low)
			p.VSHUFPS(operand.Imm(0xee), pairs[i+j+2], pairs[i+j], high)
			quads[i+2*j], quads[i+2*j+1] = low, high
		}
	}
	for i := range 4 {
		columns[i], columns[i+4] = p.YMM(), p.YMM()
		p.VPERM2F128(operand.Imm(0x20), quads[i+4], quads[i], columns[i])
		p.VPERM2F128(operand.Imm(0x31), quads[i+4], quads[i], columns[i+4])
	}
	return columns
}
