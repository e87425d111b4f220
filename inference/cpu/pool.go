package cpu

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A Pool is a team of threads that share one piece of work at a time.
//
// Between two pieces its workers stay awake for some tens of microseconds, then
// they park. A piece begins without waiting for anyone: workers join it as they
// come, and one that comes late (its processor was taken away, say) finds it
// closed and is not waited for.
type Pool struct {
	threads int
	workers []worker // all but the caller, who is worker 0
	closed  atomic.Bool
	ended   sync.WaitGroup

	// One word says which piece this is, whether it may still be joined and how
	// many workers are in it, so that joining is one compare-and-swap: a worker
	// that looked at piece 5 cannot join piece 6 by mistake.
	state atomic.Uint64

	// Of the piece under way. Written while nobody is in one.
	f        func(worker, lo, hi int)
	n, chunk int
	next     atomic.Int64
	fault    atomic.Pointer[fault] // the first panic of f

	// The caller, when it parks until the last worker has left.
	waiting atomic.Bool
	left    chan struct{}
}

const (
	open     = 1 << 31  // may be joined
	inside   = open - 1 // mask: workers in the piece
	newPiece = 1 << 32  // added for every piece
	pieceOf  = ^uint64(open | inside)
)

type worker struct {
	parked atomic.Bool
	wake   chan struct{}
	_      [64 - 16]byte // a cache line each: neighbors are written by others
}

// The wait before parking, in rounds of pauses: 15 to 50 microseconds, by
// processor.
const (
	rounds = 64
	pauses = 16
)

// rest waits for a moment. The longer the wait has lasted, the likelier it is
// that whoever is awaited has no processor, so from half of it on rest offers
// this one.
func rest(round int) {
	pause(pauses)
	if round >= rounds/2 {
		runtime.Gosched()
	}
}

// NewPool starts a pool of the given number of threads: the goroutine that
// calls [Pool.Run], and one worker for each thread more.
func NewPool(threads int) *Pool {
	threads = max(1, threads)
	p := &Pool{threads: threads, workers: make([]worker, threads-1), left: make(chan struct{}, 1)}
	for i := range p.workers {
		p.workers[i].wake = make(chan struct{}, 1)
		p.ended.Go(func() { p.work(i) })
	}
	return p
}

// Threads is the number of threads, the caller's among them.
func (p *Pool) Threads() int { return p.threads }

// Close ends the workers and waits for them. It must not be called during Run,
// nor Run after it.
func (p *Pool) Close() {
	if p.closed.Swap(true) {
		return
	}
	p.wake(len(p.workers))
	p.ended.Wait()
}

// Run calls f(worker, lo, hi) for pieces that together are all of 0 to n, and
// returns when all calls have. worker is below [Pool.Threads]; calls with the
// same worker do not overlap. Run must not be called by two goroutines at once,
// nor from f.
//
// Where f panics, Run does, on the goroutine of its caller, once no call of f is
// under way any more: a caller that recovers may use the pool again.
func (p *Pool) Run(n int, f func(worker, lo, hi int)) {
	if n <= 0 {
		return
	}
	if p.threads == 1 || n == 1 {
		f(0, 0, n)
		return
	}
	p.f, p.n, p.chunk = f, n, max(1, n/(pieces*p.threads))
	p.next.Store(0)
	p.state.Store((p.state.Load()&pieceOf + newPiece) | open)
	p.wake(ceil(n, p.chunk) - 1)
	p.take(0)
	p.state.And(^uint64(open))
	p.wait()
	p.f = nil
	if f := p.fault.Load(); f != nil {
		p.fault.Store(nil)
		panic(f)
	}
}

// wake wakes up to n of the workers that are parked.
func (p *Pool) wake(n int) {
	for i := 0; i < len(p.workers) && n > 0; i++ {
		w := &p.workers[i]
		if w.parked.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
		n--
	}
}

// take works on chunks until none is left.
func (p *Pool) take(worker int) {
	defer p.catch()
	for {
		lo := int(p.next.Add(int64(p.chunk))) - p.chunk
		if lo >= p.n {
			return
		}
		p.f(worker, lo, min(p.n, lo+p.chunk))
	}
}

// A fault is a panic that crosses from one goroutine to another, with where it
// came from.
type fault struct {
	value any
	stack []byte
}

// Error says what the panic said, and on the lines after that where it was.
func (f *fault) Error() string { return fmt.Sprintf("%v\n\n%s", f.value, f.stack) }

// catch keeps a panic of f for the caller of Run: on a worker's goroutine it
// would end the process, and on the caller's own it would leave others at work
// on what the caller believes to be over. Nobody begins another chunk.
func (p *Pool) catch() {
	if v := recover(); v != nil {
		p.fault.CompareAndSwap(nil, &fault{value: v, stack: debug.Stack()})
		p.next.Store(int64(p.n))
	}
}

// wait returns when no worker is in the piece, which is closed by now.
func (p *Pool) wait() {
	for round := range rounds {
		if p.state.Load()&inside == 0 {
			return
		}
		rest(round)
	}
	for {
		// The last worker sends if it swaps waiting back, which it does after it
		// has left. That may be late enough to hit the wait of the next piece, so a
		// token says only that it is time to look again.
		p.waiting.Store(true)
		if p.state.Load()&inside == 0 && p.waiting.CompareAndSwap(true, false) {
			return
		}
		<-p.left
		if p.state.Load()&inside == 0 {
			return
		}
	}
}

// work is the life of worker i.
func (p *Pool) work(i int) {
	var done uint64 // the piece it was in last
	for p.await(&p.workers[i], done) {
		s := p.state.Load()
		if !joinable(s, done) || !p.state.CompareAndSwap(s, s+1) {
			continue
		}
		done = s & pieceOf
		p.take(i + 1)
		if p.state.Add(^uint64(0))&(open|inside) == 0 && p.waiting.CompareAndSwap(true, false) {
			p.left <- struct{}{}
		}
	}
}

func joinable(state, done uint64) bool {
	return state&open != 0 && state&pieceOf != done
}

// await returns true when there is a piece to join, false when the pool ends.
func (p *Pool) await(w *worker, done uint64) bool {
	for {
		for round := range rounds {
			if p.closed.Load() {
				return false
			}
			if joinable(p.state.Load(), done) {
				return true
			}
			rest(round)
		}
		// A piece may have begun between the last look and parking, when nobody
		// knew to wake this worker: look once more. If it was woken meanwhile, the
		// token is on its way and has to be taken.
		w.parked.Store(true)
		missed := p.closed.Load() || joinable(p.state.Load(), done)
		if !missed || !w.parked.CompareAndSwap(true, false) {
			<-w.wake
		}
	}
}
