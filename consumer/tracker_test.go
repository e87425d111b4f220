package consumer

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// begin begins every offset and hands it out.
func begin(t *testing.T, tr *Tracker, offsets ...int64) map[int64]uint64 {
	t.Helper()
	numbers := make(map[int64]uint64)
	for _, o := range offsets {
		n, ok := tr.Begin(o, 1000+o)
		if !ok || !tr.Hand(n) {
			t.Fatalf("offset %d was not begun and handed out", o)
		}
		numbers[o] = n
	}
	return numbers
}

func TestTracker(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start int64
		begin []int64
		skip  int64
		end   []int64
		marks []int64 // after each end
	}{
		{"in order", 4, []int64{4, 5, 6}, 0, []int64{4, 5, 6}, []int64{5, 6, 7}},
		{"reversed", 4, []int64{4, 5, 6}, 0, []int64{6, 5, 4}, []int64{4, 4, 7}},
		{"one is missing", 4, []int64{4, 5, 6}, 0, []int64{4, 6}, []int64{5, 5}},
		{"a gap is stepped over", 4, []int64{4, 9}, 0, []int64{4, 9}, []int64{9, 10}},
		{"a gap before the first", 4, []int64{9}, 0, []int64{9}, []int64{10}},
		{"a gap at the end", 4, []int64{4}, 8, []int64{4}, []int64{8}},
		{"a gap at the end waits for what came before", 4, []int64{4, 5}, 8, []int64{5, 4}, []int64{4, 8}},
		{"nothing but a gap", 4, nil, 8, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := NewTracker(tt.start, 100, make(chan struct{}, 1))
			numbers := begin(t, tr, tt.begin...)
			if tt.skip > 0 {
				tr.Skip(tt.skip)
			}
			var got []int64
			for _, o := range tt.end {
				if first, ours := tr.Settle(numbers[o]); !first || !ours {
					t.Errorf("settling %d: first %v, ours %v, want true and true", o, first, ours)
				}
				got = append(got, tr.Mark())
			}
			if !slices.Equal(got, tt.marks) {
				t.Errorf("marks %v, want %v", got, tt.marks)
			}
			if want := max(tt.skip, tt.start); len(tt.begin) == 0 && tr.Mark() != want {
				t.Errorf("mark %d, want %d", tr.Mark(), want)
			}
		})
	}
}

func TestTrackerKeepsQueuedMessagesBelowTheMark(t *testing.T) {
	tr := NewTracker(0, 10, make(chan struct{}, 1))
	if _, ok := tr.Begin(0, 7); !ok {
		t.Fatal("no room")
	}
	tr.Skip(5)
	tr.Stop()
	if got := tr.Mark(); got != 0 {
		t.Errorf("mark %d over a message that was never handed out, want 0", got)
	}
	if tr.Hand(0) {
		t.Error("a message was handed out after Stop")
	}
	if n := tr.Fence(); n != 0 {
		t.Errorf("%d messages abandoned, want 0: none was handed out", n)
	}
}

func TestTrackerFence(t *testing.T) {
	tr := NewTracker(0, 10, make(chan struct{}, 1))
	n := begin(t, tr, 0, 1, 2)
	tr.Settle(n[0])
	if got := tr.Fence(); got != 2 {
		t.Errorf("Fence counts %d messages, want 2", got)
	}
	if first, ours := tr.Settle(n[1]); !first || ours {
		t.Errorf("settling after Fence: first %v, ours %v, want true and false", first, ours)
	}
	if got := tr.Fence(); got != 0 {
		t.Errorf("a second Fence counts %d messages, want 0", got)
	}
}

func TestTrackerSettlesOnce(t *testing.T) {
	tr := NewTracker(0, 10, make(chan struct{}, 1))
	n := begin(t, tr, 0, 1)
	for _, o := range []int64{1, 0} {
		if first, _ := tr.Settle(n[o]); !first {
			t.Errorf("settling %d: not the first time", o)
		}
		if first, ours := tr.Settle(n[o]); first || ours {
			t.Errorf("settling %d again: first %v, ours %v, want false and false", o, first, ours)
		}
	}
	if first, _ := tr.Settle(99); first {
		t.Error("a number that never began settled")
	}
	if got := tr.Out(); got != 0 {
		t.Errorf("%d messages out, want 0", got)
	}
}

func TestTrackerLimit(t *testing.T) {
	idle := make(chan struct{}, 1)
	tr := NewTracker(0, 3, idle)
	n := begin(t, tr, 0, 1, 2)
	tr.Settle(n[1])
	tr.Settle(n[2])
	if _, ok := tr.Begin(3, 0); ok {
		t.Error("a fourth message began beyond a mark that stands at the first")
	}
	select {
	case <-tr.Room():
		t.Error("room before the mark moved")
	case <-idle:
		t.Error("idle with a message out")
	default:
	}
	tr.Settle(n[0])
	<-tr.Room()
	<-idle
	if _, ok := tr.Begin(3, 0); !ok {
		t.Error("no room after the mark moved")
	}
}

func TestTrackerOldest(t *testing.T) {
	tr := NewTracker(0, 10, make(chan struct{}, 1))
	if _, ok := tr.Oldest(); ok {
		t.Error("an empty tracker has an oldest message")
	}
	n := begin(t, tr, 0, 1, 2)
	tr.Settle(n[1])
	if got, _ := tr.Oldest(); got != 1000 {
		t.Errorf("oldest %d, want 1000", got)
	}
	tr.Settle(n[0])
	if got, _ := tr.Oldest(); got != 1002 {
		t.Errorf("oldest %d, want 1002", got)
	}
}

