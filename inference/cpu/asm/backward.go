package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// backwards writes the row kernels that only training needs: forward kernels
// that keep what the backward pass reads, their gradients, and the optimizer's
// step. They work like those of rows.
func backwards(p *program) {
	geluPair(p)
	mulSum(p)
	keepNorm(p)
	normGradient(p)
	softmaxGradient(p)
	adamW(p)
	sumSquares(p)
	scale(p)
	drop(p)
}

func (p *program) add(a, b, dst operand.Op) { p.VADDPS(a, b, dst) }

func (p *program) load(m operand.Mem) reg.VecVirtual {
	v := p.YMM()
	p.VMOVUPS(m, v)
	return v
}

// geluPair is GELU(v) = v·Φ(v) and its derivative Φ(v) + v·φ(v), where Φ and φ
// are the standard normal distribution and density.
func geluPair(p *program) {
	p.text("geluPair8", "func(y *float32, x *float32, b *float32, n int)",
		"geluPair8 sets y to GELU(x + b), by the exact error function, and x to the derivative there.")
	y, x, b, n := p.integer("y"), p.integer("x"), p.integer("b"), p.integer("n")
	p.each("loop", n, func(i reg.GPVirtual) {
		v := p.load(at(x, i))
		p.VADDPS(at(b, i), v, v)
		t := p.YMM()
		p.VMULPS(p.constant(math.Sqrt2/2), v, t)
		e := p.ratio(t, 4, erfAbove, erfBelow)
		half := p.YMM()
		p.VMULPS(p.constant(0.5), v, half)
		out := p.YMM()
		p.VMOVAPS(half, out)
		p.VFMADD231PS(half, e, out)
		p.VMOVUPS(out, at(y, i))
		share := p.lanes(0.5)
		p.VFMADD132PS(e, share, share)
		exponent := p.YMM()
		p.VMULPS(p.constant(-0.5), v, exponent)
		p.VMULPS(v, exponent, exponent)
		density := p.exp(exponent)
		p.VMULPS(p.constant(1/(math.SqrtPi*math.Sqrt2)), v, v)
		p.VFMADD231PS(density, v, share)
		p.VMOVUPS(share, at(x, i))
	})
	p.end()
}

func mulSum(p *program) {
	p.text("mulSum8", "func(x *float32, y *float32, sum *float32, n int)", "mulSum8 sets x to x·y and adds that to sum.")
	x, y, sum, n := p.integer("x"), p.integer("y"), p.integer("sum"), p.integer("n")
	p.each("loop", n, func(i reg.GPVirtual) {
		v := p.load(at(x, i))
		p.VMULPS(at(y, i), v, v)
		p.VMOVUPS(v, at(x, i))
		p.VADDPS(at(sum, i), v, v)
		p.VMOVUPS(v, at(sum, i))
	})
	p.end()
}

