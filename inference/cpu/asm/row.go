package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rows writes the kernels that work along one row, eight lanes at a time. A sum
// over a row is eight sums over every eighth value, added at the end in one
// fixed order. Both instruction sets use these kernels, so they agree bit for
// bit. All lengths are multiples of 8 above 0.
func rows(p *program) {
	addBias(p)
	biasGELU(p)
	biasTanh(p)
	softmax(p)
	addNorm(p)
}

func addBias(p *program) {
	p.text("addBias8", "func(x *float32, b *float32, n int)", "addBias8 sets x to x + b.")
	x, b, n := p.integer("x"), p.integer("b"), p.integer("n")
	p.each("loop", n, func(i reg.GPVirtual) {
		v := p.YMM()
		p.VMOVUPS(at(x, i), v)
		p.VADDPS(at(b, i), v, v)
		p.VMOVUPS(v, at(x, i))
	})
	p.end()
}

// The error function on [-4, 4] as an odd polynomial over an even one, highest
// power first: the widely used single-precision coefficients, as in Eigen.
// Beyond, it is ±1 to within a float32.
var (
	erfAbove = []float32{
		-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
		-7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
	}
	erfBelow = []float32{
		-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
		-1.42647390514189e-02,
	}
)

func biasGELU(p *program) {
	p.text("biasGELU8", "func(x *float32, b *float32, n int)", "biasGELU8 sets x to GELU(x + b), by the exact error function.")
	x, b, n := p.integer("x"), p.integer("b"), p.integer("n")
	p.each("loop", n, func(i reg.GPVirtual) {
		v := p.YMM()
		p.VMOVUPS(at(x, i), v)
		p.VADDPS(at(b, i), v, v)
		t := p.YMM()
		p.VMULPS(p.constant(math.Sqrt2/2), v, t)
		e := p.ratio(t, 4, erfAbove, erfBelow)
		p.VMULPS(p.constant(0.5), v, v)
		p.VFMADD213PS(v, v, e)
		p.VMOVUPS(e, at(x, i))
	})
	p.end()
}

// The hyperbolic tangent likewise on [-7.905, 7.905].
var (
	tanhAbove = []float32{
		-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
		1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
	}
	tanhBelow = []float32{
		1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03,
	}
)

func biasTanh(p *program) {
	p.text("biasTanh8", "func(x *float32, b *float32, n int)", "biasTanh8 sets x to tanh(x + b).")
	x, b, n := p.integer("x"), p.integer("b"), p.integer("n")
	p.each("loop", n, func(i reg.GPVirtual) {
		v := p.YMM()
		p.VMOVUPS(at(x, i), v)
		p.VADDPS(at(b, i), v, v)
		p.VMOVUPS(p.ratio(v, 7.90531110763549805, tanhAbove, tanhBelow), at(x, i))
	})
	p.end()
}

// ratio is t·above(t²)/below(t²), with t first held to [-limit, limit]. A NaN
// stays one: VMINPS and VMAXPS give the first operand in Go's order when either
// is not a number.
func (p *program) ratio(t reg.VecVirtual, limit float32, above, below []float32) reg.VecVirtual {
	p.VMINPS(t, p.lanes(limit), t)
	p.VMAXPS(t, p.lanes(-limit), t)
	square := p.YMM()
	p.VMULPS(t, t, square)
	num := p.polynomial(square, above)
	p.VMULPS(t, num, num)
	p.VDIVPS(p.polynomial(square, below), num, num)
	return num
}

func (p *program) polynomial(x reg.VecVirtual, coefficients []float32) reg.VecVirtual {
	sum := p.lanes(coefficients[0])
	for _, c := range coefficients[1:] {
		p.VFMADD213PS(p.constant(c), x, sum)
	}
	return sum
}

// exp is e^x, for x from -87.3 to 88 (beyond, the value at the end): range
// reduction by ln 2 in two parts, and the degree-5 polynomial of Cephes' expf.
// NaN gives NaN. It overwrites x.
func (p *program) exp(x reg.VecVirtual) reg.VecVirtual {
	p.VMINPS(x, p.lanes(88), x)
	p.VMAXPS(x, p.lanes(-87.3), x)
	n := p.YMM()
	p.VMULPS(p.constant(math.Log2E), x, n)
	p.VROUNDPS(operand.Imm(0), n, n)
	p.VFNMADD231PS(p.constant(0.693359375), n, x)
	p.VFNMADD231PS(p.constant(-2.12194440e-4), n, x)
	e := p.polynomial(x, []float32{
		1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
	})
	square := p.YMM()
	p.VMULPS(x, x, square)
	p.VFMADD213PS(x, square, e)
	p.VADDPS(p.constant(1), e, e)
	p.VCVTPS2DQ(n, n)
	p.VPSLLD(operand.Imm(23), n, n)
	p.VPADDD(n, e, e)
	return e
}

