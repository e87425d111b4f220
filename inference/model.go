package inference

import (
	"context"
	"errors"
	"io/fs"
)

// A Model is an encoder with its weights placed on a device. One goroutine at a
// time may use it and its batches.
type Model struct {
	Labels []string // (C)

	// Ladder is that of the device's precision. Where none can be used it holds
	// rung 0 alone, full depth, LadderDigest is empty, and LadderProblem says
	// why; errors.Is tells ErrNoLadder, ErrOtherModel, ErrOtherLimits and
	// ErrUnreadableLadder apart.
	Ladder        Ladder
	LadderDigest  string
	LadderProblem error
}

// Options are what a caller decides about a model. The zero value is fine.
type Options struct {
	Name      string // what to call the model; "" is the name in config.json
	MaxTokens int    // tokens kept per row; 0 is the model's positions, more is an error
	Truncate  string // the rule by which rows are cut, as the ladder names it; "" is "right"

	// Temperatures, one per exit, stand in for the ladder's in [New]; nil is 1
	// everywhere. Calibration measures under the temperatures that it fitted.
	Temperatures []float32
}

// Load reads the model directory fsys, see [Open], and places its weights on d.
// A ladder that cannot be used is no error, see [Model].
func Load(fsys fs.FS, d Device, o Options) (*Model, error) { return nil, errors.New("not built") }

// New places a model that is already in memory on d, at full depth: its ladder
// is rung 0 alone.
func New(dir *Directory, d Device, o Options) (*Model, error) { return nil, errors.New("not built") }

// Stages returns the number of stages, which is the number of exits.
func (m *Model) Stages() int { return 0 }

// StageLayers returns how many encoder layers a row has run when it leaves
// after the given stage, counted from 0.
func (m *Model) StageLayers(stage int) int { return 0 }

// MaxTokens returns the most tokens of a row.
func (m *Model) MaxTokens() int { return 0 }

// Digest returns the model digest in hex, see [Open].
func (m *Model) Digest() string { return "" }

// Name returns what the model is called.
func (m *Model) Name() string { return "" }

// Config returns what config.json says.
func (m *Model) Config() Config { return Config{} }

// Device describes the device that the model lies on.
func (m *Model) Device() DeviceInfo { return DeviceInfo{} }

// NewBatch returns an empty batch of the given stage, from 0, with room for
// maxTokens tokens. It must have room for the longest row.
func (m *Model) NewBatch(stage, maxTokens int) (*Batch, error) { return nil, errors.New("not built") }

// Forward queues b's stage over all of b on the device. The answers are there
// after [Batch.Wait]. Failures of the device are reported there too.
func (m *Model) Forward(ctx context.Context, b *Batch) error { return errors.New("not built") }
