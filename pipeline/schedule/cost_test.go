package schedule_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"sweetspot/pipeline/schedule"
)

// timed returns runs of l over every size. Of each size one is as long as l
// says and the others are longer, by up to the given factor.
func timed(r *rand.Rand, l schedule.Line, factor float64, sizes ...int) []schedule.Sample {
	var runs []schedule.Sample
	for _, tokens := range sizes {
		exact := l.Time(tokens)
		late := func() time.Duration { return time.Duration(float64(exact) * (1 + (factor-1)*r.Float64())) }
		runs = append(runs, schedule.Sample{Tokens: tokens, Took: late()},
			schedule.Sample{Tokens: tokens, Took: exact}, schedule.Sample{Tokens: tokens, Took: late()})
	}
	return runs
}

// near reports whether two lines agree on runs of 32 to 2048 tokens.
func near(a, b schedule.Line, share float64) bool {
	for tokens := 32; tokens <= 2048; tokens *= 2 {
		if x, y := a.Time(tokens).Seconds(), b.Time(tokens).Seconds(); math.Abs(x-y) > share*y {
			return false
		}
	}
	return true
}

func TestFit(t *testing.T) {
	run := func(tokens int, us float64) schedule.Sample {
		return schedule.Sample{Tokens: tokens, Took: time.Duration(us * 1000)}
	}
	for _, tt := range []struct {
		name string
		runs []schedule.Sample
		want schedule.Line
	}{
		{"a processor", []schedule.Sample{run(32, 126), run(128, 414), run(512, 1566)}, schedule.Line{Base: 30e-6, PerToken: 3e-6}},
		{"a large device", []schedule.Sample{run(256, 212.8), run(16384, 1019.2)}, schedule.Line{Base: 200e-6, PerToken: 0.05e-6}},
		{"the shortest of every size", []schedule.Sample{
			run(32, 5000), run(512, 1566), run(32, 126), run(32, 127), run(512, 90_000),
		}, schedule.Line{Base: 30e-6, PerToken: 3e-6}},
		{"larger runs cost more a token", []schedule.Sample{run(100, 100), run(200, 250), run(400, 800)}, schedule.Line{PerToken: 230. / 189 * 1e-6}},
		{"small runs cost the same", []schedule.Sample{run(100, 200), run(200, 200), run(1000, 200)}, schedule.Line{Base: 200e-6}},
		{"larger runs cost less", []schedule.Sample{run(100, 200), run(200, 100), run(400, 100)}, schedule.Line{Base: 200e-6}},
		{"runs that took no time say nothing", []schedule.Sample{
			run(16, 0), run(32, 126), run(64, 0), run(512, 1566),
		}, schedule.Line{Base: 30e-6, PerToken: 3e-6}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := schedule.Fit(tt.runs); !ok || !near(got, tt.want, 1e-3) {
				t.Errorf("got %+v, %v, want %+v", got, ok, tt.want)
			}
		})
	}
}

func TestFitNeedsTwoSizes(t *testing.T) {
	for name, runs := range map[string][]schedule.Sample{
		"no run":              nil,
		"one size":            {{Tokens: 64, Took: 1}, {Tokens: 64, Took: 2}},
		"one that took time":  {{Tokens: 64, Took: 1}, {Tokens: 128}},
		"a clock that jumped": {{Tokens: 64, Took: -1}, {Tokens: 128, Took: 5}},
	} {
		if got, ok := schedule.Fit(runs); ok {
			t.Errorf("%s: got %+v, want none", name, got)
		}
	}
}

// TestFitOnABusyMachine finds lines although most runs of every size were
// disturbed, and the rest by a percent.
func TestFitOnABusyMachine(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 200 {
		want := schedule.Line{Base: 1e-4 * math.Pow(10, 2*r.Float64()-1), PerToken: 1e-6 * math.Pow(10, 2*r.Float64()-1)}
		runs := timed(r, want, 5, 32, 128, 512, 2048)
		for i := range runs {
			runs[i].Took += time.Duration(0.01 * r.Float64() * float64(runs[i].Took))
		}
		if got, ok := schedule.Fit(runs); !ok || !near(got, want, 0.03) {
			t.Errorf("got %+v, %v, want %+v", got, ok, want)
		}
	}
}

func TestFull(t *testing.T) {
	for _, tt := range []struct {
		name string
		line schedule.Line
		want int // of 1000
	}{
		{"not known", schedule.Line{}, 750},
		{"a little overhead", schedule.Line{Base: 10e-6, PerToken: 1e-6}, 190},
		{"no overhead", schedule.Line{PerToken: 1e-6}, 1},
		{"more overhead than a full run is worth", schedule.Line{Base: 1, PerToken: 1e-6}, 1000},
		{"nothing but overhead", schedule.Line{Base: 1e-3}, 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.line.Full(1000); got < tt.want || got > tt.want+1 { // rounding may add a token
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// TestFullIsWorthIt compares Full with its definition.
func TestFullIsWorthIt(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 200 {
		l := schedule.Line{Base: 1e-4 * r.Float64(), PerToken: 1e-5 * r.Float64()}
		full := l.Full(2048)
		share := func(tokens int) float64 { return l.Base / (l.Base + l.PerToken*float64(tokens)) }
		if full < 2048 && share(full) > 0.05 {
			t.Errorf("%+v: full with %d tokens, of which %.4f is overhead", l, full, share(full))
		}
		if full > 1 && share(full-2) < 0.05 {
			t.Errorf("%+v: full only with %d tokens, two fewer have %.4f overhead", l, full, share(full-2))
		}
	}
}

func TestTokenBearsItsPartOfTheRun(t *testing.T) {
	l := schedule.Line{Base: 10e-6, PerToken: 1e-6} // full from 190 tokens on
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"alone", l.Token(1), 11e-6},
		{"of a hundred", l.Token(100), 1.1e-6},
		{"under load, of no run so far", l.TokenUnderLoad(0, 1000), l.Token(190)},
		{"under load, of runs that were small", l.TokenUnderLoad(100, 1000), l.Token(190)},
		{"under load, of larger ones", l.TokenUnderLoad(500, 1000), l.Token(500)},
		{"under load, where a full run is the whole budget", l.TokenUnderLoad(1, 50), l.Token(50)},
		{"of a line that is not known", schedule.Line{}.TokenUnderLoad(100, 1000), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if math.Abs(tt.got-tt.want) > 0.01*tt.want {
				t.Errorf("got %v, want %v", tt.got, tt.want)
			}
		})
	}
}

// TestARunIsItsTokens compares what a run takes with what its tokens do.
func TestARunIsItsTokens(t *testing.T) {
	for _, tokens := range []int{1, 7, 100, 2048} {
		if got, want := float64(tokens)*first.Token(float64(tokens)), first.Time(tokens).Seconds(); math.Abs(got-want) > 1e-9 {
			t.Errorf("%d tokens take %v s, a run of them %v", tokens, got, want)
		}
	}
}
