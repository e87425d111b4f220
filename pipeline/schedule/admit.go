package schedule

import (
	"cmp"
	"slices"
	"time"
)

// An Admission is all that the choice of new rows depends on.
type Admission struct {
	Now    time.Time
	Budget int           // tokens of one run; no row has more
	Pass   time.Duration // of a full run of every stage together; 0 while unknown
	Rows   []Row         // the window: rows that wait to be admitted, in the order in which they came
}

// A Row waits to be admitted.
type Row struct {
	Tokens     int
	Came       time.Time // to the window; before, under a backlog, all rows have waited for long
	Deadline   time.Time // zero where there is none
	BestEffort bool      // others go before it
}

// The patience of rows, in passes.
const (
	patience = 1 // of one that waits in the order of lengths
	yielding = 4 // of a best-effort one
	lead     = 5 // of one whose deadline is near, taken off: it goes before all that came so much earlier
)

// Choose returns the places in a.Rows of the rows that the next run of the first
// stage takes, in their order. Together they have at most Budget tokens, and
// while any row waits there is at least one.
//
// First come the rows that are due, the one that has been due longest at the
// front. A row is due one pass after it came, a best-effort row four passes
// after. Where no more than the time of a pass is left to a row's deadline, it
// has been due since five passes before the deadline, so it goes before all but
// those that have waited very long; a deadline that has passed is none. Then
// come strict and standard rows, then best-effort ones, the shortest first: a
// run of rows of like length that answers many of them for the same time.
// Where a row does not fit, shorter ones behind it fill the run.
//
// So of what comes later than six passes after a row (best-effort: nine),
// whatever its tier and deadline, nothing takes room that the row could have.
func Choose(a Admission) []int {
	order := make([]place, len(a.Rows))
	tokens := 0
	for i, r := range a.Rows {
		order[i] = a.place(i, r)
		tokens += r.Tokens
	}
	if tokens > a.Budget { // else all go, in whatever order
		slices.SortFunc(order, place.compare)
	}
	chosen := make([]int, 0, len(order))
	room := a.Budget
	for _, p := range order {
		if n := int(p.tokens); n <= room {
			room -= n
			chosen = append(chosen, int(p.row))
		}
	}
	return chosen
}

// A place is where a row stands among those that wait: by its turn, then by its
// rank, which is the time until it is due where it is overdue, else its tokens,
// then as it came.
type place struct {
	row, tokens int32
	turn        turn
	rank        int64
}

// A turn is one of the parts of the order.
type turn uint8

const (
	overdue turn = iota
	ordinary
	bestEffort
)

func (a Admission) place(i int, r Row) place {
	p := place{row: int32(i), tokens: int32(r.Tokens), turn: ordinary, rank: int64(r.Tokens)}
	wait := patience * a.Pass
	if r.BestEffort {
		wait, p.turn = yielding*a.Pass, bestEffort
	}
	due := wait - a.Now.Sub(r.Came)
	if !r.Deadline.IsZero() {
		if left := r.Deadline.Sub(a.Now); left > 0 && left <= a.Pass {
			due = min(due, left-lead*a.Pass)
		}
	}
	if due <= 0 {
		p.turn, p.rank = overdue, int64(due)
	}
	return p
}

// compare is negative where p goes before q.
func (p place) compare(q place) int {
	switch {
	case p.turn != q.turn:
		return int(p.turn) - int(q.turn)
	case p.rank != q.rank:
		return cmp.Compare(p.rank, q.rank)
	}
	return int(p.row) - int(q.row)
}
