package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"sweetspot/inference/token"
)

// A text on which the model panics would end this worker, and then every other
// that reads it again. So a panic is taken for a question, which rows bring it
// about: those are poison, and the others of the batch are answered.
//
// What a batch holds after a panic nobody knows. So it is emptied, and its rows
// start again from their tokens at stage 1, in halves, and halves of a half that
// panics, down to single rows. A row's answers do not depend on its batch, so
// they are those that it would have had, and what has left earlier left with
// the same. A row that panics alone is the cause only where a row that is known
// to be sound does not panic right after it: else the model is broken, and each
// text of the topic would become a dead letter.

// A panicError is a panic of the model, or of the tokenizer.
type panicError struct {
	value string // the first line of what it said
	trace string // the rest of it, and where it was
}

func (e *panicError) Error() string { return "panic: " + e.value }

// catch turns a panic of the function that defers it into its error.
func catch(err *error) {
	if v := recover(); v != nil {
		value, rest, _ := strings.Cut(fmt.Sprint(v), "\n")
		*err = &panicError{value: value, trace: rest + "\n" + string(debug.Stack())}
	}
}

// forward queues b's stage on the device. See [Encoder].
func (l *loop) forward(ctx context.Context, b Batch) (err error) {
	defer catch(&err)
	return l.p.parts.Encoder.Forward(ctx, b)
}

// wait waits for b's answers. See [Batch].
func wait(ctx context.Context, b Batch) (err error) {
	defer catch(&err)
	return b.Wait(ctx)
}

// isolate answers the rows of b, whose run ended with cause, but for those on
// which the model panics. Where no row of it brings the panic about, that is
// an error, and so is whatever else fails meanwhile.
func (l *loop) isolate(ctx context.Context, b *bin, cause *panicError, to outlets) error {
	rows, stage := slices.Clone(b.rows), b.stage
	l.reset(b)
	l.free(b)
	l.panicked(ctx, stage, len(rows), cause)
	found, err := l.search(ctx, stage, rows, to)
	if err == nil && found == 0 {
		err = fmt.Errorf("running stage %d over %d rows, none of which alone is the cause: %w", stage+1, len(rows), cause)
	}
	l.freed = time.Now()
	return err
}

// panicked counts a batch that panicked. Of many it logs number 1, 2, 4, 8 …:
// poison that comes without end must not fill the log.
func (l *loop) panicked(ctx context.Context, stage, rows int, cause *panicError) {
	l.p.parts.Metrics.panics.Inc()
	l.panics++
	if bits.OnesCount(l.panics) == 1 {
		l.p.parts.Logger.ErrorContext(ctx, "the model panics: looking for the texts that make it",
			slog.Int("stage", stage+1), slog.Int("rows", rows), slog.Uint64("panics", uint64(l.panics)),
			slog.Any("error", cause), slog.String("stack", cause.trace))
	}
}

// search runs again the two halves of rows that panicked together, or the one
// row, and returns how many it has found to be the cause.
func (l *loop) search(ctx context.Context, stage int, rows []*row, to outlets) (found int, err error) {
	half := len(rows) / 2
	for _, part := range [][]*row{rows[:half], rows[half:]} {
		n, err := l.answer(ctx, stage, part, to)
		if found += n; err != nil {
			return found, err
		}
	}
	return found, nil
}

// answer runs rows up to a stage and goes on with them from there, or searches
// them where they panic.
func (l *loop) answer(ctx context.Context, stage int, rows []*row, to outlets) (found int, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	start := time.Now()
	b, err := l.rerun(ctx, stage, rows)
	cause, panicked := errors.AsType[*panicError](err)
	switch {
	case err == nil:
		now := time.Now()
		return 0, l.leave(ctx, b, now.Sub(start), now, to)
	case !panicked:
		return 0, err
	case len(rows) > 1:
		return l.search(ctx, stage, rows, to)
	}
	return 1, l.bury(ctx, stage, rows[0], cause, to)
}

// rerun runs rows from the first stage up to a stage, in batches kept for this,
// and returns the last with their answers.
func (l *loop) rerun(ctx context.Context, stage int, rows []*row) (*bin, error) {
	if err := l.spares(stage); err != nil {
		return nil, err
	}
	first := l.spare[0]
	for _, r := range rows {
		first.put(r)
		switch ok, err := first.batch.Add(r.input()); {
		case err != nil:
			return nil, fmt.Errorf("running a row of %d tokens again: %w", len(r.tokens), err)
		case !ok:
			return nil, fmt.Errorf("running a row of %d tokens again: there is no room for it", len(r.tokens))
		}
	}
	all := make([]int, len(rows))
	for i := range all {
		all[i] = i
	}
	for i := range stage + 1 {
		b := l.spare[i]
		if i > 0 {
			if err := b.batch.Take(l.spare[i-1].batch, all); err != nil {
				return nil, fmt.Errorf("moving rows to stage %d again: %w", i+1, err)
			}
			for _, r := range rows {
				b.put(r)
			}
		}
		err := l.forward(ctx, b.batch)
		if err == nil {
			err = wait(ctx, b.batch)
		}
		if err != nil {
			return nil, fmt.Errorf("running stage %d again: %w", i+1, err)
		}
	}
	return l.spare[stage], nil
}

// spares empties the batches in which rows run again, one for each stage, and
// makes those up to the given one that were never needed yet.
func (l *loop) spares(stage int) error {
	for _, b := range l.spare {
		l.reset(b)
	}
	for i := len(l.spare); i <= stage; i++ {
		b, err := l.newBin(i)
		if err != nil {
			return err
		}
		l.spare = append(l.spare, b)
	}
	return nil
}

// bury makes a dead letter of the message of r, on which the model panics alone.
// A row that is audited has been answered already, and is dropped.
func (l *loop) bury(ctx context.Context, stage int, r *row, cause *panicError, to outlets) error {
	sound := l.warmInput()
	if _, err := l.rerun(ctx, stage, []*row{{tokens: sound.Tokens, second: sound.Second}}); err != nil {
		return fmt.Errorf("the model is broken: after a row of %d tokens it fails on one that it was timed with: %w", len(r.tokens), err)
	}
	m := r.message
	l.recycle(r)
	if m == nil {
		return nil
	}
	l.p.traffic.answer(1)
	letter := DeadLetter{Message: m, Reason: ModelPanic, Err: fmt.Errorf("the model panics on this text: %s", cause.value)}
	if !send(ctx, to.letters, []DeadLetter{letter}) {
		return context.Cause(ctx)
	}
	return nil
}

// tokenize makes a row of texts. A tokenizer that panics has seen no other text,
// so nothing has to be searched.
func (p *Pipeline) tokenize(ids []int32, c content) (made token.Row, err error) {
	defer catch(&err)
	return p.parts.Tokenizer.Row(ids, c.text, c.pair, p.cfg.MaxTokens, p.truncate)
}
