package control_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"sweetspot/pipeline/control"
)

func newEvidence(tb testing.TB, rungs int, epsilon float64, alarmEvery int) *control.Evidence {
	tb.Helper()
	e, err := control.NewEvidence(rungs, epsilon, alarmEvery)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// raiseAlarm audits rows of the rung that all disagree until an alarm.
func raiseAlarm(tb testing.TB, e *control.Evidence, rung int) control.Alarm {
	tb.Helper()
	for range 1000 {
		if alarm, ok := e.Observe(rung, false); ok {
			return alarm
		}
	}
	tb.Fatalf("1000 disagreements of rung %d raise no alarm", rung)
	return control.Alarm{}
}

func TestNewEvidenceRefuses(t *testing.T) {
	tests := []struct {
		name       string
		rungs      int
		epsilon    float64
		alarmEvery int
		want       string
	}{
		{"a ladder without full depth", 0, 0.02, 100, "0 rungs, want at least 1"},
		{"a floor that allows nothing", 2, 0, 100, "a certified disagreement of 0, want more than 0"},
		{"a floor that allows all", 2, 1, 100, "a certified disagreement of 1, want more than 0 and less than 1"},
		{"a floor that is no number", 2, math.NaN(), 100, "a certified disagreement of NaN"},
		{"alarms all the time", 2, 0.02, 0, "0 audits between false alarms, want at least 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := control.NewEvidence(tt.rungs, tt.epsilon, tt.alarmEvery)
			if e != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error with %q", e, err, tt.want)
			}
		})
	}
	_, err := control.NewEvidence(0, 2, -1)
	if err == nil || strings.Count(err.Error(), "want") != 3 {
		t.Errorf("got %v, want all three faults", err)
	}
}

func TestAnAlarmWithdrawsItsRungAndCheaperOnes(t *testing.T) {
	e := newEvidence(t, 6, 0.02, 1000)
	if got := e.Usable(); got != 5 {
		t.Fatalf("at first: got rung %v usable, want the cheapest, 5", got)
	}
	for range 50 {
		e.Observe(2, true)
	}
	alarm := raiseAlarm(t, e, 3)
	if alarm.Rung != 3 || alarm.Audits != 50+alarm.Disagreements {
		t.Errorf("got alarm %+v, want rung 3 and 50 audits that agreed", alarm)
	}
	if got := e.Usable(); got != 2 {
		t.Errorf("after an alarm of rung 3: got rung %v usable, want 2", got)
	}
	if got := e.Strength(); got != 0 {
		t.Errorf("after an alarm: got strength %v, want 0", got)
	}
	if got := e.Recent(); got != (control.Tally{}) {
		t.Errorf("after an alarm: got %+v since, want none", got)
	}
	if got, want := e.Total(), (control.Tally{Agreed: 50, Disagreed: alarm.Disagreements}); got != want {
		t.Errorf("after an alarm: got %+v in all, want %+v", got, want)
	}

	// The rows under way when the alarm came are answered, and audited, after it.
	for _, rung := range []int{3, 4, 5} {
		for range 1000 {
			if alarm, ok := e.Observe(rung, false); ok {
				t.Fatalf("got alarm %+v from rows of a rung that is withdrawn", alarm)
			}
		}
	}
	if got := e.Strength(); got != 0 || e.Usable() != 2 {
		t.Errorf("after late rows: got strength %v and rung %v usable, want 0 and 2", got, e.Usable())
	}
	if got := e.Recent().Disagreed; got != 3000 {
		t.Errorf("got %v late disagreements counted, want 3000", got)
	}

	if alarm := raiseAlarm(t, e, 1); alarm.Rung != 1 || e.Usable() != 0 {
		t.Errorf("after an alarm of rung %v: got rung %v usable, want full depth", alarm.Rung, e.Usable())
	}
	e.Allow(5)
	if got := e.Usable(); got != 5 || e.Recent() != (control.Tally{}) {
		t.Errorf("once cleared: got rung %v usable and %+v, want 5 and nothing", got, e.Recent())
	}
}

func TestWhatIsAllowedFromElsewhere(t *testing.T) {
	tests := []struct {
		name    string
		allowed []int // in order
		usable  int
		kept    bool // the evidence goes on
	}{
		{"fewer rungs", []int{2}, 2, false},
		{"all but the cheapest", []int{4}, 4, false},
		{"full depth alone", []int{0}, 0, false},
		{"less than full depth is full depth", []int{-4}, 0, false},
		{"fewer and then fewer still", []int{3, 1}, 1, false},
		{"fewer and then more", []int{1, 3}, 3, false},
		{"fewer and then all", []int{1, 5}, 5, false},
		{"all, as before", []int{5}, 5, true},
		{"more than the ladder has", []int{6}, 5, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEvidence(t, 6, 0.02, 10_000)
			e.Observe(1, false)
			for _, usable := range tt.allowed {
				e.Allow(usable)
			}
			if got := e.Usable(); got != tt.usable {
				t.Errorf("got rung %v usable, want %v", got, tt.usable)
			}
			if kept := e.Strength() > 0 && e.Recent().Disagreed == 1; kept != tt.kept {
				t.Errorf("got evidence kept %v, want %v", kept, tt.kept)
			}
		})
	}
	t.Run("again changes nothing", func(t *testing.T) {
		e := newEvidence(t, 6, 0.02, 10_000)
		e.Allow(2)
		e.Observe(1, false)
		before := e.Strength()
		for range 3 {
			e.Allow(2)
		}
		if got := e.Strength(); got != before || got == 0 || e.Usable() != 2 {
			t.Errorf("got strength %v, then %v, and rung %v usable, want no change and 2", before, got, e.Usable())
		}
	})
}

