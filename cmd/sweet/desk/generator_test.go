package desk

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEqualSeedsGiveEqualMessages(t *testing.T) {
	for pool := range pools {
		a, b := write(New(5, pool, DefaultMix), 500), write(New(5, pool, DefaultMix), 500)
		if !slices.Equal(a, b) {
			t.Errorf("pool %d: two generators of one seed differ", pool)
		}
		if c := write(New(6, pool, DefaultMix), 500); slices.Equal(a, c) {
			t.Errorf("pool %d: generators of different seeds agree", pool)
		}
	}
}

func TestPoolsOfOneSeedDiffer(t *testing.T) {
	seen := map[string]Pool{}
	for pool := range pools {
		for _, m := range write(New(5, pool, DefaultMix), 500) {
			if p, ok := seen[m.Text]; ok && p != pool && m.Level > 1 {
				t.Errorf("pools %d and %d both have %q", p, pool, m.Text)
			}
			seen[m.Text] = pool
		}
	}
}

func TestLevelsFollowTheMix(t *testing.T) {
	const n = 20_000
	for name, mix := range map[string]Mix{
		"hard": DefaultMix, "demo": DemoMix, "one level": {0, 0, 3, 0}, "unnormalized": {1, 2, 3, 4},
	} {
		t.Run(name, func(t *testing.T) {
			var counts Mix
			for _, m := range write(New(3, Train, mix), n) {
				counts[m.Level-1]++
			}
			sum := mix[0] + mix[1] + mix[2] + mix[3]
			for i := range mix {
				if got, want := counts[i]/n, mix[i]/sum; math.Abs(got-want) > 0.012 {
					t.Errorf("level %d: got a share of %.3f, want %.3f", i+1, got, want)
				}
			}
		})
	}
}

func TestAMixWithoutSharesIsTheDefault(t *testing.T) {
	for _, mix := range []Mix{{}, {-1, 0, 0, 0}} {
		if !slices.Equal(write(New(4, Train, mix), 50), write(New(4, Train, DefaultMix), 50)) {
			t.Errorf("mix %v: messages differ from those of the default mix", mix)
		}
	}
}

func TestLabelsAreSortedAndDistinct(t *testing.T) {
	labels := Labels()
	if !slices.IsSorted(labels) || len(slices.Compact(slices.Clone(labels))) != len(labels) {
		t.Errorf("got %v, want sorted and distinct labels", labels)
	}
	if !slices.Contains(labels, "other") || len(labels) < 30 {
		t.Errorf("got %d labels, want about 30 and other among them", len(labels))
	}
}

func TestLabelsAreBalancedAtEveryLevel(t *testing.T) {
	counts := map[string]int{}
	perLevel := map[string]int{}
	messages := write(New(8, Train, Mix{1, 1, 1, 1}), 40_000)
	for _, m := range messages {
		counts[m.Label]++
		perLevel[fmt.Sprint(m.Label, " at level ", m.Level)]++
	}
	labels := Labels()
	mean := float64(len(messages)) / float64(len(labels))
	for _, l := range labels {
		if got := float64(counts[l]); got < mean/2 || got > 2*mean {
			t.Errorf("%s: got %v messages, want about %.0f", l, got, mean)
		}
		for level := 1; level <= 4; level++ {
			if got := perLevel[fmt.Sprint(l, " at level ", level)]; float64(got) < mean/8 || float64(got) > mean/2 {
				t.Errorf("%s at level %d: got %d messages, want about %.0f", l, level, got, mean/4)
			}
		}
	}
	if len(counts) != len(labels) {
		t.Errorf("got the labels %v, want %v", slices.Sorted(maps.Keys(counts)), labels)
	}
}

func TestEveryPoolUsesEveryStructure(t *testing.T) {
	var want []string
	for _, f := range allFrames() {
		want = append(want, fmt.Sprint(f.level, " ", f.id))
	}
	slices.Sort(want)
	for pool := range pools {
		found := map[string]bool{}
		for _, m := range write(New(9, pool, Mix{1, 1, 1, 1}), 20_000) {
			found[fmt.Sprint(m.Level, " ", m.Frame)] = true
		}
		if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, want) {
			t.Errorf("pool %d: got %d structures, want the %d of levels", pool, len(got), len(want))
		}
	}
}

