package train

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// A MultiTrainer fits the models of a Multi-Model, one after another, each as a
// [Trainer] would by itself: with the rows, the seed and the steps of the whole
// run. One goroutine at a time may use it.
type MultiTrainer struct {
	config  inference.Config
	options Options
	rows    []Row
	words   Words
	engine  *cpu.Engine

	initial  map[string]inference.Tensor // what the models start from; nil for drawn weights
	finished [][]inference.Tensor        // by model
	current  *Trainer
}

// NewMulti returns a trainer of a Multi-Model of shape c, whose options hold for
// every model, the exit weights for one each.
func NewMulti(c inference.Config, o Options, rows []Row, w Words, e *cpu.Engine) (*MultiTrainer, error) {
	if c.Method != inference.MultiModel {
		return nil, fmt.Errorf("a model of method %s is no Multi-Model", c.Method)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("model shape: %w", err)
	}
	if len(o.ExitWeights) != len(c.Exits) {
		return nil, fmt.Errorf("training options: %d exit weights for %d models", len(o.ExitWeights), len(c.Exits))
	}
	if o.Freeze != (Freeze{}) {
		return nil, errors.New("training options: the models of a Multi-Model share nothing that could be frozen")
	}
	t := &MultiTrainer{config: c, options: o, rows: rows, words: w, engine: e}
	return t, t.begin(0)
}

// begin makes model n the one that is trained.
func (t *MultiTrainer) begin(n int) error {
	o := t.options
	o.ExitWeights = o.ExitWeights[n : n+1]
	var err error
	if t.current, err = New(t.config.Model(n), o, t.rows, t.words, t.engine); err != nil {
		return fmt.Errorf("model %d: %w", n+1, err)
	}
	t.current.Start(headOf(t.initial, n))
	return nil
}

// headOf returns tensors of a model with several exits as those of its n-th exit
// alone.
func headOf(tensors map[string]inference.Tensor, n int) map[string]inference.Tensor {
	one := make(map[string]inference.Tensor, len(tensors))
	for name, x := range tensors {
		if part, ok := strings.CutPrefix(name, exitPrefix(n)); ok {
			one[exitPrefix(0)+part] = x
		} else if !strings.HasPrefix(name, "exits.") {
			one[name] = x
		}
	}
	return one
}

// Start makes every model start from the weights among tensors that fit it by
// name and shape: the first layers and the exit behind them, where there is one.
// It returns the names of those that are missing, an exit's under its number. It
// is called before the first step, and before [MultiTrainer.Resume] too.
func (t *MultiTrainer) Start(tensors map[string]inference.Tensor) (drawn []string) {
	t.initial = tensors
	t.current.Start(headOf(tensors, t.at()))
	for n := range t.config.Exits {
		one := headOf(tensors, n)
		for _, p := range t.config.Model(n).Parameters() {
			name := p.Name
			if part, ok := strings.CutPrefix(name, exitPrefix(0)); ok {
				name = exitPrefix(n) + part
			} else if n < len(t.config.Exits)-1 {
				continue // the last model has all layers
			}
			if x, ok := one[p.Name]; !ok || !slices.Equal(x.Shape, p.Shape) {
				drawn = append(drawn, name)
			}
		}
	}
	return drawn
}

// at returns which model is trained, from 0.
func (t *MultiTrainer) at() int { return len(t.finished) }

// Done returns how many steps have been taken.
func (t *MultiTrainer) Done() int { return t.at()*t.current.Steps() + t.current.Done() }

// Steps returns how many steps the run has in all.
func (t *MultiTrainer) Steps() int { return len(t.config.Exits) * t.current.Steps() }

// Run trains all models to the end, as [Trainer.Run] does. Progress counts the
// steps of all.
func (t *MultiTrainer) Run(ctx context.Context, report func(Progress) error) error {
	for {
		err := t.current.Run(ctx, func(p Progress) error {
			p.Model, p.Models = t.at()+1, len(t.config.Exits)
			p.Step, p.Steps = t.Done(), t.Steps()
			return report(p)
		})
		if err != nil {
			return fmt.Errorf("model %d of %d: %w", t.at()+1, len(t.config.Exits), err)
		}
		if t.at() == len(t.config.Exits)-1 {
			return nil
		}
		t.finished = append(t.finished, t.current.Tensors())
		if err := t.begin(t.at()); err != nil {
			return err
		}
	}
}

// Config returns the model's shape.
func (t *MultiTrainer) Config() inference.Config { return t.config }

// Current returns the model that is being trained by itself, as it is now.
func (t *MultiTrainer) Current() *inference.Directory { return t.current.Directory() }

