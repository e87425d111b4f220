package simulate

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"sweetspot/inference"
	"sweetspot/pipeline/control"
)

// tiny is a worker of two stages that runs 10 tokens at most and takes 10 ms for
// a run and 1 ms for a token. Its cheap rung lets half of the messages leave
// early; it is the one in force for the first second.
func tiny() *Worker {
	w := bundled()
	w.Cost = Cost{
		Model: "tiny", Precision: "f32", BatchTokens: 10, Depth: 1,
		Stages:  []StageCost{{Base: 0.010, PerToken: 0.001, Layers: 1}, {Base: 0.010, PerToken: 0.001, Layers: 2}},
		Lengths: []LengthCount{{5, 1}},
	}
	w.Ladder.Rungs = []inference.Rung{{Reach: []float64{1, 1}}, {Reach: []float64{1, 0.5}, Disagreement: 0.01}}
	w.Shares = Shares{}
	return w
}

func TestAgesOfAFewMessagesAreThoseComputedByHand(t *testing.T) {
	const ms = time.Millisecond
	messages := []Arrival{
		{At: 0, Tokens: 5, Draw: 0.9},       // A
		{At: 1 * ms, Tokens: 5, Draw: 0.1},  // B
		{At: 2 * ms, Tokens: 5, Draw: 0.9},  // C
		{At: 30 * ms, Tokens: 4, Draw: 0.2}, // D
	}
	// A runs alone from 0 to 15 and leaves. B and C run from 15 to 35; C leaves. B
	// is not due yet, so D is admitted, from 35 to 49. Then B and D run stage 2
	// together, 9 tokens, from 49 to 68.
	regrouped := []Answer{{15 * ms, 0, 1}, {68 * ms, 1, 1}, {35 * ms, 0, 1}, {68 * ms, 1, 1}}
	// Without regrouping B goes on at once, alone, from 35 to 50, and D takes from
	// 50 to 64 and on to 78.
	apart := []Answer{{15 * ms, 0, 1}, {50 * ms, 1, 1}, {35 * ms, 0, 1}, {78 * ms, 1, 1}}
	// One by one: A 15, B 15 + 15, C 15, D 14 + 14.
	single := []Answer{{15 * ms, 0, 1}, {45 * ms, 1, 1}, {60 * ms, 0, 1}, {88 * ms, 1, 1}}
	for _, c := range []struct {
		name string
		of   *Alternative
		want []Answer
	}{{"regrouped", Ours(), regrouped}, {"without regrouping", Unregrouped(), apart}, {"one by one", OneByOne(), single}} {
		got, err := tiny().trace(t.Context(), messages, c.of)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}

	late := tiny()
	late.Publish = 7 * ms
	got, err := late.Trace(t.Context(), messages)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range regrouped {
		if a.At += 7 * ms; got[i] != a {
			t.Errorf("with 7 ms to publish: got %v, want %v", got[i], a)
		}
	}
}