// TestTrackerMemory settles 100,000 messages with a few hundred out at any
// time: the ring stays as small as what is out.
func TestTrackerMemory(t *testing.T) {
	tr := NewTracker(0, 1000, make(chan struct{}, 1))
	rng := rand.New(rand.NewPCG(1, 2))
	var out []uint64
	for o := range int64(100_000) {
		n, ok := tr.Begin(o, 0)
		if !ok {
			t.Fatal("no room")
		}
		tr.Hand(n)
		out = append(out, n)
		for len(out) > 300 {
			i := rng.IntN(50)
			tr.Settle(out[i])
			out = slices.Delete(out, i, i+1)
		}
	}
	if got := len(tr.ring); got > 1024 {
		t.Errorf("the ring has %d places, want at most 1024", got)
	}
}

func TestTrackerDoesNotAllocate(t *testing.T) {
	tr := NewTracker(0, 100, make(chan struct{}, 1))
	o := int64(0)
	if got := testing.AllocsPerRun(1000, func() {
		n, _ := tr.Begin(o, 0)
		tr.Hand(n)
		tr.Settle(n)
		o++
	}); got != 0 {
		t.Errorf("%v allocations a message, want 0", got)
	}
}

// TestTrackerUnderContention settles from several goroutines while the reader
// begins and a committer reads marks, which must never fall or pass what is
// unsettled.
func TestTrackerUnderContention(t *testing.T) {
	const messages = 20000
	tr := NewTracker(0, 64, make(chan struct{}, 1))
	numbers := make(chan uint64, 64)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for n := range numbers {
				tr.Settle(n)
			}
		})
	}
	last := int64(0)
	for o := range int64(messages) {
		n, ok := tr.Begin(2*o, 0) // every second offset is a gap
		for !ok {
			<-tr.Room()
			n, ok = tr.Begin(2*o, 0)
		}
		tr.Hand(n)
		mark := tr.Mark()
		if mark < last || mark > 2*o {
			t.Fatalf("mark %d after %d, with %d unsettled", mark, last, 2*o)
		}
		last = mark
		numbers <- n
	}
	close(numbers)
	workers.Wait()
	if got := tr.Mark(); got != 2*(messages-1)+1 {
		t.Errorf("mark %d, want %d", got, 2*(messages-1)+1)
	}
}

// A model is a tracker as one would explain it.
type model struct {
	next int64
	open []int64 // begun and unsettled
}

func (m *model) begin(o int64) { m.open, m.next = append(m.open, o), o+1 }

func (m *model) settle(o int64) {
	m.open = slices.DeleteFunc(m.open, func(x int64) bool { return x == o })
}

func (m *model) mark() int64 {
	if len(m.open) > 0 {
		return slices.Min(m.open)
	}
	return m.next
}

// FuzzTracker reads data as a story: each byte begins a message after a gap,
// skips offsets, or settles one of those that are out.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0x81, 0x80, 0x80})
	f.Add([]byte{3, 0x41, 5, 0x80, 0x42, 0x81, 0, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 8
		tr, m := NewTracker(0, limit, make(chan struct{}, 1)), &model{}
		numbers := make(map[int64]uint64)
		for _, b := range data {
			arg := int64(b & 0x3f)
			switch {
			case b >= 0x80 && len(m.open) > 0:
				o := m.open[int(b&0x7f)%len(m.open)]
				if first, ours := tr.Settle(numbers[o]); !first || !ours {
					t.Fatalf("settling %d: first %v, ours %v", o, first, ours)
				}
				m.settle(o)
			case b >= 0x40:
				tr.Skip(m.next + arg)
				m.next += arg
			default:
				o := m.next + arg
				n, ok := tr.Begin(o, o)
				if !ok {
					if len(m.open) == 0 || len(m.open) < limit && m.next-m.mark() < limit {
						t.Fatalf("no room with %d open", len(m.open))
					}
					continue
				}
				tr.Hand(n)
				numbers[o] = n
				m.begin(o)
			}
			if got, want := tr.Mark(), m.mark(); got != want {
				t.Fatalf("mark %d, want %d", got, want)
			}
			if got, want := tr.Out(), len(m.open); got != want {
				t.Fatalf("%d out, want %d", got, want)
			}
			if got, ok := tr.Oldest(); ok != (len(m.open) > 0) || ok && got != m.mark() {
				t.Fatalf("oldest %d %v, want %d", got, ok, m.mark())
			}
		}
	})
}

func TestUnsettledLeavesOutWhatIsSettledBehindAnother(t *testing.T) {
	tr := NewTracker(10, 100, make(chan struct{}, 1))
	var ns []uint64
	for offset := range int64(5) {
		n, _ := tr.Begin(10+offset, 0)
		tr.Hand(n)
		ns = append(ns, n)
	}
	check := func(when string, want int64) {
		t.Helper()
		if got := tr.Unsettled(20); got != want {
			t.Errorf("%s: %d unsettled, want %d", when, got, want)
		}
	}
	check("5 read of 10", 10)
	tr.Settle(ns[2])
	tr.Settle(ns[4])
	check("two settled out of order", 8)
	tr.Settle(ns[0])
	tr.Settle(ns[1])
	check("four settled, the mark past three", 6)
	tr.Settle(ns[3])
	check("all read are settled", 5)
	tr.Skip(20)
	check("the rest holds no messages", 0)
}
