package simulate

import (
	"math"
	"testing"
	"time"

	"sweetspot/inference"
)

// plain is the bundled model without a ladder.
func plain() *Worker {
	w := bundled()
	w.Ladder = inference.FullDepth(4)
	w.Shares = Shares{}
	return w
}

func needed(t *testing.T, w *Worker, load Load) (int, bool) {
	t.Helper()
	n, ok, err := NewPlanner(w, load).Needed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n, ok
}

func TestReplicasNeededGrowWithTheLoad(t *testing.T) {
	w := plain()
	for _, c := range []struct {
		times float64 // of full depth
		want  int
	}{{0.1, 1}, {0.8, 1}, {1.5, 2}, {3.2, 4}, {10.6, 11}} {
		load := Load{Spans: []Span{{0, c.times * w.Cost.Capacity()}}, End: 20 * time.Second}
		if got, ok := needed(t, w, load); !ok || got != c.want {
			t.Errorf("%v times full depth: got %d replicas, want %d", c.times, got, c.want)
		}
	}
}

func TestReplicasNeededAreTheLeastThatAreEnough(t *testing.T) {
	w := bundled()
	load := Load{Spans: []Span{{0, w.Cost.Capacity()}, {10 * time.Second, 14 * w.Cost.Capacity()}}, End: 20 * time.Second}
	n, ok := needed(t, w, load)
	if !ok || n < 4 {
		t.Fatalf("got %d replicas, want at least 4: a replica carries less than four times full depth", n)
	}
	for _, c := range []struct {
		replicas int
		enough   bool
	}{{n, true}, {n - 1, false}} {
		r, err := w.Run(t.Context(), load, c.replicas)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.LateShare() <= 0.01; got != c.enough {
			t.Errorf("%d replicas, of %d needed: a share %v is late", c.replicas, n, r.LateShare())
		}
	}
}

func TestNoReplicasAreEnoughWhereAMessageTakesLongerByItself(t *testing.T) {
	w := plain()
	w.Control.TargetAge, w.Control.ControlEvery = 10*time.Millisecond, 10*time.Millisecond
	w.Publish = 20 * time.Millisecond
	load := Load{Spans: []Span{{0, 500}}, End: 5 * time.Second}
	if n, ok := needed(t, w, load); ok || n <= 100 {
		t.Errorf("got %d replicas, enough: %v; want none to be enough, and more than 100 tried", n, ok)
	}
}

func TestFluidIsLateWhileTheBacklogIsTooLarge(t *testing.T) {
	p := NewPlanner(plain(), Load{Spans: []Span{{0, 200}, {10 * time.Second, 50}}, End: 30 * time.Second})
	// Served 100 a second, the backlog is worth a second after one second, and 10
	// seconds after ten. It shrinks by 50 a second and is worth a second again
	// after 18 more.
	want := (9*200 + 18*50) / float64(10*200+20*50)
	if got := p.fluid(100); math.Abs(got-want) > 1e-9 {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := p.fluid(200); got != 0 {
		t.Errorf("as much is served as comes: got %v, want 0", got)
	}
}
