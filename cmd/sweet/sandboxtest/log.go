package sandboxtest

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

// A Log collects what a worker writes, and can be waited for. The zero value is
// ready.
type Log struct {
	mu sync.Mutex
	// mu protects what follows.
	text  bytes.Buffer
	added chan struct{} // closed at the next write; nil while nobody waits
}

// Write implements [io.Writer].
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.added != nil {
		close(l.added)
		l.added = nil
	}
	return l.text.Write(p)
}

// String returns everything written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Await returns the first line that holds every part, once there is one.
func (l *Log) Await(tb testing.TB, parts ...string) string {
	tb.Helper()
	return l.AwaitTimes(tb, 1, parts...)
}

// Count returns how many lines hold every part.
func (l *Log) Count(parts ...string) int {
	n := 0
	for line := range strings.Lines(l.String()) {
		if holdsAll(line, parts) {
			n++
		}
	}
	return n
}

// AwaitTimes returns the n-th line that holds every part, once there is one; for
// 0 it is none.
func (l *Log) AwaitTimes(tb testing.TB, n int, parts ...string) string {
	tb.Helper()
	if n == 0 {
		return ""
	}
	ctx := Limited(tb)
	for {
		line, added := l.find(n, parts)
		if line != "" {
			return line
		}
		select {
		case <-added:
		case <-ctx.Done():
			tb.Fatalf("not %d times a line with %q in the log:\n%s", n, parts, l)
		}
	}
}

// find returns the n-th whole line that holds every part, else what is closed at
// the next write.
func (l *Log) find(n int, parts []string) (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.HasSuffix(line, "\n") && holdsAll(line, parts) {
			if n--; n == 0 {
				return line, nil
			}
		}
	}
	if l.added == nil {
		l.added = make(chan struct{})
	}
	return "", l.added
}

func holdsAll(line string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(line, p) {
			return false
		}
	}
	return true
}
