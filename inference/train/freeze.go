package train

import (
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
