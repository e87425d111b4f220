package pipeline

import (
	"errors"
	"fmt"
	"time"
)

// A Result is the classification of one message.
type Result struct {
	Message   *Message
	Label     string
	Score     float32      // temperature-scaled probability of Label, in [0, 1]
	Scores    []LabelScore // of every label, best first; nil unless asked for
	Exit      int          // the exit it left by, from 1
	Layers    int          // encoder layers it ran
	Rung      int
	Tier      Tier
	Audited   bool
	Truncated bool
	Tokens    int // tokens the model read, [CLS] and [SEP] included
	Timing    Timing

	Duplicate bool // set by the publisher: an earlier attempt had made it durable
}

// A LabelScore is one label with its probability.
type LabelScore struct {
	Label string  `json:"label"`
	Score float32 `json:"score"`
}

// Timing is where a message's time went inside the worker.
type Timing struct {
	Queue   time.Duration // from receipt to the start of its first stage
	Compute time.Duration // in stage runs it took part in
	Total   time.Duration // from receipt to its answer
}

// ErrTooLarge is in what a [Publisher] says of a result that it refuses because
// it is more than the server or the stream takes.
var ErrTooLarge = errors.New("result too large")

// A PartialError reports which items of a call did not become durable. The
// others did.
type PartialError struct {
	Failed  []int         // indexes into the slice passed to the call, ascending
	Refused map[int]error // those of Failed that never can, and why; trying them again is of no use
	Err     error         // the first cause
}

func (e *PartialError) Error() string {
	return fmt.Sprintf("%d not durable: %v", len(e.Failed), e.Err)
}

// Unwrap returns the first cause.
func (e *PartialError) Unwrap() error { return e.Err }
