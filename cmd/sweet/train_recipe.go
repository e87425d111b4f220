package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sweetspot/inference"
	"sweetspot/inference/train"
)

// recipeOptions are the flags that say by which method exits are trained.
type recipeOptions struct {
	name       string
	asReleased bool

	// Settings that take the place of the method's own, where given.
	alpha       []float64
	scale       []float64
	distill     float64
	temperature float64
	gate        float64
	opening     float64

	set func(flag string) bool // reports whether a flag was given
}

// The flags of settings that depend on the method where they are not given.
const (
	alphaFlag       = "alpha"
	scaleFlag       = "exit-scale"
	distillFlag     = "distill"
	temperatureFlag = "distill-temperature"
	gateFlag        = "gate"
	openingFlag     = "opening"
	unknownFlag     = "unk-rate"
)

// defaultMethod is the best of those that train one encoder, where exits read the
// first token, which is the default too: inference/train/results.
const defaultMethod = "balanced"

func (o *recipeOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.name, "method", defaultMethod, "how exits share what is trained, see above")
	f.BoolVar(&o.asReleased, "as-released", false, "with sweet or ee: one pooler for all exits and one norm to clip by, as in the code of the paper")
	f.Float64SliceVar(&o.alpha, alphaFlag, nil, "share of a group's gradient that comes from deeper exits and is let through, 0 to 1: one, or one for each boundary between groups (default the method's)")
	f.Float64SliceVar(&o.scale, scaleFlag, nil, "factors of the gradient that each exit sends into the layers before it (default the method's)")
	f.Float64Var(&o.distill, distillFlag, 0, "weight of the last exit's answers, beside the labels, in what the others learn (default the method's)")
	f.Float64Var(&o.temperature, temperatureFlag, 2, "temperature at which they learn from them")
	f.Float64Var(&o.gate, gateFlag, 0.9, "confidence from which a right exit keeps its text from deeper exits' gradients (default the method's)")
	f.Float64Var(&o.opening, openingFlag, 0.5, "share of the steps that a method of two phases begins with (default the method's)")
	o.set = f.Changed
}

// methodsHelp lists the methods as a table.
func methodsHelp() string {
	var text strings.Builder
	text.WriteString("The methods:\n")
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, r := range train.Recipes() {
		fmt.Fprintf(t, "  %s\t%s\n", r.Name, r.About)
	}
	_ = t.Flush() // a strings.Builder takes everything
	return strings.TrimRight(text.String(), "\n")
}

// method returns the name and the settings of the method for a model of so many
// exits.
func (o *recipeOptions) method(exits int) (inference.Method, train.Method, error) {
	name := inference.Method(o.name)
	if o.asReleased {
		if name != inference.SWEET && name != inference.EarlyExit {
			return "", train.Method{}, fmt.Errorf("--as-released goes with --method sweet or ee, not %s", name)
		}
		name += "-released"
	}
	m, err := train.MethodOf(name, exits)
	if err != nil {
		return "", train.Method{}, fmt.Errorf("--method: %w", err)
	}
	if err := o.fits(name, m); err != nil {
		return "", train.Method{}, err
	}
	o.override(&m)
	return name, m, nil
}

// check reports a method that there is not, and settings that it cannot have,
// for so many exits, where 0 is a number that is not known yet.
func (o *recipeOptions) check(exits int) error {
	if exits == 0 {
		exits = max(len(o.alpha)+1, len(o.scale), 2)
	}
	_, m, err := o.method(exits)
	if err != nil {
		return err
	}
	if err := m.Validate(exits); err != nil {
		return fmt.Errorf("--method %s: %w", o.name, err)
	}
	return nil
}

// fits reports a flag that the method has no use for: the paper's methods stand
// for fixed settings, and config.json keeps nothing but their name.
func (o *recipeOptions) fits(name inference.Method, m train.Method) error {
	switch name {
	case inference.SWEET, inference.EarlyExit, "sweet-released", "ee-released", inference.MultiModel, train.FrozenExits:
		for _, flag := range []string{alphaFlag, scaleFlag, distillFlag, temperatureFlag, gateFlag, openingFlag} {
			distills := name == train.FrozenExits && (flag == distillFlag || flag == temperatureFlag)
			if o.set(flag) && !distills {
				return fmt.Errorf("--%s does not go with --method %s, whose settings are fixed; %s is free", flag, name, train.Blend)
			}
		}
	}
	switch {
	case o.set(gateFlag) && m.Gate.Kind != train.HardGate:
		return fmt.Errorf("--%s goes with --method gated, not %s", gateFlag, name)
	case o.set(openingFlag) && m.Opening.Kind == "":
		return fmt.Errorf("--%s goes with a method of two phases, not %s", openingFlag, name)
	case o.set(temperatureFlag) && m.Distill.Weight == 0 && !o.set(distillFlag):
		return fmt.Errorf("--%s says nothing without --%s", temperatureFlag, distillFlag)
	}
	return nil
}

// override puts the flags that were given in the place of m's settings.
func (o *recipeOptions) override(m *train.Method) {
	if o.set(alphaFlag) {
		m.Pass = numbers32(o.alpha)
	}
	if o.set(scaleFlag) {
		m.Scale = numbers32(o.scale)
	}
	if o.set(distillFlag) {
		m.Distill.Weight = float32(o.distill)
	}
	if o.set(distillFlag) || o.set(temperatureFlag) {
		m.Distill.Temperature = float32(o.temperature)
	}
	if o.set(gateFlag) {
		m.Gate.Confidence = float32(o.gate)
	}
	if o.set(openingFlag) {
		m.Opening.Share = o.opening
	}
}

func numbers32(values []float64) []float32 {
	converted := make([]float32, len(values))
	for i, v := range values {
		converted[i] = float32(v)
	}
	return converted
}
