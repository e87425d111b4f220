package train

import (
	"fmt"
	"slices"
	"strings"

	"sweetspot/inference"
)

// A Recipe is a method by its name, which config.json keeps.
type Recipe struct {
	Name  inference.Method
	About string // one line, as in "every layer learns from the next exit alone"

	settings func(exits int) Method
}

// The names of methods that callers treat apart, beside those of package
// inference.
const (
	// FrozenExits trains new exits of a model that stays as it is.
	FrozenExits inference.Method = "exits"
	// Blend passes on a share of the gradient that the user names.
	Blend inference.Method = "blend"
)

// recipes are all methods, by what they are, the paper's first.
var recipes = []Recipe{
	{inference.SWEET, "every layer learns from the next exit alone", func(int) Method { return Method{} }},
	{inference.EarlyExit, "every layer learns from the losses of all exits behind it", func(int) Method {
		return Method{Pass: []float32{1}}
	}},
	{inference.MultiModel, "independent models, one per exit, in one directory: best answers, more to run", func(int) Method {
		return Method{}
	}},
	{FrozenExits, "new exits on a model that stays as it is (--init): its own answers do not change", func(int) Method {
		return Method{}
	}},
	{"sweet-released", "sweet as its authors released it: one pooler for all exits, one norm to clip by", func(int) Method {
		return Method{SharedPooler: true, GlobalClip: true}
	}},
	{"ee-released", "ee as its authors released it: one pooler for all exits", func(int) Method {
		return Method{Pass: []float32{1}, SharedPooler: true, GlobalClip: true}
	}},
	{Blend, "between sweet and ee: the share --alpha of the deeper exits' gradient passes, half by default", func(int) Method {
		return Method{Pass: []float32{0.5}}
	}},
	{"balanced", "as blend, a tenth of it at the first exit and ever more behind, but no text that an exit is sure of and right about", func(exits int) Method {
		return Method{Pass: steep(exits), Gate: Gate{Kind: HardGate, Confidence: 0.9}}
	}},
	{"taper", "as blend, the share growing with depth: the first layers learn most from the first exits", func(exits int) Method {
		return Method{Pass: taper(exits)}
	}},
	{"taper-distill", "as taper, and all exits learn from the last one's answers too", func(exits int) Method {
		return Method{Pass: taper(exits), Distill: defaultDistill}
	}},
	{"scaled", "as ee, the first exits' gradients into the layers made smaller, 1/exits up to 1", func(exits int) Method {
		return Method{Pass: []float32{1}, Scale: rising(exits)}
	}},
	{"distill", "as ee, and all exits learn from the last one's answers too", func(int) Method {
		return Method{Pass: []float32{1}, Distill: defaultDistill}
	}},
	{"gated", "as ee, but no deeper exit teaches a layer texts that the exit before it is sure of and right about", func(int) Method {
		return Method{Pass: []float32{1}, Gate: Gate{Kind: HardGate, Confidence: 0.9}}
	}},
	{"gated-soft", "as gated, by degrees: the surer the exit is of the label, the less passes", func(int) Method {
		return Method{Pass: []float32{1}, Gate: Gate{Kind: SoftGate}}
	}},
	{"mixed", "the last exit alone for the first half of the steps, then as ee", func(int) Method {
		return Method{Pass: []float32{1}, Opening: Opening{Share: 0.5, Kind: LastOnly}}
	}},
	{"mixed-distill", "as mixed, and all exits learn from the last one's answers too", func(int) Method {
		return Method{Pass: []float32{1}, Distill: defaultDistill, Opening: Opening{Share: 0.5, Kind: LastOnly}}
	}},
	{"tuned-sweet", "the last exit alone for the first half of the steps, then as sweet", func(int) Method {
		return Method{Opening: Opening{Share: 0.5, Kind: LastOnly}}
	}},
	{"sweet-ee", "as sweet for the first third of the steps, then as ee", func(int) Method {
		return Method{Pass: []float32{1}, Opening: Opening{Share: 1.0 / 3, Kind: Separate}}
	}},
	{"sweet-ee-distill", "as sweet-ee, and all exits learn from the last one's answers too", func(int) Method {
		return Method{Pass: []float32{1}, Distill: defaultDistill, Opening: Opening{Share: 1.0 / 3, Kind: Separate}}
	}},
}

// defaultDistill is what distillation starts from.
var defaultDistill = Distill{Weight: 1, Temperature: 2}

// taper returns 1/exits, 2/exits … for the boundaries between groups.
func taper(exits int) []float32 {
	shares := make([]float32, exits-1)
	for i := range shares {
		shares[i] = float32(i+1) / float32(exits)
	}
	return shares
}

// steep returns shares that rise from a tenth to 1 on a straight line, for the
// boundaries between groups. Where there is none, the one share is 1.
func steep(exits int) []float32 {
	if exits == 1 {
		return []float32{1}
	}
	shares := make([]float32, exits-1)
	for i := range shares {
		shares[i] = 0.1 + 0.9*float32(i)/float32(max(1, len(shares)-1))
	}
	return shares
}

// rising returns 1/exits, 1/(exits−1) … 1.
func rising(exits int) []float32 {
	shares := make([]float32, exits)
	for i := range shares {
		shares[i] = 1 / float32(exits-i)
	}
	return shares
}

// Recipes returns all methods that have a name.
func Recipes() []Recipe { return slices.Clone(recipes) }

// MethodOf returns the settings that a method's name stands for in a model of so
// many exits. With [inference.MultiModel] they are those of each model, and with
// [FrozenExits] the caller sets [Freeze] beside them.
func MethodOf(name inference.Method, exits int) (Method, error) {
	i := slices.IndexFunc(recipes, func(r Recipe) bool { return r.Name == name })
	if i < 0 {
		return Method{}, fmt.Errorf("method %q is none of %s", name, names())
	}
	return recipes[i].settings(exits), nil
}

// names lists the methods' names in one line.
func names() string {
	all := make([]string, len(recipes))
	for i, r := range recipes {
		all[i] = string(r.Name)
	}
	return strings.Join(all, ", ")
}