// A night at full depth says nothing about a rung, so it takes nothing away
// from what was known of it.
func TestFullDepthMovesNothing(t *testing.T) {
	e := newEvidence(t, 3, 0.02, 1000)
	for range 3 {
		e.Observe(2, false)
	}
	before := e.Strength()
	for i := range 10_000 {
		if alarm, ok := e.Observe(0, i%2 == 0); ok {
			t.Fatalf("got alarm %+v from full depth", alarm)
		}
	}
	if got := e.Strength(); got != before || got == 0 {
		t.Errorf("got strength %v, and %v after full depth", before, got)
	}
	if got, want := e.Recent(), (control.Tally{Agreed: 10_000, Disagreed: 3}); got != want {
		t.Errorf("got %+v, want %+v: full depth agrees with itself", got, want)
	}
}

func TestALadderOfFullDepthAlone(t *testing.T) {
	e := newEvidence(t, 1, 0.02, 1)
	for range 100 {
		if alarm, ok := e.Observe(0, true); ok {
			t.Fatalf("got alarm %+v, want none", alarm)
		}
	}
	e.Allow(1)
	if e.Usable() != 0 || e.Strength() != 0 {
		t.Errorf("got rung %v usable and strength %v, want 0 and 0", e.Usable(), e.Strength())
	}
}

// With an ε of one in a million a single disagreement within 20 audits is a
// sign, and silence none, however long.
func TestAgreementRaisesNoAlarm(t *testing.T) {
	e := newEvidence(t, 2, 1e-6, 10)
	for range 100_000 {
		if alarm, ok := e.Observe(1, true); ok {
			t.Fatalf("got alarm %+v, want none", alarm)
		}
	}
	if got := e.Strength(); got != 1 {
		t.Errorf("got strength %v, want 1", got)
	}
	if alarm, ok := e.Observe(1, false); !ok || alarm.Rung != 1 {
		t.Errorf("got %+v, %v, want an alarm of rung 1", alarm, ok)
	}
}

// plainEvidence is evidence as its formula is written down, with no thought of
// rounding.
type plainEvidence struct {
	epsilon, limit float64
	usable         int
	r              map[int][5]float64 // of rung k, and of all rungs under 0
}

func (p *plainEvidence) restart(usable int) { p.usable, p.r = usable, map[int][5]float64{} }

// observe returns the larger mean of the processes that the audit moves, as a
// share of the limit.
func (p *plainEvidence) observe(rung int, d float64) float64 {
	largest := 0.0
	for _, process := range []int{0, rung} {
		r := p.r[process]
		for i, c := range []float64{1.25, 1.5, 2, 4, 10} {
			risk := min(c*p.epsilon, (1+p.epsilon)/2)
			eta := (risk - p.epsilon) / (p.epsilon * (1 - p.epsilon))
			r[i] = (1 + r[i]) * (1 + eta*(d-p.epsilon))
		}
		p.r[process] = r
		largest = max(largest, p.mean(process))
	}
	return largest
}

func (p *plainEvidence) mean(process int) float64 {
	r := p.r[process]
	return (r[0] + r[1] + r[2] + r[3] + r[4]) / 5 / p.limit
}

func (p *plainEvidence) strength() float64 {
	largest := 0.0
	for process := range p.r {
		largest = max(largest, p.mean(process))
	}
	return min(largest, 1)
}

// exact reports whether the formula as it is written stands up to rounding.
func (p *plainEvidence) exact() bool { return p.epsilon > 1e-12 && p.epsilon < 1-1e-9 }

// playEvidence takes evidence and the plain kind through the same events, one for
// each byte, and fails where they part or a number is out of range.
func playEvidence(t *testing.T, rungs int, epsilon float64, alarmEvery int, events []byte) {
	t.Helper()
	e := newEvidence(t, rungs, epsilon, alarmEvery)
	p := &plainEvidence{epsilon: epsilon, limit: 2 * float64(alarmEvery)}
	p.restart(rungs - 1)
	for i, b := range events {
		switch b {
		case 255:
			e.Allow(rungs - 1)
			if p.usable != rungs-1 {
				p.restart(rungs - 1)
			}
		case 254:
			usable := i%(rungs+2) - 1
			e.Allow(usable)
			if usable = min(max(usable, 0), rungs-1); usable != p.usable {
				p.restart(usable)
			}
		default:
			d := 0.0
			if b >= 200 {
				d = 1
			}
			playAudit(t, e, p, int(b)%(rungs+1), d)
		}
		if got := e.Usable(); got != p.usable {
			t.Fatalf("event %d: got rung %v usable, want %v", i, got, p.usable)
		}
		if got, want := e.Strength(), p.strength(); !(got >= 0 && got <= 1) || p.exact() && math.Abs(got-want) > 1e-6 {
			t.Fatalf("event %d: got strength %v, want %v", i, got, want)
		}
	}
	if got := e.Recent().Audits(); got > e.Total().Audits() {
		t.Fatalf("got %v recent audits of %v", got, e.Total().Audits())
	}
}

