package simulate

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/inference"
	"sweetspot/inference/token"
	"sweetspot/pipeline"
	"sweetspot/pipeline/control"
)

// The pipeline itself, with an encoder that only takes its time, against the
// simulation of the same messages.
func TestThePipelineTakesAsLongAsTheSimulationSays(t *testing.T) {
	rising := []float64{0.5, 0.5, 0.5, 0.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5}
	for _, c := range []struct {
		name string
		rung int       // that is fixed, or -1: the controller chooses
		load []float64 // of what full depth carries, second by second
	}{
		{"half of what a rung carries", 4, []float64{1.8, 1.8, 1.8, 1.8}},
		{"nearly all of full depth", 0, []float64{0.9, 0.9, 0.9, 0.9, 0.9, 0.9}},
		{"a backlog that is worked off", 2, []float64{2, 7, 7, 0, 2, 2}},
		{"the controller under a step", -1, rising},
		{"the controller under more than the ladder carries", -1, []float64{1, 1, 1, 6, 6, 1, 1, 1, 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, of := slow(), Ours()
			if c.rung >= 0 {
				of = Fixed(c.rung)
			}
			messages, texts := script(t, w, c.load)
			want, err := w.trace(t.Context(), messages, of)
			if err != nil {
				t.Fatal(err)
			}
			got := piped(t, w, c.rung, messages, texts)
			for _, p := range []float64{0.5, 0.99} {
				simulated, took := ageAt(p, messages, want), ageAt(p, messages, got)
				t.Logf("%d messages, p%v: pipeline %v, simulation %v", len(messages), 100*p, took, simulated)
				if math.Abs(simulated.Seconds()/took.Seconds()-1) > 0.1 {
					t.Errorf("p%v: the simulation says %v, the pipeline takes %v; want it within 10 %%", 100*p, simulated, took)
				}
			}
			layers := [2]float64{}
			for i := range want {
				layers[0] += float64(w.Cost.Stages[want[i].Exit].Layers)
				layers[1] += float64(w.Cost.Stages[got[i].Exit].Layers)
			}
			if ratio := layers[0] / layers[1]; math.Abs(ratio-1) > 0.03 {
				t.Errorf("the simulation runs %v times the layers of the pipeline", ratio)
			}
		})
	}
}

// ageAt is the age that a share p of the messages are at most as old as.
func ageAt(p float64, messages []Arrival, answers []Answer) time.Duration {
	ages := make([]time.Duration, len(answers))
	for i, a := range answers {
		ages[i] = a.At - messages[i].At
	}
	slices.Sort(ages)
	return ages[int(p*float64(len(ages)))]
}

// slow is a worker that takes milliseconds for a run, so that there are few.
func slow() *Worker {
	w := bundled()
	w.Control.AuditRate = 0.05
	w.Cost.BatchTokens = 256
	for i := range w.Cost.Stages {
		w.Cost.Stages[i].Base *= 20
		w.Cost.Stages[i].PerToken *= 10
	}
	w.Cost.Lengths = []LengthCount{{8, 2}, {12, 2}, {20, 1}}
	return w
}

// digits are the words of the texts, and the ids from 4 on.
var digits = []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}

func tokenizer(t *testing.T) *token.Tokenizer {
	t.Helper()
	tok, err := token.New(append([]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]"}, digits...), token.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// drawOf makes a message's draw of its tokens, so that the encoder knows it.
func drawOf(ids []int32) float64 {
	h := fnv.New64a()
	for _, id := range ids {
		_, _ = h.Write([]byte{byte(id)}) // never fails
	}
	// FNV does not mix its high bits.
	return rand.New(rand.NewPCG(h.Sum64(), 0)).Float64()
}

// idOf is the ID of a message, which decides whether it is audited.
func idOf(n int) string { return "message " + strconv.Itoa(n) }

// script draws messages for a load, and a text for each.
func script(t *testing.T, w *Worker, shares []float64) ([]Arrival, []string) {
	t.Helper()
	var load Load
	for _, share := range shares {
		load.hold(time.Second, share*w.Cost.Capacity())
	}
	chance := rand.New(rand.NewPCG(5, 5))
	source := newArrivals(&load, 1, w.Cost.lengths(), Shares{}, 5, 0)
	tok := tokenizer(t)
	var messages []Arrival
	var texts []string
	for m, ok := source.next(); ok; m, ok = source.next() {
		var text []string
		for range m.tokens - 2 {
			text = append(text, digits[chance.IntN(len(digits))])
		}
		texts = append(texts, strings.Join(text, " "))
		row, err := tok.Row(nil, texts[len(texts)-1], "", 64, token.Right)
		if err != nil || len(row.IDs) != int(m.tokens) {
			t.Fatalf("got %d tokens and error %v, want %d", len(row.IDs), err, m.tokens)
		}
		messages = append(messages, Arrival{At: m.at, Tokens: len(row.IDs), Draw: drawOf(row.IDs), Audited: control.Audited(idOf(len(messages)), w.Control.AuditRate)})
	}
	return messages, texts
}

// piped runs the messages through the pipeline.
func piped(t *testing.T, w *Worker, rung int, messages []Arrival, texts []string) []Answer {
	t.Helper()
	answers := make([]Answer, len(messages))
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		topic := newTopic(messages, texts, stop)
		stages := len(w.Cost.Stages)
		parts := pipeline.Parts{
			Source: topic, DeadLetters: topic, Tokenizer: tokenizer(t), Encoder: &pacer{worker: w},
			Publisher: topic, Labels: []string{"yes"}, Rungs: w.Ladder.Rungs, Epsilon: w.Ladder.Epsilon, Control: w.Control,
			Metrics: pipeline.NewMetrics(prometheus.NewRegistry(), stages), Logger: slog.New(slog.DiscardHandler),
		}
		for _, s := range w.Cost.Stages {
			parts.Layers = append(parts.Layers, s.Layers)
		}
		parts.Rungs = slices.Clone(parts.Rungs)
		for k := range parts.Rungs {
			parts.Rungs[k].Thresholds = slices.Repeat(inference.Thresholds{0.5}, stages-1)
		}
		cfg := pipeline.Config{
			MaxTokens: 64, Truncate: "right", BatchTokens: w.Cost.BatchTokens, Mode: pipeline.Auto,
			Input: pipeline.Text, InputText: "text", MaxMessageBytes: pipeline.KiB, Drain: time.Minute,
		}
		if rung >= 0 {
			cfg.Mode, cfg.Rung = pipeline.Fixed, rung
		}
		p, err := pipeline.New(cfg, parts)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Warm(ctx); err != nil {
			t.Fatal(err)
		}
		topic.start = time.Now()
		topic.answered = func(r pipeline.Result) {
			answers[r.Message.Origin.Offset] = Answer{At: time.Since(topic.start), Exit: r.Exit - 1, Rung: r.Rung}
		}
		if err := p.Run(ctx); err != nil {
			t.Fatal(err)
		}
	})
	return answers
}

