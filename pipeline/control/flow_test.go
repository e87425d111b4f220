package control

import (
	"math"
	"testing"
	"time"
)

// flowOf returns a flow of counts that were known every quarter of a second.
func flowOf(counts ...int64) *flow {
	f := &flow{keep: 5 * time.Second}
	for i, n := range counts {
		f.add(time.Duration(i)*250*time.Millisecond, n)
	}
	return f
}

func TestFlowRate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flow  *flow
		rate  float64 // over two seconds
		risen float64 // over one
	}{
		{"nothing known", flowOf(), 0, 0},
		{"one moment", flowOf(1000), 0, 0},
		{"two moments", flowOf(1000, 1025), 100, 0},
		{"a second", flowOf(0, 100, 200, 300, 400), 400, 400 - 4*math.Sqrt(200)},
		{"longer than the window", flowOf(0, 0, 0, 0, 100, 200, 300, 400, 500, 600, 700, 800), 400, 400 - 4*math.Sqrt(200)},
		{"a lump in the last half", flowOf(0, 100, 200, 300, 1300), 1300, 400 - 4*math.Sqrt(200)},
		{"a lump in the half before", flowOf(0, 1100, 1200, 1300, 1400), 1400, 400 - 4*math.Sqrt(200)},
		{"a handful is chance", flowOf(0, 1, 1, 2, 3), 3, 0},
		{"a count that went back", flowOf(9000, 9100, 0, 100, 200), 400, 0},
		{"the same again", flowOf(500, 500, 500, 500, 500), 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.flow.rate(2 * time.Second); math.Abs(got-tt.rate) > 1e-9 {
				t.Errorf("rate: got %v, want %v", got, tt.rate)
			}
			if got := tt.flow.risen(time.Second); math.Abs(got-tt.risen) > 1e-9 {
				t.Errorf("risen: got %v, want %v", got, tt.risen)
			}
		})
	}
}

func TestFlowForgets(t *testing.T) {
	f := &flow{keep: 2 * time.Second}
	for i := range 1000 {
		f.add(time.Duration(i)*250*time.Millisecond, int64(i)*10)
	}
	if n := len(f.samples); n > 10 || f.span() < 2*time.Second {
		t.Errorf("%d samples over %v, want some ten over two seconds", n, f.span())
	}
	// Nothing new is heard for ten seconds, then all at once: the rate is that of
	// the ten seconds.
	at, n := f.last().at, f.last().n
	f.add(at, n+5000)
	f.add(at+10*time.Second, n+5000)
	if got := f.rate(2 * time.Second); got != 500 {
		t.Errorf("got %v a second, want 500", got)
	}
	f.add(at, n+6000)
	if f.span() != 0 {
		t.Errorf("time went back and the flow still spans %v", f.span())
	}
}

func TestPeaks(t *testing.T) {
	var p peaks
	at := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	for i := range 400 {
		load := 100.0
		if i == 100 { // 25 s
			load = 900
		}
		p.add(at(float64(i)/4), load)
	}
	for _, tt := range []struct {
		seconds int
		want    float64
	}{{0, 100}, {10, 100}, {60, 100}} {
		if got := p.over(tt.seconds); got != tt.want {
			t.Errorf("%d seconds before 100 s: got %v, want %v", tt.seconds, got, tt.want)
		}
	}

	p = peaks{}
	p.add(at(3.5), 500)
	p.add(at(3.75), 400)
	p.add(at(20), 100)
	for _, tt := range []struct {
		seconds int
		want    float64
	}{{10, 100}, {16, 100}, {17, 500}, {60, 500}} {
		if got := p.over(tt.seconds); got != tt.want {
			t.Errorf("%d seconds before 20 s: got %v, want %v", tt.seconds, got, tt.want)
		}
	}
}
