package consumer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func numbered(n ...uint64) []delivery {
	var ds []delivery
	for _, i := range n {
		ds = append(ds, delivery{number: i})
	}
	return ds
}

func numbersOf(ds []delivery) []uint64 {
	var ns []uint64
	for _, d := range ds {
		ns = append(ns, d.number)
	}
	return ns
}

func TestQueue(t *testing.T) {
	q := newQueue()
	for _, d := range numbered(1, 2, 3, 4, 5) {
		q.put(d)
	}
	got, err := q.take(t.Context(), 2)
	equal(t, numbersOf(got), []uint64{1, 2})
	if err != nil {
		t.Errorf("taking: %v", err)
	}
	equal(t, numbersOf(q.purge(func(d delivery) bool { return d.number == 4 })), []uint64{4})
	got, _ = q.take(t.Context(), 9)
	equal(t, numbersOf(got), []uint64{3, 5})
	q.close(ErrStopped)
	if _, err := q.take(t.Context(), 1); !errors.Is(err, ErrStopped) {
		t.Errorf("taking after the end: %v, want ErrStopped", err)
	}
	if q.put(delivery{}) {
		t.Error("put after the end")
	}
}

func TestQueueWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		ctx, cancel := context.WithCancelCause(t.Context())
		ends := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := q.take(ctx, 1)
				ends <- err
			}()
		}
		synctest.Wait()
		q.put(delivery{})
		if err := <-ends; err != nil {
			t.Errorf("taking what was put: %v", err)
		}
		cause := errors.New("enough")
		cancel(cause)
		if err := <-ends; !errors.Is(err, cause) {
			t.Errorf("got %v, want the cause of the context", err)
		}
	})
}

func TestQueueEndsForEveryWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		ends := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := q.take(t.Context(), 1)
				ends <- err
			}()
		}
		synctest.Wait()
		q.close(ErrStopped)
		for range 3 {
			if err := <-ends; !errors.Is(err, ErrStopped) {
				t.Errorf("got %v, want ErrStopped", err)
			}
		}
	})
}
