package inference

import (
	"errors"
	"fmt"
	"math"
)

// A Floor says what a ladder's certificate holds to at least 1−ε.
type Floor string

// The kinds of floor. The zero value is an agreement floor too: most entries of
// ladder.json do not name theirs.
const (
	AgreementFloor Floor = "agreement" // the share of messages answered as full depth answers them
	AccuracyFloor  Floor = "accuracy"  // the share of messages not lost: full depth is right and the rung wrong
)

// A Rung is one vector of thresholds that calibration measured. Rung 0 is full
// depth; each next rung is cheaper.
type Rung struct {
	Thresholds   Thresholds `json:"thresholds"`
	Reach        []float64  `json:"reach"`                // share of records that run each stage; Reach[0] = 1
	Cost         float64    `json:"cost"`                 // mean layers run a record, as a share of those run at full depth, in (0, 1]
	Disagreement float64    `json:"disagreement"`         // share of certification records whose answer differs from full depth's
	Bound        float64    `json:"bound"`                // upper confidence bound on Disagreement at level 1−δ
	Loss         float64    `json:"loss,omitempty"`       // share of certification records that full depth has right and this rung wrong; 0 without an accuracy floor
	LossBound    float64    `json:"loss_bound,omitempty"` // upper confidence bound on Loss at level 1−δ; 0 without an accuracy floor
	Risk         []float64  `json:"risk,omitempty"`       // of the records that leave at each exit, the share that counts against the floor
}

// A Ladder lists the rungs that a certificate covers, full depth first, for one
// precision and one set of token limits. With probability at least 1−Delta over
// the drawing of the certification records, every rung disagrees with full
// depth on at most a share Epsilon of messages like them, or with an accuracy
// floor loses at most that share.
type Ladder struct {
	Rungs        []Rung    `json:"rungs"`
	Temperatures []float32 `json:"temperatures"`    // one per exit
	Floor        Floor     `json:"floor,omitempty"` // what Epsilon bounds; "" is AgreementFloor
	Epsilon      float64   `json:"epsilon"`         // 1 − floor
	Delta        float64   `json:"delta"`           // 1 − confidence
	Records      int       `json:"records"`         // n, certification records

	// DisagreementLimit is what disagreement stays below on all rungs at once,
	// with probability at least 1−Delta. Nothing but an accuracy floor needs it:
	// labels are not there when the worker watches, so it watches this. 0 where
	// the floor is on agreement, and where there is full depth alone.
	DisagreementLimit float64 `json:"disagreement_limit,omitempty"`

	MaxTokens int    `json:"max_tokens"`
	Truncate  string `json:"truncate"`
	Model     string `json:"model"`          // digest of the model it was measured on, hex SHA-256
	Date      string `json:"date,omitempty"` // when it was measured, RFC 3339; not part of the ladder digest
}

// maxRungs bounds the rungs, so that a row's Rung can name each.
const maxRungs = math.MaxUint8 + 1

// never is a threshold that no confidence reaches.
const never = 2

// FullDepth returns the ladder of a model of so many stages that has none:
// rung 0 alone, temperatures 1.
func FullDepth(stages int) Ladder {
	top := Rung{Thresholds: make(Thresholds, stages-1), Reach: make([]float64, stages), Cost: 1}
	l := Ladder{Temperatures: make([]float32, stages)}
	for i := range stages {
		top.Reach[i] = 1
		l.Temperatures[i] = 1
		if i < stages-1 {
			top.Thresholds[i] = never
		}
	}
	l.Rungs = []Rung{top}
	return l
}

// Watched returns the share of answers that may differ from full depth's, which
// a worker can watch without labels: Epsilon, or with a floor on accuracy
// DisagreementLimit. It is 0 where nothing but full depth is certified.
func (l Ladder) Watched() float64 {
	if l.Floor == AccuracyFloor {
		return l.DisagreementLimit
	}
	return l.Epsilon
}

