package devicetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sweetspot/inference"
)

// A model is a random one with rows for it.
type model struct {
	name string
	dir  *inference.Directory
	rows []inference.Row
}

// models returns shapes with one exit and with several, with sizes that fill
// tiles and with sizes that do not, and separate models for the exits. They
// differ in the score, too.
func models() []model {
	shape := func(width, heads, feedForward, classes int, exits []int, pooling ...inference.Pooling) inference.Config {
		c := inference.Config{
			Vocab: 60, Width: width, Layers: exits[len(exits)-1], Heads: heads, FeedForward: feedForward,
			Positions: 40, Types: 2, Epsilon: 1e-12,
			Exits: exits, Pooling: pooling, Score: inference.MaxProbability, Method: inference.EarlyExit,
		}
		for i := range classes {
			c.Labels = append(c.Labels, string(rune('a'+i)))
		}
		return c
	}
	cls, mean := inference.CLS, inference.Mean
	made := []model{
		{name: "one layer of width 8", dir: Random(shape(8, 1, 16, 2, []int{1}, cls), 1)},
		{name: "exits after layers 1, 2 and 4 of width 64", dir: Random(shape(64, 4, 160, 7, []int{1, 2, 4}, cls, mean, cls), 2)},
		{name: "exits after layers 1 and 3 of width 48", dir: Random(shape(48, 2, 77, 3, []int{1, 3}, mean, cls), 3)},
	}
	multi := shape(32, 2, 72, 5, []int{1, 2, 3}, mean, cls, mean)
	multi.Method, multi.Score = inference.MultiModel, inference.Entropy
	made = append(made, model{name: "a Multi-Model of 1, 2 and 3 layers of width 32", dir: Random(multi, 4)})
	made[2].dir.Config.Score = inference.Margin
	for i := range made {
		made[i].rows = randomRows(made[i].dir.Config, 16)
	}
	return made
}

// randomRows returns rows of all lengths, the shortest and the longest among
// them, every other one a pair.
func randomRows(c inference.Config, n int) []inference.Row {
	rng := rand.New(rand.NewPCG(11, 11))
	rows := make([]inference.Row, n)
	for i := range rows {
		length := 1 + rng.IntN(c.Positions)
		switch i {
		case 0:
			length = 1
		case 1:
			length = c.Positions
		}
		for range length {
			rows[i].Tokens = append(rows[i].Tokens, rng.Int32N(int32(c.Vocab)))
		}
		rows[i].Second = length
		if i%2 == 1 {
			rows[i].Second = rng.IntN(length + 1)
		}
	}
	return rows
}

// place returns m on d.
func place(t *testing.T, d inference.Device, m model) *inference.Model {
	t.Helper()
	placed, err := inference.New(m.dir, d, inference.Options{})
	if err != nil {
		t.Fatalf("placing the model: %v", err)
	}
	return placed
}

// An answer is what one row is told at one stage.
type answer struct {
	exit   inference.Exit
	logits []float32
}

// run runs rows over m in batches of batchTokens and returns every answer by
// row and stage. leaves says which rows leave.
func (m model) run(t *testing.T, placed *inference.Model, batchTokens int, rows []inference.Row, leaves func(row, stage int) bool) [][]answer {
	t.Helper()
	r, err := inference.NewRunner(placed, batchTokens)
	if err != nil {
		t.Fatalf("making a runner: %v", err)
	}
	answers := make([][]answer, len(rows))
	err = r.Each(t.Context(), rows, func(row, stage int, e inference.Exit, logits []float32) bool {
		if stage != len(answers[row]) {
			t.Errorf("row %d: got an answer of stage %d after %d stages", row, stage, len(answers[row]))
		}
		answers[row] = append(answers[row], answer{e, slices.Clone(logits)})
		return leaves(row, stage)
	})
	if err != nil {
		t.Fatalf("running %d rows: %v", len(rows), err)
	}
	return answers
}

func never(_, _ int) bool { return false }

// matchesReference compares every answer with float64's, while rows leave at
// random.
func matchesReference(t *testing.T, open Open, o Options, m model) {
	t.Helper()
	rng := rand.New(rand.NewPCG(13, 13))
	want := m.run(t, place(t, Reference(), m), 0, m.rows, never)
	got := m.run(t, place(t, opened(t, open), m), 100, m.rows, func(_, _ int) bool { return rng.IntN(3) == 0 })
	for row, answers := range got {
		for stage, a := range answers {
			w := want[row][stage]
			if d := difference(a.logits, w.logits); !(d <= o.Tolerance) {
				t.Errorf("row %d, stage %d: got logits %v from float64's, want within %v", row, stage, d, o.Tolerance)
			}
			checkExit(t, row, a.exit, w.exit, w.logits, o)
		}
	}
}

