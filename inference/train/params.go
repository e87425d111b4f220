package train

import (
	"fmt"
	"strings"

	"sweetspot/inference"
)

// A tensor is one named parameter's place in an arena.
type tensor struct {
	name   string
	shape  []int
	from   int // arena[from : from+size]
	size   int
	group  int
	decays bool // weight decay applies
	frozen bool // training leaves it as it is
}

// A layout places the parameters of a network in one arena, group after group,
// each tensor in Hugging Face's orientation: a linear layer's weight is (N, K).
// Weights, gradients and moments are arenas of the same layout.
type layout struct {
	config  *inference.Config
	shared  bool // all exits use the first pooler
	tensors []tensor
	index   map[string]int
	size    int
	groups  []span // of the arena, by group
}

// A span is a half-open range of an arena.
type span struct{ from, to int }

// align is the number of float32 values that tensors start on a multiple of: a
// cache line.
const align = 16

// newLayout places the parameters of a network of shape c.
func newLayout(c *inference.Config, m Method) *layout {
	l := &layout{config: c, shared: m.SharedPooler, index: map[string]int{}}
	d := c.Width
	for g := range c.Exits {
		from := l.size
		if g == 0 {
			l.add(g, []int{c.Vocab, d}, "embeddings.word_embeddings.weight")
			l.add(g, []int{c.Positions, d}, "embeddings.position_embeddings.weight")
			l.add(g, []int{c.Types, d}, "embeddings.token_type_embeddings.weight")
			l.addNorm(g, "embeddings.LayerNorm")
		}
		for i := groupStart(c, g); i < c.Exits[g]; i++ {
			p := layerPrefix(i)
			q, k, v := p+"attention.self.query", p+"attention.self.key", p+"attention.self.value"
			l.add(g, []int{d, d}, q+".weight", k+".weight", v+".weight")
			l.add(g, []int{d}, q+".bias", k+".bias", v+".bias")
			l.addLinear(g, p+"attention.output.dense", d, d)
			l.addNorm(g, p+"attention.output.LayerNorm")
			l.addLinear(g, p+"intermediate.dense", c.FeedForward, d)
			l.addLinear(g, p+"output.dense", d, c.FeedForward)
			l.addNorm(g, p+"output.LayerNorm")
		}
		if g == 0 || !l.shared {
			l.addLinear(g, exitPrefix(g)+"pooler.dense", d, d)
		}
		l.addLinear(g, exitPrefix(g)+"classifier", len(c.Labels), d)
		l.groups = append(l.groups, span{from, l.size})
	}
	return l
}

func layerPrefix(i int) string { return fmt.Sprintf("encoder.layer.%d.", i) }

func exitPrefix(i int) string { return fmt.Sprintf("exits.%d.", i) }

// add places tensors of one shape side by side, without a gap between them.
func (l *layout) add(group int, shape []int, names ...string) {
	size := 1
	for _, n := range shape {
		size *= n
	}
	for _, name := range names {
		l.index[name] = len(l.tensors)
		decays := !strings.HasSuffix(name, ".bias") && !strings.Contains(name, "LayerNorm")
		l.tensors = append(l.tensors, tensor{name: name, shape: shape, from: l.size, size: size, group: group, decays: decays})
		l.size += size
	}
	l.size = (l.size + align - 1) / align * align
}

func (l *layout) addLinear(group int, name string, n, k int) {
	l.add(group, []int{n, k}, name+".weight")
	l.add(group, []int{n}, name+".bias")
}

func (l *layout) addNorm(group int, name string) {
	l.add(group, []int{l.config.Width}, name+".weight")
	l.add(group, []int{l.config.Width}, name+".bias")
}

// of returns the named tensor's values in an arena.
func (l *layout) of(arena []float32, name string) []float32 {
	t := l.tensors[l.index[name]]
	return arena[t.from : t.from+t.size : t.from+t.size]
}

// owner returns the name under which a tensor of the model is kept: a shared
// pooler is the first exit's.
func (l *layout) owner(name string) string {
	if _, ok := l.index[name]; ok || !l.shared {
		return name
	}
	_, part, _ := strings.Cut(name, ".pooler.")
	return exitPrefix(0) + "pooler." + part
}

// A linear is the weight (N, K) and bias (N) of a fully connected layer, or
// their gradients.
type linear struct {
	w, b []float32
	n, k int
}

// A norm is the gain and bias (D) of a layer norm, or their gradients.
type norm struct{ gain, bias []float32 }

// Layer parameters; query, key and value are one matrix (3D, D).
type layerParams struct {
	qkv, out, up, down linear
	norm1, norm2       norm
}

type headParams struct{ pooler, classifier linear }

// A view is an arena by what its parts are for.
type view struct {
	word, position, types []float32 // (V, D), (P, D), (types, D)
	norm                  norm
	layers                []layerParams
	heads                 []headParams
}

// view returns arena's parts.
func (l *layout) view(arena []float32) *view {
	d := l.config.Width
	v := &view{
		word:     l.of(arena, "embeddings.word_embeddings.weight"),
		position: l.of(arena, "embeddings.position_embeddings.weight"),
		types:    l.of(arena, "embeddings.token_type_embeddings.weight"),
		norm:     l.norm(arena, "embeddings.LayerNorm"),
	}
	for i := range l.config.Layers {
		p := layerPrefix(i)
		w := l.tensors[l.index[p+"attention.self.query.weight"]].from
		b := l.tensors[l.index[p+"attention.self.query.bias"]].from
		v.layers = append(v.layers, layerParams{
			qkv:   linear{w: arena[w : w+3*d*d : w+3*d*d], b: arena[b : b+3*d : b+3*d], n: 3 * d, k: d},
			out:   l.linear(arena, p+"attention.output.dense"),
			norm1: l.norm(arena, p+"attention.output.LayerNorm"),
			up:    l.linear(arena, p+"intermediate.dense"),
			down:  l.linear(arena, p+"output.dense"),
			norm2: l.norm(arena, p+"output.LayerNorm"),
		})
	}
	for e := range l.config.Exits {
		pooler := e
		if l.shared {
			pooler = 0
		}
		v.heads = append(v.heads, headParams{
			pooler:     l.linear(arena, exitPrefix(pooler)+"pooler.dense"),
			classifier: l.linear(arena, exitPrefix(e)+"classifier"),
		})
	}
	return v
}

func (l *layout) linear(arena []float32, name string) linear {
	shape := l.tensors[l.index[name+".weight"]].shape
	return linear{w: l.of(arena, name+".weight"), b: l.of(arena, name+".bias"), n: shape[0], k: shape[1]}
}

func (l *layout) norm(arena []float32, name string) norm {
	return norm{gain: l.of(arena, name+".weight"), bias: l.of(arena, name+".bias")}
}

// initial is the standard deviation of BERT's initial weights.
const initial = 0.02

// initialize fills arena as BERT does: weights from N(0, 0.02²), each tensor
// from a stream of its own, biases 0, the gains of layer norms 1.
func (l *layout) initialize(arena []float32, seed uint64) {
	clear(arena)
	for _, t := range l.tensors {
		x := arena[t.from : t.from+t.size]
		switch {
		case t.decays:
			normal(x, initial, seed, t.name)
		case strings.HasSuffix(t.name, "LayerNorm.weight"):
			for i := range x {
				x[i] = 1
			}
		}
	}
}
