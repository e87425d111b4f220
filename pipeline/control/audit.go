package control

import "math"

// Audited reports whether the message of this ID is audited when a share of
// all messages is: the row goes on to full depth after its answer, so that the
// two can be compared. Share is in [0, 1]; 0 means none and 1 all.
//
// The choice depends on the ID and nothing else. It is the same in every
// worker and after every restart, so a message that was not chosen is not given
// a second chance when it is read again; it cannot follow the text, its length, the load or the rung,
// so the audited messages stand for all; and what is audited at one share is
// audited at every larger one. Messages without an ID of their own share one
// fate.
func Audited(id string, share float64) bool {
	// The 53 bits that a float64 holds exactly, so that 1 means all.
	return float64(mixed(id)>>11) < share*(1<<53)
}

// mixed returns 64 bits of id that look like chance: FNV-1a, and over it the
// finalizer of MurmurHash3. FNV alone does not move its upper 16 bits when only
// the last byte changes, so that ten neighbors could share one fate.
func mixed(id string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// A Tally counts audits. The zero Tally has seen none.
type Tally struct {
	Agreed    int // the answer was full depth's
	Disagreed int // it was another
}

// and returns t with one audit more, which disagreed d times, 0 or 1.
func (t Tally) and(d int) Tally { return Tally{t.Agreed + 1 - d, t.Disagreed + d} }

// Audits returns how many audits t has seen.
func (t Tally) Audits() int { return t.Agreed + t.Disagreed }

// Agreement returns the share of audits that agreed, in [0, 1]; NaN while there
// are none.
func (t Tally) Agreement() float64 {
	if t.Audits() == 0 {
		return math.NaN()
	}
	return float64(t.Agreed) / float64(t.Audits())
}

// Interval returns the Wilson interval of the agreement at [Level].
func (t Tally) Interval() (lower, upper float64) {
	return Wilson(t.Agreed, t.Audits(), Level)
}
