package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"sweetspot/inference"
	"sweetspot/pipeline/control"
)

// A row is a message on its way through the model.
type row struct {
	message   *Message
	tier      Tier
	deadline  time.Time // zero where there is none
	received  time.Time
	truncated bool
	audited   bool
	second    int     // where the second text starts in tokens; len(tokens) where there is none
	tokens    []int32 // in memory that is used again once the row has left

	rung    uint8
	started time.Time     // of its first stage
	came    time.Time     // to the stage where it is
	compute time.Duration // of the stage runs it took part in

	// A row that is audited goes on after its answer is out, and has no message
	// any more.
	left  int // the exit by which the answer left, from 1; 0 before
	label int // of the answer
}

// input is r as the model sees it.
func (r *row) input() inference.Row {
	return inference.Row{Tokens: r.tokens, Second: r.second, Rung: r.rung}
}

// chunk is how many rows are passed on at a time, so that the model can start on
// the first of a large fetch while the rest is being tokenized.
const chunk = 256

// readyChunks is how many chunks may be ready for the model. While it runs a
// batch, messages come in fetches of a few each. When it is free again it takes
// what is ready and waits for nothing: with room for one chunk it would find the
// rows of one or two fetches, and run small batches however many messages wait.
const readyChunks = 256

// ready counts the tokens of the rows that are ready for the model and that it
// has not taken in. More than it can choose from must not be: what is ready has
// to be settled before a partition can move, and is past the point where
// messages are shed.
type ready struct {
	tokens atomic.Int64
	taken  chan struct{} // poked when it has become less
}

func newReady() ready { return ready{taken: make(chan struct{}, 1)} }

// take notes that rows of so many tokens were taken in.
func (r *ready) take(tokens int) {
	r.tokens.Add(-int64(tokens))
	select {
	case r.taken <- struct{}{}:
	default: // it is poked already
	}
}

// below returns when less than the given tokens are ready.
func (r *ready) below(ctx context.Context, tokens int) error {
	for r.tokens.Load() >= int64(tokens) {
		select {
		case <-r.taken:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// prepare makes rows of messages. One goroutine does: it makes more rows a
// second than any model here answers.
func (p *Pipeline) prepare(ctx context.Context, in <-chan []*Message, out chan<- []*row, letters chan<- []DeadLetter) error {
	defer close(out)
	for {
		select {
		case ms, ok := <-in:
			if !ok {
				return nil
			}
			received := time.Now()
			for len(ms) > 0 {
				if err := p.ready.below(ctx, window*p.cfg.BatchTokens); err != nil {
					return err
				}
				n := min(chunk, len(ms))
				rows, dead := p.prepareChunk(ms[:n], received)
				ms = ms[n:]
				p.traffic.answer(len(dead))
				p.ready.tokens.Add(int64(tokens(rows)))
				if len(dead) > 0 && !send(ctx, letters, dead) || len(rows) > 0 && !send(ctx, out, rows) {
					return context.Cause(ctx)
				}
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// prepareChunk sorts messages into rows and dead letters, and settles
// tombstones, which ask for nothing.
func (p *Pipeline) prepareChunk(ms []*Message, received time.Time) (rows []*row, dead []DeadLetter) {
	rows = make([]*row, 0, len(ms))
	for _, m := range ms {
		if m.Defect != nil {
			dead = append(dead, DeadLetter{Message: m, Reason: m.Defect.Reason, Err: m.Defect.Err})
			continue
		}
		if m.Value == nil {
			if p.settle(m) {
				p.parts.Metrics.tombstones.WithLabelValues(m.Origin.Topic).Inc()
			}
			continue
		}
		r, bad := p.prepareMessage(m)
		if bad != nil {
			dead = append(dead, DeadLetter{Message: m, Reason: bad.reason, Err: bad.err})
			continue
		}
		r.received = received
		p.traffic.count(r)
		if r.tier == BestEffort && p.shedding.Load() {
			dead = append(dead, DeadLetter{Message: m, Reason: Shed, Err: errShed})
			continue
		}
		if r.audited {
			p.audits.once.add(m.ID) // that of a row which is shed would not be audited, and may come again
		}
		rows = append(rows, r)
	}
	return rows, dead
}

// tokens returns how many tokens rows have.
func tokens(rows []*row) int {
	n := 0
	for _, r := range rows {
		n += len(r.tokens)
	}
	return n
}

// errShed is what a dead letter says that nothing is wrong with.
var errShed = errors.New("shed: the worker is overloaded, and the message is of the tier best-effort")

// audited reports whether the row of m is to run to full depth after its answer.
// One that is read again after that is answered as any other.
func (p *Pipeline) audited(m *Message, t Tier) bool {
	return p.audits != nil && t != Strict && control.Audited(m.ID, p.parts.Control.AuditRate) && !p.audits.once.knows(m.ID)
}

func (p *Pipeline) prepareMessage(m *Message) (*row, *poison) {
	c, bad := p.decode.decode(m)
	if bad != nil {
		return nil, bad
	}
	r, ok := p.rows.Get().(*row)
	if !ok {
		r = new(row)
	}
	start := time.Now()
	made, err := p.tokenize(r.tokens[:0], c)
	p.parts.Metrics.tokenizeSeconds.Observe(time.Since(start).Seconds())
	if cause, ok := errors.AsType[*panicError](err); ok {
		return nil, poisoned(ModelPanic, "the tokenizer panics on this text: %s", cause.value)
	}
	if err != nil {
		p.rows.Put(r)
		// Too low a limit, the only other error, was refused by New.
		return nil, &poison{TooLong, err}
	}
	*r = row{
		message: m, tier: c.tier, deadline: c.deadline, audited: p.audited(m, c.tier),
		truncated: made.Truncated, second: made.Second, tokens: made.IDs,
	}
	return r, nil
}
