package desk

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// forms are the names by which frames refer to what an intent can say.
var forms = []string{"says", "ask", "topic", "solved"}

// allWordings walks every list of phrasings that a generator draws from.
func allWordings() iter.Seq2[string, *wordings] {
	return func(yield func(string, *wordings) bool) {
		lists := map[string]*wordings{"asides": &asides, "signatures": &signatures, "quotes": &quotes, "ironies": &ironies}
		for _, in := range intents {
			for _, form := range forms {
				lists[in.label+" "+form] = in.form(form)
			}
		}
		for i, c := range conditions {
			lists[fmt.Sprint("condition ", i, " clauses")] = &c.clauses
			lists[fmt.Sprint("condition ", i, " met")] = &c.met
			lists[fmt.Sprint("condition ", i, " unmet")] = &c.unmet
		}
		for i := range tones {
			lists[fmt.Sprint("tone ", i, " openers")] = &tones[i].openers
			lists[fmt.Sprint("tone ", i, " closers")] = &tones[i].closers
		}
		for level := range levels {
			for i := range levels[level] {
				f := &levels[level][i]
				for part := range f.parts {
					lists[fmt.Sprint("level ", level+1, " ", f.id, " part ", part)] = &f.parts[part]
				}
			}
		}
		for name, w := range lists {
			if !yield(name, w) {
				return
			}
		}
	}
}

func TestPhrasingsGivesHeldOutLinesToThePoolsInTurn(t *testing.T) {
	w := phrasings("\n  common one\n  ~calibration's\n ~test's\n\n common two\n ~demo's\n ~calibration's too\n")
	want := wordings{{"common one", "common two"}, {"calibration's", "calibration's too"}, {"test's"}, {"demo's"}}
	for p := range want {
		if !slices.Equal(w[p], want[p]) {
			t.Errorf("pool %d: got %q, want %q", p, w[p], want[p])
		}
	}
}

func TestPoolsOwnDisjointPhrasingsAndEquallyMany(t *testing.T) {
	for name, w := range allWordings() {
		owner := map[string]int{}
		for p := range w {
			for _, phrasing := range w[p] {
				if q, taken := owner[phrasing]; taken && (q != p || name[:5] != "level") {
					t.Errorf("%s: %q is in pools %d and %d", name, phrasing, q, p)
				}
				owner[phrasing] = p
			}
		}
		if len(w[Calibration]) != len(w[Test]) || len(w[Test]) != len(w[Demo]) {
			t.Errorf("%s: got %d, %d and %d held-out phrasings for calibration, test and demo, want equally many",
				name, len(w[Calibration]), len(w[Test]), len(w[Demo]))
		}
	}
}

func TestEveryFormHasEnoughPhrasings(t *testing.T) {
	for _, in := range intents {
		for _, form := range forms {
			w := in.form(form)
			if len(w[Train]) < 12 {
				t.Errorf("%s %s: got %d phrasings in training, want at least 12", in.label, form, len(w[Train]))
			}
			if len(w[Test]) == 0 {
				t.Errorf("%s %s: no phrasing is held out for tests", in.label, form)
			}
		}
	}
}

func TestEverySideOfAConditionHasEnoughFacts(t *testing.T) {
	for i, c := range conditions {
		if got := len(c.met[Train]); got < 8 {
			t.Errorf("condition %d: got %d facts that meet it, want at least 8", i, got)
		}
		if got := len(c.unmet[Train]); got < 8 {
			t.Errorf("condition %d: got %d facts against it, want at least 8", i, got)
		}
		if got := len(c.clauses[Train]); got < 3 {
			t.Errorf("condition %d: got %d clauses, want at least 3", i, got)
		}
	}
}

func TestEveryIntentSuitsSeveralConditions(t *testing.T) {
	for _, in := range intents {
		found := suiting(in)
		partners := map[string]bool{}
		for _, c := range found {
			for _, s := range c.suits {
				if !s.near(in) {
					partners[s.label] = true
				}
			}
		}
		if len(found) == 0 || len(partners) < 5 {
			t.Errorf("%s: suits %d conditions with %d partners, want at least 1 with 5", in.label, len(found), len(partners))
		}
	}
}

// deciders are words by which frames say which intent is wanted.
var deciders = regexp.MustCompile(`\b(first|second|former|latter|instead|rather|unless|otherwise|before you|other way|actually|scrap|scratch that|options?)\b|[.?!:;,]`)

func TestPhrasingsLeaveTheDecidingWordsToFrames(t *testing.T) {
	for _, in := range intents {
		for _, form := range forms {
			for _, pool := range in.form(form) {
				for _, phrasing := range pool {
					if found := deciders.FindString(phrasing); found != "" && !strings.HasSuffix(phrasing, ", says the site") {
						t.Errorf("%s %s %q: contains %q", in.label, form, phrasing, found)
					}
				}
			}
		}
	}
}

var word = regexp.MustCompile(`[\pL'-]+|\{\w+(\.\w+)?\}`)

func words(of ...[]string) map[string]bool {
	found := map[string]bool{}
	for _, list := range of {
		for _, phrasing := range list {
			for _, w := range word.FindAllString(strings.ToLower(phrasing), -1) {
				found[w] = true
			}
		}
	}
	return found
}

// everywhere are the words of training that stand beside any intent: those of
// frames and of what surrounds them.
func everywhere() map[string]bool {
	var lists [][]string
	for name, w := range allWordings() {
		if strings.HasPrefix(name, "level") && !strings.Contains(name, "chat") || name == "asides" {
			lists = append(lists, w[Train])
		}
	}
	return words(lists...)
}

func TestHeldOutPhrasingsUseWordsKnownForTheirIntent(t *testing.T) {
	common := everywhere()
	for _, in := range intents {
		known := words(in.says[Train], in.asks[Train], in.topics[Train], in.solved[Train])
		for _, form := range forms {
			for w := range words(in.form(form)[Calibration:]...) {
				if !known[w] && !common[w] {
					t.Errorf("%s %s: held-out word %q never occurs in training for this intent", in.label, form, w)
				}
			}
		}
	}
}

func TestHeldOutPhrasingsElsewhereUseKnownWords(t *testing.T) {
	var lists [][]string
	for name, w := range allWordings() {
		if !strings.HasPrefix(name, "level") {
			lists = append(lists, w[Train])
		}
	}
	common, surrounding := everywhere(), words(lists...)
	for i, c := range conditions {
		known := words(c.clauses[Train], c.met[Train], c.unmet[Train])
		for _, w := range []*wordings{&c.clauses, &c.met, &c.unmet} {
			for held := range words(w[Calibration:]...) {
				if !known[held] && !common[held] {
					t.Errorf("condition %d: held-out word %q never occurs in training for this condition", i, held)
				}
			}
		}
	}
	for name, w := range allWordings() {
		known := common
		if !strings.HasPrefix(name, "level") {
			known = surrounding
		} else if strings.Contains(name, "chat") {
			known = words(w[Train])
		}
		for held := range words(w[Calibration:]...) {
			if !known[held] && !surrounding[held] && !common[held] {
				t.Errorf("%s: held-out word %q never occurs in training", name, held)
			}
		}
	}
}