// keepNorm sums in the order of addNorm, so that training and serving agree.
func keepNorm(p *program) {
	p.text("keepNorm8", "func(out *float32, unit *float32, x *float32, b *float32, y *float32, gain *float32, bias *float32, n int, share float32, epsilon float32) float32",
		"keepNorm8 sets unit to x + b + y less its mean, over its standard deviation, and out to gain·unit + bias. It returns the inverse of the deviation. share is 1/n.")
	out, unit, x, b, y := p.integer("out"), p.integer("unit"), p.integer("x"), p.integer("b"), p.integer("y")
	gain, bias, n := p.integer("gain"), p.integer("bias"), p.integer("n")
	share := p.scalar("share")
	sum := p.zero()
	p.each("sum", n, func(i reg.GPVirtual) {
		v := p.load(at(x, i))
		p.VADDPS(at(b, i), v, v)
		p.VADDPS(at(y, i), v, v)
		p.VMOVUPS(v, at(unit, i))
		p.VADDPS(v, sum, sum)
	})
	mean := p.across(sum, p.add)
	p.VMULPS(share, mean, mean)
	squares := p.zero()
	p.each("squares", n, func(i reg.GPVirtual) {
		v := p.load(at(unit, i))
		p.VSUBPS(mean, v, v)
		p.VFMADD231PS(v, v, squares)
	})
	variance := p.across(squares, p.add)
	p.VMULPS(share, variance, variance)
	p.VADDPS(p.scalar("epsilon"), variance, variance)
	p.VSQRTPS(variance, variance)
	scale := p.lanes(1)
	p.VDIVPS(variance, scale, scale)
	p.each("scale", n, func(i reg.GPVirtual) {
		v := p.load(at(unit, i))
		p.VSUBPS(mean, v, v)
		p.VMULPS(scale, v, v)
		p.VMOVUPS(v, at(unit, i))
		w := p.load(at(gain, i))
		p.VFMADD213PS(at(bias, i), w, v)
		p.VMOVUPS(v, at(out, i))
	})
	p.Store(scale.AsX(), p.ReturnIndex(0))
	p.end()
}

// normGradient is dx = s·(d − mean(d) − u·mean(d·u)) with d = dy·gain, u the
// normalized values and s the inverse deviation.
func normGradient(p *program) {
	p.text("normGradient8", "func(dx *float32, dy *float32, unit *float32, gain *float32, dgain *float32, dbias *float32, n int, share float32, scale float32)",
		"normGradient8 sets dx to the gradient of a layer norm's input, given dy, that of its output, and adds to those of gain and bias. dx may be dy.")
	dx, dy, unit, gain := p.integer("dx"), p.integer("dy"), p.integer("unit"), p.integer("gain")
	dgain, dbias, n := p.integer("dgain"), p.integer("dbias"), p.integer("n")
	share, scale := p.scalar("share"), p.scalar("scale")
	sum, dot := p.zero(), p.zero()
	p.each("sums", n, func(i reg.GPVirtual) {
		d, u := p.load(at(dy, i)), p.load(at(unit, i))
		t := p.load(at(dgain, i))
		p.VFMADD231PS(d, u, t)
		p.VMOVUPS(t, at(dgain, i))
		t = p.YMM()
		p.VADDPS(at(dbias, i), d, t)
		p.VMOVUPS(t, at(dbias, i))
		p.VMULPS(at(gain, i), d, d)
		p.VADDPS(d, sum, sum)
		p.VFMADD231PS(d, u, dot)
	})
	mean, slope := p.across(sum, p.add), p.across(dot, p.add)
	p.VMULPS(share, mean, mean)
	p.VMULPS(share, slope, slope)
	p.each("apply", n, func(i reg.GPVirtual) {
		d := p.load(at(dy, i))
		p.VMULPS(at(gain, i), d, d)
		p.VSUBPS(mean, d, d)
		p.VFNMADD231PS(at(unit, i), slope, d)
		p.VMULPS(scale, d, d)
		p.VMOVUPS(d, at(dx, i))
	})
	p.end()
}

func softmaxGradient(p *program) {
	p.text("softmaxGradient8", "func(d *float32, y *float32, n int, scale float32)",
		"softmaxGradient8 turns d, the gradient of y = softmax(scale·x), into that of x.")
	d, y, n, scale := p.integer("d"), p.integer("y"), p.integer("n"), p.scalar("scale")
	dot := p.zero()
	p.each("dot", n, func(i reg.GPVirtual) {
		v := p.load(at(y, i))
		p.VFMADD231PS(at(d, i), v, dot)
	})
	mean := p.across(dot, p.add)
	p.each("apply", n, func(i reg.GPVirtual) {
		v := p.load(at(d, i))
		p.VSUBPS(mean, v, v)
		p.VMULPS(at(y, i), v, v)
		p.VMULPS(scale, v, v)
		p.VMOVUPS(v, at(d, i))
	})
	p.end()
}

