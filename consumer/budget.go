package consumer

import (
	"container/list"
	"context"
	"sync"
)

// A budget bounds the messages held, and their bytes. Who finds no room waits
// in order of arrival. A message larger than the byte bound passes alone.
type budget struct {
	changed func(messages int, bytes int64) // called with mu held

	mu sync.Mutex
	// mu protects what follows.
	mostMessages int
	mostBytes    int64
	aside        int64 // of mostBytes, held for what is fetched ahead
	messages     int
	bytes        int64
	waiters      list.List // of *waiter
}

type waiter struct {
	size    int
	granted chan struct{}
}

func newBudget(messages int, bytes int64, changed func(int, int64)) *budget {
	return &budget{mostMessages: messages, mostBytes: bytes, changed: changed}
}

// acquire waits until one message of the given size fits, or ctx ends.
func (b *budget) acquire(ctx context.Context, size int) error {
	b.mu.Lock()
	if b.waiters.Len() == 0 && b.fits(size) {
		b.take(size)
		b.mu.Unlock()
		return nil
	}
	w := &waiter{size: size, granted: make(chan struct{})}
	place := b.waiters.PushBack(w)
	b.mu.Unlock()

	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.granted: // room came at the same moment
		b.give(size)
	default:
		b.waiters.Remove(place)
		b.admit() // the next in line may be smaller
	}
	return context.Cause(ctx)
}

// release gives back what acquire took.
func (b *budget) release(size int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.give(size)
}

// setAside takes bytes, in all, out of the budget for what is fetched ahead.
func (b *budget) setAside(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.aside = bytes
	b.admit()
}

func (b *budget) fits(size int) bool {
	return b.messages == 0 || b.messages < b.mostMessages && b.bytes+int64(size) <= b.mostBytes-b.aside
}

func (b *budget) take(size int) {
	b.messages++
	b.bytes += int64(size)
	b.changed(b.messages, b.bytes)
}

func (b *budget) give(size int) {
	b.messages--
	b.bytes -= int64(size)
	b.changed(b.messages, b.bytes)
	b.admit()
}

func (b *budget) admit() {
	for e := b.waiters.Front(); e != nil; e = b.waiters.Front() {
		w, _ := e.Value.(*waiter)
		if !b.fits(w.size) {
			return
		}
		b.waiters.Remove(e)
		b.take(w.size)
		close(w.granted)
	}
}
