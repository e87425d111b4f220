package inference

import (
	"slices"
	"strings"
)

// NewEncoder places the encoder of dir without its exits on d: a model of one
// stage, of all layers, whose batches answer nothing. What it computes, the hidden
// states of the last layer, is read by [Batch.KeepHidden]. It needs no other
// weights than the encoder's, see [OpenEncoder].
func NewEncoder(dir *Directory, d Device, o Options) (*Model, error) {
	c := dir.Config
	c.Exits, c.Pooling, c.MultiLabel, c.Score = []int{c.Layers}, []Pooling{CLS}, false, MaxProbability
	needed := slices.DeleteFunc(c.Parameters(), func(p Parameter) bool { return strings.HasPrefix(p.Name, exitPrefix(0)) })
	if err := dir.checkAll(needed); err != nil {
		return nil, err
	}
	m, err := newModel(dir, d, o, FullDepth(1))
	if err != nil {
		return nil, err
	}
	m.Labels, m.config = nil, c
	p := placer{dir: dir, device: d}
	only := stage{embedding: p.embedding()}
	for n := range c.Layers {
		only.layers = append(only.layers, p.layer(n))
	}
	m.stages = []stage{only}
	return m, nil
}
