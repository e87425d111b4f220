package service_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
	"sweetspot/inference"
	"sweetspot/inference/cpu"
	"sweetspot/inference/devicetest"
	"sweetspot/inference/token"
)

// multiModel writes a Multi-Model directory whose confidences are entropies,
// with a ladder of full depth and a rung at which about half of the texts leave
// by each exit that they reach.
func multiModel(t *testing.T, texts []string) string {
	t.Helper()
	vocab := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]"}
	for letter := 'a'; letter <= 'z'; letter++ {
		vocab = append(vocab, string(letter), "##"+string(letter))
	}
	c := inference.Config{
		Vocab: len(vocab), Width: 16, Layers: 4, Heads: 2, FeedForward: 24, Positions: 16, Types: 2, Epsilon: 1e-12,
		Labels: []string{"red", "green", "blue"}, Exits: []int{1, 2, 4}, Pooling: []inference.Pooling{inference.CLS, inference.Mean, inference.CLS},
		Score: inference.Entropy, Method: inference.MultiModel,
	}
	dir := t.TempDir()
	random := slices.Collect(maps.Values(devicetest.Random(c, 3).Tensors))
	if err := inference.Save(dir, c, random, inference.StoreF32, inference.VocabFile(vocab)); err != nil {
		t.Fatal(err)
	}
	opened, err := inference.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	l := inference.FullDepth(3)
	l.Epsilon, l.Delta, l.Records, l.MaxTokens, l.Truncate, l.Model = 0.5, 0.05, 100, 16, "right", opened.Digest
	m, rows := serve(t, dir, texts)
	l.Rungs = append(l.Rungs, inference.Rung{Thresholds: medians(t, m, rows), Reach: []float64{1, 0.5, 0.25}, Cost: 3. / 7})
	if _, err := inference.SaveLadder(dir, inference.F32, l); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serve opens the model without a worker and makes rows of the texts.
func serve(t *testing.T, dir string, texts []string) (*inference.Model, []inference.Row) {
	t.Helper()
	d, err := cpu.Open(cpu.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	m, err := inference.Load(os.DirFS(dir), d, inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := token.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]inference.Row, len(texts))
	for i, text := range texts {
		r, err := tokens.Row(nil, text, "", m.MaxTokens(), token.Right)
		if err != nil {
			t.Fatal(err)
		}
		rows[i] = inference.Row{Tokens: r.IDs, Second: r.Second}
	}
	return m, rows
}

// medians returns the middle confidence of every exit but the last.
func medians(t *testing.T, m *inference.Model, rows []inference.Row) inference.Thresholds {
	t.Helper()
	seen := make([][]float32, m.Stages())
	r, err := inference.NewRunner(m, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Each(t.Context(), rows, func(_, stage int, e inference.Exit, _ []float32) bool {
		seen[stage] = append(seen[stage], e.Confidence)
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	th := make(inference.Thresholds, m.Stages()-1)
	for stage := range th {
		slices.Sort(seen[stage])
		th[stage] = seen[stage][len(seen[stage])/2]
	}
	return th
}

// TestMultiModelServes compares what the worker says of every text, in whatever
// batches it came, with what the model says of it.
func TestMultiModelServes(t *testing.T) {
	t.Parallel()
	texts := make([]string, 300)
	for i := range texts {
		for w := range 1 + i%20 {
			texts[i] += strings.Repeat(string(rune('a'+(i*7+w*w)%26)), 1+w%2) + " "
		}
	}
	dir := multiModel(t, texts)
	m, rows := serve(t, dir, texts)
	for i := range rows {
		rows[i].Rung = 1
	}
	runner, err := inference.NewRunner(m, 0)
	if err != nil {
		t.Fatal(err)
	}
	want, err := runner.Answers(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}

	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	w := start(t, environment(t, s, "SWEET_MODEL="+dir, "SWEET_BATCH_TOKENS=100", "SWEET_MODE=fixed", "SWEET_RUNG=1", "SWEET_AUDIT_RATE=1e-9"))
	sandboxtest.NewProducer(t, s).SendTexts(texts...)
	w.awaitSettled(s)
	w.quit()
	got, left, layers := answers(t, s), map[int]int{}, 0
	for i, a := range want {
		var r struct {
			Label              string
			Score              float32
			Exit, Layers, Rung int
		}
		if got[i] == nil {
			t.Fatalf("text %d has no result", i)
		}
		if err := json.Unmarshal(got[i].Data, &r); err != nil {
			t.Fatal(err)
		}
		if r.Label != m.Labels[a.Exit.Label] || r.Score != a.Exit.Probability || r.Exit != a.Stage+1 || r.Layers != []int{1, 3, 7}[a.Stage] || r.Rung != 1 {
			t.Errorf("text %d: got %+v, the model says %+v", i, r, a)
		}
		left[r.Exit]++
		layers += r.Layers
	}
	if len(left) != 3 {
		t.Errorf("texts left by exits %v: the test has tested little", left)
	}
	if run, saved := w.count("sweet_layers_run_total"), w.count("sweet_layers_saved_total"); int(run) != layers || int(run+saved) != 7*len(texts) {
		t.Errorf("%v layers run and %v saved, want %d and 7 a text together", run, saved, layers)
	}
}
