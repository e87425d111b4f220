package cpu

import "sweetspot/inference"

// Pack copies the listed rows of src, in the order listed, end to end into dst
// from token at on.
func (d *Device) Pack(dst inference.Buffer, at int, src inference.Buffer, starts []int32, rows []int) {
	const operation = "Pack"
	tokens, ok := d.rows(operation, starts)
	if !ok {
		return
	}
	total := 0
	for _, r := range rows {
		if r < 0 || r >= len(starts)-1 {
			d.failf("%s: row %d of %d", operation, r, len(starts)-1)
			return
		}
		total += int(starts[r+1] - starts[r])
	}
	found, ok := resolve[*buffer](d, operation, "src", src)
	if !ok {
		return
	}
	from, ok := d.room(operation, "src", src, tokens, found.matrix.Cols)
	if !ok {
		return
	}
	if at < 0 {
		d.failf("%s: to token %d", operation, at)
		return
	}
	to, ok := d.room(operation, "dst", dst, at+total, from.Cols)
	if !ok {
		return
	}
	if dst == src {
		d.failf("%s: src and dst are the same buffer", operation)
		return
	}
	for _, r := range rows {
		// Rows of a buffer lie one after the other, padding and all, and so does
		// every run of them.
		lo, hi := int(starts[r]), int(starts[r+1])
		copy(to.Data[at*to.Stride:], from.Data[lo*from.Stride:hi*from.Stride])
		at += hi - lo
	}
}
