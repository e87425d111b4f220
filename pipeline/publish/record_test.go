package publish

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"sweetspot/pipeline"
)

var update = flag.Bool("update", false, "rewrite testdata")

var stamp = Stamp{Model: "desk", Digest: "8f14e45f", Ladder: "45c48cce"}

func goldenResult() *pipeline.Result {
	m := pipeline.NewMessage(pipeline.Message{
		ID:     "kfk/desk/tickets/3/1042/1777636800123",
		Origin: pipeline.Origin{Cluster: "kfk", Topic: "tickets", Partition: 3, Offset: 1042, Time: time.UnixMilli(1777636800123)},
		Key:    []byte("customer-7"),
	}, nil)
	return &pipeline.Result{
		Message: m, Label: "R&D <urgent>", Score: 0.9375,
		Scores: []pipeline.LabelScore{{Label: "R&D <urgent>", Score: 0.9375}, {Label: "other", Score: 0.0625}},
		Exit:   3, Layers: 4, Rung: 2, Tier: pipeline.Standard, Tokens: 17,
		Timing: pipeline.Timing{Queue: 1234567 * time.Nanosecond, Compute: 8 * time.Millisecond, Total: 12500 * time.Microsecond},
	}
}

// TestResultAsPublished compares a result with testdata/result.json, which is
// what users see, byte for byte.
func TestResultAsPublished(t *testing.T) {
	got, err := encode(goldenResult(), &stamp)
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "testdata/result.json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestRecordOf(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*pipeline.Result, *Stamp)
		want   string // a part of the JSON
		absent string
	}{
		{"no scores unless asked for", func(r *pipeline.Result, _ *Stamp) { r.Scores = nil }, `"score":0.9375,"exit"`, "scores"},
		{"no ladder", func(_ *pipeline.Result, s *Stamp) { s.Ladder = "" }, `"ladder":null`, ""},
		{"no key", func(r *pipeline.Result, _ *Stamp) { r.Message.Key = nil }, `"key":null,"timestamp"`, "key_encoding"},
		{"an empty key", func(r *pipeline.Result, _ *Stamp) { r.Message.Key = []byte{} }, `"key":"","timestamp"`, "key_encoding"},
		{"a timestamp of a producer gone wrong", func(r *pipeline.Result, _ *Stamp) {
			r.Message.Origin.Time = time.UnixMilli(1 << 60)
		}, `"timestamp":"36536598-01-28T`, ""},
		{"a key that is no text", func(r *pipeline.Result, _ *Stamp) { r.Message.Key = []byte{0xff, 0} }, `"key":"/wA=","key_encoding":"base64"`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, s := goldenResult(), stamp
			tt.change(r, &s)
			got, err := encode(r, &s)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(got, []byte(tt.want)) || tt.absent != "" && bytes.Contains(got, []byte(tt.absent)) {
				t.Errorf("got %s, want %s and no %q", got, tt.want, tt.absent)
			}
			var back Record
			if err := json.Unmarshal(got, &back); err != nil {
				t.Error(err)
			}
		})
	}
}
