package cpu

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestPoolDoesEverythingOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		p := NewPool(threads)
		for round := range 300 {
			n := round % 97
			times := make([]atomic.Int32, n)
			busy := make([]atomic.Bool, threads)
			p.Run(n, func(worker, lo, hi int) {
				if busy[worker].Swap(true) {
					t.Errorf("worker %d called twice at once", worker)
				}
				for i := lo; i < hi; i++ {
					times[i].Add(1)
				}
				busy[worker].Store(false)
			})
			for i := range times {
				if got := times[i].Load(); got != 1 {
					t.Fatalf("%d threads, %d of %d: done %d times, want once", threads, i, n, got)
				}
			}
		}
		p.Close()
	}
}

// What a worker wrote has to be visible after Run, and what the caller wrote
// before it visible to the workers: the race detector sees both.
func TestPoolOrdersMemory(t *testing.T) {
	p := NewPool(4)
	defer p.Close()
	values := make([]int, 64)
	for round := range 500 {
		p.Run(len(values), func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				values[i]++
			}
		})
		if round%50 == 0 {
			for range 100 { // long enough that some workers park
				runtime.Gosched()
			}
		}
		for i, got := range values {
			if got != round+1 {
				t.Fatalf("round %d: values[%d]: got %d, want %d", round, i, got, round+1)
			}
		}
	}
}

// Workers that never get a processor hold up nobody: these three were not even
// started.
func TestPoolDoesNotWaitForLateWorkers(t *testing.T) {
	p := &Pool{threads: 4, workers: make([]worker, 3), left: make(chan struct{}, 1)}
	for range 20 {
		sum := 0
		p.Run(1000, func(_, lo, hi int) { sum += hi - lo })
		if sum != 1000 {
			t.Fatalf("got %d, want 1000", sum)
		}
	}
}

// The bubble ends when all its goroutines have, and fails where some never can.
func TestPoolEndsItsWorkers(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		for threads := range 5 {
			p := NewPool(threads)
			p.Run(16, func(_, _, _ int) {})
			synctest.Wait() // the workers are parked
			p.Run(16, func(_, _, _ int) {})
			p.Close()
			p.Close()
		}
	})
}

// panics returns what f panics with; nil where it does not.
func panics(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

// TestAPanicReachesTheCaller has one piece of many panic, on whichever thread
// takes it. When the caller has it no other is at work, and the pool is as good
// as before.
func TestAPanicReachesTheCaller(t *testing.T) {
	for _, threads := range []int{1, 2, 4} {
		t.Run(fmt.Sprintf("%d threads", threads), func(t *testing.T) {
			p := NewPool(threads)
			defer p.Close()
			for round := range 200 {
				const n = 64
				var inside atomic.Int32
				bad := round % n
				got := panics(func() {
					p.Run(n, func(_, lo, hi int) {
						inside.Add(1)
						defer inside.Add(-1)
						if lo <= bad && bad < hi {
							panic("bad piece")
						}
						runtime.Gosched()
					})
				})
				if text := fmt.Sprint(got); !strings.HasPrefix(text, "bad piece") {
					t.Fatalf("round %d: got %q, want the panic", round, text)
				}
				if left := inside.Load(); left != 0 {
					t.Fatalf("round %d: %d calls are under way after the panic", round, left)
				}
				var done atomic.Int32
				p.Run(n, func(_, lo, hi int) { done.Add(int32(hi - lo)) })
				if done.Load() != n {
					t.Fatalf("round %d: %d of %d were done after the panic", round, done.Load(), n)
				}
			}
		})
	}
}

// TestAPanicOfAWorkerIsTheCallers has the workers panic, and not the caller,
// which waits until one has come.
func TestAPanicOfAWorkerIsTheCallers(t *testing.T) {
	p := NewPool(3)
	defer p.Close()
	arrived := make(chan struct{})
	var once atomic.Bool
	got := panics(func() {
		p.Run(64, func(worker, _, _ int) {
			if worker == 0 {
				<-arrived // a worker has come
				return
			}
			if !once.Swap(true) {
				close(arrived)
			}
			panic(fmt.Errorf("worker %d fell", worker))
		})
	})
	text := fmt.Sprint(got)
	if !strings.HasPrefix(text, "worker ") || !strings.Contains(text, "TestAPanicOfAWorkerIsTheCallers") {
		t.Errorf("got %q, want what the worker said and where it was", text)
	}
}

func TestGridCoversEveryCellOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 16} {
		e := testEngine(t, portable, threads)
		for rows := range 60 {
			for _, panels := range []int{1, 2, 7, 24, 96} {
				g := e.gridFor(rows, panels)
				var covered []int
				for cell := range g.cells() {
					m, p := cell%g.rowCells*g.cellRows, cell/g.rowCells*g.cellPanels
					for i := m; i < min(g.rows, m+g.cellRows); i++ {
						for j := p; j < min(g.panels, p+g.cellPanels); j++ {
							covered = append(covered, i*panels+j)
						}
					}
				}
				slices.Sort(covered)
				if len(covered) != rows*panels || len(slices.Compact(covered)) != rows*panels {
					t.Fatalf("%d threads, (%d, %d): %+v covers %d, want each of %d once", threads, rows, panels, g, len(covered), rows*panels)
				}
			}
		}
	}
}
