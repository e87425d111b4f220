package desk

import (
	"math/rand/v2"
	"strings"
)

// heldOutShare is how often a pool other than Train prefers one of its own
// phrasings where it has any.
const heldOutShare = 0.2

// A Pool says whose traffic a message belongs to. Most wording is common to all
// pools; a share of it belongs to Calibration, Test or Demo alone, so that what
// one of them measures is not a reshuffle of what another has seen. Structures
// are never held out.
type Pool uint8

// The pools. Train draws from the common wording only.
const (
	Train Pool = iota
	Calibration
	Test
	Demo
	pools
)

// wordings are interchangeable phrasings, by the pool that owns them; those of
// Train are common to all.
type wordings [pools][]string

// phrasings reads one phrasing a line. A leading ~ holds a line out of training:
// the first such line belongs to Calibration, the next to Test, the next to
// Demo, and so on in turn.
func phrasings(lines string) wordings {
	var w wordings
	next := Calibration
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		own, held := strings.CutPrefix(line, "~")
		if !held {
			w[Train] = append(w[Train], line)
			continue
		}
		w[next] = append(w[next], own)
		if next++; next == pools {
			next = Calibration
		}
	}
	return w
}

// pick draws a phrasing that pool p may use.
func (w *wordings) pick(r *rand.Rand, p Pool) string {
	if p != Train && len(w[p]) > 0 && r.Float64() < heldOutShare {
		return oneOf(r, w[p])
	}
	return oneOf(r, w[Train])
}

func oneOf[E any](r *rand.Rand, of []E) E { return of[r.IntN(len(of))] }
