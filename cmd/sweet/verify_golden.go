package main

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"sweetspot/inference"
)

// A golden is what another program computed for rows of tokens.
type golden struct {
	rows   []inference.Row
	starts []int     // (R+1) row r is tokens starts[r]:starts[r+1]
	at     []int     // (N) the tokens, counted over all rows, whose hidden states are there; ascending
	hidden []float32 // (N, D); nil where there are none
	logits []float32 // (R, C); nil where there are none

	width, classes int // D, where there are hidden states, and C, where there are logits
}

// parseGolden reads a golden file, see [verifyHelp]. Errors name the tensor.
func parseGolden(file []byte) (*golden, error) {
	tensors, err := inference.ReadTensors(file)
	if err != nil {
		return nil, err
	}
	for name, t := range tensors {
		if i := slices.IndexFunc(t.Data, func(v float32) bool { return !(math.Abs(float64(v)) <= math.MaxFloat32) }); i >= 0 {
			return nil, fmt.Errorf("tensor %q: number %d is %v", name, i, t.Data[i])
		}
	}
	g := &golden{}
	if err := g.readRows(tensors); err != nil {
		return nil, err
	}
	if err := g.readHidden(tensors); err != nil {
		return nil, err
	}
	if t, ok := tensors["logits"]; ok {
		if len(t.Shape) != 2 || t.Shape[0] != len(g.rows) || t.Shape[1] < 1 {
			return nil, fmt.Errorf("tensor \"logits\": shape %v, want one row of logits for each of %d rows", t.Shape, len(g.rows))
		}
		g.logits, g.classes = t.Data, t.Shape[1]
	}
	if g.hidden == nil && g.logits == nil {
		return nil, errors.New("neither a tensor \"hidden\" nor \"logits\": nothing to compare")
	}
	return g, nil
}

// readRows makes rows of the ids, the types and the starts.
func (g *golden) readRows(tensors map[string]inference.Tensor) error {
	ids, err := integers(tensors, "ids")
	if err != nil {
		return err
	}
	types, err := integers(tensors, "types")
	if err != nil {
		return err
	}
	if g.starts, err = integers(tensors, "starts"); err != nil {
		return err
	}
	if len(types) != len(ids) {
		return fmt.Errorf("tensor \"types\": %d numbers for %d ids", len(types), len(ids))
	}
	if len(g.starts) < 2 || g.starts[0] != 0 || g.starts[len(g.starts)-1] != len(ids) {
		return fmt.Errorf("tensor \"starts\": want 0, the start of every other row, and the %d ids", len(ids))
	}
	for r := range len(g.starts) - 1 {
		begin, end := g.starts[r], g.starts[r+1]
		if begin >= end || end > len(ids) {
			return fmt.Errorf("tensor \"starts\": row %d goes from %d to %d of %d ids", r+1, begin, end, len(ids))
		}
		row := inference.Row{Second: end - begin}
		for i, id := range ids[begin:end] {
			switch kind := types[begin+i]; {
			case kind == 1 && i < row.Second:
				row.Second = i
			case kind == 0 && i > row.Second, kind > 1:
				return fmt.Errorf("tensor \"types\": row %d: %d at token %d, want 0 for the first text and then 1 for the second", r+1, kind, i+1)
			}
			row.Tokens = append(row.Tokens, int32(id))
		}
		g.rows = append(g.rows, row)
	}
	return nil
}

// readHidden reads the hidden states and which tokens they are of: all, where the
// file does not say.
func (g *golden) readHidden(tensors map[string]inference.Tensor) error {
	t, ok := tensors["hidden"]
	if !ok {
		return nil
	}
	all := g.starts[len(g.starts)-1]
	if _, some := tensors["at"]; some {
		var err error
		if g.at, err = integers(tensors, "at"); err != nil {
			return err
		}
	} else {
		for token := range all {
			g.at = append(g.at, token)
		}
	}
	last := -1
	for _, token := range g.at {
		if token <= last || token >= all {
			return fmt.Errorf("tensor \"at\": %d follows %d, want ascending places among %d ids", token, last, all)
		}
		last = token
	}
	if len(g.at) == 0 || len(t.Shape) != 2 || t.Shape[0] != len(g.at) || t.Shape[1] < 1 {
		return fmt.Errorf("tensor \"hidden\": shape %v, want one hidden state for each of %d tokens", t.Shape, len(g.at))
	}
	g.hidden, g.width = t.Data, t.Shape[1]
	return nil
}

// maxInteger is the largest whole number up to which float32 has all of them.
const maxInteger = 1 << 24

// integers reads a tensor of whole numbers of 0 or more.
func integers(tensors map[string]inference.Tensor, name string) ([]int, error) {
	t, ok := tensors[name]
	if !ok {
		return nil, fmt.Errorf("tensor %q: missing, or not of F32", name)
	}
	if len(t.Shape) != 1 {
		return nil, fmt.Errorf("tensor %q: shape %v, want one dimension", name, t.Shape)
	}
	numbers := make([]int, len(t.Data))
	for i, v := range t.Data {
		if v < 0 || v > maxInteger || v != float32(int(v)) {
			return nil, fmt.Errorf("tensor %q: number %d is %v, want a whole one of 0 or more", name, i, v)
		}
		numbers[i] = int(v)
	}
	return numbers, nil
}
