package cpu

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Kernels is one version of the inner loops: a set for one family of
// instructions. [Select] returns one that this CPU can run.
//
// Its methods work on rows whose length is a multiple of 8 and above 0. They
// panic where an argument is shorter than the first, as indexing would.
type Kernels struct {
	name  string
	needs []feature
	rows  int // most rows of a tile
	width int // columns of a tile, and so of a panel

	// tile sets c (m, width) to a (m, k)·b (k, width), adding to c where add is
	// not 0. tileT does the same for an a that lies (k, m).
	tile, tileT func(m, k int, a []float32, lda int, b, c []float32, ldc, add int)
	// transpose8 sets dst[j·ldd+i] = src[i·lds+j] for i < 8 and j < n, a
	// multiple of 8.
	transpose8 func(dst []float32, ldd int, src []float32, lds, n int)
	// copyPanel copies rows of width values, one or more, to lie end to end.
	copyPanel func(dst, src []float32, lds, rows int)

	addBias, biasGELU, biasTanh func(x, b []float32)
	softmax                     func(x []float32, scale float32)
	addNorm                     func(out, x, y, gain, bias []float32, epsilon float32)
}

// A feature is something that a kernel set needs of the CPU.
type feature struct {
	name    string
	present bool
}

// portable is the set of plain loops.
var portable = &Kernels{
	name: "portable", rows: 4, width: plainWidth,
	tile: plainTile, tileT: plainTileT, transpose8: plainTranspose8, copyPanel: plainCopyPanel,
	addBias: plainAddBias, biasGELU: plainBiasGELU, biasTanh: plainBiasTanh,
	softmax: plainSoftmax, addNorm: plainAddNorm,
}

// Select returns the kernel set of the given name: avx512, avx2 or portable, or
// the fastest that this CPU can run for auto. Its error names what the CPU
// lacks.
func Select(name string) (*Kernels, error) {
	return choose(sets(), name)
}

// Available lists the kernel sets that this CPU can run, the fastest first. The
// last is always portable.
func Available() []string {
	return runnable(sets())
}

// sets are all sets for this architecture, the fastest first.
func sets() []*Kernels {
	return append(slices.Clone(native), portable)
}

func choose(sets []*Kernels, name string) (*Kernels, error) {
	names := runnable(sets)
	if name == "auto" {
		name = names[0]
	}
	for _, k := range sets {
		if k.name != name {
			continue
		}
		if lacks := k.lacks(); len(lacks) > 0 {
			return nil, fmt.Errorf("kernel set %s needs %s, which this CPU lacks; it can run %s",
				name, strings.Join(lacks, ", "), strings.Join(names, ", "))
		}
		return k, nil
	}
	if name == "avx512" || name == "avx2" {
		return nil, fmt.Errorf("kernel set %s is for amd64, and this is %s; it can run %s",
			name, runtime.GOARCH, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("unknown kernel set %q, want auto, avx512, avx2 or portable", name)
}

func runnable(sets []*Kernels) []string {
	var names []string
	for _, k := range sets {
		if len(k.lacks()) == 0 {
			names = append(names, k.name)
		}
	}
	return names
}

func (k *Kernels) lacks() []string {
	var names []string
	for _, f := range k.needs {
		if !f.present {
			names = append(names, f.name)
		}
	}
	return names
}

// Name is the name that [Select] knows the set by.
func (k *Kernels) Name() string { return k.name }

// PanelWidth is the number of columns in a panel of [Packed] weights.
func (k *Kernels) PanelWidth() int { return k.width }

// AddBias sets x to x + b.
func (k *Kernels) AddBias(x, b []float32) {
	k.addBias(x, same(x, b))
}

// BiasGELU sets x to GELU(x + b), by the exact error function.
func (k *Kernels) BiasGELU(x, b []float32) {
	k.biasGELU(x, same(x, b))
}

// BiasTanh sets x to tanh(x + b).
func (k *Kernels) BiasTanh(x, b []float32) {
	k.biasTanh(x, same(x, b))
}

// Softmax sets the first n values of x to e^(scale·x) over their sum, for a
// scale above 0. The length of x is n rounded up to a multiple of 8; what lies
// between is overwritten.
func (k *Kernels) Softmax(x []float32, n int, scale float32) {
	for i := n; i < len(x); i++ {
		x[i] = lowest
	}
	k.softmax(whole(x), scale)
}

// lowest stands for -∞: its exponential is nothing beside any other's.
const lowest = -1e30

// AddNorm sets out to the layer norm of x + y, with the given gain and bias.
// The variance is the biased one. out may be x or y.
func (k *Kernels) AddNorm(out, x, y, gain, bias []float32, epsilon float32) {
	k.addNorm(whole(out), same(out, x), same(out, y), same(out, gain), same(out, bias), epsilon)
}

// same is b cut to the length of x.
func same(x, b []float32) []float32 {
	return b[:len(whole(x))]
}

// whole is x, whose length must suit kernels of eight lanes: they would write
// past the end of any other.
func whole(x []float32) []float32 {
	if len(x) == 0 || len(x)%8 != 0 {
		panic(fmt.Sprintf("cpu: row of %d values, want a multiple of 8", len(x)))
	}
	return x
}
