package simulate

import (
	"context"
	"fmt"
)

// A Comparison is what the alternatives make of one load, on one replica.
type Comparison struct {
	Load    Load
	Entries []Entry
}

// An Entry is one alternative's result.
type Entry struct {
	Name      string
	Agreement float64 // expected share of answers that are full depth's
	Result    *Result
}

// The names of the entries that the others are measured by.
const (
	equalName  = "best fixed rung at our agreement"
	bestName   = "best fixed rung in hindsight"
	oursName   = "ours"
	oracleName = "oracle"
)

// Compare runs every alternative over a load.
func (w *Worker) Compare(ctx context.Context, load Load) (Comparison, error) {
	c := Comparison{Load: load}
	run := func(a *Alternative) (Entry, error) {
		r, err := w.run(ctx, load, 1, a)
		if err != nil {
			return Entry{}, fmt.Errorf("simulating %s: %w", a.Name, err)
		}
		return Entry{a.Name, a.agreement(w, r), r}, nil
	}
	others := []*Alternative{FullDepth(), AIMD(), OneByOne(), Unregrouped(), WholeModels(), Ours(), Oracle()}
	for k := range w.Ladder.Rungs {
		others = append(others, Fixed(k))
	}
	entries := make([]Entry, len(others))
	err := parallel(len(others), func(i int) (err error) {
		entries[i], err = run(others[i])
		return err
	})
	if err != nil {
		return c, err
	}
	n := len(others) - len(w.Ladder.Rungs)
	best := bestFixed(entries[n:])
	c.Entries = append(c.Entries, entries[0], best)
	equal, err := run(w.mixtureOf(entries[n-2].Agreement))
	if err != nil {
		return c, err
	}
	equal.Name = fmt.Sprintf("%s (%s)", equalName, equal.Name)
	c.Entries = append(c.Entries, equal)
	c.Entries = append(c.Entries, entries[1:n]...)
	return c, nil
}

// bestFixed returns the entry with the fewest late messages, among equal ones
// that of the deepest rung.
func bestFixed(rungs []Entry) Entry {
	best := rungs[0]
	for _, e := range rungs[1:] {
		if e.Result.LateShare() < best.Result.LateShare() {
			best = e
		}
	}
	best.Name = fmt.Sprintf("%s (%s)", bestName, best.Name)
	return best
}

// mixtureOf returns the mixture of two neighboring rungs of which the given
// agreement is expected. A share of the messages is free to choose: the strict
// ones are at full depth and the best-effort ones at the rail in any case.
func (w *Worker) mixtureOf(agreement float64) *Alternative {
	d := w.disagreement()
	s := w.Shares
	free := 1 - s.Strict - s.BestEffort
	want := 1 - agreement - s.BestEffort*d[w.rail()]
	for k := range w.rail() {
		low, high := free*d[k], free*d[k+1]
		if want < high {
			return Mixture(k, min(max((want-low)/(high-low), 0), 1))
		}
	}
	return Fixed(w.rail())
}

// drawn are the alternatives in a picture: more lines than these nobody tells
// apart.
var drawn = []string{oursName, oracleName, equalName, "AIMD", "full depth"}

// Plot draws some of the alternatives, see the function of that name.
func (c *Comparison) Plot(path string, w *Worker) error {
	var curves []Curve
	for _, name := range drawn {
		curves = append(curves, Curve{Name: name, Series: c.entry(name).Result.Series})
	}
	return Plot(path, c.Load.Name, w.Control.TargetAge, curves)
}
