package train

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// Words are the ids of the pieces that training treats apart.
type Words struct {
	Unknown   int32 // [UNK]
	Separator int32 // [SEP]
}

// A Trainer fits one model. One goroutine at a time may use it.
type Trainer struct {
	config    inference.Config
	options   Options
	rows      []Row
	words     Words
	network   *network
	optimizer *optimizer
	done      int // steps
	batch     batch
	epoch     int       // that batches belong to; -1 before the first
	batches   [][]int32 // of the epoch

	every int // steps between two looks at the conflict
	see   func(Conflict) error
}

// Progress is how far a run has come. Losses are means over the batch, one per
// exit, not weighted.
type Progress struct {
	Model, Models int // under way from 1, in all: 1 of 1 but with a Multi-Model
	Step, Steps   int // done, in all
	Epoch, Epochs int // under way from 1, in all
	Tokens        int // of this step
	Losses        []float64
	EpochEnds     bool // with this step
}

// New returns a trainer of a model of shape c, with initial weights drawn by
// the seed. rows are the training examples, all with a label.
func New(c inference.Config, o Options, rows []Row, w Words, e *cpu.Engine) (*Trainer, error) {
	t := &Trainer{config: c, options: o, rows: rows, words: w, epoch: -1}
	var err error
	if t.network, err = newNetwork(&t.config, &t.options, e); err != nil {
		return nil, err
	}
	if err := t.checkRows(); err != nil {
		return nil, err
	}
	t.network.keepFeatures(len(rows))
	t.network.layout.initialize(t.network.weights, o.Seed)
	t.optimizer = newOptimizer(t.network)
	return t, nil
}

// checkRows reports the first row that the network cannot read.
func (t *Trainer) checkRows() error {
	if len(t.rows) == 0 {
		return errors.New("there are no training rows")
	}
	for i, r := range t.rows {
		switch {
		case len(r.Tokens) == 0 || len(r.Tokens) > t.config.Positions:
			return fmt.Errorf("row %d has %d tokens, want 1 to %d", i, len(r.Tokens), t.config.Positions)
		case r.Label < 0 || int(r.Label) >= len(t.config.Labels):
			return fmt.Errorf("row %d has label %d of %d", i, r.Label, len(t.config.Labels))
		case slices.ContainsFunc(r.Tokens, func(id int32) bool { return id < 0 || int(id) >= t.config.Vocab }):
			return fmt.Errorf("row %d has a token outside the vocabulary of %d", i, t.config.Vocab)
		}
	}
	return nil
}

// Start takes over the weights among tensors that fit the model by name and
// shape. It returns the names of those that the model needs and that keep their
// drawn values.
func (t *Trainer) Start(tensors map[string]inference.Tensor) (drawn []string) {
	t.network.keepFeatures(len(t.rows)) // those of other weights are worth nothing
	l := t.network.layout
	for _, p := range l.tensors {
		from, ok := tensors[p.name]
		if !ok || !slices.Equal(from.Shape, p.shape) || len(from.Data) != p.size {
			drawn = append(drawn, p.name)
			continue
		}
		copy(l.of(t.network.weights, p.name), from.Data)
	}
	return drawn
}

// Done returns how many steps have been taken.
func (t *Trainer) Done() int { return t.done }

// Steps returns how many steps the run has in all.
func (t *Trainer) Steps() int {
	return t.options.Epochs * t.stepsPerEpoch()
}

func (t *Trainer) stepsPerEpoch() int {
	return (len(t.rows) + t.options.BatchRows - 1) / t.options.BatchRows
}

// Run trains to the end, from where the trainer is. After every step it calls
// report, which stops the run by an error. When ctx ends, Run stops between two
// steps and returns ctx's cause; the trainer can go on from there.
func (t *Trainer) Run(ctx context.Context, report func(Progress) error) error {
	defer t.network.settle()
	for steps := t.Steps(); t.done < steps; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p, err := t.step(steps)
		if err != nil {
			return err
		}
		if err := report(p); err != nil {
			return err
		}
	}
	return nil
}

// step takes one step.
func (t *Trainer) step(steps int) (Progress, error) {
	perEpoch := t.stepsPerEpoch()
	if epoch := t.done / perEpoch; epoch != t.epoch {
		t.epoch, t.batches = epoch, order(t.rows, t.options.BatchRows, t.options.Seed, epoch)
	}
	t.batch.fill(t.rows, t.batches[t.done%perEpoch])
	t.batch.forget(t.options.UnknownRate, t.words, t.options.Seed, t.done)
	if err := t.observe(); err != nil {
		return Progress{}, err
	}
	t.setPhase(steps)
	losses := t.network.gradients(&t.batch, t.done)
	if !finite(losses) {
		return Progress{}, fmt.Errorf("step %d: the loss is %v; a lower learning rate may help", t.done+1, losses)
	}
	t.optimizer.step(t.done, steps)
	t.done++
	return Progress{
		Model: 1, Models: 1, Step: t.done, Steps: steps, Epoch: t.epoch + 1, Epochs: t.options.Epochs,
		Tokens: t.batch.tokens(), Losses: losses, EpochEnds: t.done%perEpoch == 0,
	}, nil
}

// setPhase tells the network which phase of the run the next step belongs to.
func (t *Trainer) setPhase(steps int) {
	n := t.network
	switch opens := t.done < t.options.Method.Opening.opens(steps); {
	case opens && n.phase != n.opening:
		n.setPhase(n.opening)
	case !opens && n.phase != n.main:
		n.setPhase(n.main)
	}
}

// Config returns the model's shape.
func (t *Trainer) Config() inference.Config { return t.config }

// Tensors returns the weights as they are now, in the order of the forward pass.
// They share the trainer's memory: the next step changes them.
func (t *Trainer) Tensors() []inference.Tensor {
	t.network.settle()
	l := t.network.layout
	parameters := t.config.Parameters()
	tensors := make([]inference.Tensor, len(parameters))
	for i, p := range parameters {
		tensors[i] = inference.Tensor{Name: p.Name, Shape: p.Shape, Data: l.of(t.network.weights, l.owner(p.Name))}
	}
	return tensors
}

// Current returns the model that is being trained: all of it.
func (t *Trainer) Current() *inference.Directory { return t.Directory() }

// Directory returns the model as it is now. It shares the trainer's memory.
func (t *Trainer) Directory() *inference.Directory {
	d := &inference.Directory{Config: t.config, Tensors: map[string]inference.Tensor{}}
	for _, x := range t.Tensors() {
		d.Tensors[x.Name] = x
	}
	return d
}
