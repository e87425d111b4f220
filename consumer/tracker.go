package consumer

import "sync"

// A Tracker finds, for one partition in one generation of the group, the
// offset below which everything is settled: the mark. Messages begin in the
// order of their offsets, are handed out in that order, and settle in any. A
// commit may pass an offset only once every earlier one is settled too.
//
// Offsets that hold no message for us (compacted away, aborted, control
// records) leave gaps, and the mark steps over them.
//
// Every method takes constant time, amortized, and memory is bounded by the
// limit: the number of messages that may begin beyond the mark, settled or
// not.
type Tracker struct {
	idle chan<- struct{} // poked when nothing handed out is unsettled
	room chan struct{}   // poked when the mark moves
	most uint64          // messages that may begin beyond the mark

	mu sync.Mutex
	// mu protects what follows.
	ring       []tracked // message n is at n modulo the length, a power of two
	head, tail uint64    // the lowest unsettled message, and the next to begin
	next       int64     // the offset after the last one begun or skipped
	handed     int       // handed out and unsettled
	beyond     int       // settled at or after head
	state      trackerState
	// Invariant: head ≤ tail ≤ head+most; if head < tail, ring[head] is unsettled;
	// offsets in ring ascend from head to tail and are below next.
}

type tracked struct {
	offset int64
	time   int64 // of the record, in Unix ms
	state  messageState
}

type messageState uint8

const (
	begun messageState = iota
	handed
	settled
)

type trackerState uint8

const (
	working trackerState = iota
	stopped              // hands out no more; what is out may settle
	fenced               // what settles is not ours any more
)

// NewTracker returns a tracker of a partition whose next offset is next, for
// at most limit messages beyond the mark. It pokes idle, without blocking,
// whenever nothing that it handed out is unsettled any more.
func NewTracker(next int64, limit int, idle chan<- struct{}) *Tracker {
	return &Tracker{next: next, most: uint64(max(limit, 1)), idle: idle, room: make(chan struct{}, 1)}
}

// Begin records that the message at offset has been read, and returns the
// number that Hand and Settle know it by. Offsets must ascend. It reports
// false, and records nothing, while the limit is reached: Room tells when to
// try again.
func (t *Tracker) Begin(offset, time int64) (n uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tail-t.head >= t.most {
		return 0, false
	}
	if t.tail-t.head == uint64(len(t.ring)) {
		t.grow()
	}
	n = t.tail
	*t.at(n) = tracked{offset: offset, time: time}
	t.tail++
	t.next = offset + 1
	return n, true
}

// Skip records that no offset below next holds a message that has not begun.
func (t *Tracker) Skip(next int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = max(t.next, next)
}

// Room is poked when Begin may have room again.
func (t *Tracker) Room() <-chan struct{} { return t.room }

// Hand records that message n is handed out. It reports false, and the message
// must be dropped, after Stop.
func (t *Tracker) Hand(n uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != working {
		return false
	}
	t.at(n).state = handed
	t.handed++
	return true
}

// Settle records that message n, which was handed out, is settled. It reports
// first, whether this is the first time, and ours, whether the partition was
// still ours.
func (t *Tracker) Settle(n uint64) (first, ours bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n < t.head || n >= t.tail || t.at(n).state != handed {
		return false, false
	}
	t.at(n).state = settled
	t.beyond++
	if t.handed--; t.handed == 0 {
		poke(t.idle)
	}
	if n == t.head {
		for t.head < t.tail && t.at(t.head).state == settled {
			t.head++
			t.beyond--
		}
		poke(t.room)
	}
	return true, t.state != fenced
}

// Mark returns the offset below which everything is settled: where another
// owner must start.
func (t *Tracker) Mark() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head < t.tail {
		return t.at(t.head).offset
	}
	return t.next
}

// Unsettled returns how many messages are not settled of a log that ends before
// the given offset. Offsets not read yet count as messages.
func (t *Tracker) Unsettled(end int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(end-t.next, 0) + int64(t.tail-t.head) - int64(t.beyond)
}

// Oldest returns the record time, in Unix ms, of the lowest unsettled message.
func (t *Tracker) Oldest() (time int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head == t.tail {
		return 0, false
	}
	return t.at(t.head).time, true
}

// Out returns how many messages are handed out and unsettled.
func (t *Tracker) Out() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.handed
}

// Stop ends the handing out.
func (t *Tracker) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = max(t.state, stopped)
}

// Fence gives the partition up and returns how many messages are out: Settle
// reports them as not ours from now on.
//
// The race it closes: the partition is taken away, another member starts from
// our last commit, and only then does a message settle here. If that counted,
// it would be counted twice, here and where it is read again. Because Settle
// reads the state and settles under one lock, a late one either settles before
// Fence returns, and is not among those it counts, or is not ours.
func (t *Tracker) Fence() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == fenced {
		return 0
	}
	t.state = fenced
	return t.handed
}

func (t *Tracker) at(n uint64) *tracked { return &t.ring[n&uint64(len(t.ring)-1)] }

func (t *Tracker) grow() {
	ring := make([]tracked, max(2*len(t.ring), 16))
	for n := t.head; n < t.tail; n++ {
		ring[n&uint64(len(ring)-1)] = *t.at(n)
	}
	t.ring = ring
}

// poke wakes whoever waits on c, or the next one who will.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
