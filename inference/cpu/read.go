package cpu

import "sweetspot/inference"

// Read copies the first tokens of x (T, D) into values (T, D).
func (d *Device) Read(values []float32, x inference.Buffer) {
	const operation = "Read"
	_, width := x.Shape()
	if d.err == nil && (width < 1 || len(values)%width != 0) {
		d.failf("%s: room for %d values of tokens of %d", operation, len(values), width)
		return
	}
	m, ok := d.room(operation, "x", x, len(values)/max(1, width), width)
	if !ok {
		return
	}
	for t := range m.Rows {
		copy(values[t*width:], m.Row(t))
	}
}
