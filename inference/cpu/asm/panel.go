package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// panels writes the packs: the transposing one, by which eight rows of a matrix
// become eight columns of a panel, eight by eight values at a time, and the plain
// one.
func panels(p *program) {
	transpose(p)
	p.copyPanel("copyPanel512", 64)
	p.copyPanel("copyPanel256", 32)
}

// copyAhead is the number of rows that the plain pack asks for ahead: they lie
// too far apart for the processor to see that they follow each other.
const copyAhead = 16

func (p *program) copyPanel(name string, bytes int) {
	p.text(name, "func(dst *float32, src *float32, lds int, rows int)",
		fmt.Sprintf("%s copies rows of %d values, one or more, to lie end to end.", name, panelVectors*bytes/4))
	dst, src, lds, rows := p.integer("dst"), p.integer("src"), p.integer("lds"), p.integer("rows")
	p.SHLQ(operand.Imm(2), lds)
	ahead := p.GP64()
	p.IMUL3Q(operand.U32(copyAhead), lds, ahead)
	t := tile{bytes: bytes}
	p.Label("loop")
	for line := 0; line < panelVectors*bytes; line += 64 {
		p.PREFETCHT0(operand.Mem{Base: src, Index: ahead, Scale: 1, Disp: line})
	}
	for i := range panelVectors {
		v := p.vector(t)
		p.VMOVUPS(operand.Mem{Base: src, Disp: i * bytes}, v)
		p.VMOVUPS(v, operand.Mem{Base: dst, Disp: i * bytes})
	}
	p.ADDQ(lds, src)
	p.ADDQ(operand.U32(uint32(panelVectors*bytes)), dst)
	p.DECQ(rows)
	p.JNZ(operand.LabelRef("loop"))
	p.end()
}

func transpose(p *program) {
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
