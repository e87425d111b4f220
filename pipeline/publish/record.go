package publish

import (
	"encoding/base64"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"sweetspot/pipeline"
)

// A Stamp is what every result says of the worker that made it, which headers
// it carries over, and where results may go.
type Stamp struct {
	Model       string // the model's name
	Digest      string // the model's digest, hex SHA-256
	Ladder      string // the ladder's digest; "" where there is none
	CopyHeaders []string

	// What subjects to expect, for the check of the stream; empty is anything.
	Topics []string // that messages come from
	Labels []string // that the model gives
}

// A Record is a result as it lies in the stream, in JSON.
type Record struct {
	Label     string                `json:"label"`
	Score     float32               `json:"score"`
	Scores    []pipeline.LabelScore `json:"scores,omitempty"`
	Exit      int                   `json:"exit"`
	Layers    int                   `json:"layers"`
	Rung      int                   `json:"rung"`
	Tier      pipeline.Tier         `json:"tier"`
	Audited   bool                  `json:"audited"`
	Truncated bool                  `json:"truncated"`
	Tokens    int                   `json:"tokens"`
	Model     RecordModel           `json:"model"`
	Ladder    *string               `json:"ladder"` // digest; null where there is none
	Source    RecordSource          `json:"source"`
	Timing    RecordTiming          `json:"timing"`
}

// RecordModel says which model answered.
type RecordModel struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// RecordSource says which message was answered.
type RecordSource struct {
	Cluster     string  `json:"cluster"`
	Topic       string  `json:"topic"`
	Partition   int     `json:"partition"`
	Offset      int64   `json:"offset"`
	Key         *string `json:"key"`                    // null where the message has none
	KeyEncoding string  `json:"key_encoding,omitempty"` // base64, where the key is not UTF-8
	Timestamp   string  `json:"timestamp"`              // of the message: RFC 3339, UTC, to the millisecond
}

// RecordTiming is where a message's time went inside the worker, in
// milliseconds.
type RecordTiming struct {
	Queue   float64 `json:"queue_ms"`
	Compute float64 `json:"compute_ms"`
	Total   float64 `json:"total_ms"`
}

const timestampFormat = "2006-01-02T15:04:05.000Z07:00"

// NewRecord returns r as it is published by the worker with the given stamp.
func NewRecord(r *pipeline.Result, stamp *Stamp) Record {
	from := r.Message.Origin
	rec := Record{
		Label: r.Label, Score: r.Score, Scores: r.Scores,
		Exit: r.Exit, Layers: r.Layers, Rung: r.Rung, Tier: r.Tier,
		Audited: r.Audited, Truncated: r.Truncated, Tokens: r.Tokens,
		Model: RecordModel{Name: stamp.Model, Digest: stamp.Digest},
		Source: RecordSource{
			Cluster: from.Cluster, Topic: from.Topic, Partition: from.Partition, Offset: from.Offset,
			Timestamp: from.Time.UTC().Format(timestampFormat),
		},
		Timing: RecordTiming{Queue: millis(r.Timing.Queue), Compute: millis(r.Timing.Compute), Total: millis(r.Timing.Total)},
	}
	if stamp.Ladder != "" {
		rec.Ladder = &stamp.Ladder
	}
	switch key := r.Message.Key; {
	case key == nil:
	case utf8.Valid(key):
		rec.Source.Key = new(string(key))
	default:
		rec.Source.Key = new(base64.StdEncoding.EncodeToString(key))
		rec.Source.KeyEncoding = "base64"
	}
	return rec
}

// millis is d in milliseconds, to the microsecond.
func millis(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}

// typicalRecord is about as many bytes as a result has.
const typicalRecord = 640

// encode returns r as JSON.
func encode(r *pipeline.Result, stamp *Stamp) ([]byte, error) {
	rec := NewRecord(r, stamp)
	odd := rec.Score - rec.Score // 0 for every number
	for _, s := range rec.Scores {
		odd += s.Score - s.Score
	}
	if odd != 0 {
		return nil, fmt.Errorf("encoding the result of offset %d: JSON has no %v", r.Message.Origin.Offset, odd)
	}
	return rec.appendJSON(make([]byte, 0, typicalRecord)), nil
}
