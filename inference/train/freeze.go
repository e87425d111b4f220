package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strings"
)

// Freeze says what of a model stays as it is, bit for bit, while the rest is
// trained. The zero value trains all. Frozen layers drop out nothing: what is
// trained behind them reads what it will read when the model is served.
type Freeze struct {
	// Groups is the number of groups, shallowest first, that stay with their
	// exits: their logits do not change either.
	Groups int `json:"groups"`

	// Backbone keeps the embeddings, all layers and the last exit: the other
	// exits are added to a classifier whose own answers do not change.
	Backbone bool `json:"backbone"`
}

func (f Freeze) validate(exits int, m Method, bad func(format string, args ...any)) {
	if f.Groups < 0 || f.Groups >= exits {
		bad("%d frozen groups of %d, want 0 to %d", f.Groups, exits, exits-1)
	}
	if f.Backbone && exits < 2 {
		bad("the backbone and the last exit are frozen, and there is no other exit to train")
	}
	if f.Backbone && m.Opening.Share > 0 {
		bad("the backbone is frozen, and the method opens a run by training it")
	}
	if f != (Freeze{}) && m.SharedPooler {
		bad("all exits share one pooler, which cannot be frozen for some of them alone")
	}
}

// groups returns how many groups, of exits in all, keep their layers.
func (f Freeze) groups(exits int) int {
	if f.Backbone {
		return exits
	}
	return f.Groups
}

// head reports whether the pooler and classifier of exit g stay.
func (f Freeze) head(g, exits int) bool {
	return g < f.Groups || f.Backbone && g == exits-1
}

// freeze marks the tensors that stay.
func (l *layout) freeze(f Freeze) {
	exits := len(l.config.Exits)
	for i := range l.tensors {
		t := &l.tensors[i]
		if t.frozen = t.group < f.groups(exits); strings.HasPrefix(t.name, exitPrefix(t.group)) {
			t.frozen = f.head(t.group, exits)
		}
	}
}

// trained returns the parts of an arena that a run changes, ascending.
func (l *layout) trained() []span {
	return l.parts(func(t *tensor) bool { return !t.frozen })
}

// parts returns the parts of an arena with the tensors that are wanted, and the
// gaps behind them, ascending.
func (l *layout) parts(want func(t *tensor) bool) []span {
	var parts []span
	for i := range l.tensors {
		t, end := &l.tensors[i], l.size
		if i+1 < len(l.tensors) {
			end = l.tensors[i+1].from
		}
		if !want(t) {
			continue
		}
		if n := len(parts); n > 0 && parts[n-1].to == t.from {
			parts[n-1].to = end
		} else {
			parts = append(parts, span{t.from, end})
		}
	}
	return parts
}

// fingerprint tells the weights that stay apart from others; "" where none do.
func (l *layout) fingerprint(weights []float32) string {
	kept := l.parts(func(t *tensor) bool { return t.frozen })
	if len(kept) == 0 {
		return ""
	}
	h := sha256.New()
	var buf []byte
	for _, p := range kept {
		for chunk := range slices.Chunk(weights[p.from:p.to], 1<<10) {
			buf = buf[:0]
			for _, w := range chunk {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(w))
			}
			h.Write(buf)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// frozenLayers returns how many layers stay.
func (n *network) frozenLayers() int {
	groups := n.options.Freeze.groups(len(n.config.Exits))
	if groups == 0 {
		return 0
	}
	return n.config.Exits[groups-1]
}

// Frozen returns the names, among those given, of tensors that the run leaves as
// they are.
func (t *Trainer) Frozen(names []string) []string {
	l := t.network.layout
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		i, ok := l.index[name]
		return !ok || !l.tensors[i].frozen
	})
}