// Directory returns the Multi-Model as it is now; models that were not begun
// are missing. It shares the trainer's memory.
func (t *MultiTrainer) Directory() *inference.Directory {
	d := &inference.Directory{Config: t.config}
	for n, tensors := range t.finished {
		d.SetModel(n, tensors)
	}
	d.SetModel(t.at(), t.current.Tensors())
	return d
}

// Tensors returns the weights of the models that were begun, as they are now,
// model after model.
func (t *MultiTrainer) Tensors() []inference.Tensor {
	d := t.Directory()
	var tensors []inference.Tensor
	for _, p := range t.config.Parameters() {
		if x, ok := d.Tensors[p.Name]; ok {
			tensors = append(tensors, x)
		}
	}
	return tensors
}

// Frozen returns nothing: all weights are trained.
func (*MultiTrainer) Frozen([]string) []string { return nil }

// Activations returns the largest of any model, see [Trainer.Activations].
func (t *MultiTrainer) Activations() int { return t.current.Activations() }

// A checkpoint of a Multi-Model is a line of JSON, a safetensors file of the
// models that are finished, and the checkpoint of the one that is not.

// multiHeader is the line.
type multiHeader struct {
	checkpointHeader
	Finished int    `json:"finished"` // models
	Bytes    int    `json:"bytes"`    // of the file that holds them
	Initial  string `json:"initial"`  // SHA-256 of what the models start from
}

func (t *MultiTrainer) header() (multiHeader, error) {
	h, err := headerOf(t.config, t.options, t.rows, t.Done())
	return multiHeader{checkpointHeader: h, Finished: t.at(), Initial: digest(t.initial)}, err
}

// digest tells tensors apart from others.
func digest(tensors map[string]inference.Tensor) string {
	h := sha256.New()
	buf := make([]byte, 0, 4096)
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		h.Write([]byte(name))
		for part := range slices.Chunk(tensors[name].Data, cap(buf)/4) {
			buf, _ = binary.Append(buf[:0], binary.LittleEndian, part) // float32 has a size
			h.Write(buf)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// finishedTensors are those of the finished models under the names of the whole.
func (t *MultiTrainer) finishedTensors() []inference.Tensor {
	tensors := t.Tensors()
	return tensors[:len(tensors)-len(t.current.Tensors())]
}

// Save writes a checkpoint, as [Trainer.Save] does.
func (t *MultiTrainer) Save(w io.Writer) error {
	h, err := t.header()
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	var size counter
	if err := inference.WriteTensors(&size, t.finishedTensors(), inference.StoreF32); err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	h.Bytes = int(size)
	line, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	if err := inference.WriteTensors(w, t.finishedTensors(), inference.StoreF32); err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	return t.current.Save(w)
}

// A counter counts the bytes that are written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// Resume puts t where the trainer was that wrote the checkpoint, as
// [Trainer.Resume] does.
func (t *MultiTrainer) Resume(r io.Reader) error {
	in := bufio.NewReader(r)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the checkpoint: its first line: %w", noEOF(err))
	}
	var got multiHeader
	if err := json.Unmarshal(line, &got); err != nil {
		return fmt.Errorf("reading the checkpoint: its first line: %w", err)
	}
	if err := t.matches(&got); err != nil {
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	var data bytes.Buffer
	if _, err := io.CopyN(&data, in, int64(got.Bytes)); err != nil {
		return fmt.Errorf("reading the checkpoint: the finished models: %w", noEOF(err))
	}
	tensors, err := inference.ReadTensors(data.Bytes())
	if err != nil {
		return fmt.Errorf("reading the checkpoint: the finished models: %w", err)
	}
	whole := inference.Directory{Config: t.config, Tensors: tensors}
	t.finished = nil
	for n := range got.Finished {
		one := whole.Model(n)
		if err := one.Check(); err != nil {
			return fmt.Errorf("reading the checkpoint: model %d: %w", n+1, err)
		}
		var ordered []inference.Tensor
		for _, p := range one.Config.Parameters() {
			ordered = append(ordered, one.Tensors[p.Name])
		}
		t.finished = append(t.finished, ordered)
	}
	if err := t.begin(got.Finished); err != nil {
		return err
	}
	return t.current.Resume(in)
}

// matches reports the first thing in which the run that wrote a checkpoint is
// not t's.
func (t *MultiTrainer) matches(got *multiHeader) error {
	want, err := t.header()
	if err != nil {
		return err
	}
	if err := want.accepts(&got.checkpointHeader, t.Steps()); err != nil {
		return err
	}
	switch {
	case got.Initial != want.Initial:
		return errors.New("its models start from other weights")
	case got.Finished < 0 || got.Finished >= len(t.config.Exits):
		return fmt.Errorf("%d models of %d are finished and one is under way", got.Finished, len(t.config.Exits))
	case got.Bytes < 0:
		return fmt.Errorf("finished models of %d bytes", got.Bytes)
	}
	return nil
}