// A topic hands messages out when they arrive, and takes their results.
type topic struct {
	messages []Arrival
	texts    []string
	start    time.Time
	answered func(r pipeline.Result)
	stop     func() // called when all are settled

	read int

	mu sync.Mutex
	// mu protects what follows.
	settled []bool
	oldest  int // the first that is not settled
	left    int // that are not settled
}

func newTopic(messages []Arrival, texts []string, stop func()) *topic {
	return &topic{messages: messages, texts: texts, stop: stop, settled: make([]bool, len(messages)), left: len(messages)}
}

func (s *topic) Fetch(ctx context.Context) ([]*pipeline.Message, error) {
	if s.read == len(s.messages) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	time.Sleep(s.messages[s.read].At - time.Since(s.start))
	var ms []*pipeline.Message
	for ; s.read < len(s.messages) && s.messages[s.read].At <= time.Since(s.start); s.read++ {
		n := s.read
		m := pipeline.Message{ID: idOf(n), Value: []byte(s.texts[n]), Origin: pipeline.Origin{Offset: int64(n), Time: s.start.Add(s.messages[n].At)}}
		ms = append(ms, pipeline.NewMessage(m, func() bool { s.settle(n); return true }))
	}
	return ms, nil
}

func (s *topic) settle(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled[n] = true
	for s.oldest < len(s.settled) && s.settled[s.oldest] {
		s.oldest++
	}
	if s.left--; s.left == 0 {
		s.stop()
	}
}

func (s *topic) Backlog() pipeline.Backlog {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.start)
	arrived, _ := slices.BinarySearchFunc(s.messages, now, func(m Arrival, now time.Duration) int {
		if m.At <= now {
			return -1
		}
		return 1
	})
	settled := len(s.messages) - s.left
	b := pipeline.Backlog{Messages: int64(arrived - settled), Arrived: int64(arrived), Heard: time.Now()}
	if s.oldest < arrived {
		b.Oldest = s.start.Add(s.messages[s.oldest].At)
	}
	return b
}

func (s *topic) Publish(_ context.Context, results []pipeline.Result) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range results {
		s.answered(r)
	}
	return nil
}

func (s *topic) Write(context.Context, []pipeline.DeadLetter) error {
	return errors.New("no message of these is poison")
}

// A pacer is an encoder that takes the time of a cost model, and lets rows leave
// by the shares of their rung.
type pacer struct{ worker *Worker }

func (e *pacer) Stages() int { return len(e.worker.Cost.Stages) }

func (e *pacer) NewBatch(stage, maxTokens int) (pipeline.Batch, error) {
	return &pacerBatch{pacer: e, stage: stage, room: maxTokens}, nil
}

func (e *pacer) Forward(context.Context, pipeline.Batch) error { return nil }

type pacerBatch struct {
	*pacer
	stage  int
	room   int
	tokens int
	rows   []inference.Row
	exits  []inference.Exit
}

func (b *pacerBatch) Add(r inference.Row) (bool, error) {
	if b.tokens+len(r.Tokens) > b.room {
		return false, nil
	}
	b.rows = append(b.rows, r)
	b.tokens += len(r.Tokens)
	return true, nil
}

func (b *pacerBatch) Take(from pipeline.Batch, rows []int) error {
	f, ok := from.(*pacerBatch)
	if !ok {
		return errors.New("a batch of another encoder")
	}
	for _, i := range rows {
		if ok, _ := b.Add(f.rows[i]); !ok {
			return errors.New("no room")
		}
	}
	return nil
}

func (b *pacerBatch) Wait(context.Context) error {
	time.Sleep(b.worker.Cost.lines()[b.stage].Time(b.tokens))
	for _, r := range b.rows {
		e := inference.Exit{Probability: 1}
		if last := b.stage == b.Stages()-1; last || drawOf(r.Tokens) >= b.worker.Ladder.Rungs[r.Rung].Reach[b.stage+1] {
			e.Confidence = 1
		}
		b.exits = append(b.exits, e)
	}
	return nil
}

func (b *pacerBatch) Exits() []inference.Exit { return b.exits }

func (b *pacerBatch) KeepScores() {}

func (b *pacerBatch) Scores(int) []float32 { return []float32{1} }

func (b *pacerBatch) Reset() { b.rows, b.exits, b.tokens = b.rows[:0], b.exits[:0], 0 }
