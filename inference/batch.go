package inference

import (
	"context"
	"errors"
	"fmt"
	"math"
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
	Exits  []Exit    // (R) answers at this stage, valid after Wait; nil for an encoder without exits
	Logits []float32 // (R, C) before the temperature, valid after Wait; nil unless KeepLogits was called
	Hidden []float32 // (T, D) activations after this stage, valid after Wait; nil unless KeepHidden was called

	model    *Model
	stage    int
	capacity int
	state    state
	ticket   Ticket

	hidden Buffer    // (T, D) activations, changed in place by the stage's layers
	ids    []int32   // (T) where the stage embeds, else nil
	types  []uint8   // (T) where the stage embeds, else nil
	exits  []Exit    // room for Exits
	logits []float32 // room for Logits; nil unless they are asked for
	values []float32 // room for Hidden; nil unless it is asked for
}

// ErrState is returned where a batch is used out of turn: filled while it runs,
// or read before it has.
var ErrState = errors.New("batch used out of turn")

// state is where a batch is on its circle.
type state uint8

const (
	filling state = iota
	running
	answered
)

// maxBatchTokens keeps a batch's tokens countable in the int32 of Starts.
const maxBatchTokens = math.MaxInt32

func newBatch(m *Model, stage, capacity int) *Batch {
	// A row has at least one token, so there are never more rows than tokens.
	b := &Batch{
		Rows: make([]Row, 0, capacity), Starts: make([]int32, 1, capacity+1),
		model: m, stage: stage, capacity: capacity,
		hidden: m.device.Buffer(capacity, m.config.Width),
		exits:  make([]Exit, capacity),
	}
	if b.embeds() {
		b.ids, b.types = make([]int32, 0, capacity), make([]uint8, 0, capacity)
	}
	if m.config.MultiLabel {
		b.KeepLogits() // confidences are made of them
	}
	return b
}

// Add appends a row to a batch of the first stage. It reports false where the
// row does not fit beside those already there, and an error where it can never
// be run: no tokens, more than the model's limit, an id outside the
// vocabulary, or a batch of another stage.
func (b *Batch) Add(r Row) (bool, error) {
	if b.stage != 0 {
		return false, fmt.Errorf("adding a row: rows enter at the first stage, this batch is at stage %d", b.stage+1)
	}
	if b.state != filling {
		return false, fmt.Errorf("adding a row: %w", ErrState)
	}
	if err := b.model.checkRow(r); err != nil {
		return false, fmt.Errorf("adding a row: %w", err)
	}
	if !b.Fits(len(r.Tokens)) {
		return false, nil
	}
	b.append(r)
	return true, nil
}

// embeds reports whether the batch's stage begins with the tokens themselves.
func (b *Batch) embeds() bool { return b.model.stages[b.stage].embeds() }

// checkRow reports why r can never be run.
func (m *Model) checkRow(r Row) error {
	n := len(r.Tokens)
	switch {
	case n == 0:
		return errors.New("it has no tokens")
	case n > m.maxTokens:
		return fmt.Errorf("it has %d tokens, at most %d are read", n, m.maxTokens)
	case r.Second < 0 || r.Second > n:
		return fmt.Errorf("its second text begins at token %d of %d", r.Second, n)
	}
	for i, id := range r.Tokens {
		if id < 0 || int(id) >= m.config.Vocab {
			return fmt.Errorf("token %d is id %d, the vocabulary has %d", i, id, m.config.Vocab)
		}
	}
	return nil
}

// append puts r at the end, with what the stage needs of it besides activations.
func (b *Batch) append(r Row) {
	if b.embeds() {
		b.ids = append(b.ids, r.Tokens...)
		for i := range r.Tokens {
			kind := uint8(0)
			if i >= r.Second {
				kind = 1
			}
			b.types = append(b.types, kind)
		}
	}
	b.Starts = append(b.Starts, int32(b.Tokens()+len(r.Tokens)))
	b.Rows = append(b.Rows, r)
}

