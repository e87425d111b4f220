package inference

// A Rung is one vector of thresholds that calibration measured. Rung 0 is full
// depth; each next rung is cheaper.
type Rung struct {
	Thresholds   Thresholds `json:"thresholds"`
	Reach        []float64  `json:"reach"`        // share of records that run each stage; Reach[0] = 1
	Cost         float64    `json:"cost"`         // mean layers run a record, as a share of all layers, in (0, 1]
	Disagreement float64    `json:"disagreement"` // share of certification records whose answer differs from full depth's
	Bound        float64    `json:"bound"`        // upper confidence bound on Disagreement at level 1−δ
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
	Model        string    `json:"model"` // digest of the model it was measured on, hex SHA-256
}
