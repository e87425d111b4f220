package train

// A dropout sets activations to 0 with a probability, and scales the others so
// that means stay. Which ones is a function of its key and of where they are, so
// the backward pass draws the same again and nothing is stored.
type dropout struct {
	limit uint64  // of 1<<16: draws below it are dropped; 0 drops nothing
	scale float32 // of what is kept
	key   uint64
}

// newDropout returns the dropout of one place of one layer at one step.
func newDropout(rate float64, seed uint64, step, layer int, p place) dropout {
	limit := uint64(rate*(1<<16) + 0.5)
	return dropout{
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
	state := mix(d.key ^ mix(uint64(number)))
	for i := 0; i < len(x); i += 4 {
		state += 0x9e3779b97f4a7c15
		bits := mix(state)
		for j := i; j < min(i+4, len(x)); j++ {
			v := x[j] * d.scale
			if bits&0xffff < d.limit {
				v = 0
			}
			dst[j] = v
			bits >>= 16
		}
	}
}
