package inference

import (
	"maps"
	"strconv"
	"strings"
)

// Model returns the shape of the n-th model, from 0, of a Multi-Model: a
// classifier of Exits[n] layers whose one exit is at the last of them. Trained
// on its own it is like any other, so its method is [EarlyExit].
func (c Config) Model(n int) Config {
	c.Layers = c.Exits[n]
	c.Exits, c.Pooling = []int{c.Exits[n]}, []Pooling{c.Pooling[n]}
	c.Method = EarlyExit
	return c
}

// multiParameters lists the tensors of a Multi-Model, model after model.
func (c Config) multiParameters() []Parameter {
	var ps []Parameter
	for n := range c.Exits {
		for _, p := range c.Model(n).Parameters() {
			ps = append(ps, Parameter{modelTensor(n, p.Name), p.Shape})
		}
	}
	return ps
}

// Model returns the n-th model, from 0, of a Multi-Model directory, its tensors
// under the names of a model with one exit. The numbers are shared with d. A
// tensor that d lacks is lacking there too, and there is no digest: the model
// was never a directory of its own.
func (d *Directory) Model(n int) *Directory {
	one := &Directory{Config: d.Config.Model(n), Tensors: map[string]Tensor{}}
	for _, p := range one.Config.Parameters() {
		if t, ok := d.Tensors[modelTensor(n, p.Name)]; ok {
			t.Name = p.Name
			one.Tensors[p.Name] = t
		}
	}
	return one
}

// SetModel puts the tensors of a model with one exit into the Multi-Model
// directory d as those of its n-th model, from 0, in the place of any that are
// there. The numbers are shared. Whether they fit is for [Directory.Check] to
// say.
func (d *Directory) SetModel(n int, ts []Tensor) {
	maps.DeleteFunc(d.Tensors, func(name string, _ Tensor) bool { return strings.HasPrefix(name, modelPrefix(n)) })
	if d.Tensors == nil {
		d.Tensors = make(map[string]Tensor, len(ts))
	}
	for _, t := range ts {
		t.Name = modelTensor(n, t.Name)
		d.Tensors[t.Name] = t
	}
}

// modelTensor returns the name that a one-exit model's tensor has as the n-th
// model's in a Multi-Model directory. There the exit needs no number.
func modelTensor(n int, name string) string {
	return modelPrefix(n) + strings.TrimPrefix(name, exitPrefix(0))
}

func modelPrefix(n int) string { return "models." + strconv.Itoa(n) + "." }
