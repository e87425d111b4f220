package inference

import (
	"context"
	"errors"
)

// A Row is one tokenized text.
type Row struct {
	Tokens []int32 // with [CLS] and [SEP]; must not change until the row has left
	Second int     // token type is 1 from here on; len(Tokens) where there is no second text
	Rung   uint8   // the rung it was admitted under
}

// A Batch is a set of rows waiting at one stage, or answered by it, packed end
// to end with no padding. Its life is a circle: it is filled with Add (at the
// first stage) or Take (at the others), run with [Model.Forward], read after
// Wait, and emptied with Reset.
//
// A batch belongs to the goroutine that owns its model.
type Batch struct {
	Rows   []Row     // (R) in the order in which they came
	Starts []int32   // (R+1) row r is tokens Starts[r]:Starts[r+1]
	Exits  []Exit    // (R) answers at this stage, valid after Wait
	Logits []float32 // (R, C) before the temperature, valid after Wait; nil unless KeepLogits was called
}

// ErrState is returned where a batch is used out of turn: filled while it runs,
// or read before it has.
var ErrState = errors.New("batch used out of turn")

// Add appends a row to a batch of the first stage. It reports false where the
// row does not fit beside those already there, and an error where it can never
// be run: no tokens, more than the model's limit, an id outside the
// vocabulary, or a batch of another stage.
func (b *Batch) Add(r Row) (bool, error) { return false, errors.New("not built") }

// Fits reports whether a row of that many tokens can still be added or taken.
func (b *Batch) Fits(tokens int) bool { return false }

// Take packs the listed rows of from, which stands one stage before b and has
// been waited for, onto the end of b. Where they do not all fit, it is an error
// and nothing is taken.
func (b *Batch) Take(from *Batch, rows []int) error { return errors.New("not built") }

// Reset empties the batch. One that is running must be waited for first.
func (b *Batch) Reset() {}

// Wait returns when Exits, and Logits where asked for, are valid. The error is
// the first failure of the device, or ctx's.
func (b *Batch) Wait(ctx context.Context) error { return errors.New("not built") }

// KeepLogits asks for Logits from the next Forward on.
func (b *Batch) KeepLogits() {}

// Stage returns the batch's stage, from 0.
func (b *Batch) Stage() int { return 0 }

// Tokens returns the number of tokens in the batch.
func (b *Batch) Tokens() int { return 0 }

// Capacity returns the number of tokens that the batch can hold.
func (b *Batch) Capacity() int { return 0 }

// Len returns the number of rows in the batch.
func (b *Batch) Len() int { return len(b.Rows) }