// Fits reports whether rows of so many tokens together can still be added or
// taken.
func (b *Batch) Fits(tokens int) bool { return tokens <= b.capacity-b.Tokens() }

// Take packs the listed rows of from, which stands one stage before b and has
// been waited for, onto the end of b: their activations, or in a Multi-Model,
// whose every stage begins anew, their tokens. Where they do not all fit, it is
// an error and nothing is taken.
func (b *Batch) Take(from *Batch, rows []int) error {
	switch {
	case from.model != b.model:
		return errors.New("taking rows: the batches are of two models")
	case from.stage+1 != b.stage:
		return fmt.Errorf("taking rows: stage %d takes from stage %d, not from stage %d", b.stage+1, b.stage, from.stage+1)
	case from.state != answered || b.state != filling:
		return fmt.Errorf("taking rows: %w", ErrState)
	}
	tokens := 0
	for _, r := range rows {
		if r < 0 || r >= len(from.Rows) {
			return fmt.Errorf("taking rows: row %d of %d", r, len(from.Rows))
		}
		tokens += len(from.Rows[r].Tokens)
	}
	if !b.Fits(tokens) {
		return fmt.Errorf("taking rows: they have %d tokens, there is room for %d", tokens, b.capacity-b.Tokens())
	}
	if len(rows) > 0 && !b.embeds() {
		b.model.device.Pack(b.hidden, b.Tokens(), from.hidden, from.Starts, rows)
	}
	for _, r := range rows {
		b.append(from.Rows[r])
	}
	return nil
}

// Reset empties the batch. Slices that it gave out are used again.
func (b *Batch) Reset() {
	clear(b.Rows) // let go of the token ids
	b.Rows, b.Starts = b.Rows[:0], b.Starts[:1]
	b.ids, b.types = b.ids[:0], b.types[:0]
	b.Exits, b.Logits, b.Hidden = nil, nil, nil
	b.state = filling
}

// expect makes Exits, Logits and Hidden as long as what the stage will answer.
func (b *Batch) expect() {
	rows := len(b.Rows)
	if b.model.stages[b.stage].head != nil {
		b.Exits = b.exits[:rows]
	}
	if b.logits != nil {
		b.Logits = b.logits[:rows*len(b.model.Labels)]
	}
	if b.values != nil {
		b.Hidden = b.values[:b.Tokens()*b.model.config.Width]
	}
}

// Wait returns when Exits, and Logits and Hidden where asked for, are valid. The
// error is the first failure of the device, or ctx's; after ctx's, Wait may be
// called again.
func (b *Batch) Wait(ctx context.Context) error {
	switch b.state {
	case answered:
		return nil
	case filling:
		return fmt.Errorf("waiting for stage %d: it has not been run: %w", b.stage+1, ErrState)
	case running:
	}
	if err := b.model.device.Wait(ctx, b.ticket); err != nil {
		return fmt.Errorf("running stage %d: %w", b.stage+1, err)
	}
	if b.model.config.MultiLabel {
		b.scoreEachLabel()
	}
	b.state = answered
	return nil
}

// KeepLogits asks for Logits from the next Forward on.
func (b *Batch) KeepLogits() {
	if b.logits == nil {
		b.logits = make([]float32, b.capacity*len(b.model.Labels))
	}
}

// KeepHidden asks for Hidden from the next Forward on.
func (b *Batch) KeepHidden() {
	if b.values == nil {
		b.values = make([]float32, b.capacity*b.model.config.Width)
	}
}

// Stage returns the batch's stage, from 0.
func (b *Batch) Stage() int { return b.stage }

// Tokens returns the number of tokens in the batch.
func (b *Batch) Tokens() int { return int(b.Starts[len(b.Starts)-1]) }

// Capacity returns the number of tokens that the batch can hold.
func (b *Batch) Capacity() int { return b.capacity }

// Len returns the number of rows in the batch.
func (b *Batch) Len() int { return len(b.Rows) }
