package inference_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"sweetspot/inference"
	"sweetspot/inference/devicetest"
)

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// modelFS returns a model directory with a vocabulary of nothing in particular.
func modelFS(t *testing.T, config map[string]any, ts []inference.Tensor) fstest.MapFS {
	t.Helper()
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	var weights bytes.Buffer
	if err := inference.WriteTensors(&weights, ts, inference.StoreF32); err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{
		"config.json":       {Data: data},
		"model.safetensors": {Data: weights.Bytes()},
		"vocab.txt":         {Data: []byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n")},
	}
}

// smallModel returns a small model of two stages on the plain device.
func smallModel(t *testing.T) *inference.Model {
	t.Helper()
	return modelOf(t, small())
}

func modelOf(t *testing.T, c inference.Config) *inference.Model {
	t.Helper()
	m, err := inference.New(devicetest.Random(c, 1), devicetest.Reference(), inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func row(tokens ...int32) inference.Row {
	return inference.Row{Tokens: tokens, Second: len(tokens)}
}

func TestLoad(t *testing.T) {
	dir := saved(t, 1)
	load := func(t *testing.T, o inference.Options) *inference.Model {
		t.Helper()
		m, err := inference.Load(os.DirFS(dir), devicetest.Reference(), o)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := load(t, inference.Options{})
	if got := []int{m.Stages(), m.StageLayers(0), m.StageLayers(1), m.MaxTokens()}; !slices.Equal(got, []int{2, 1, 2, 6}) {
		t.Errorf("got stages, layers and tokens %v, want [2 1 2 6]", got)
	}
	if m.Name() != "small" || load(t, inference.Options{Name: "mine"}).Name() != "mine" {
		t.Errorf("got name %q, want small from config.json, and mine where asked for", m.Name())
	}
	if !errors.Is(m.LadderProblem, inference.ErrNoLadder) || m.LadderDigest != "" || !reflect.DeepEqual(m.Ladder, inference.FullDepth(2)) {
		t.Errorf("got ladder %+v of digest %q and problem %v, want full depth for lack of one", m.Ladder, m.LadderDigest, m.LadderProblem)
	}

	l := inference.FullDepth(2)
	l.Rungs = append(l.Rungs, inference.Rung{Thresholds: inference.Thresholds{0.5}, Reach: []float64{1, 0.5}, Cost: 0.75})
	l.Epsilon, l.Delta, l.Records, l.MaxTokens, l.Truncate, l.Model = 0.02, 0.05, 100, 6, "right", m.Digest()
	l.Temperatures = []float32{2, 1}
	digest, err := inference.SaveLadder(dir, inference.F32, l)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []inference.Options{{}, {MaxTokens: 6, Truncate: "right"}} {
		if m := load(t, o); m.LadderProblem != nil || m.LadderDigest != digest || !reflect.DeepEqual(m.Ladder, l) {
			t.Errorf("%+v: got ladder %+v and problem %v, want %+v", o, m.Ladder, m.LadderProblem, l)
		}
	}
	for _, o := range []inference.Options{{MaxTokens: 5}, {Truncate: "left"}} {
		m := load(t, o)
		if !errors.Is(m.LadderProblem, inference.ErrOtherLimits) || m.LadderDigest != "" || len(m.Ladder.Rungs) != 1 || m.Ladder.Temperatures[0] != 1 {
			t.Errorf("%+v: got ladder %+v and problem %v, want full depth for the other limits", o, m.Ladder, m.LadderProblem)
		}
	}
	l.Model = "another"
	if _, err := inference.SaveLadder(dir, inference.F32, l); err != nil {
		t.Fatal(err)
	}
	if m := load(t, inference.Options{}); !errors.Is(m.LadderProblem, inference.ErrOtherModel) || len(m.Ladder.Rungs) != 1 {
		t.Errorf("got problem %v and %d rungs, want full depth for the other model", m.LadderProblem, len(m.Ladder.Rungs))
	}
	for _, tokens := range []int{-1, 7} {
		if _, err := inference.Load(os.DirFS(dir), devicetest.Reference(), inference.Options{MaxTokens: tokens}); err == nil ||
			!strings.Contains(err.Error(), "want 1 to the model's 6 positions") {
			t.Errorf("%d tokens: got error %v, want one about the positions", tokens, err)
		}
	}
}

func TestTemperatureMakesConfidenceAndScores(t *testing.T) {
	for _, score := range []inference.Score{inference.MaxProbability, inference.Margin, inference.Entropy} {
		t.Run(string(score), func(t *testing.T) { temperatureMakesConfidenceAndScores(t, score) })
	}
}

func temperatureMakesConfidenceAndScores(t *testing.T, score inference.Score) {
	t.Helper()
	dir, c := t.TempDir(), small()
	c.Score = score
	if err := inference.Save(dir, c, tensors(devicetest.Random(c, 1)), inference.StoreF32, vocab); err != nil {
		t.Fatal(err)
	}
	plain := runOne(t, dir)
	l := inference.FullDepth(2)
	l.Epsilon, l.Delta, l.Records, l.MaxTokens, l.Truncate = 0.02, 0.05, 100, 6, "right"
	opened, err := inference.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	l.Model, l.Temperatures = opened.Digest, []float32{4, 1}
	if _, err := inference.SaveLadder(dir, inference.F32, l); err != nil {
		t.Fatal(err)
	}
	cool := runOne(t, dir)
	if !slices.Equal(plain.logits, cool.logits) {
		t.Errorf("got logits %v at another temperature, want %v", cool.logits, plain.logits)
	}
	for temperature, got := range map[float64]oneAnswer{1: plain, 4: cool} {
		odds := math.Exp(float64(got.logits[1]-got.logits[0]) / temperature)
		want := []float64{1 / (1 + odds), odds / (1 + odds)}
		if got.scores[got.exit.Label] != got.exit.Probability {
			t.Errorf("got score %v of the label, want its probability %v", got.scores[got.exit.Label], got.exit.Probability)
		}
		confidence := map[inference.Score]float64{
			inference.MaxProbability: max(want[0], want[1]),
			inference.Margin:         math.Abs(want[0] - want[1]),
			inference.Entropy:        1 + (want[0]*math.Log(want[0])+want[1]*math.Log(want[1]))/math.Ln2,
		}[score]
		if math.Abs(float64(got.exit.Confidence)-confidence) > 1e-6 {
			t.Errorf("temperature %v: got confidence %v, want %v", temperature, got.exit.Confidence, confidence)
		}
		for i, w := range want {
			if math.Abs(float64(got.scores[i])-w) > 1e-6 {
				t.Errorf("temperature %v: got scores %v, want %v", temperature, got.scores, want)
			}
		}
	}
}

// oneAnswer is what one row is told at the first stage.
type oneAnswer struct {
	exit           inference.Exit
	logits, scores []float32
}

func runOne(t *testing.T, dir string) oneAnswer {
	t.Helper()
	m, err := inference.Load(os.DirFS(dir), devicetest.Reference(), inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.NewBatch(0, 10)
	if err != nil {
		t.Fatal(err)
	}
	b.KeepLogits()
	if ok, err := b.Add(row(2, 5, 6, 3)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := errors.Join(m.Forward(t.Context(), b), b.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	return oneAnswer{b.Exits[0], slices.Clone(b.Logits), b.Scores(nil, 0)}
}

func TestNewBatchRefuses(t *testing.T) {
	m := smallModel(t)
	for _, test := range []struct {
		name          string
		stage, tokens int
		want          string
	}{
		{"a stage before the first", -1, 10, "making a batch: stage -1 is not from 0 to 1"},
		{"a stage behind the last", 2, 10, "making a batch: stage 2 is not from 0 to 1"},
		{"no room for the longest row", 0, 5, "making a batch: 5 tokens have no room for a row of 6"},
		{"more than can be counted", 0, math.MaxInt, "making a batch: 9223372036854775807 tokens, want at most 2147483647"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := m.NewBatch(test.stage, test.tokens); err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %s", err, test.want)
			}
		})
	}
}

func newBatch(t *testing.T, m *inference.Model, stage int) *inference.Batch {
	t.Helper()
	b, err := m.NewBatch(stage, 10)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAdd(t *testing.T) {
	m := smallModel(t)
	b := newBatch(t, m, 0)
	for _, test := range []struct {
		name string
		row  inference.Row
		ok   bool
		want string
	}{
		{"no tokens", row(), false, "adding a row: it has no tokens"},
		{"too long a row", row(1, 2, 3, 4, 5, 6, 7), false, "adding a row: it has 7 tokens, at most 6 are read"},
		{"an id outside the vocabulary", row(1, 12), false, "adding a row: token 1 is id 12, the vocabulary has 12"},
		{"a negative id", row(-1), false, "adding a row: token 0 is id -1, the vocabulary has 12"},
		{"a second text before the first", inference.Row{Tokens: []int32{1}, Second: -1}, false, "adding a row: its second text begins at token -1 of 1"},
		{"a second text behind the end", inference.Row{Tokens: []int32{1}, Second: 2}, false, "adding a row: its second text begins at token 2 of 1"},
		{"a row that fits", row(1, 2, 3, 4, 5, 6), true, ""},
		{"a row that does not fit beside it", row(1, 2, 3, 4, 5), false, ""},
		{"a shorter one that does", row(1, 2, 3, 4), true, ""},
		{"one token more", row(1), false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			ok, err := b.Add(test.row)
			if ok != test.ok || (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
				t.Errorf("got %v and error %v, want %v and %s", ok, err, test.ok, test.want)
			}
		})
	}
	if got, want := []int{b.Len(), b.Tokens(), b.Capacity(), b.Stage()}, []int{2, 10, 10, 0}; !slices.Equal(got, want) {
		t.Errorf("got rows, tokens, capacity and stage %v, want %v", got, want)
	}
	if _, err := newBatch(t, m, 1).Add(row(1)); err == nil {
		t.Error("got no error for a row that enters at the second stage")
	}
}

func TestBatchOutOfTurn(t *testing.T) {
	for _, c := range []inference.Config{small(), multi()} {
		t.Run(string(c.Method), func(t *testing.T) { batchOutOfTurn(t, modelOf(t, c)) })
	}
}

func batchOutOfTurn(t *testing.T, m *inference.Model) {
	t.Helper()
	ctx := t.Context()
	first, second := newBatch(t, m, 0), newBatch(t, m, 1)
	wantState := func(doing string, err error) {
		t.Helper()
		if !errors.Is(err, inference.ErrState) {
			t.Errorf("%s: got error %v, want one that is ErrState", doing, err)
		}
	}
	must := func(doing string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: got error %v, want none", doing, err)
		}
	}
	_, err := first.Add(row(1, 2))
	must("adding", err)
	wantState("waiting before the run", first.Wait(ctx))
	wantState("taking before the run", second.Take(first, []int{0}))
	must("running", m.Forward(ctx, first))
	_, err = first.Add(row(1))
	wantState("adding to a batch that runs", err)
	wantState("running twice", m.Forward(ctx, first))
	wantState("taking from a batch that runs", second.Take(first, []int{0}))
	must("waiting", first.Wait(ctx))
	must("waiting again", first.Wait(ctx))
	for _, rows := range [][]int{{1}, {-1}, {0, 0, 0, 0, 0, 0}} {
		if err := second.Take(first, rows); err == nil || second.Len() != 0 {
			t.Errorf("taking rows %v: got error %v and %d rows, want an error and none", rows, err, second.Len())
		}
	}
	for _, err := range []error{first.Take(second, nil), second.Take(second, nil), second.Take(newBatch(t, smallModel(t), 0), nil)} {
		if err == nil {
			t.Error("got no error for rows of another stage or model")
		}
	}
	if err := m.Forward(ctx, newBatch(t, smallModel(t), 0)); err == nil {
		t.Error("got no error for another model's batch")
	}
	must("taking", second.Take(first, []int{0}))
	must("running the second stage", m.Forward(ctx, second))
	wantState("taking into a batch that runs", second.Take(first, []int{0}))
	first.Reset()
	if first.Len() != 0 || first.Tokens() != 0 || first.Exits != nil {
		t.Errorf("got %d rows, %d tokens and exits %v after Reset, want none", first.Len(), first.Tokens(), first.Exits)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := m.Forward(ended, first); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that the context has ended", err)
	}
	must("running nothing", m.Forward(ctx, first))
	must("waiting for nothing", first.Wait(ctx))
	if len(first.Exits) != 0 {
		t.Errorf("got exits %v of no rows", first.Exits)
	}
}

func TestRunnerAnswersByTheRowsOwnRung(t *testing.T) {
	dir := saved(t, 3)
	opened, err := inference.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	l := inference.FullDepth(2)
	for _, threshold := range []float32{0.7, 0.6, 0} {
		l.Rungs = append(l.Rungs, inference.Rung{Thresholds: inference.Thresholds{threshold}, Reach: []float64{1, 0.5}, Cost: 0.75})
	}
	l.Epsilon, l.Delta, l.Records, l.MaxTokens, l.Truncate, l.Model = 0.02, 0.05, 100, 6, "right", opened.Digest
	if _, err := inference.SaveLadder(dir, inference.F32, l); err != nil {
		t.Fatal(err)
	}
	m, err := inference.Load(os.DirFS(dir), devicetest.Reference(), inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := inference.NewRunner(m, 20)
	if err != nil {
		t.Fatal(err)
	}
	var rows []inference.Row
	for i := range 60 {
		added := row(2, int32(i%12), int32(i*i%12), 3)
		added.Rung = uint8(i % len(l.Rungs))
		rows = append(rows, added)
	}
	full := make([][]inference.Exit, len(rows))
	err = r.Each(t.Context(), rows, func(row, _ int, e inference.Exit, _ []float32) bool {
		full[row] = append(full[row], e)
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	answers, err := r.Answers(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	left := map[int]int{}
	for i, got := range answers {
		want := inference.Answer{Exit: full[i][1], Stage: 1}
		if full[i][0].Confidence >= l.Rungs[rows[i].Rung].Thresholds[0] {
			want = inference.Answer{Exit: full[i][0], Stage: 0}
		}
		if got != want {
			t.Errorf("row %d: got %+v, want %+v", i, got, want)
		}
		left[got.Stage]++
	}
	if left[0] < 15 || left[1] < 15 {
		t.Errorf("got rows by stage %v, want rows that leave at each", left)
	}
	rows[7].Rung = 4
	if _, err := r.Answers(t.Context(), rows); err == nil || err.Error() != "row 7: rung 4, the ladder has 4" {
		t.Errorf("got error %v, want one about row 7's rung", err)
	}
	rows[7] = row(99)
	if _, err := r.Answers(t.Context(), rows); err == nil || !strings.HasPrefix(err.Error(), "row 7: adding a row: token 0 is id 99") {
		t.Errorf("got error %v, want one about row 7's token", err)
	}
	rows[7] = row(1)
	if _, err := r.Answers(t.Context(), rows); err != nil {
		t.Errorf("got error %v after one that left rows behind", err)
	}
}
