package pipeline

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/pipeline/control"
)

// A drift is what happens to the messages of a topic: for a while a share of
// the answers at the cheapest rung differs from full depth's that is well within
// the certificate, and then twice what it allows.
type drift struct {
	epsilon      float64
	alarmEvery   int
	history      int // messages before the drift
	before, then float64
}

var doubled = drift{epsilon: 0.02, alarmEvery: 10_000, history: 300, before: 0.005, then: 0.04}

// differs draws whether the answer to message n differs from full depth's.
func (d drift) differs(random *rand.Rand, n int) bool {
	if n < d.history {
		return random.Float64() < d.before
	}
	return random.Float64() < d.then
}

// alone returns after how many messages from the drift on the evidence raises an
// alarm that is told of each in turn, without a pipeline around it.
func (d drift) alone(t *testing.T, seed uint64) int {
	t.Helper()
	e, err := control.NewEvidence(len(rungs), d.epsilon, d.alarmEvery)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	for n := 0; ; n++ {
		if _, raised := e.Observe(len(rungs)-1, !d.differs(random, n)); raised {
			return n + 1 - d.history
		}
	}
}

// piped returns how many messages from the drift on a whole worker answers at
// the cheapest rung, all of them audited: those until the alarm, and those that
// were on their way when it came.
func (d drift) piped(t *testing.T, seed uint64) (answered int) {
	t.Helper()
	state := newMemory()
	r := newRig(t, newShelf(), func(c *Config, parts *Parts) {
		watched(state)(c, parts)
		parts.Epsilon, parts.Control.AlarmEvery = d.epsilon, d.alarmEvery
	})
	r.script.takes = time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()

	const chunk, way = 8, 24 // messages put on the shelf at once, and unsettled at most
	random := rand.New(rand.NewPCG(seed, 2))
	_, raised := state.get()
	for n, over := 0, false; !over; {
		if n > 10*d.alarmEvery {
			t.Fatalf("seed %d: no alarm after %d messages", seed, n)
		}
		for range chunk {
			text := agrees
			if d.differs(random, n) {
				text = disagrees
			}
			r.shelf.put(text)
			n++
		}
		r.shelf.whenSettled(n - way + chunk)
		select {
		case <-raised:
			over = true
		default:
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, res := range r.sink.kept {
		if int(res.Message.Origin.Offset) >= d.history && res.Rung == len(rungs)-1 {
			answered++
		}
	}
	if got := int(r.choice.usable.Load()); got != len(rungs)-2 || answered == 0 {
		t.Fatalf("seed %d: rung %d is usable after %d messages from the drift on, want the cheapest withdrawn", seed, got, answered)
	}
	return answered
}

// TestDriftWithdrawsTheRungInTime has 200 workers meet the drift. They withdraw
// the rung as soon as the evidence could, within a quarter: in the median, and
// 95 in 100 before its 95th percentile.
func TestDriftWithdrawsTheRungInTime(t *testing.T) {
	if testing.Short() {
		t.Skip("200 workers of a thousand messages each, which have nothing to show the race detector that one has not")
	}
	const references, runs = 4000, 200
	alone, piped := make([]int, references), make([]int, runs)
	for i := range alone {
		alone[i] = doubled.alone(t, uint64(i))
	}
	for i := range piped {
		synctest.Test(t, func(t *testing.T) { piped[i] = doubled.piped(t, uint64(i)) })
	}
	slices.Sort(alone)
	slices.Sort(piped)
	middle, late := alone[references/2], alone[references*95/100]
	t.Logf("messages until the rung is withdrawn: %d in the median, %d in 95 of 100; by the evidence alone %d and %d",
		piped[runs/2], piped[runs*95/100], middle, late)
	if got, want := float64(piped[runs/2]), 1.25*float64(middle); got > want {
		t.Errorf("a median of %v messages, want at most %v", got, want)
	}
	inTime, _ := slices.BinarySearch(piped, int(1.25*float64(late))+1)
	if inTime < runs*95/100 {
		t.Errorf("%d of %d runs within %v messages, want %d", inTime, runs, 1.25*float64(late), runs*95/100)
	}
}
