package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/inference"
	"sweetspot/inference/token"
	"sweetspot/pipeline/control"
	"sweetspot/pipeline/schedule"
)

// The texts of these tests are scripts: "2 5 9 yes" is a row with confidence 0.2
// after the first stage, 0.5 after the second and 0.9 after the third, that is
// answered yes. Where the words end, the confidence is that of the last digit.
// With any other word the answer is the other one from the second stage on.

// words is the vocabulary: the ids of digits are firstDigit up to firstDigit+9.
var words = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "no", "yes", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}

const (
	yes        = 5
	firstDigit = 6
	turns      = 1 // [UNK]
)

func newTokenizer(tb testing.TB) *token.Tokenizer {
	tb.Helper()
	tok, err := token.New(words, token.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return tok
}

// answer is what the script in ids says after a stage.
func answer(ids []int32, stage int) inference.Exit {
	var e inference.Exit
	digits := 0
	for _, id := range ids {
		if id == yes {
			e.Label = 1
		}
		if id == turns && stage > 0 {
			e.Label = 1 - e.Label
		}
		if id >= firstDigit && digits <= stage {
			e.Confidence = float32(id-firstDigit) / 10
			digits++
		}
	}
	e.Probability = (1 + e.Confidence) / 2
	return e
}

// A script is an encoder that plays its texts. Each run takes the given time, and
// what its stage and its tokens cost.
type script struct {
	stages int
	takes  time.Duration
	costs  []schedule.Line
	fail   func(stage int) error // at Wait
	breaks *inference.Exit       // the answer to every row, where set

	// panics is called with every run, at Forward or, where late is set, at Wait.
	panics func(stage int, rows []inference.Row)
	late   bool

	runs []string // stage and rows of every run, such as "1:4"
}

func (s *script) Stages() int { return s.stages }

func (s *script) NewBatch(stage, maxTokens int) (Batch, error) {
	return &scriptBatch{script: s, stage: stage, room: maxTokens}, nil
}

func (s *script) Forward(_ context.Context, b Batch) error {
	sb := b.(*scriptBatch)
	sb.exits = nil
	s.runs = append(s.runs, fmt.Sprintf("%d:%d", sb.stage+1, len(sb.rows)))
	if s.panics != nil && !s.late {
		s.panics(sb.stage, sb.rows)
	}
	return nil
}

type scriptBatch struct {
	script *script
	stage  int
	rows   []inference.Row
	exits  []inference.Exit
	room   int
	scores bool
}

func (b *scriptBatch) Add(r inference.Row) (bool, error) {
	if len(r.Tokens) > b.room {
		return false, nil
	}
	b.room -= len(r.Tokens)
	b.rows = append(b.rows, r)
	return true, nil
}

func (b *scriptBatch) Take(from Batch, rows []int) error {
	f := from.(*scriptBatch)
	if f.stage != b.stage-1 || len(f.exits) != len(f.rows) {
		return fmt.Errorf("stage %d takes from stage %d with %d of %d exits", b.stage, f.stage, len(f.exits), len(f.rows))
	}
	for _, i := range rows {
		if ok, _ := b.Add(f.rows[i]); !ok {
			return errors.New("no room")
		}
	}
	return nil
}

func (b *scriptBatch) Wait(ctx context.Context) error {
	takes := b.script.takes
	if b.script.costs != nil {
		takes += b.script.costs[b.stage].Time(b.tokens())
	}
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if b.script.panics != nil && b.script.late {
		b.script.panics(b.stage, b.rows)
	}
	if b.script.fail != nil {
		if err := b.script.fail(b.stage); err != nil {
			return err
		}
	}
	for _, r := range b.rows {
		e := answer(r.Tokens, b.stage)
		if b.script.breaks != nil {
			e = *b.script.breaks
		}
		b.exits = append(b.exits, e)
	}
	return nil
}

func (b *scriptBatch) Exits() []inference.Exit { return b.exits }

func (b *scriptBatch) KeepScores() { b.scores = true }

func (b *scriptBatch) Scores(row int) []float32 {
	e := b.exits[row]
	s := []float32{1 - e.Probability, 1 - e.Probability}
	s[e.Label] = e.Probability
	return s
}

func (b *scriptBatch) tokens() int {
	n := 0
	for _, r := range b.rows {
		n += len(r.Tokens)
	}
	return n
}

func (b *scriptBatch) Reset() {
	b.room += b.tokens()
	b.rows, b.exits = b.rows[:0], b.exits[:0]
}

// A shelf is a source that hands out the messages it was given, so many at a
// time, and holds back while more than the bound are unsettled. It remembers
// what was settled.
type shelf struct {
	at    int   // messages a fetch; 0 is all
	bound int   // unsettled messages; 0 is none
	fails error // what Fetch returns when it has no more
	tells bool  // what its backlog is

	mu       sync.Mutex
	messages []*Message
	read     int
	settled  map[string]int  // times, by id
	foreign  map[string]bool // messages that are no longer ours
	changed  chan struct{}   // closed at the next settle or put
}

func newShelf(values ...string) *shelf {
	s := &shelf{settled: map[string]int{}, foreign: map[string]bool{}, changed: make(chan struct{})}
	s.put(values...)
	return s
}

// put adds messages with the given values. Their ids are their values with
// their number.
func (s *shelf) put(values ...string) {
	for _, v := range values {
		s.putMessage(Message{Value: []byte(v)})
	}
}

func (s *shelf) putMessage(m Message) { s.putMessages(m) }

// putMessages adds messages, so that one fetch may take them all. One that has an
// id keeps it, as a message does that is read again.
func (s *shelf) putMessages(ms ...Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range ms {
		s.add(m)
	}
	s.notify()
}

// add puts a message behind the others. The lock is held.
func (s *shelf) add(m Message) {
	m.Origin = Origin{Cluster: "c", Topic: "texts", Offset: int64(len(s.messages) + s.read), Time: time.Now()}
	id := strconv.FormatInt(m.Origin.Offset, 10) + ":" + string(m.Value)
	m.ID = cmp.Or(m.ID, id)
	s.messages = append(s.messages, NewMessage(m, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.settled[id]++
		s.notify()
		return !s.foreign[id]
	}))
}