func TestATraceIsChecked(t *testing.T) {
	for name, messages := range map[string][]Arrival{
		"out of order": {{At: 5, Tokens: 1}, {At: 4, Tokens: 1}},
		"too long":     {{At: 5, Tokens: 11}},
		"empty":        {{At: 5}},
	} {
		if _, err := tiny().Trace(t.Context(), messages); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// everything is a worker with messages of all kinds.
func everything() *Worker {
	w := bundled()
	w.Shares = Shares{Strict: 0.1, BestEffort: 0.2, Audited: 0.1}
	w.Publish = 5 * time.Millisecond
	return w
}

func TestEveryMessageIsAnsweredOnce(t *testing.T) {
	for _, depth := range []int{1, 2} {
		for _, a := range []*Alternative{FullDepth(), Fixed(3), Mixture(1, 0.5), AIMD(), OneByOne(), Unregrouped(), WholeModels(), Ours(), Oracle()} {
			w := everything()
			w.Cost.Depth = depth
			load := Load{Spans: []Span{{0, 300}, {3 * time.Second, 5000}, {4 * time.Second, 0}, {5 * time.Second, 100}}, End: 6 * time.Second}
			r, err := newReplica(w, &load, 1, 0, a)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[int32]int{}
			r.observe = func(m *message, exit int) {
				seen[m.id]++
				if m.tier == strict && (m.rung != 0 || exit != 3) {
					t.Errorf("%s: a strict message left under rung %d after stage %d", a.Name, m.rung, exit+1)
				}
				if age := r.now + r.lag - m.at; age < w.Publish {
					t.Errorf("%s: a message was answered after %v", a.Name, age)
				}
			}
			if err := r.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			arrived := int(r.arrived)
			for id := range int32(arrived) {
				if seen[id] != 1 {
					t.Fatalf("%s, depth %d: message %d was answered %d times", a.Name, depth, id, seen[id])
				}
			}
			admitted, exits, perSecond := 0, 0, 0
			for _, n := range r.result.Admitted {
				admitted += int(n)
			}
			for _, n := range r.result.Exits {
				exits += int(n)
			}
			for _, s := range r.result.Series {
				perSecond += s.Arrived
			}
			if arrived < 4000 || int(r.result.Messages()) != arrived || admitted != arrived || exits != arrived || perSecond != arrived || r.durable != r.arrived {
				t.Errorf("%s, depth %d: of %d messages %d were counted, %d admitted, %d answered, %d in the series and %d durable",
					a.Name, depth, arrived, r.result.Messages(), admitted, exits, perSecond, r.durable)
			}
		}
	}
}

func TestTheSameSeedGivesTheSameFigures(t *testing.T) {
	load := shape(t, bundled(), "burst")
	load.Spans, load.End = load.Spans[:3], time.Minute
	run := func(seed uint64) string {
		w := everything()
		w.Seed = seed
		r, err := w.Run(t.Context(), load, 2)
		if err != nil {
			t.Fatal(err)
		}
		figures, err := json.Marshal(w.Summary(r, nil))
		if err != nil {
			t.Fatal(err)
		}
		return string(figures)
	}
	first, again, other := run(1), run(1), run(2)
	if first != again {
		t.Errorf("got %s and then %s", first, again)
	}
	if first == other {
		t.Errorf("got %s with seed 2 as with seed 1", first)
	}
}

// One stage, one length and one row in a run make an M/D/1 queue, in which a
// message waits ρ/(2(1−ρ)) services on average (Pollaczek and Khinchine).
func TestOneRowARunIsAnMD1Queue(t *testing.T) {
	const service, utilization = 0.010, 0.5
	w := tiny()
	w.Cost.BatchTokens = 5
	w.Cost.Stages = []StageCost{{PerToken: service / 5, Layers: 1}}
	w.Ladder.Rungs = []inference.Rung{{Reach: []float64{1}}}
	load := Load{Spans: []Span{{0, utilization / service}}, End: time.Hour}
	want := service * (1 + utilization/(2*(1-utilization)))
	for _, a := range []*Alternative{FullDepth(), OneByOne()} {
		r, err := w.run(t.Context(), load, 1, a)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Ages.Mean().Seconds(); math.Abs(got/want-1) > 0.03 {
			t.Errorf("%s: got a mean age of %v s, want about %v", a.Name, got, want)
		}
		if got := r.Utilization(); math.Abs(got-utilization) > 0.01 {
			t.Errorf("%s: got a utilization of %v, want about %v", a.Name, got, utilization)
		}
	}
}

func TestReplicasShareTheLoad(t *testing.T) {
	w := bundled()
	load := Load{Spans: []Span{{0, 20 * w.Cost.Capacity()}}, End: 5 * time.Second}
	r, err := w.Run(t.Context(), load, 40)
	if err != nil {
		t.Fatal(err)
	}
	s := w.Summary(r, nil)
	if math.Abs(float64(s.Messages)/load.Messages()-1) > 0.05 || r.Weight != 5 {
		t.Errorf("got %d messages and a weight of %v, want about %.0f and 5", s.Messages, r.Weight, load.Messages())
	}
	if got := r.Utilization(); got < 0.1 || got > 0.7 {
		t.Errorf("got a utilization of %v, want it between", got)
	}
}

func TestAuditedRowsRunEveryLayerAndAreNotDelayed(t *testing.T) {
	load := Load{Spans: []Span{{0, 300}}, End: 20 * time.Second}
	w := bundled()
	w.Shares = Shares{Audited: 1}
	r, err := w.run(t.Context(), load, 1, Fixed(4))
	if err != nil {
		t.Fatal(err)
	}
	if r.MeanLayers() != 6 {
		t.Errorf("got %v layers a message, want 6", r.MeanLayers())
	}
	if early := share(r.Exits[0], r.Messages()); math.Abs(early-(1-0.472)) > 0.04 {
		t.Errorf("a share %v was answered after the first stage, want about 0.53", early)
	}
}

func TestOverloadShedsBestEffortMessagesAlone(t *testing.T) {
	w := bundled()
	w.Control.Overload = control.Shed
	w.Shares = Shares{BestEffort: 0.5}
	load := Load{Spans: []Span{{0, 6 * w.Cost.Capacity()}}, End: 20 * time.Second}
	r, err := w.Run(t.Context(), load, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r.Shed == 0 || r.Shed+r.Ages.n != r.Messages() || r.LateShare() <= share(r.Shed, r.Messages())-1e-9 {
		t.Errorf("got %d shed of %d, a share of %v late", r.Shed, r.Messages(), r.LateShare())
	}
	if short := r.Ages.n - r.Messages()/2; short < -r.Messages()/50 {
		t.Errorf("%d standard messages have no answer", -short)
	}
}

func TestAWorkerIsChecked(t *testing.T) {
	for name, change := range map[string]func(w *Worker){
		"a ladder of another model": func(w *Worker) { w.Ladder = inference.FullDepth(2) },
		"no ladder":                 func(w *Worker) { w.Ladder.Rungs = nil },
		"shares above 1":            func(w *Worker) { w.Shares = Shares{Strict: 0.6, BestEffort: 0.6} },
		"a negative time":           func(w *Worker) { w.Publish = -1 },
		"no target":                 func(w *Worker) { w.Control.TargetAge = 0 },
		"no texts":                  func(w *Worker) { w.Cost.Lengths = nil },
	} {
		w := bundled()
		if err := w.Validate(); err != nil {
			t.Fatal(err)
		}
		change(w)
		if err := w.Validate(); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
