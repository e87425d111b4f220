package control_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"testing"

	"sweetspot/pipeline/control"
)

// messageID is a message ID as a worker makes them, of the nth record of a partition.
func messageID(partition, n int) string {
	return fmt.Sprintf("lkc-7/billing/texts/%d/%d/%d", partition, n, 1700000000000+3*n)
}

// placeOf returns where in [0, 1] a message stands: it is audited at every share
// above, and at none below. It asks as anyone could.
func placeOf(id string) float64 {
	low, high := 0.0, 1.0
	for range 53 {
		if middle := (low + high) / 2; control.Audited(id, middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return low
}

// Workers of two versions read the same topic during an upgrade, so the choice
// never changes.
func TestAuditedIsForever(t *testing.T) {
	for _, id := range []string{"", "a", messageID(0, 0), messageID(0, 1), messageID(11, 123456789)} {
		h := fnv.New64a()
		if _, err := h.Write([]byte(id)); err != nil {
			t.Fatal(err)
		}
		x := h.Sum64()
		for _, multiplier := range []uint64{0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53} {
			x = (x ^ x>>33) * multiplier
		}
		want := float64((x^x>>33)>>11) / (1 << 53)
		if got := placeOf(id); got != want {
			t.Errorf("%q is audited from a share of %v, want %v", id, got, want)
		}
	}
}

func TestAuditedOfSharesAtTheEdge(t *testing.T) {
	tests := []struct {
		name  string
		share float64
		want  int
	}{
		{"none at 0", 0, 0},
		{"all at 1", 1, 20_000},
		{"none below 0", -1, 0},
		{"all above 1", 2, 20_000},
		{"none at no number", math.NaN(), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := 0
			for n := range 20_000 {
				if control.Audited(messageID(n%7, n), tt.share) {
					got++
				}
			}
			if got != tt.want {
				t.Errorf("%v of 20000 messages are audited, want %v", got, tt.want)
			}
		})
	}
}

func TestWhatIsAuditedAtOneShareIsAuditedAtLargerOnes(t *testing.T) {
	shares := []float64{0.001, 0.01, 0.05, 0.5, 0.99}
	for n := range 20_000 {
		for i := 1; i < len(shares); i++ {
			if control.Audited(messageID(0, n), shares[i-1]) && !control.Audited(messageID(0, n), shares[i]) {
				t.Fatalf("%s is audited at %v and not at %v", messageID(0, n), shares[i-1], shares[i])
			}
		}
	}
}

// Names of messages that differ in a few bytes, there or at their very end.
var auditNames = map[string]func(n int) string{
	"a partition's IDs":  func(n int) string { return messageID(3, n) },
	"another's":          func(n int) string { return messageID(99, n) },
	"IDs of one instant": func(n int) string { return fmt.Sprintf("lkc-7/billing/texts/0/%d/1700000000000", n) },
	"bare numbers":       func(n int) string { return fmt.Sprintf("%07d", n) },
}

// The places of messages are spread as chance would: in 256 equal cells, within
// five standard deviations of what chi-squared has on average.
func TestAuditedIsSpreadEvenly(t *testing.T) {
	const ids, cells = 40_000, 256
	for name, id := range auditNames {
		var count [cells]int
		for n := range ids {
			count[int(placeOf(id(n))*cells)]++
		}
		statistic := 0.0
		for _, c := range count {
			d := float64(c) - ids/float64(cells)
			statistic += d * d / (ids / float64(cells))
		}
		if math.Abs(statistic-(cells-1)) > 5*math.Sqrt(2*(cells-1)) {
			t.Errorf("%s: chi-squared is %.0f over %d cells", name, statistic, cells)
		}
	}
}

// That a message is audited says nothing about its neighbors. Counts are within
// five standard deviations.
func TestAuditedIsIndependentOfNeighbors(t *testing.T) {
	const ids, part = 200_000, 0.05
	for name, id := range auditNames {
		audited := make([]bool, ids+100)
		for n := range audited {
			audited[n] = control.Audited(id(n), part)
		}
		for _, apart := range []int{0, 1, 2, 10, 100} {
			got, p := 0, part*part
			if apart == 0 {
				p = part
			}
			for n := range ids {
				if audited[n] && audited[n+apart] {
					got++
				}
			}
			if want, sd := ids*p, math.Sqrt(ids*p*(1-p)); math.Abs(float64(got)-want) > 5*sd {
				t.Errorf("%s, %d apart: audited together %d times, want %.0f ± %.0f", name, apart, got, want, 5*sd)
			}
		}
	}
}

func TestAuditedAllocatesNothing(t *testing.T) {
	text, found := messageID(3, 141592), false
	if got := testing.AllocsPerRun(100, func() { found = control.Audited(text, 0.01) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
	if want := control.Audited(text, 0.01); found != want {
		t.Errorf("got %v, and then %v", found, want)
	}
}

func TestTally(t *testing.T) {
	tally := control.Tally{Agreed: 81, Disagreed: 182}
	if got := tally.Audits(); got != 263 {
		t.Errorf("got %v audits, want 263", got)
	}
	if got, want := tally.Agreement(), 81.0/263; got != want {
		t.Errorf("got agreement %v, want %v", got, want)
	}
	lower, upper := tally.Interval()
	if wantLower, wantUpper := control.Wilson(81, 263, 0.95); lower != wantLower || upper != wantUpper {
		t.Errorf("got %v to %v, want %v to %v", lower, upper, wantLower, wantUpper)
	}
	if got := (control.Tally{}).Agreement(); !math.IsNaN(got) {
		t.Errorf("without audits: got agreement %v, want NaN", got)
	}
}

func BenchmarkAudited(b *testing.B) {
	text := messageID(3, 141592)
	b.ReportAllocs()
	for b.Loop() {
		control.Audited(text, 0.01)
	}
}
