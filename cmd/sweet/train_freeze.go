package main

import (
	"errors"
	"fmt"
	"slices"

	"sweetspot/inference"
	"sweetspot/inference/train"
)

// freeze settles what of the initial model, whose shape was that, stays as it
// is, and gives c the labels and the pooling that it stays with. A model without a
// classifier has no labels.
func (o *trainOptions) freeze(c, was *inference.Config, labels []string) error {
	o.settings.Freeze = train.Freeze{Groups: o.freezeTo, Backbone: c.Method == train.FrozenExits}
	f := o.settings.Freeze
	if f == (train.Freeze{}) {
		return nil
	}
	if o.from == "" {
		return errors.New("--method exits and --freeze-to keep a model's weights: name its directory by --init")
	}
	if len(was.Labels) == 0 {
		return fmt.Errorf("--init %s: it has no classifier that gives a text one label, and --method exits and --freeze-to keep one as it is", o.from)
	}
	for _, label := range labels {
		if !slices.Contains(was.Labels, label) {
			return fmt.Errorf("--init %s: label %q of the training examples is none of the %d that its exits know, which stay as they are", o.from, label, len(was.Labels))
		}
	}
	c.Labels = was.Labels
	if !o.recipe.set(scoreFlag) {
		c.Score = was.Score
	}
	if f.Backbone && !o.recipe.set(unknownFlag) {
		o.settings.UnknownRate = 0 // what the layers say of a text is then computed once
	}
	if f.Backbone && c.Layers != was.Layers {
		return fmt.Errorf("--method exits keeps the answers of all %d layers of --init, and the last exit is after layer %d", was.Layers, c.Layers)
	}
	if f.Groups < 0 || f.Groups >= len(c.Exits) {
		return fmt.Errorf("--freeze-to %d: want an exit from 1 to %d, with one to train behind it", f.Groups, len(c.Exits)-1)
	}
	if f.Groups > 0 && !slices.Equal(c.Exits[:f.Groups], was.Exits[:min(f.Groups, len(was.Exits))]) {
		return fmt.Errorf("--freeze-to %d: the first %d exits are after layers %v, and those of --init after %v", f.Groups, f.Groups, c.Exits[:f.Groups], was.Exits)
	}
	copy(c.Pooling[:f.Groups], was.Pooling)
	if f.Backbone {
		c.Pooling[len(c.Pooling)-1] = was.Pooling[len(was.Pooling)-1]
	}
	return nil
}

// checkDrawn reports a tensor among those that start at random that must not:
// one that stays as it is, or, unless deeper layers are new, one of a layer.
func (r *trainRun) checkDrawn(drawn []string) error {
	missing := r.trainer.Frozen(drawn)
	if len(missing) == 0 && r.options.settings.Freeze.Groups == 0 {
		missing = slices.DeleteFunc(slices.Clone(drawn), isExit)
	}
	if len(missing) > 0 {
		return fmt.Errorf("--init %s: %s is missing or has another shape", r.options.from, missing[0])
	}
	return nil
}
