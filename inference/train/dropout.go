package train

import "sweetspot/inference/cpu"

// A dropout sets activations to 0 with a probability, and scales the others so
// that means stay. Which ones is a function of its key and of where they are, so
// the backward pass draws the same again and nothing is stored.
type dropout struct {
	rows  *cpu.Gradients
	limit uint16  // of 1<<16: draws below it are dropped; 0 drops nothing
	scale float32 // of what is kept
	key   uint64
}

// newDropout returns the dropout of one place of one layer at one step.
func newDropout(rows *cpu.Gradients, rate float64, seed uint64, step, layer int, p place) dropout {
	limit := uint16(rate*(1<<16) + 0.5)
	return dropout{
		rows:  rows,
		limit: limit,
		scale: float32(1 / (1 - float64(limit)/(1<<16))),
		key:   key(seed, uint64(p), uint64(step), uint64(layer)),
	}
}

// off reports whether nothing is dropped.
func (d dropout) off() bool { return d.limit == 0 }

// row applies d to x, the row of that number, and writes the result to dst.
func (d dropout) row(dst, x []float32, number int) {
	dst = dst[:len(x)]
	if d.off() {
		copy(dst, x)
		return
	}
	d.rows.Drop(dst, x, mix(d.key^mix(uint64(number)))+splitStep, d.limit, d.scale)
}