// adamW is one step of AdamW; the factors are those of type AdamW, in order. The
// moments of what has no gradient for long fade to numbers so small that many
// processors handle them in microcode, so these count as 0 here: bits 6 and 15
// of MXCSR say so.
func adamW(p *program) {
	p.text("adamW8", "func(x *float32, dx *float32, mean *float32, square *float32, n int, factors *float32)",
		"adamW8 takes one step of AdamW on x.")
	x, dx, mean, square := p.integer("x"), p.integer("dx"), p.integer("mean"), p.integer("square")
	n, factors := p.integer("n"), p.integer("factors")
	before, here, bits := p.AllocLocal(4), p.AllocLocal(4), p.GP32()
	p.STMXCSR(before)
	p.MOVL(before, bits)
	p.ORL(operand.U32(1<<6|1<<15), bits)
	p.MOVL(bits, here)
	p.LDMXCSR(here)
	var f [9]reg.VecVirtual
	for i := range f {
		f[i] = p.YMM()
		p.VBROADCASTSS(operand.Mem{Base: factors, Disp: 4 * i}, f[i])
	}
	clip, keep1, add1, keep2, add2 := f[0], f[1], f[2], f[3], f[4]
	unbias, epsilon, rate, keep := f[5], f[6], f[7], f[8]
	p.each("loop", n, func(i reg.GPVirtual) {
		g := p.load(at(dx, i))
		p.VMULPS(clip, g, g)
		m := p.YMM()
		p.VMULPS(at(mean, i), keep1, m)
		p.VFMADD231PS(g, add1, m)
		p.VMOVUPS(m, at(mean, i))
		p.VMULPS(g, g, g)
		v := p.YMM()
		p.VMULPS(at(square, i), keep2, v)
		p.VFMADD231PS(g, add2, v)
		p.VMOVUPS(v, at(square, i))
		p.VSQRTPS(v, v)
		p.VFMADD213PS(epsilon, unbias, v)
		p.VMULPS(rate, m, m)
		p.VDIVPS(v, m, m)
		w := p.YMM()
		p.VMULPS(at(x, i), keep, w)
		p.VSUBPS(m, w, w)
		p.VMOVUPS(w, at(x, i))
	})
	p.LDMXCSR(before)
	p.end()
}

func sumSquares(p *program) {
	p.text("sumSquares8", "func(x *float32, n int) float64", "sumSquares8 returns the sum of x², in float64.")
	x, n := p.integer("x"), p.integer("n")
	low, high := p.YMM(), p.YMM()
	p.VXORPD(low, low, low)
	p.VXORPD(high, high, high)
	p.each("loop", n, func(i reg.GPVirtual) {
		m := at(x, i)
		a, b := p.YMM(), p.YMM()
		p.VCVTPS2PD(m, a)
		p.VCVTPS2PD(m.Offset(16), b)
		p.VFMADD231PD(a, a, low)
		p.VFMADD231PD(b, b, high)
	})
	p.VADDPD(high, low, low)
	other, sum := p.XMM(), p.XMM()
	p.VEXTRACTF128(operand.Imm(1), low, other)
	p.VADDPD(other, low.AsX(), sum)
	p.VPERMILPD(operand.Imm(1), sum, other)
	p.VADDSD(other, sum, sum)
	p.Store(sum, p.ReturnIndex(0))
	p.end()
}

func scale(p *program) {
	p.text("scale8", "func(x *float32, n int, a float32)", "scale8 sets x to a·x.")
	x, n, a := p.integer("x"), p.integer("n"), p.scalar("a")
	p.each("loop", n, func(i reg.GPVirtual) {
		v := p.YMM()
		p.VMULPS(at(x, i), a, v)
		p.VMOVUPS(v, at(x, i))
	})
	p.end()
}

