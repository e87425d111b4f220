package simulate

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// near reports whether n of so many is what chance makes of a share, within
// five standard deviations.
func near(n, of int, share float64) bool {
	mean := float64(of) * share
	return math.Abs(float64(n)-mean) <= 5*math.Sqrt(mean*(1-share))+1
}

func TestArrivalsFollowTheLoad(t *testing.T) {
	l := Load{Spans: []Span{{0, 400}, {10 * time.Second, 0}, {20 * time.Second, 1600}}, End: 30 * time.Second}
	a := newArrivals(&l, 0.5, []int32{5, 5, 5, 20}, Shares{Strict: 0.1, BestEffort: 0.3, Audited: 0.2}, 7, 0)
	var perSpan [3]int
	tiers := map[tier]int{}
	long, audited, below, n := 0, 0, 0, 0
	last := time.Duration(0)
	for {
		m, ok := a.next()
		if !ok {
			break
		}
		if m.at < last || m.at > l.End || m.draw < 0 || m.draw >= 1 || int(m.id) != n {
			t.Fatalf("message %d after %v: %+v", n, last, m)
		}
		n, last = n+1, m.at
		perSpan[m.at/(10*time.Second)]++
		tiers[m.tier]++
		if m.tokens == 20 {
			long++
		}
		if m.audited {
			audited++
		}
		if m.audited && m.tier == strict {
			t.Fatalf("message %d is strict and audited", m.id)
		}
		if m.draw < 0.3 {
			below++
		}
	}
	for i, mean := range []float64{2000, 0, 8000} {
		if math.Abs(float64(perSpan[i])-mean) > 5*math.Sqrt(mean) {
			t.Errorf("span %d: got %d messages, want about %v", i, perSpan[i], mean)
		}
	}
	for _, c := range []struct {
		what  string
		n     int
		share float64
	}{
		{"strict", tiers[strict], 0.1},
		{"best-effort", tiers[bestEffort], 0.3},
		{"long", long, 0.25},
		{"audited", audited, 0.9 * 0.2},
		{"drawn below 0.3", below, 0.3},
	} {
		if !near(c.n, n, c.share) {
			t.Errorf("got %d of %d %s, want a share of about %v", c.n, n, c.what, c.share)
		}
	}
}

// The times between the arrivals of a Poisson process are exponentially
// distributed: their deviation is their mean.
func TestArrivalsComeByChance(t *testing.T) {
	l := Load{Spans: []Span{{0, 1000}}, End: 20 * time.Second}
	a := newArrivals(&l, 1, []int32{1}, Shares{}, 3, 0)
	var n, sum, squares float64
	last := time.Duration(0)
	for m, ok := a.next(); ok; m, ok = a.next() {
		gap := (m.at - last).Seconds()
		last = m.at
		n, sum, squares = n+1, sum+gap, squares+gap*gap
	}
	mean := sum / n
	if deviation := math.Sqrt(squares/n - mean*mean); math.Abs(deviation/mean-1) > 0.05 {
		t.Errorf("got a deviation of %v at a mean of %v, want the same", deviation, mean)
	}
}

func TestRingIsAQueue(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 1))
	var q ring
	var want []int32
	for id := range int32(20_000) {
		q.push(message{id: id})
		want = append(want, id)
		for chance.IntN(5) < 2 && len(want) > 0 {
			if front, got := q.front().id, q.pop().id; front != want[0] || got != want[0] {
				t.Fatalf("got %d at the front and %d, want %d", front, got, want[0])
			}
			want = want[1:]
		}
		if q.n != len(want) {
			t.Fatalf("got %d in the queue, want %d", q.n, len(want))
		}
	}
}