// ignoresNeighbors checks that a row's answers are the same bits alone, in
// batches of any size, in any order, and whichever of its neighbors leave.
func ignoresNeighbors(t *testing.T, open Open, m model) {
	t.Helper()
	placed := place(t, opened(t, open), m)
	alone := make([][]answer, len(m.rows))
	for i := range m.rows {
		alone[i] = m.run(t, placed, 0, m.rows[i:i+1], never)[0]
	}
	rng := rand.New(rand.NewPCG(17, 17))
	for _, batchTokens := range []int{m.dir.Config.Positions, 3 * m.dir.Config.Positions, 2000} {
		for _, oneIn := range []int{1 << 30, 3} {
			order := rng.Perm(len(m.rows))
			rows := make([]inference.Row, len(order))
			for i, from := range order {
				rows[i] = m.rows[from]
			}
			together := m.run(t, placed, batchTokens, rows, func(_, _ int) bool { return rng.IntN(oneIn) == 0 })
			for i, from := range order {
				for stage, got := range together[i] {
					sameBits(t, from, stage, got, alone[from][stage])
				}
			}
		}
	}
}

// stagedIsMonolithic checks that cutting the encoder into stages changes
// nothing: every exit's answers are those of a model with no other exit.
func stagedIsMonolithic(t *testing.T, open Open, m model) {
	t.Helper()
	d := opened(t, open)
	staged := m.run(t, place(t, d, m), 300, m.rows, never)
	for exit := range m.dir.Config.Exits {
		monolithic := m.run(t, place(t, d, m.upTo(exit)), 300, m.rows, never)
		for row := range m.rows {
			sameBits(t, row, exit, staged[row][exit], monolithic[row][0])
		}
	}
}

// upTo returns what of m leads to the given exit, as a model without the others.
func (m model) upTo(exit int) model {
	if m.dir.Config.Method == inference.MultiModel {
		return model{dir: m.dir.Model(exit)}
	}
	one := &inference.Directory{Config: m.dir.Config.Model(exit), Tensors: map[string]inference.Tensor{}}
	prefix := fmt.Sprintf("exits.%d.", exit)
	for name, tensor := range m.dir.Tensors {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name = "exits.0." + rest
		} else if strings.HasPrefix(name, "exits.") {
			continue
		}
		one.Tensors[name] = tensor
	}
	return model{dir: one}
}

func sameBits(t *testing.T, row, stage int, got, want answer) {
	t.Helper()
	if got.exit != want.exit || !slices.Equal(got.logits, want.logits) {
		t.Errorf("row %d, stage %d: got %v, want the same bits as %v", row, stage, got, want)
	}
}

// allocatesNothing checks that a stage run allocates nothing once every batch
// has been run.
func allocatesNothing(t *testing.T, open Open, m model) {
	t.Helper()
	placed := place(t, opened(t, open), m)
	var batches []*inference.Batch
	for stage := range placed.Stages() {
		b, err := placed.NewBatch(stage, 400)
		if err != nil {
			t.Fatalf("making a batch: %v", err)
		}
		b.KeepLogits()
		batches = append(batches, b)
	}
	odd := make([]int, 0, len(m.rows))
	ctx := t.Context()
	pass := func() {
		for _, row := range m.rows {
			if _, err := batches[0].Add(row); err != nil {
				t.Fatalf("filling the first stage: %v", err)
			}
		}
		for stage, b := range batches {
			if stage > 0 {
				if err := b.Take(batches[stage-1], odd); err != nil {
					t.Fatalf("filling stage %d: %v", stage, err)
				}
			}
			if err := placed.Forward(ctx, b); err != nil {
				t.Fatalf("running stage %d: %v", stage, err)
			}
			if err := b.Wait(ctx); err != nil {
				t.Fatalf("waiting for stage %d: %v", stage, err)
			}
			odd = odd[:0]
			for i := 1; i < b.Len(); i += 2 {
				odd = append(odd, i)
			}
		}
		for _, b := range batches {
			b.Reset()
		}
	}
	if got := testing.AllocsPerRun(20, pass); got != 0 {
		t.Errorf("got %v allocations per pass, want 0", got)
	}
}
