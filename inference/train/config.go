package train

import (
	"errors"
	"fmt"

	"sweetspot/inference"
)

// lanes is the number of values that rows of activations are a multiple of.
const lanes = 8

// checkShape reports what of a model's shape cannot be trained here.
func checkShape(c *inference.Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if c.FeedForward%lanes != 0 {
		return fmt.Errorf("intermediate_size: %d is no multiple of %d, as training needs", c.FeedForward, lanes)
	}
	return nil
}

// groupStart returns the first layer, from 0, of group g.
func groupStart(c *inference.Config, g int) int {
	if g == 0 {
		return 0
	}
	return c.Exits[g-1]
}

// Options are the settings of a run.
type Options struct {
	Method      Method    `json:"method"`
	ExitWeights []float32 `json:"exit_weights"` // of the exits' losses in the sum
	Epochs      int       `json:"epochs"`
	BatchRows   int       `json:"batch_rows"`
	Rate        float64   `json:"rate"`         // highest learning rate
	Warmup      float64   `json:"warmup"`       // share of the steps over which the rate rises from 0
	Decay       float64   `json:"decay"`        // decoupled weight decay, not on biases and layer norms
	Beta1       float64   `json:"beta1"`        // of the mean of the gradient
	Beta2       float64   `json:"beta2"`        // of the mean of its square
	Epsilon     float64   `json:"epsilon"`      // added to the root of the latter
	Clip        float64   `json:"clip"`         // largest norm of a group's gradient; 0 does not clip
	Dropout     float64   `json:"dropout"`      // probability that an activation is dropped
	UnknownRate float64   `json:"unknown_rate"` // probability that a token is read as [UNK]
	Seed        uint64    `json:"seed"`
	Freeze      Freeze    `json:"freeze"` // what stays as it is
}

// Validate reports every setting that makes no sense for a network of shape c.
func (o *Options) Validate(c *inference.Config) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(o.ExitWeights) != len(c.Exits) {
		bad("%d exit weights for %d exits", len(o.ExitWeights), len(c.Exits))
	}
	for _, w := range o.ExitWeights {
		if !(w > 0) || w > 1e6 {
			bad("exit weight %v is not positive", w)
		}
	}
	o.Method.validate(len(c.Exits), bad)
	o.Freeze.validate(len(c.Exits), o.Method, bad)
	if o.Epochs < 1 {
		bad("epochs is %d, want at least 1", o.Epochs)
	}
	if o.BatchRows < 1 {
		bad("batch is %d rows, want at least 1", o.BatchRows)
	}
	for _, v := range []struct {
		name      string
		value     float64
		low, high float64
	}{
		{"learning rate", o.Rate, 0, 1},
		{"warm-up", o.Warmup, 0, 1},
		{"weight decay", o.Decay, 0, 1},
		{"first beta", o.Beta1, 0, 0.9999999},
		{"second beta", o.Beta2, 0, 0.9999999},
		{"clip", o.Clip, 0, 1e9},
		{"dropout", o.Dropout, 0, 0.9},
		{"unknown rate", o.UnknownRate, 0, 0.9},
	} {
		if !(v.value >= v.low && v.value <= v.high) {
			bad("%s is %v, want %v to %v", v.name, v.value, v.low, v.high)
		}
	}
	if !(o.Epsilon > 0) {
		bad("epsilon is %v, want more than 0", o.Epsilon)
	}
	return errors.Join(errs...)
}

// DefaultOptions returns settings that suit training a small network from
// scratch. Method and exit weights, which depend on the model, are left out.
func DefaultOptions() Options {
	return Options{
		Epochs: 4, BatchRows: 32, Rate: 1e-3, Warmup: 0.05, Decay: 0.01,
		Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-8, Clip: 1, Dropout: 0.1, UnknownRate: 0.02, Seed: 1,
	}
}
