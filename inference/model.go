package inference

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// A Model is an encoder with its weights placed on a device, or all encoders of
// a Multi-Model, one per stage. One goroutine at a time may use it and its
// batches.
type Model struct {
	Labels []string // (C)

	// Ladder is that of the device's precision. Where Load could not use one it
	// holds rung 0 alone, full depth, LadderDigest is empty, and LadderProblem
	// says why; errors.Is tells ErrNoLadder, ErrOtherModel, ErrOtherLimits and
	// ErrUnreadableLadder apart.
	Ladder        Ladder
	LadderDigest  string
	LadderProblem error

	config    Config
	name      string
	digest    string
	maxTokens int

	device  Device
	stages  []stage
	largest int     // tokens of the largest batch
	scratch scratch // shared by all batches: the device runs one thing after another
}

// A stage is a run of encoder layers and the exit behind them. A stage that
// embeds begins with the tokens themselves, the others with the activations of
// the stage before: every stage of a Multi-Model embeds, of other models the
// first alone.
type stage struct {
	embedding Embedding // nil unless the stage embeds
	layers    []layer
	head      Head // nil for an encoder without exits
}

func (s *stage) embeds() bool { return s.embedding != nil }

// A layer holds the placed weights of one encoder layer.
type layer struct {
	qkv           Linear // (3D, D)
	attended      Linear // (D, D)
	attentionNorm Norm
	up            Linear // (F, D)
	down          Linear // (D, F)
	outputNorm    Norm
}

// scratch is what a layer needs besides the activations that it changes.
type scratch struct {
	tokens   int    // that it has room for
	qkv      Buffer // (T, 3D)
	attended Buffer // (T, D)
	inner    Buffer // (T, F)
}

// Options are what a caller decides about a model. The zero value is fine.
type Options struct {
	Name      string // what to call the model; "" is the name in config.json
	MaxTokens int    // tokens kept per row; 0 is the model's positions, more is an error
	Truncate  string // the rule by which rows are cut, as the ladder names it; "" is "right"

	// Temperatures, one per exit, are what [New] places the model under; nil is
	// 1 everywhere. Calibration measures under the temperatures that it fitted.
	Temperatures []float32
}

// Load reads the model directory fsys, see [Open], and places its weights on d.
// A ladder that cannot be used is no error, see [Model]. A device that has no
// room for the weights says so at the first wait.
func Load(fsys fs.FS, d Device, o Options) (*Model, error) {
	dir, err := Open(fsys)
	if err != nil {
		return nil, err
	}
	stages := len(dir.Config.Exits)
	l, digest, problem := LoadLadder(fsys, d.Describe().Precision, dir.Digest, stages)
	if problem == nil {
		problem = o.covered(l, dir.Config)
	}
	if problem != nil {
		l, digest = FullDepth(stages), ""
	}
	m, err := place(dir, d, o, l)
	if err != nil {
		return nil, err
	}
	m.LadderDigest, m.LadderProblem = digest, problem
	return m, nil
}

// New places a model that is already in memory on d, at full depth: its ladder
// is rung 0 alone.
func New(dir *Directory, d Device, o Options) (*Model, error) {
	l := FullDepth(len(dir.Config.Exits))
	if o.Temperatures != nil {
		if len(o.Temperatures) != len(l.Temperatures) {
			return nil, fmt.Errorf("%d temperatures for %d exits", len(o.Temperatures), len(l.Temperatures))
		}
		l.Temperatures = o.Temperatures
	}
	return place(dir, d, o, l)
}

// covered reports where the ladder was measured with other token limits than
// those that rows will be made by: its certificate says nothing about these.
func (o Options) covered(l Ladder, c Config) error {
	tokens, rule := o.maxTokens(c), o.Truncate
	if rule == "" {
		rule = "right"
	}
	if l.MaxTokens == tokens && l.Truncate == rule {
		return nil
	}
	return fmt.Errorf("%w: %s was measured with max_tokens %d and truncate %s, here they are %d and %s",
		ErrOtherLimits, ladderName, l.MaxTokens, l.Truncate, tokens, rule)
}

func (o Options) maxTokens(c Config) int {
	if o.MaxTokens == 0 {
		return c.Positions
	}
	return o.MaxTokens
}

func place(dir *Directory, d Device, o Options, l Ladder) (*Model, error) {
	if err := dir.Check(); err != nil {
		return nil, err
	}
	m, err := newModel(dir, d, o, l)
	if err != nil {
		return nil, err
	}
	m.stages = placeStages(dir, d, l.Temperatures)
	return m, nil
}