// drop works on 16 values a turn: one draw of SplitMix64 in each of four lanes,
// every draw four numbers of 16 bits. Eight values left over have a turn of
// their own, of which only the first half is used.
func drop(p *program) {
	p.text("drop8", "func(dst *float32, x *float32, n int, state uint64, below uint32, scale float32)",
		"drop8 sets dst to scale·x, or to 0 where the draw is at most below, which holds the same 16 bits twice.")
	dst, x, n := p.integer("dst"), p.integer("x"), p.integer("n")
	scale := p.scalar("scale")
	below := p.scalar("below")
	states, steps := p.YMM(), p.YMM()
	p.VPBROADCASTQ(p.parameter("state"), states)
	p.VPADDQ(p.quads("first", goldenSteps(1), goldenSteps(2), goldenSteps(3), goldenSteps(4)), states, states)
	p.VMOVDQU(p.quads("turn", goldenSteps(4), goldenSteps(4), goldenSteps(4), goldenSteps(4)), steps)
	turn := func() (low, high reg.VecVirtual) {
		z := p.YMM()
		p.VMOVDQA(states, z)
		p.shiftXor(z, 30)
		p.multiply64(z, "second", 0xbf58476d1ce4e5b9)
		p.shiftXor(z, 27)
		p.multiply64(z, "third", 0x94d049bb133111eb)
		p.shiftXor(z, 31)
		p.VPADDQ(steps, states, states)
		zero := p.YMM()
		p.VPXOR(zero, zero, zero)
		p.VPSUBUSW(below, z, z)
		p.VPCMPEQW(zero, z, z)
		low, high = p.YMM(), p.YMM()
		p.VPMOVSXWD(z.AsX(), low)
		upper := p.XMM()
		p.VEXTRACTI128(operand.Imm(1), z, upper)
		p.VPMOVSXWD(upper, high)
		return low, high
	}
	keep := func(dropped reg.VecVirtual, offset int) {
		v := p.YMM()
		p.VMULPS(operand.Mem{Base: x, Disp: offset}, scale, v)
		p.VANDNPS(v, dropped, v)
		p.VMOVUPS(v, operand.Mem{Base: dst, Disp: offset})
	}
	p.SUBQ(operand.U32(16), n)
	p.JLT(operand.LabelRef("rest"))
	p.Label("loop")
	low, high := turn()
	keep(low, 0)
	keep(high, 32)
	p.ADDQ(operand.U32(64), x)
	p.ADDQ(operand.U32(64), dst)
	p.SUBQ(operand.U32(16), n)
	p.JGE(operand.LabelRef("loop"))
	p.Label("rest")
	p.ADDQ(operand.U32(16), n)
	p.JZ(operand.LabelRef("done"))
	low, _ = turn()
	keep(low, 0)
	p.Label("done")
	p.end()
}

// goldenSteps is n steps of SplitMix64's state.
func goldenSteps(n uint64) uint64 { return n * 0x9e3779b97f4a7c15 }

// shiftXor sets every lane z to z ^ z>>bits.
func (p *program) shiftXor(z reg.VecVirtual, bits uint64) {
	shifted := p.YMM()
	p.VPSRLQ(operand.Imm(bits), z, shifted)
	p.VPXOR(shifted, z, z)
}

// multiply64 multiplies every lane of z by c, which AVX2 can only do in halves.
func (p *program) multiply64(z reg.VecVirtual, name string, c uint64) {
	whole, upper := p.quads(name, c, c, c, c), p.quads(name+"Upper", c>>32, c>>32, c>>32, c>>32)
	cross, high := p.YMM(), p.YMM()
	p.VPMULUDQ(upper, z, cross)
	p.VPSRLQ(operand.Imm(32), z, high)
	p.VPMULUDQ(whole, high, high)
	p.VPADDQ(cross, high, high)
	p.VPSLLQ(operand.Imm(32), high, high)
	p.VPMULUDQ(whole, z, z)
	p.VPADDQ(high, z, z)
}
