package desk

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// allFrames lists every frame with its level.
func allFrames() []levelFrame {
	var all []levelFrame
	for level := range levels {
		for i := range levels[level] {
			all = append(all, levelFrame{level + 1, &levels[level][i]})
		}
	}
	return all
}

type levelFrame struct {
	level int
	*frame
}

func (f *frame) structure() string {
	structure, _, _ := strings.Cut(f.id, "/")
	return structure
}

func TestEveryFrameOfSeveralIntentsHasItsMirror(t *testing.T) {
	for _, f := range allFrames() {
		if f.places < 2 || f.wanted == 0 {
			continue
		}
		for place := 1; place <= f.places; place++ {
			mirrored := slices.ContainsFunc(allFrames(), func(g levelFrame) bool {
				return g.level == f.level && g.structure() == f.structure() && g.wanted == place && g.share*2 > f.share
			})
			if !mirrored {
				t.Errorf("level %d %s: no frame of a like share wants place %d", f.level, f.id, place)
			}
		}
	}
}

func TestFrameNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range allFrames() {
		name := fmt.Sprint(f.level, f.id)
		if seen[name] {
			t.Errorf("level %d: two frames are called %s", f.level, f.id)
		}
		seen[name] = true
	}
}

var reference = regexp.MustCompile(`\{([123ab])\.(\w+)\}`)

// formsByPlace returns the form in which a wording mentions each place.
func formsByPlace(wording string) map[string]string {
	found := map[string]string{}
	for _, m := range reference.FindAllStringSubmatch(wording, -1) {
		found[m[1]] = m[2]
	}
	return found
}

func TestWantedAndUnwantedStandInTheSameForm(t *testing.T) {
	for _, f := range allFrames() {
		if f.places < 2 || f.wanted == 0 || f.structure() == "but_solved" {
			continue
		}
		for _, pool := range f.parts[0] {
			for _, wording := range pool {
				found := formsByPlace(wording)
				if len(found) != f.places {
					t.Errorf("level %d %s: %q mentions %d intents, want %d", f.level, f.id, wording, len(found), f.places)
				}
				for place, form := range found {
					if form != found["1"] {
						t.Errorf("level %d %s: %q has place %s as %s, want %s", f.level, f.id, wording, place, form, found["1"])
					}
				}
			}
		}
	}
}

func TestWordingsMentionPlacesInOrder(t *testing.T) {
	for _, f := range allFrames() {
		if f.places == 0 || f.wanted == 0 {
			continue
		}
		first := f.parts[0]
		if f.structure() == "irony" || f.structure() == "irony_ask" {
			first = f.parts[1]
		}
		for _, pool := range first {
			for _, wording := range pool {
				last := byte('0')
				for _, m := range reference.FindAllStringSubmatch(wording, -1) {
					if m[1][0] < last {
						t.Errorf("level %d %s: %q mentions place %s too late", f.level, f.id, wording, m[1])
					}
					last = m[1][0]
				}
			}
		}
	}
}

var slotNames = regexp.MustCompile(`\{([\w.]+)\}`)

func TestEverySlotHasAValue(t *testing.T) {
	g := New(1, Train, DefaultMix)
	known := drawSlots(g.r, nil, "lamp")
	for name, w := range allWordings() {
		for _, pool := range w {
			for _, wording := range pool {
				for _, m := range slotNames.FindAllStringSubmatch(wording, -1) {
					if known[m[1]] == "" && !reference.MatchString(m[0]) && m[1] != "if" && m[1] != "fact" && m[1] != "irony" {
						t.Errorf("%s: %q has the unknown slot %s", name, wording, m[0])
					}
				}
				for _, m := range reference.FindAllStringSubmatch(wording, -1) {
					if !slices.Contains(forms, m[2]) {
						t.Errorf("%s: %q refers to the unknown form %s", name, wording, m[2])
					}
				}
			}
		}
	}
}

// TestFramesOfTwoStepsAreMostOfLevelFour holds the share of what needs depth.
func TestFramesOfTwoStepsAreMostOfLevelFour(t *testing.T) {
	twoSteps := []string{"elimination", "option_if", "option_if_second", "ordinal_not", "chain", "chain_back", "other_way"}
	var share, all float64
	for _, f := range level4 {
		if f.wanted == 0 {
			continue
		}
		all += f.share
		if slices.Contains(twoSteps, f.structure()) {
			share += f.share
		}
	}
	if got := share / all; got < 0.6 {
		t.Errorf("got a share of %.2f, want at least 0.6", got)
	}
}

// slotOrder is what a wording mentions, in order.
func slotOrder(wording string) string {
	return strings.Join(slotNames.FindAllString(wording, -1), " ")
}

func TestHeldOutWordingsOfFramesKeepAKnownOrder(t *testing.T) {
	for _, f := range allFrames() {
		if f.places == 0 {
			continue // small talk has no order
		}
		for i := range f.parts {
			known := map[string]bool{}
			for _, wording := range f.parts[i][Train] {
				known[slotOrder(wording)] = true
			}
			for _, wording := range slices.Concat(f.parts[i][Calibration:]...) {
				if !known[slotOrder(wording)] {
					t.Errorf("level %d %s: held-out %q mentions things in an order that training lacks", f.level, f.id, wording)
				}
			}
		}
	}
}