// newModel returns a model without weights.
func newModel(dir *Directory, d Device, o Options, l Ladder) (*Model, error) {
	c := dir.Config
	m := &Model{
		Labels: c.Labels, Ladder: l, config: c, name: o.Name, digest: dir.Digest,
		maxTokens: o.maxTokens(c), device: d,
	}
	if m.maxTokens < 1 || m.maxTokens > c.Positions {
		return nil, fmt.Errorf("max tokens %d: want 1 to the model's %d positions", m.maxTokens, c.Positions)
	}
	if m.name == "" && c.Name != "" {
		m.name = path.Base(c.Name)
	}
	return m, nil
}

// Stages returns the number of stages, which is the number of exits.
func (m *Model) Stages() int { return len(m.stages) }

// StageLayers returns how many encoder layers a row has run when it leaves
// after the given stage, from 0, see [Config.StageLayers].
func (m *Model) StageLayers(stage int) int { return m.config.StageLayers(stage) }

// MaxTokens returns the most tokens of a row.
func (m *Model) MaxTokens() int { return m.maxTokens }

// Digest returns the model digest in hex, see [Open].
func (m *Model) Digest() string { return m.digest }

// Name returns what the model is called; "" where nobody gave it a name.
func (m *Model) Name() string { return m.name }

// Config returns what config.json says.
func (m *Model) Config() Config { return m.config }

// Device describes the device that the model lies on.
func (m *Model) Device() DeviceInfo { return m.device.Describe() }

// NewBatch returns an empty batch of the given stage, from 0, with room for
// maxTokens tokens. It must have room for the longest row.
func (m *Model) NewBatch(stage, maxTokens int) (*Batch, error) {
	if stage < 0 || stage >= len(m.stages) {
		return nil, fmt.Errorf("making a batch: stage %d is not from 0 to %d", stage, len(m.stages)-1)
	}
	if maxTokens < m.maxTokens {
		return nil, fmt.Errorf("making a batch: %d tokens have no room for a row of %d", maxTokens, m.maxTokens)
	}
	if maxTokens > maxBatchTokens {
		return nil, fmt.Errorf("making a batch: %d tokens, want at most %d", maxTokens, maxBatchTokens)
	}
	m.largest = max(m.largest, maxTokens)
	return newBatch(m, stage, maxTokens), nil
}

// Forward queues b's stage over all of b on the device. The answers are there
// after [Batch.Wait]. Failures of the device are reported there too.
func (m *Model) Forward(ctx context.Context, b *Batch) error {
	switch {
	case b.model != m:
		return errors.New("running a stage: the batch is another model's")
	case b.state != filling:
		return fmt.Errorf("running stage %d: the batch has been run: %w", b.stage+1, ErrState)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	b.expect()
	if len(b.Rows) > 0 {
		m.run(b)
	}
	b.ticket = m.device.Submit()
	b.state = running
	return nil
}

// run is the encoder: post-norm layers as in BERT, then the exit's head.
func (m *Model) run(b *Batch) {
	d, s, tokens, at := m.device, m.room(), b.Tokens(), &m.stages[b.stage]
	if at.embeds() {
		d.Embed(b.hidden, Tokens{IDs: b.ids, Types: b.types, Starts: b.Starts}, at.embedding)
	}
	for i := range at.layers {
		l := &at.layers[i]
		d.Linear(s.qkv, b.hidden, tokens, l.qkv, Identity)
		d.Attend(s.attended, s.qkv, b.Starts, m.config.Heads)
		d.LinearNorm(b.hidden, s.attended, tokens, l.attended, l.attentionNorm)
		d.Linear(s.inner, b.hidden, tokens, l.up, GELU)
		d.LinearNorm(b.hidden, s.inner, tokens, l.down, l.outputNorm)
	}
	if b.Hidden != nil {
		d.Read(b.Hidden, b.hidden)
	}
	if at.head != nil {
		d.Answer(b.Exits, b.Logits, b.hidden, b.Starts, at.head)
	}
}

// room returns scratch for the largest batch. A device frees nothing before it
// closes, so scratch waits for the first run: by then the caller has usually
// made all of its batches.
func (m *Model) room() *scratch {
	if s := &m.scratch; s.tokens < m.largest {
		s.tokens = m.largest
		s.qkv = m.device.Buffer(m.largest, 3*m.config.Width)
		s.attended = m.device.Buffer(m.largest, m.config.Width)
		s.inner = m.device.Buffer(m.largest, m.config.FeedForward)
	}
	return &m.scratch
}
