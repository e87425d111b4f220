package publish

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"sweetspot/config/access"
)

// attempts follow how connecting goes. nats.go tells of a server that cannot be
// reached, but not of one that refuses the worker or its certificate: that is
// asked for before every further try.
type attempts struct {
	log     func(error)
	access  *Access
	conn    atomic.Pointer[nats.Conn] // nil until nats.go has returned it
	refused chan error                // receives once, when the servers have refused the worker again

	mu       sync.Mutex
	refusals int                  // guarded by mu
	said     map[string]time.Time // when an error was last logged; guarded by mu
}

const (
	tellEvery = 30 * time.Second // between two log lines of one kind
	enough    = 2                // refusals until a worker that was never let in gives up
	mostSaid  = 1000             // errors that are told apart
)

func newAttempts(ctx context.Context, a *Access, log *slog.Logger) *attempts {
	return &attempts{
		access: a, refused: make(chan error, 1), said: make(map[string]time.Time),
		log: func(err error) {
			what := "no nats server is reachable; trying again"
			if access.IsRefused(err) {
				what = "the nats server does not let the worker in; trying again"
			}
			log.WarnContext(ctx, what, slog.Any("error", err)) //nolint:sloglint // one of two
		},
	}
}

// options are what makes nats.go tell.
func (t *attempts) options() []nats.Option {
	return []nats.Option{
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { t.failed(err) }),
		nats.CustomReconnectDelay(func(int) time.Duration {
			if nc := t.conn.Load(); nc != nil {
				t.failed(nc.LastError())
			}
			return reconnectWait + rand.N(time.Second)
		}),
	}
}

// failed takes note of an attempt that has failed.
func (t *attempts) failed(err error) {
	if err == nil {
		return
	}
	err = t.access.Explain(err)
	if t.sayNow(err) {
		t.log(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !access.IsFinal(err) {
		t.refusals = 0
		return
	}
	if t.refusals++; t.refusals == enough {
		select {
		case t.refused <- err:
		default: // it was let in since, and nobody waits
		}
	}
}

// sayNow reports whether an error may be logged now.
func (t *attempts) sayNow(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, text := time.Now(), err.Error()
	if last, ok := t.said[text]; ok && now.Sub(last) < tellEvery {
		return false
	}
	if len(t.said) >= mostSaid { // errors with a number in them, perhaps
		clear(t.said)
	}
	t.said[text] = now
	return true
}
