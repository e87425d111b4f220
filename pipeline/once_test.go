package pipeline

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// windowOf returns a part of a topic with the given messages, each under its own id.
func windowOf(texts ...string) []Message {
	ms := make([]Message, len(texts))
	for i, text := range texts {
		ms[i] = Message{ID: fmt.Sprintf("%d:%s", i, text), Value: []byte(text)}
	}
	return ms
}

// counts is what the audits of r came to: those that agreed and did not, by the
// evidence, and the rows that the controller was told of as audited.
func (r *rig) counts() (agreed, disagreed int, rows int64) {
	r.audits.mu.Lock()
	defer r.audits.mu.Unlock()
	total := r.audits.evidence.Total()
	return total.Agreed, total.Disagreed, r.traffic.audited.Load()
}

// TestAWindowReadAgainAndAgainIsAuditedOnce has a window whose share of
// disagreement would raise an alarm if each of its replays counted.
func TestAWindowReadAgainAndAgainIsAuditedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const agreeing, disagreeing, times = 17, 3, 200
		w := windowOf(slices.Concat(slices.Repeat([]string{agrees}, agreeing), slices.Repeat([]string{disagrees}, disagreeing))...)
		r := newRig(t, newShelf(), watched(nil))
		r.putAndAudit(t, slices.Repeat(w, times))
		if agreed, disagreed, rows := r.counts(); agreed != agreeing || disagreed != disagreeing || rows != int64(len(w)) {
			t.Errorf("%d audits agree and %d do not, of %d rows; want %d, %d and %d", agreed, disagreed, rows, agreeing, disagreeing, len(w))
		}
		if got := r.choice.usable.Load(); got != 2 {
			t.Errorf("rung %d is usable, want 2: nothing speaks against it but replays", got)
		}
		marked := make(map[string]int)
		for _, res := range r.sink.kept {
			if res.Audited {
				marked[res.Message.ID]++
			}
		}
		for _, m := range w {
			if marked[m.ID] != 1 {
				t.Errorf("%d results of message %s say that it is audited, want 1 of %d", marked[m.ID], m.ID, times)
			}
		}
	})
}

// putAndAudit runs r over messages and returns when their audits are over.
func (r *rig) putAndAudit(t *testing.T, ms []Message) {
	t.Helper()
	stop := r.start(t)
	r.shelf.putMessages(ms...)
	r.shelf.whenSettled(len(ms))
	time.Sleep(time.Minute) // of the bubble
	stop()
}

// start runs r until the returned function is called.
func (r *rig) start(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestAClearedAlarmIsNotRaisedAgainByTheSameMessages reads what raised the alarm
// again, after an operator has cleared it.
func TestAClearedAlarmIsNotRaisedAgainByTheSameMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := newMemory()
		w := windowOf(slices.Repeat([]string{disagrees}, 100)...)
		r := newRig(t, newShelf(), watched(state))
		stop := r.start(t)
		r.shelf.putMessages(w...)
		r.shelf.whenSettled(len(w))
		time.Sleep(time.Minute)
		if record, _ := state.get(); record == nil {
			t.Fatal("100 messages that disagree raised no alarm")
		}
		state.set(nil)
		time.Sleep(time.Minute)
		agreedBefore, disagreedBefore, _ := r.counts()
		r.shelf.putMessages(w...)
		r.shelf.whenSettled(2 * len(w))
		time.Sleep(time.Minute)
		if agreed, disagreed, rows := r.counts(); agreed != agreedBefore || disagreed != disagreedBefore || rows != int64(len(w)) {
			t.Errorf("%d audits agree and %d do not, of %d rows; want %d and %d as before, of %d",
				agreed, disagreed, rows, agreedBefore, disagreedBefore, len(w))
		}
		if last := r.sink.kept[len(r.sink.kept)-1]; last.Rung != 2 || last.Audited {
			t.Errorf("rung %d, audited %v, after the clearing; want 2 and false", last.Rung, last.Audited)
		}
		stop()
	})
}

// TestARowThatIsShedIsAuditedWhenItComesAgain has nothing known of a message
// whose first row never ran.
func TestARowThatIsShedIsAuditedWhenItComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := windowOf(agrees)[0]
		m.Headers = []Header{{"sweet-tier", []byte("best-effort")}}
		r := newRig(t, newShelf(), watched(nil))
		r.shedding.Store(true)
		if rows, dead := r.prepareChunk([]*Message{&m}, time.Now()); len(rows) != 0 || len(dead) != 1 {
			t.Fatalf("%d rows and %d dead letters while best-effort messages are shed, want 0 and 1", len(rows), len(dead))
		}
		r.shedding.Store(false)
		for _, want := range []bool{true, false} {
			if rows, _ := r.prepareChunk([]*Message{&m}, time.Now()); len(rows) != 1 || rows[0].audited != want {
				t.Fatalf("%d rows, audited %v; want 1, %v", len(rows), rows[0].audited, want)
			}
		}
	})
}

func TestARemembranceHoldsTheMessagesAuditedLast(t *testing.T) {
	const holds = 4
	m := newRemembrance(holds)
	for n := range 3 * holds {
		id := strconv.Itoa(n)
		if m.knows(id) {
			t.Errorf("message %d is known before it was added", n)
		}
		m.add(id)
		for k := range n + 1 {
			if got, want := m.knows(strconv.Itoa(k)), k > n-holds; got != want {
				t.Errorf("after message %d: message %d is known: %v, want %v", n, k, got, want)
			}
		}
		if len(m.known) > holds {
			t.Errorf("%d messages are known, want at most %d", len(m.known), holds)
		}
	}
}

// TestARemembranceTakesAsMuchMemoryAsItSays fills one several times over: what
// is forgotten must leave no room behind.
func TestARemembranceTakesAsMuchMemoryAsItSays(t *testing.T) {
	const says = 3_000_000
	before := heap()
	m := newRemembrance(rememberedAudits)
	for n := range 3 * rememberedAudits {
		m.add(strconv.Itoa(n))
	}
	took := int64(heap()) - int64(before)
	runtime.KeepAlive(m)
	t.Logf("%d messages take %d bytes", len(m.known), took)
	if took > says*4/3 {
		t.Errorf("%d messages take %d bytes, want about %d at most", len(m.known), took, says)
	}
}

// heap returns the bytes in use.
func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
