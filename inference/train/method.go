package train

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"sweetspot/inference"
)

// A Method says how the exits share what is trained. The zero value is strict
// SWEET.
type Method struct {
	// Pass is a, in [0, 1]: the share of the gradient of a group's output that
	// comes from deeper exits and is let through, h_i = a·H_i + (1−a)·stopgrad(H_i).
	// One value for all boundaries between groups, or one for each, shallowest
	// first; none is 0.
	Pass []float32 `json:"pass"`

	SharedPooler bool `json:"shared_pooler"` // all exits use the first exit's pooler
	GlobalClip   bool `json:"global_clip"`   // clip all gradients by one norm, also where nothing passes

	// Scale multiplies the gradient that each exit sends into the layers before
	// it, but not that of its own pooler and classifier (as RomeBERT's does, Geng
	// and others 2021). None is 1 each.
	Scale []float32 `json:"exit_scale"`

	Distill Distill `json:"distill"`
	Gate    Gate    `json:"gate"`
	Opening Opening `json:"opening"`
}

// Distill lets the exits learn from the last one's answers, beside the labels:
// the loss of exit i < m grows by
//
//	Weight · T² · KL(softmax(z_m/T) ‖ softmax(z_i/T)),
//
// where no gradient goes to z_m (Hinton and others 2015). Where gradients do not
// pass between all groups, the last exit answers in a forward pass of its own
// before the others learn, which costs about a third more time.
type Distill struct {
	Weight      float32 `json:"weight"`      // 0 is off
	Temperature float32 `json:"temperature"` // T, at least 0.1
}

// A GateKind is a rule by which single rows are kept from teaching the groups
// before an exit.
type GateKind string

// The gates. What deeper exits send through boundary i is multiplied, row by
// row, by
//
//	hard: 0 where exit i gives the row's label with at least Confidence, else 1
//	soft: 1 − p_i(label)
//
// as in Confidence-Gated Training (2025). No gradient goes through the factor.
const (
	NoGate   GateKind = ""
	HardGate GateKind = "hard"
	SoftGate GateKind = "soft"
)

// A Gate is a kind of gate with its setting.
type Gate struct {
	Kind       GateKind `json:"kind"`
	Confidence float32  `json:"confidence"` // in [0, 1], of the hard gate
}

// An OpeningKind is how a run begins.
type OpeningKind string

// The openings.
const (
	LastOnly OpeningKind = "last"  // only the last exit's loss counts, and trains all layers
	Separate OpeningKind = "sweet" // every group learns from its own exit alone
)

// An Opening is another way of training over the first steps of a run; the rest
// of the method's settings hold from then on. The learning rate follows one
// schedule over both.
type Opening struct {
	Share float64     `json:"share"` // of the steps, below 1; 0 is none
	Kind  OpeningKind `json:"kind"`
}

// Validate reports every setting that makes no sense for a model of so many
// exits.
func (m Method) Validate(exits int) error {
	var errs []error
	m.validate(exits, func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) })
	return errors.Join(errs...)
}

// validate reports through bad every setting that makes no sense for exits
// exits.
func (m Method) validate(exits int, bad func(format string, args ...any)) {
	if n := len(m.Pass); n > 1 && n != exits-1 {
		bad("method passes %d shares of the gradient for %d boundaries between groups, want one or one each", n, exits-1)
	}
	for _, a := range m.Pass {
		if !(a >= 0 && a <= 1) {
			bad("method passes a share %v of the gradient, want 0 to 1", a)
		}
	}
	if n := len(m.Scale); n > 0 && n != exits {
		bad("%d gradient scales for %d exits", n, exits)
	}
	for _, s := range m.Scale {
		if !(s >= 0 && s <= 1e3) {
			bad("gradient scale of an exit is %v, want 0 to 1000", s)
		}
	}
	m.Distill.validate(bad)
	m.Gate.validate(m, bad)
	m.Opening.validate(bad)
}

func (d Distill) validate(bad func(format string, args ...any)) {
	if !(d.Weight >= 0 && d.Weight <= 1e3) {
		bad("weight of the last exit's answers is %v, want 0 to 1000", d.Weight)
	}
	if d.Weight > 0 && !(d.Temperature >= 0.1 && d.Temperature <= 100) {
		bad("temperature of the last exit's answers is %v, want 0.1 to 100", d.Temperature)
	}
}

