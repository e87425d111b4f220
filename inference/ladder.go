package inference

import (
	"errors"
	"io/fs"
)

// A Rung is one vector of thresholds that calibration measured. Rung 0 is full
// depth; each next rung is cheaper.
type Rung struct {
	Thresholds   Thresholds `json:"thresholds"`
	Reach        []float64  `json:"reach"`          // share of records that run each stage; Reach[0] = 1
	Cost         float64    `json:"cost"`           // mean layers run a record, as a share of all layers, in (0, 1]
	Disagreement float64    `json:"disagreement"`   // share of certification records whose answer differs from full depth's
	Bound        float64    `json:"bound"`          // upper confidence bound on Disagreement at level 1−δ
	Risk         []float64  `json:"risk,omitempty"` // of the records that leave at each exit, the share whose answer differs from full depth's
}

// A Ladder lists the rungs that a certificate covers, full depth first, for one
// precision and one set of token limits. With probability at least 1−Delta over
// the drawing of the certification records, every rung disagrees with full
// depth on at most a share Epsilon of messages like them.
type Ladder struct {
	Rungs        []Rung    `json:"rungs"`
	Temperatures []float32 `json:"temperatures"` // one per exit
	Epsilon      float64   `json:"epsilon"`      // 1 − floor
	Delta        float64   `json:"delta"`        // 1 − confidence
	Records      int       `json:"records"`      // n, certification records
	MaxTokens    int       `json:"max_tokens"`
	Truncate     string    `json:"truncate"`
	Model        string    `json:"model"`          // digest of the model it was measured on, hex SHA-256
	Date         string    `json:"date,omitempty"` // when it was measured, RFC 3339; not part of the ladder digest
}

// Why a ladder cannot be used. All of them lead to full depth.
var (
	ErrNoLadder         = errors.New("no ladder")                        // no ladder.json, or no entry for the precision
	ErrOtherModel       = errors.New("ladder is for another model")      // measured on a model with another digest
	ErrOtherLimits      = errors.New("ladder is for other token limits") // measured with another max_tokens or truncate
	ErrUnreadableLadder = errors.New("ladder cannot be read")            // malformed or out of range
)

// FullDepth returns the ladder of a model of so many stages that has none:
// rung 0 alone, temperatures 1.
func FullDepth(stages int) Ladder { return Ladder{} }

// LoadLadder reads the entry of ladder.json for one precision and checks it
// against the model's digest and number of stages. The second result is the
// ladder digest: the hex SHA-256 of the entry as compact JSON with sorted keys,
// without its date.
func LoadLadder(fsys fs.FS, p Precision, digest string, stages int) (Ladder, string, error) {
	return Ladder{}, "", ErrNoLadder
}

// SaveLadder writes l as the entry for precision p into dir's ladder.json,
// beside those for other precisions, and returns its digest.
func SaveLadder(dir string, p Precision, l Ladder) (string, error) {
	return "", errors.New("not built")
}

// Validate reports what is wrong with l for a model of so many stages, by the
// names of ladder.json's fields.
func (l Ladder) Validate(stages int) error { return nil }