// notify wakes who waits for a change. The lock is held.
func (s *shelf) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *shelf) Fetch(ctx context.Context) ([]*Message, error) {
	for {
		ms, changed, err := s.take()
		if len(ms) > 0 || err != nil {
			return ms, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (s *shelf) take() ([]*Message, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.messages)
	if n == 0 && s.fails != nil {
		return nil, nil, s.fails
	}
	if s.at > 0 {
		n = min(n, s.at)
	}
	if s.bound > 0 {
		n = min(n, s.bound-(s.read-len(s.settled)))
	}
	ms := s.messages[:n]
	s.messages = s.messages[n:]
	s.read += n
	return ms, s.changed, nil
}

func (s *shelf) Backlog() Backlog {
	if !s.tells {
		return Backlog{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.read + len(s.messages)
	return Backlog{Messages: int64(all - len(s.settled)), Arrived: int64(all), Heard: time.Now(), Epoch: 1}
}

// unsettled returns how many of the messages read were not settled, and fails
// the test where one was settled twice.
func (s *shelf) unsettled(t *testing.T) int {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range s.settled {
		if n != 1 {
			t.Errorf("message %s was settled %d times", id, n)
		}
	}
	return s.read - len(s.settled)
}

// whenSettled waits until n messages have been settled.
func (s *shelf) whenSettled(n int) {
	for {
		s.mu.Lock()
		done, changed := len(s.settled) >= n, s.changed
		s.mu.Unlock()
		if done {
			return
		}
		<-changed
	}
}

// A drain keeps what is published or buried. fail, where set, says which items
// of an attempt fail, and why.
type drain[T any] struct {
	fail func(attempt int, items []T) error

	mu       sync.Mutex
	kept     []T
	attempts int
}

func (d *drain[T]) take(_ context.Context, items []T) error {
	d.mu.Lock()
	d.attempts++
	attempt := d.attempts
	d.mu.Unlock()
	var err error
	if d.fail != nil {
		err = d.fail(attempt, items)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	partial, ok := errors.AsType[*PartialError](err)
	for i, item := range items {
		if err == nil || ok && !slices.Contains(partial.Failed, i) {
			d.kept = append(d.kept, item)
		}
	}
	return err
}

type (
	sink struct{ drain[Result] }
	yard struct{ drain[DeadLetter] }
)

func (s *sink) Publish(ctx context.Context, rs []Result) error { return s.take(ctx, rs) }

func (y *yard) Write(ctx context.Context, ls []DeadLetter) error { return y.take(ctx, ls) }

// A rig is a pipeline between a shelf, a script, a sink and a yard.
type rig struct {
	*Pipeline
	shelf    *shelf
	script   *script
	sink     *sink
	yard     *yard
	registry *prometheus.Registry
}

// rungs is a ladder for three stages: full depth, careful and bold.
var rungs = []inference.Rung{
	{Thresholds: inference.Thresholds{2, 2}, Reach: []float64{1, 1, 1}},
	{Thresholds: inference.Thresholds{0.8, 0.8}, Reach: []float64{1, 0.8, 0.6}},
	{Thresholds: inference.Thresholds{0.5, 0.5}, Reach: []float64{1, 0.5, 0.25}},
}

// newRig returns a rig over a script of three stages, changed as told.
func newRig(tb testing.TB, s *shelf, change func(*Config, *Parts)) *rig {
	tb.Helper()
	r := &rig{shelf: s, script: &script{stages: 3}, sink: &sink{}, yard: &yard{}, registry: prometheus.NewRegistry()}
	cfg := Config{
		MaxTokens: 16, Truncate: "right", BatchTokens: 64, Mode: Auto,
		Input: Text, InputText: "text", MaxMessageBytes: KiB, Drain: time.Minute,
	}
	parts := Parts{
		Source: s, DeadLetters: r.yard, Tokenizer: newTokenizer(tb), Encoder: r.script, Publisher: r.sink,
		Labels: []string{"no", "yes"}, Layers: []int{1, 2, 4}, Rungs: rungs,
		Metrics: NewMetrics(r.registry, 3), Logger: slog.New(slog.DiscardHandler),
		Epsilon: 0.02, Control: control.Config{
			TargetAge: time.Second, ControlEvery: 250 * time.Millisecond, Overload: control.Wait, AlarmEvery: 1000,
		},
	}
	if change != nil {
		change(&cfg, &parts)
	}
	p, err := New(cfg, parts)
	if err != nil {
		tb.Fatal(err)
	}
	r.Pipeline = p
	return r
}

// runUntil runs the pipeline until n messages are settled.
func (r *rig) runUntil(t *testing.T, n int) error {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		r.shelf.whenSettled(n)
		stop()
	}()
	return r.Run(ctx)
}

// metric returns the sum of a metric's series whose labels hold all of the
// given values. Of a histogram it is the number of observations.
func (r *rig) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != "sweet_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			var has []string
			for _, l := range m.GetLabel() {
				has = append(has, l.GetValue())
			}
			if !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// outcome is a result in short: its text, label, exit and rung.
func outcome(r Result) string {
	_, text, _ := strings.Cut(r.Message.ID, ":")
	return fmt.Sprintf("%s: %s by exit %d at rung %d", text, r.Label, r.Exit, r.Rung)
}

func (r *rig) outcomes() []string {
	var all []string
	for _, res := range r.sink.kept {
		all = append(all, outcome(res))
	}
	slices.Sort(all)
	return all
}
