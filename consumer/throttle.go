package consumer

import (
	"sync"
	"time"
)

// A throttle keeps a log readable: it lets each kind of line through once per
// period.
type throttle struct {
	every time.Duration

	mu sync.Mutex
	// mu protects what follows.
	last map[string]time.Time
}

func newThrottle(every time.Duration) *throttle {
	return &throttle{every: every, last: make(map[string]time.Time)}
}

// allow reports whether a line of this kind may be logged now.
func (t *throttle) allow(kind string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if last, ok := t.last[kind]; ok && now.Sub(last) < t.every {
		return false
	}
	t.last[kind] = now
	return true
}

// forget lets the next line of this kind through.
func (t *throttle) forget(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.last, kind)
}
