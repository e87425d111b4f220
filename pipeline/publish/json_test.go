package publish

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"sweetspot/pipeline"
)

// TestJSONIsThatOfTheStandardLibrary holds what is published against
// encoding/json, over whatever a result may hold.
func TestJSONIsThatOfTheStandardLibrary(t *testing.T) {
	strings := []string{"", "refund", "R&D <urgent>", `say "no" \ or`, "caf\u00e9 \u2028 \U0001f600", "a\x00b\n\t\x7f", "bad \xff utf-8", "45c48cce"}
	floats := []float64{0, 1, 0.5, 0.9375, 1e-6, 9.99e-7, 1e-7, 1.5e-9, 1e-10, 1e20, 1e21, 3.4e38, 1e-45, 123456.789, -0.25, math.Copysign(0, -1)}
	r := rand.New(rand.NewPCG(1, 1))
	text := func() string { return strings[r.IntN(len(strings))] }
	number := func() float64 {
		if r.IntN(2) == 0 {
			return floats[r.IntN(len(floats))]
		}
		return math.Ldexp(r.Float64(), r.IntN(80)-60)
	}
	for range 20_000 {
		rec := Record{
			Label: text(), Score: float32(number()), Exit: r.IntN(12), Layers: r.IntN(99), Rung: r.IntN(9), Tier: pipeline.Tier(text()),
			Audited: r.IntN(2) == 0, Truncated: r.IntN(2) == 0, Tokens: r.IntN(600), Model: RecordModel{text(), text()},
			Source: RecordSource{Cluster: text(), Topic: text(), Partition: r.IntN(1000), Offset: r.Int64(), KeyEncoding: text(), Timestamp: text()},
			Timing: RecordTiming{number(), number(), number()},
		}
		for range r.IntN(4) {
			rec.Scores = append(rec.Scores, pipeline.LabelScore{Label: text(), Score: float32(number())})
		}
		if r.IntN(2) == 0 {
			rec.Ladder, rec.Source.Key = new(text()), new(text())
		}
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(rec); err != nil {
			t.Fatal(err)
		}
		if got := append(rec.appendJSON(nil), '\n'); !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("got\n%swant\n%s", got, want.Bytes())
		}
	}
}

func TestWhatJSONCannotSayIsAnError(t *testing.T) {
	r := goldenResult()
	r.Score = float32(math.NaN())
	if got, err := encode(r, &stamp); err == nil {
		t.Errorf("got %s", got)
	}
}

func BenchmarkEncode(b *testing.B) {
	r := goldenResult()
	r.Label, r.Scores = "refund", nil
	b.ReportAllocs()
	for b.Loop() {
		if _, err := encode(r, &stamp); err != nil {
			b.Fatal(err)
		}
	}
}
