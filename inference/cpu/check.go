package cpu

import "sweetspot/inference"

// room resolves a buffer that has to hold the given tokens of the given width.
func (d *Device) room(operation, what string, b inference.Buffer, tokens, width int) (Matrix, bool) {
	found, ok := resolve[*buffer](d, operation, what, b)
	if !ok {
		return Matrix{}, false
	}
	m := found.matrix
	if tokens < 0 || tokens > m.Rows || width != m.Cols {
		return Matrix{}, d.failf("%s: %s has room for (%d, %d), want (%d, %d)", operation, what, m.Rows, m.Cols, tokens, width)
	}
	return m.Part(0, tokens), true
}

// rows checks that starts lists rows end to end from 0, and returns how many
// tokens they are.
func (d *Device) rows(operation string, starts []int32) (tokens int, ok bool) {
	if d.err != nil {
		return 0, false
	}
	if len(starts) == 0 || starts[0] != 0 {
		return 0, d.failf("%s: the starts of the rows do not begin with 0", operation)
	}
	for r := 1; r < len(starts); r++ {
		if starts[r] < starts[r-1] {
			return 0, d.failf("%s: row %d ends at token %d, before its start at %d", operation, r-1, starts[r], starts[r-1])
		}
	}
	return int(starts[len(starts)-1]), true
}