// playAudit lets both take one audit, which disagrees where d is 1. An alarm is due where a row of a usable
// rung disagrees and the plain kind is at its limit, give or take rounding.
func playAudit(t *testing.T, e *control.Evidence, p *plainEvidence, rung int, d float64) {
	t.Helper()
	agree, moves := d == 0, rung > 0 && rung <= p.usable
	reached := 0.0
	if moves {
		reached = p.observe(rung, d)
	}
	alarm, raised := e.Observe(rung, agree)
	if raised && (agree || !moves || alarm.Rung != rung || p.exact() && reached < 1-1e-6) {
		t.Fatalf("rung %d of %d, agrees %v, at %v of the limit: got alarm %+v", rung, p.usable, agree, reached, alarm)
	}
	if !raised && moves && !agree && p.exact() && reached > 1+1e-6 {
		t.Fatalf("rung %d of %d disagrees at %v of the limit: got no alarm", rung, p.usable, reached)
	}
	if raised {
		p.restart(rung - 1)
	}
}

// What a certificate may allow and how rare alarms may be, to the ends of what
// the types hold.
var (
	certifiedShares = []float64{5e-324, 1e-300, 1e-9, 1e-4, 0.001, 0.02, 0.3, 0.6666, 0.9, 1 - 1e-6, 1 - 0x1p-53}
	alarmSpacings   = []int{1, 2, 500, 10_000, math.MaxInt}
)

func TestEvidenceFollowsItsFormula(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, epsilon := range certifiedShares {
		for _, every := range alarmSpacings {
			for _, rungs := range []int{1, 2, 6} {
				playEvidence(t, rungs, epsilon, every, randomEvents(random, 2000))
			}
		}
	}
}

// randomEvents has some share of rows that disagree, and now and then an alarm
// from elsewhere or a clearing.
func randomEvents(random *rand.Rand, n int) []byte {
	events := make([]byte, n)
	risk := random.Float64()
	for i := range events {
		switch {
		case random.IntN(300) == 0:
			events[i] = byte(254 + random.IntN(2))
		case random.Float64() < risk:
			events[i] = byte(200 + random.IntN(54))
		default:
			events[i] = byte(random.IntN(200))
		}
	}
	return events
}

func FuzzEvidence(f *testing.F) {
	f.Add(uint8(5), uint8(5), uint8(2), []byte("\xf0\xf0\xf0\xf0\xf0\xf0\xf0\xf0 some agree \xfe\xf1\xf1\xf1\xf1\xf1\xff\xf2\xf2\xf2\xf2\xf2\xf2"))
	f.Add(uint8(1), uint8(0), uint8(0), []byte("silence, then \xfb"))
	f.Add(uint8(0), uint8(10), uint8(4), []byte("\xff\xfe\xfe\xff"))
	f.Fuzz(func(t *testing.T, rungs, share, spacing uint8, events []byte) {
		epsilon, every := certifiedShares[int(share)%len(certifiedShares)], alarmSpacings[int(spacing)%len(alarmSpacings)]
		playEvidence(t, 1+int(rungs)%8, epsilon, every, events)
	})
}

func TestObserveAllocatesNothing(t *testing.T) {
	e := newEvidence(t, 6, 0.02, 10_000)
	n := 0
	if got := testing.AllocsPerRun(1000, func() { n++; e.Observe(1+n%5, n%5 > 0) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func BenchmarkObserve(b *testing.B) {
	e := newEvidence(b, 6, 0.02, 10_000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		e.Observe(1+n%5, n%100 > 0)
	}
}

// A ladder certified for 2 % meets text on which one answer in 20 differs.
func ExampleEvidence() {
	e, err := control.NewEvidence(4, 0.02, 10_000)
	if err != nil {
		panic(err)
	}
	for i := 1; ; i++ {
		if alarm, ok := e.Observe(3, i%20 > 0); ok {
			lower, upper := e.Total().Interval()
			fmt.Printf("rung %d withdrawn after %d audits, %d disagreed: agreement %.3f to %.3f\n",
				alarm.Rung, alarm.Audits, alarm.Disagreements, lower, upper)
			break
		}
	}
	fmt.Println("cheapest usable rung:", e.Usable())
	// Output:
	// rung 3 withdrawn after 460 audits, 23 disagreed: agreement 0.926 to 0.966
	// cheapest usable rung: 2
}
