package cpu

import "golang.org/x/sys/cpu"

// native lists the sets of assembly kernels, the fastest first. The kernels
// themselves never look at the CPU: on one that lacks what they need they are
// illegal instructions.
var native = []*Kernels{avx512, avx2}

var avx2Needs = []feature{{"AVX2", cpu.X86.HasAVX2}, {"FMA", cpu.X86.HasFMA}}

var avx512 = withRows(Kernels{
	name: "avx512", needs: append([]feature{{"AVX512F", cpu.X86.HasAVX512F}}, avx2Needs...),
	rows: len(tiles512) - 1, width: 32,
	tile: func(m, k int, a []float32, lda int, b, c []float32, ldc, add int) {
		tiles512[m](k, &a[0], lda, &b[0], &c[0], ldc, add)
	},
	tileT: func(m, k int, a []float32, lda int, b, c []float32, ldc, add int) {
		tiles512T[m](k, &a[0], lda, &b[0], &c[0], ldc, add)
	},
	copyPanel: func(dst, src []float32, lds, rows int) { copyPanel512(&dst[0], &src[0], lds, rows) },
})

var avx2 = withRows(Kernels{
	name: "avx2", needs: avx2Needs,
	rows: len(tiles256) - 1, width: 16,
	tile: func(m, k int, a []float32, lda int, b, c []float32, ldc, add int) {
		tiles256[m](k, &a[0], lda, &b[0], &c[0], ldc, add)
	},
	tileT: func(m, k int, a []float32, lda int, b, c []float32, ldc, add int) {
		tiles256T[m](k, &a[0], lda, &b[0], &c[0], ldc, add)
	},
	copyPanel: func(dst, src []float32, lds, rows int) { copyPanel256(&dst[0], &src[0], lds, rows) },
})

// withRows adds the kernels that work along a row. Both sets have the same
// ones, so that their sums are taken in the same order.
func withRows(k Kernels) *Kernels {
	k.transpose8 = func(dst []float32, ldd int, src []float32, lds, n int) {
		transpose8(&dst[0], ldd, &src[0], lds, n)
	}
	k.addBias = func(x, b []float32) { addBias8(&x[0], &b[0], len(x)) }
	k.biasGELU = func(x, b []float32) { biasGELU8(&x[0], &b[0], len(x)) }
	k.biasTanh = func(x, b []float32) { biasTanh8(&x[0], &b[0], len(x)) }
	k.softmax = func(x []float32, scale float32) { softmax8(&x[0], len(x), scale) }
	k.addNorm = func(out, x, y, gain, bias []float32, epsilon float32) {
		addNorm8(&out[0], &x[0], &y[0], &gain[0], &bias[0], len(out), 1/float32(len(out)), epsilon)
	}
	return &k
}

// tileKernel is the form of the generated tile kernels.
type tileKernel func(k int, a *float32, lda int, b, c *float32, ldc, add int)

// The tile kernels by their number of rows.
var (
	tiles512 = [...]tileKernel{
		nil, tile512x1, tile512x2, tile512x3, tile512x4, tile512x5, tile512x6, tile512x7,
		tile512x8, tile512x9, tile512x10, tile512x11, tile512x12, tile512x13, tile512x14,
	}
	tiles512T = [...]tileKernel{
		nil, tile512t1, tile512t2, tile512t3, tile512t4, tile512t5, tile512t6, tile512t7,
		tile512t8, tile512t9, tile512t10, tile512t11, tile512t12, tile512t13, tile512t14,
	}
	tiles256 = [...]tileKernel{
		nil, tile256x1, tile256x2, tile256x3, tile256x4, tile256x5, tile256x6,
	}
	tiles256T = [...]tileKernel{
		nil, tile256t1, tile256t2, tile256t3, tile256t4, tile256t5, tile256t6,
	}
)
