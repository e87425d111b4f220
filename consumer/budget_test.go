package consumer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func noGauge(int, int64) {}

// waiting starts an acquire and reports, once everything is quiet, whether it
// still waits.
func waiting(ctx context.Context, b *budget, size int) (got chan error, waits func() bool) {
	got = make(chan error, 1)
	go func() { got <- b.acquire(ctx, size) }()
	return got, func() bool {
		synctest.Wait()
		return len(got) == 0
	}
}

func TestBudget(t *testing.T) {
	for _, tt := range []struct {
		name     string
		messages int
		bytes    int64
		aside    int64
		held     []int
		size     int
		waits    bool
	}{
		{"the first always fits", 1, 10, 0, nil, 100, false},
		{"messages are bounded", 2, 100, 0, []int{1, 1}, 1, true},
		{"up to the bound of messages", 3, 100, 0, []int{1, 1}, 1, false},
		{"bytes are bounded", 10, 100, 0, []int{60}, 41, true},
		{"up to the bound of bytes", 10, 100, 0, []int{60}, 40, false},
		{"what is fetched ahead counts", 10, 100, 30, []int{60}, 11, true},
		{"and leaves the rest", 10, 100, 30, []int{60}, 10, false},
		{"a giant waits until it is alone", 10, 100, 0, []int{1}, 1000, true},
		{"nothing passes beside a giant", 10, 100, 0, []int{1000}, 1, true},
		{"an empty message has no bytes", 10, 100, 0, []int{100}, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBudget(tt.messages, tt.bytes, noGauge)
				b.setAside(tt.aside)
				for _, size := range tt.held {
					if err := b.acquire(t.Context(), size); err != nil {
						t.Fatal(err)
					}
				}
				got, waits := waiting(t.Context(), b, tt.size)
				if waits() != tt.waits {
					t.Fatalf("waits: %v, want %v", !tt.waits, tt.waits)
				}
				for _, size := range tt.held {
					b.release(size)
				}
				if err := <-got; err != nil {
					t.Errorf("acquiring: %v", err)
				}
			})
		})
	}
}

func TestBudgetServesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(10, 100, noGauge)
		_ = b.acquire(t.Context(), 90)
		large, largeWaits := waiting(t.Context(), b, 50)
		if !largeWaits() {
			t.Fatal("the large one does not wait")
		}
		small, smallWaits := waiting(t.Context(), b, 5)
		if !smallWaits() {
			t.Error("a small one overtook a large one, which could wait for ever")
		}
		b.release(90)
		if err := errors.Join(<-large, <-small); err != nil {
			t.Error(err)
		}
	})
}

func TestBudgetForgetsWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(10, 100, noGauge)
		_ = b.acquire(t.Context(), 90)
		ctx, cancel := context.WithCancel(t.Context())
		large, largeWaits := waiting(ctx, b, 50)
		largeWaits()
		small, smallWaits := waiting(t.Context(), b, 5)
		smallWaits()
		cancel()
		if err := <-large; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the cause of the context", err)
		}
		if err := <-small; err != nil {
			t.Errorf("the next in line got %v, want room", err)
		}
		b.release(90)
		b.release(5)
		if b.messages != 0 || b.bytes != 0 {
			t.Errorf("%d messages and %d bytes are held, want none", b.messages, b.bytes)
		}
	})
}

func TestBudgetAdmitsWhenLessIsFetchedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(10, 100, noGauge)
		b.setAside(50)
		_ = b.acquire(t.Context(), 50)
		got, waits := waiting(t.Context(), b, 10)
		if !waits() {
			t.Fatal("it does not wait")
		}
		b.setAside(0)
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
}
