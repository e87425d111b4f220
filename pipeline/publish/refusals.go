package publish

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// refusals pass on what the server says that the worker's user may not do. A
// request that is not allowed gets no answer; that it is not arrives apart, and
// who waits for the answer would wait in vain. The zero value is ready.
type refusals struct {
	mu       sync.Mutex
	waiting  map[*refusable]struct{} // guarded by mu
	subjects map[string]refusal      // that may not be published to; guarded by mu
}

// A refusal is when a subject was last refused, and how.
type refusal struct {
	at  time.Time
	err error
}

// mostSubjects bounds what is remembered: there are as many as topics and labels.
const mostSubjects = 10_000

// A refusable is who waits for an answer.
type refusable struct {
	names  []string // parts of the subjects that are asked
	refuse context.CancelCauseFunc
}

// during returns a context that ends when something is refused on a subject
// that holds one of the names, with the refusal as its cause. From answered on
// nothing is refused any more.
func (r *refusals) during(ctx context.Context, names ...string) (during context.Context, answered, end func()) {
	during, refuse := context.WithCancelCause(ctx)
	w := &refusable{names: names, refuse: refuse}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = make(map[*refusable]struct{})
	}
	r.waiting[w] = struct{}{}
	answered = func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.waiting, w)
	}
	return during, answered, func() { answered(); refuse(nil) }
}

// hear takes what the connection reports.
func (r *refusals) hear(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := violation.FindStringSubmatch(err.Error()); m != nil {
		if r.subjects == nil || len(r.subjects) >= mostSubjects {
			r.subjects = make(map[string]refusal)
		}
		r.subjects[m[2]] = refusal{time.Now(), explainViolation(err)}
	}
	for w := range r.waiting {
		for _, name := range w.names {
			if strings.Contains(err.Error(), name) {
				w.refuse(err)
			}
		}
	}
}

// since returns what was refused on a subject since then, or nil.
func (r *refusals) since(then time.Time, subject string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.subjects[subject]; ok && last.at.After(then) {
		return last.err
	}
	return nil
}