// across combines the eight lanes of v in all lanes: halves, then quarters,
// then pairs.
func (p *program) across(v reg.VecVirtual, combine func(a, b, dst operand.Op)) reg.VecVirtual {
	other, r := p.XMM(), p.XMM()
	p.VEXTRACTF128(operand.Imm(1), v, other)
	combine(other, v.AsX(), r)
	p.VPERMILPS(operand.Imm(0x4e), r, other)
	combine(other, r, r)
	p.VPERMILPS(operand.Imm(0xb1), r, other)
	combine(other, r, r)
	all := p.YMM()
	p.VBROADCASTSS(r, all)
	return all
}

func softmax(p *program) {
	p.text("softmax8", "func(x *float32, n int, scale float32)", "softmax8 sets x to softmax(scale·x), for a scale above 0.")
	x, n, scale := p.integer("x"), p.integer("n"), p.scalar("scale")
	top := p.YMM()
	p.VMOVUPS(operand.Mem{Base: x}, top)
	p.each("max", n, func(i reg.GPVirtual) {
		p.VMAXPS(at(x, i), top, top)
	})
	top = p.across(top, func(a, b, dst operand.Op) { p.VMAXPS(a, b, dst) })
	p.VMULPS(scale, top, top)
	sum := p.zero()
	p.each("exp", n, func(i reg.GPVirtual) {
		v := p.YMM()
		p.VMOVUPS(at(x, i), v)
		p.VFMSUB213PS(top, scale, v)
		e := p.exp(v)
		p.VADDPS(e, sum, sum)
		p.VMOVUPS(e, at(x, i))
	})
	sum = p.across(sum, func(a, b, dst operand.Op) { p.VADDPS(a, b, dst) })
	share := p.lanes(1)
	p.VDIVPS(sum, share, share)
	p.each("divide", n, func(i reg.GPVirtual) {
		v := p.YMM()
		p.VMULPS(at(x, i), share, v)
		p.VMOVUPS(v, at(x, i))
	})
	p.end()
}

func addNorm(p *program) {
	p.text("addNorm8", "func(out *float32, x *float32, y *float32, gain *float32, bias *float32, n int, share float32, epsilon float32)",
		"addNorm8 sets out to the layer norm of x + y. share is 1/n.")
	out, x, y := p.integer("out"), p.integer("x"), p.integer("y")
	gain, bias, n := p.integer("gain"), p.integer("bias"), p.integer("n")
	share := p.scalar("share")
	add := func(a, b, dst operand.Op) { p.VADDPS(a, b, dst) }
	sum := p.zero()
	p.each("sum", n, func(i reg.GPVirtual) {
		v := p.YMM()
		p.VMOVUPS(at(x, i), v)
		p.VADDPS(at(y, i), v, v)
		p.VMOVUPS(v, at(out, i))
		p.VADDPS(v, sum, sum)
	})
	mean := p.across(sum, add)
	p.VMULPS(share, mean, mean)
	squares := p.zero()
	p.each("squares", n, func(i reg.GPVirtual) {
		v := p.YMM()
		p.VMOVUPS(at(out, i), v)
		p.VSUBPS(mean, v, v)
		p.VFMADD231PS(v, v, squares)
	})
	variance := p.across(squares, add)
	p.VMULPS(share, variance, variance)
	p.VADDPS(p.scalar("epsilon"), variance, variance)
	p.VSQRTPS(variance, variance)
	scale := p.lanes(1)
	p.VDIVPS(variance, scale, scale)
	p.each("scale", n, func(i reg.GPVirtual) {
		v, w := p.YMM(), p.YMM()
		p.VMOVUPS(at(out, i), v)
		p.VSUBPS(mean, v, v)
		p.VMULPS(scale, v, v)
		p.VMOVUPS(at(gain, i), w)
		p.VFMADD213PS(at(bias, i), w, v)
		p.VMOVUPS(v, at(out, i))
	})
	p.end()
}