func (g Gate) validate(m Method, bad func(format string, args ...any)) {
	switch g.Kind {
	case NoGate:
		return
	case HardGate, SoftGate:
	default:
		bad("gate %q is neither %s nor %s", g.Kind, HardGate, SoftGate)
	}
	if !(g.Confidence >= 0 && g.Confidence <= 1) {
		bad("confidence of the gate is %v, want 0 to 1", g.Confidence)
	}
	if !m.passes() {
		bad("a gate needs gradients that pass between groups, and the method passes none")
	}
}

func (o Opening) validate(bad func(format string, args ...any)) {
	if !(o.Share >= 0 && o.Share < 1) {
		bad("opening takes a share %v of the steps, want 0 to less than 1", o.Share)
	}
	if o.Share > 0 && o.Kind != LastOnly && o.Kind != Separate {
		bad("opening %q is neither %s nor %s", o.Kind, LastOnly, Separate)
	}
}

// passes reports whether any gradient passes between groups.
func (m Method) passes() bool {
	return slices.ContainsFunc(m.Pass, func(a float32) bool { return a > 0 })
}

// A phase is how the exits share what is trained during some of the steps.
type phase struct {
	pass          []float32 // (exits) share of the gradient that comes back from the group behind; the last's is 0
	weights       []float32 // (exits) of the losses
	scale         []float32 // (exits) of the gradient that the exit sends down
	distill       Distill
	gate          Gate
	clipsPerGroup bool
	frozen        int    // first groups, which stay as they are
	chains        []span // of groups: gradients pass inside a chain and not between two; the frozen ones are one
	chain         []int  // (exits) which chain a group belongs to
}

// phases returns the method's main phase and the one that opens the run, which
// is nil where there is none.
func (o *Options) phases(c *inference.Config) (main, opening *phase) {
	exits, m := len(c.Exits), o.Method
	frozen := o.Freeze.groups(exits)
	main = newPhase(m.pass(exits), o.ExitWeights, m.scale(exits), frozen)
	main.distill, main.gate = m.Distill, m.Gate
	main.clipsPerGroup = !m.passes() && !m.GlobalClip
	if m.Opening.Share == 0 {
		return main, nil
	}
	if m.Opening.Kind == Separate {
		opening = newPhase(make([]float32, exits), o.ExitWeights, ones(exits), frozen)
		opening.clipsPerGroup = !m.GlobalClip
		return main, opening
	}
	lastOnly := make([]float32, exits)
	lastOnly[exits-1] = o.ExitWeights[exits-1]
	return main, newPhase(spread(ones(1), exits), lastOnly, ones(exits), frozen)
}

// pass returns the shares by group; nothing comes back to the last.
func (m Method) pass(exits int) []float32 {
	if len(m.Pass) == 0 {
		return make([]float32, exits)
	}
	return spread(m.Pass, exits)
}

func (m Method) scale(exits int) []float32 {
	if len(m.Scale) == 0 {
		return ones(exits)
	}
	return m.Scale
}

// spread gives every group but the last its share, of one for all or one each.
func spread(shares []float32, exits int) []float32 {
	all := make([]float32, exits)
	for g := range exits - 1 {
		all[g] = shares[min(g, len(shares)-1)]
	}
	return all
}

func ones(n int) []float32 { return slices.Repeat([]float32{1}, n) }

// newPhase returns a phase that clips globally. Nothing passes to the frozen
// groups.
func newPhase(pass, weights, scale []float32, frozen int) *phase {
	clear(pass[:frozen])
	p := &phase{pass: pass, weights: weights, scale: scale, frozen: frozen}
	from := 0
	for g, a := range pass {
		p.chain = append(p.chain, len(p.chains))
		if a == 0 && g >= frozen-1 {
			p.chains = append(p.chains, span{from, g + 1})
			from = g + 1
		}
	}
	return p
}

// first returns the first group of the chain that group g belongs to.
func (p *phase) first(g int) int { return p.chains[p.chain[g]].from }

// slots returns how many layers' activations are kept at once: those of the
// longest chain.
func (p *phase) slots(c *inference.Config) int {
	most := min(1, p.frozen)
	for _, s := range p.chains {
		if s.from < p.frozen {
			continue
		}
		most = max(most, c.Exits[s.to-1]-groupStart(c, s.from))
	}
	return most
}

// opens returns how many of a run's steps the opening takes.
func (o Opening) opens(steps int) int { return int(math.Round(o.Share * float64(steps))) }

// String says what there is to say of a method in a word or two per setting, for
// errors that compare two.
func (m Method) String() string {
	return fmt.Sprintf("pass %v, shared pooler %v, global clip %v, exit scale %v, distill %v, gate %v, opening %v",
		m.Pass, m.SharedPooler, m.GlobalClip, m.Scale, m.Distill, m.Gate, m.Opening)
}