// Validate reports what is wrong with l for a model of so many stages, by the
// names of ladder.json's fields.
func (l Ladder) Validate(stages int) error {
	if len(l.Rungs) == 0 || len(l.Rungs) > maxRungs {
		return fmt.Errorf("rungs: %d rungs, want 1 to %d", len(l.Rungs), maxRungs)
	}
	cost := math.Inf(1)
	for k, r := range l.Rungs {
		if err := r.validate(stages); err != nil {
			return fmt.Errorf("rungs[%d].%w", k, err)
		}
		if r.Cost > cost {
			return fmt.Errorf("rungs[%d].cost: %v is above the rung before, %v", k, r.Cost, cost)
		}
		cost = r.Cost
	}
	for i, threshold := range l.Rungs[0].Thresholds {
		if threshold <= 1 {
			return fmt.Errorf("rungs[0].thresholds[%d]: %v lets rows leave, but rung 0 is full depth: want more than 1", i, threshold)
		}
	}
	if len(l.Temperatures) != stages {
		return fmt.Errorf("temperatures: %d, want one per exit, %d", len(l.Temperatures), stages)
	}
	for i, t := range l.Temperatures {
		if !finite(float64(t)) || t <= 0 {
			return fmt.Errorf("temperatures[%d]: %v is not positive and finite", i, t)
		}
	}
	if err := l.validateFloor(); err != nil {
		return err
	}
	switch {
	case !(l.Epsilon > 0 && l.Epsilon < 1):
		return fmt.Errorf("epsilon: %v is not between 0 and 1", l.Epsilon)
	case !(l.Delta > 0 && l.Delta < 1):
		return fmt.Errorf("delta: %v is not between 0 and 1", l.Delta)
	case l.Records < 1:
		return fmt.Errorf("records: %d, want at least 1", l.Records)
	case l.MaxTokens < 1:
		return fmt.Errorf("max_tokens: %d, want at least 1", l.MaxTokens)
	case l.Truncate == "":
		return errors.New("truncate: missing")
	case l.Model == "":
		return errors.New("model: missing")
	default:
		return nil
	}
}

// validateFloor checks the kind of floor and what belongs to it.
func (l Ladder) validateFloor() error {
	limit := l.DisagreementLimit
	switch l.Floor {
	case "", AgreementFloor:
		if limit != 0 {
			return fmt.Errorf("disagreement_limit: %v, but the floor is on agreement, where epsilon is the limit", limit)
		}
		return nil
	case AccuracyFloor:
	default:
		return fmt.Errorf("floor: %q, want %s or %s", l.Floor, AgreementFloor, AccuracyFloor)
	}
	if !(limit >= 0 && limit <= 1) || limit == 0 && len(l.Rungs) > 1 {
		return fmt.Errorf("disagreement_limit: %v is not above 0 and at most 1", limit)
	}
	for k, r := range l.Rungs {
		if r.Disagreement > limit {
			return fmt.Errorf("disagreement_limit: %v is below the disagreement of rungs[%d], %v", limit, k, r.Disagreement)
		}
	}
	return nil
}

func (r Rung) validate(stages int) error {
	if len(r.Thresholds) != stages-1 {
		return fmt.Errorf("thresholds: %d, want one per stage but the last, %d", len(r.Thresholds), stages-1)
	}
	for i, t := range r.Thresholds {
		if !finite(float64(t)) || t < 0 {
			return fmt.Errorf("thresholds[%d]: %v is negative or not finite", i, t)
		}
	}
	if len(r.Reach) != stages {
		return fmt.Errorf("reach: %d, want one per stage, %d", len(r.Reach), stages)
	}
	reach := 1.0
	for i, share := range r.Reach {
		if !(share >= 0 && share <= reach) || i == 0 && share != 1 {
			return fmt.Errorf("reach: %v must begin at 1 and never rise", r.Reach)
		}
		reach = share
	}
	if n := len(r.Risk); n != 0 && n != stages {
		return fmt.Errorf("risk: %d, want one per exit, %d, or none", n, stages)
	}
	for i, risk := range r.Risk {
		if !(risk >= 0 && risk <= 1) {
			return fmt.Errorf("risk[%d]: %v is not from 0 to 1", i, risk)
		}
	}
	switch {
	case !(r.Cost > 0 && r.Cost <= 1):
		return fmt.Errorf("cost: %v is not above 0 and at most 1", r.Cost)
	case !(r.Disagreement >= 0 && r.Disagreement <= 1):
		return fmt.Errorf("disagreement: %v is not from 0 to 1", r.Disagreement)
	case !(r.Bound >= 0 && r.Bound <= 1):
		return fmt.Errorf("bound: %v is not from 0 to 1", r.Bound)
	case !(r.Loss >= 0 && r.Loss <= r.Disagreement):
		return fmt.Errorf("loss: %v is not from 0 to the disagreement, %v", r.Loss, r.Disagreement)
	case !(r.LossBound >= 0 && r.LossBound <= 1):
		return fmt.Errorf("loss_bound: %v is not from 0 to 1", r.LossBound)
	default:
		return nil
	}
}