// fixed returns the longest stretch of a phrasing without slots, long enough not
// to arise by chance where two phrasings meet.
func fixed(phrasing string) string {
	longest := ""
	for _, part := range slotNames.Split(phrasing, -1) {
		if part = strings.Trim(part, " .,?!"); len(part) > len(longest) {
			longest = part
		}
	}
	return strings.ToLower(longest)
}

// heldOut counts how many messages contain a stretch that only the phrasings of
// the given pool have.
func heldOut(messages []Message, owner Pool) int {
	var own, common []string
	for _, w := range allWordings() {
		for p := range w {
			for _, phrasing := range w[p] {
				if p != int(owner) {
					common = append(common, strings.ToLower(phrasing))
				} else if stretch := fixed(phrasing); len(strings.Fields(stretch)) >= 6 {
					own = append(own, stretch)
				}
			}
		}
	}
	own = slices.DeleteFunc(own, func(stretch string) bool {
		return slices.ContainsFunc(common, func(s string) bool { return strings.Contains(s, stretch) })
	})
	n := 0
	for _, m := range messages {
		text := strings.ToLower(m.Text)
		if slices.ContainsFunc(own, func(s string) bool { return strings.Contains(text, s) }) {
			n++
		}
	}
	return n
}

func TestHeldOutPhrasingsStayInTheirPool(t *testing.T) {
	const n = 4_000
	for owner := Calibration; owner < pools; owner++ {
		for pool := range pools {
			got := heldOut(write(New(10, pool, DefaultMix), n), owner)
			switch {
			case pool == owner && got < n/20:
				t.Errorf("pool %d: got %d of %d messages with its own phrasings, want at least one in twenty", pool, got, n)
			case pool != owner && got > n/1000: // where two common phrasings meet, they may read like a third
				t.Errorf("pool %d: got %d messages with phrasings of pool %d, want next to none", pool, got, owner)
			}
		}
	}
}

func TestHeldOutPhrasingsAreDrawnAtTheirShare(t *testing.T) {
	g := New(11, Test, DefaultMix)
	w := &lateParcel.says
	const n = 20_000
	held := 0
	for range n {
		if slices.Contains(w[Test], w.pick(g.r, Test)) {
			held++
		}
	}
	if got := float64(held) / n; math.Abs(got-heldOutShare) > 0.01 {
		t.Errorf("got a share of %.3f, want %.2f", got, heldOutShare)
	}
}

func TestTextsAreWhole(t *testing.T) {
	for pool := range pools {
		for _, mix := range []Mix{DefaultMix, DemoMix} {
			for _, m := range write(New(12, pool, mix), 4_000) {
				checkText(t, m)
			}
		}
	}
}

var (
	doubledGreeting = regexp.MustCompile(`(?i)^(hi|hello|hey|dear|good (morning|day|evening|afternoon))\b[^.!?]*[.,!?]+ (hi|hello|hey|dear|good (morning|day|evening|afternoon))\b`)
	thanks          = regexp.MustCompile(`(?i)\b(thanks|thank you|thx)\b`)
	badMarks        = regexp.MustCompile(`[{}~]| [,.]|,[.,]|[?!]\.|\.[,!?]|  |\bA [aeio]\w+\b|^\s|\s$`)
)

func checkText(t *testing.T, m Message) {
	t.Helper()
	if n := len(strings.Fields(m.Text)); n < 2 || n > 90 {
		t.Errorf("%s: got %d words, want 2 to 90: %q", m.Frame, n, m.Text)
	}
	if !utf8.ValidString(m.Text) || strings.ContainsAny(m.Text, "\t\n\r") {
		t.Errorf("%s: not one line of text: %q", m.Frame, m.Text)
	}
	if n := len(thanks.FindAllString(m.Text, -1)); n > 1 {
		t.Errorf("%s: thanks %d times: %q", m.Frame, n, m.Text)
	}
	for name, re := range map[string]*regexp.Regexp{"greeting twice": doubledGreeting, "marks": badMarks} {
		if found := re.FindString(m.Text); found != "" {
			t.Errorf("%s: %s (%q): %q", m.Frame, name, found, m.Text)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	g := New(1, Train, DefaultMix)
	for b.Loop() {
		g.Next()
	}
}
