package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/devicetest"
)

// goldenTensors are what float64 computes for rows of a model: what a golden file
// holds.
func goldenTensors(t *testing.T, fsys string, rows []inference.Row) map[string]inference.Tensor {
	t.Helper()
	dir, err := inference.Open(os.DirFS(fsys))
	if err != nil {
		t.Fatal(err)
	}
	g := map[string]inference.Tensor{}
	put := func(name string, width int, values ...float32) {
		was := g[name]
		was.Name, was.Data = name, append(was.Data, values...)
		if was.Shape = []int{len(was.Data)}; width > 0 {
			was.Shape = []int{len(was.Data) / width, width}
		}
		g[name] = was
	}
	tokens := 0
	put("starts", 0, 0)
	for _, row := range rows {
		hidden, logits := float64s(t, dir, row)
		for i, id := range row.Tokens {
			kind := float32(0)
			if i >= row.Second {
				kind = 1
			}
			put("ids", 0, float32(id))
			put("types", 0, kind)
		}
		for _, i := range slices.Compact([]int{0, len(row.Tokens) - 1}) {
			put("at", 0, float32(tokens+i))
			put("hidden", dir.Config.Width, hidden[i*dir.Config.Width:(i+1)*dir.Config.Width]...)
		}
		put("logits", len(dir.Config.Labels), logits...)
		tokens += len(row.Tokens)
		put("starts", 0, float32(tokens))
	}
	return g
}

// float64s runs one row through an encoder and through all exits.
func float64s(t *testing.T, dir *inference.Directory, row inference.Row) (hidden, logits []float32) {
	t.Helper()
	encoder, err := inference.NewEncoder(dir, devicetest.Reference(), inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := encoder.NewBatch(0, encoder.MaxTokens())
	if err != nil {
		t.Fatal(err)
	}
	b.KeepHidden()
	if _, err := b.Add(row); err != nil {
		t.Fatal(err)
	}
	if err := encoder.Forward(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := b.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := inference.New(dir, devicetest.Reference(), inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := inference.NewRunner(m, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Each(t.Context(), []inference.Row{row}, func(_, _ int, _ inference.Exit, z []float32) bool {
		logits = slices.Clone(z) // the last exit's in the end
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Hidden, logits
}

// verifyRows are of several lengths, one of one token and one a pair.
func verifyRows() []inference.Row {
	return []inference.Row{
		{Tokens: []int32{2, 4, 9, 30, 3}, Second: 5},
		{Tokens: []int32{7}, Second: 1},
		{Tokens: []int32{2, 5, 3, 11, 12, 13, 14, 15, 16, 17, 3}, Second: 3},
		{Tokens: []int32{2, 20, 3}, Second: 3},
	}
}

// writeGolden writes the file and returns its name.
func writeGolden(t *testing.T, tensors map[string]inference.Tensor) string {
	t.Helper()
	var file bytes.Buffer
	if err := inference.WriteTensors(&file, slices.Collect(maps.Values(tensors)), inference.StoreF32); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "golden.safetensors")
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func verify(t *testing.T, args ...string) (verification, error) {
	t.Helper()
	out, err := runSweet(t.Context(), newCommand(), io.Discard, append([]string{"verify", "--json"}, args...)...)
	var v verification
	if out != "" {
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
	}
	return v, err
}

func TestVerifyComparesHiddenStatesAndLogits(t *testing.T) {
	dir := randomModel(t, inference.SWEET, inference.MaxProbability)
	full := goldenTensors(t, dir, verifyRows())
	without := func(names ...string) map[string]inference.Tensor {
		g := maps.Clone(full)
		for _, name := range names {
			delete(g, name)
		}
		return g
	}
	// changed returns the golden with one number moved away.
	changed := func(name string, i int, by float32) map[string]inference.Tensor {
		g := maps.Clone(full)
		moved := g[name]
		moved.Data = slices.Clone(moved.Data)
		moved.Data[i] += by
		g[name] = moved
		return g
	}
	for _, test := range []struct {
		name                string
		golden              map[string]inference.Tensor
		hidden, logits      int // compared
		fault               string
		wrongText, atToken  int
		wrongLogits, worsts bool
	}{
		{name: "both", golden: full, hidden: 14, logits: 8},
		{name: "logits alone", golden: without("hidden", "at"), logits: 8},
		{name: "hidden states alone", golden: without("logits"), hidden: 14},
		{name: "a hidden state off", golden: changed("hidden", 4*32+1, 0.1), hidden: 14, logits: 8, fault: "hidden states differ by ", wrongText: 3, atToken: 11, worsts: true},
		{name: "a logit off", golden: changed("logits", 7, -0.1), hidden: 14, logits: 8, fault: "logits differ by ", wrongText: 3, wrongLogits: true, worsts: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := verify(t, "--model", dir, "--golden", writeGolden(t, test.golden))
			if (err == nil) != (test.fault == "") || err != nil && !strings.HasPrefix(err.Error(), test.fault) || got.OK != (err == nil) {
				t.Fatalf("got %+v and error %v, want error %q", got, err, test.fault)
			}
			if got.Texts != 4 || got.Tokens != 20 || got.Tolerance != 1e-4 {
				t.Errorf("got %+v, want 4 texts of 20 tokens and tolerance 1e-4", got)
			}
			for _, part := range []struct {
				what  string
				got   *difference
				count int
				wrong bool
			}{{"hidden states", got.Hidden, test.hidden, test.worsts && !test.wrongLogits}, {"logits", got.Logits, test.logits, test.wrongLogits}} {
				switch {
				case part.count == 0:
					if part.got != nil {
						t.Errorf("%s: got %+v, want nothing", part.what, *part.got)
					}
				case part.got == nil || part.got.Compared != part.count:
					t.Errorf("%s: got %+v, want %d compared", part.what, part.got, part.count)
				case part.wrong:
					if part.got.Text != test.wrongText || part.got.Token != test.atToken || part.got.Worst < 1e-3 {
						t.Errorf("%s: got %+v, want token %d of text %d", part.what, *part.got, test.atToken, test.wrongText)
					}
				case !(part.got.Worst < 1e-5):
					t.Errorf("%s: got %+v, want next to nothing", part.what, *part.got)
				}
			}
		})
	}
	t.Run("a wider tolerance", func(t *testing.T) {
		if got, err := verify(t, "--model", dir, "--golden", writeGolden(t, changed("logits", 7, -0.1)), "--tolerance", "10"); err != nil || !got.OK {
			t.Errorf("got %+v and error %v, want no fault", got, err)
		}
	})
	t.Run("the table", func(t *testing.T) {
		out, err := runSweet(t.Context(), newCommand(), io.Discard, "verify", "--model", dir, "--golden", writeGolden(t, full), "--cpu", "portable")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"4 texts of 20 tokens, each alone and all together, on cpu portable", "hidden states  14 ", "logits         8 ", "worst difference"} {
			if !strings.Contains(out, want) {
				t.Errorf("got %s, want it to say %q", out, want)
			}
		}
	})
	t.Run("hidden states of a model without a classifier", func(t *testing.T) {
		plain := t.TempDir()
		if err := os.CopyFS(plain, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		asHugging(t, plain, "BertModel", nil)
		if got, err := verify(t, "--model", plain, "--golden", writeGolden(t, without("logits"))); err != nil || got.Hidden.Compared != 14 {
			t.Errorf("got %+v and error %v, want hidden states compared", got, err)
		}
		const want = `architectures: "BertModel" has no classifier of texts`
		if _, err := verify(t, "--model", plain, "--golden", writeGolden(t, full)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
}

// asHugging turns dir, a model of ours, into what transformers writes for a class
// of that name with the last exit's classifier, and config.json changed.
func asHugging(t *testing.T, dir, class string, changes map[string]any) {
	t.Helper()
	opened, err := inference.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	c, last := opened.Config, len(opened.Config.Exits)-1
	written := map[string]any{
		"architectures": []string{class}, "model_type": "bert", "vocab_size": c.Vocab, "hidden_size": c.Width, "num_hidden_layers": c.Layers,
		"num_attention_heads": c.Heads, "intermediate_size": c.FeedForward, "max_position_embeddings": c.Positions, "hidden_act": "gelu",
	}
	maps.Copy(written, changes)
	data, err := json.Marshal(written)
	if err != nil {
		t.Fatal(err)
	}
	var ts []inference.Tensor
	for name, tensor := range opened.Tensors {
		own, ok := strings.CutPrefix(name, "exits."+string(rune('0'+last))+".")
		switch {
		case ok && strings.HasPrefix(own, "classifier."):
			tensor.Name = own
		case ok:
			tensor.Name = "bert." + own
		case strings.HasPrefix(name, "exits."):
			continue
		default:
			tensor.Name = "bert." + name
		}
		if class == "BertModel" {
			if tensor.Name, ok = strings.CutPrefix(tensor.Name, "bert."); !ok {
				continue
			}
		}
		ts = append(ts, tensor)
	}
	var weights bytes.Buffer
	if err := inference.WriteTensors(&weights, ts, inference.StoreF32); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"config.json": data, "model.safetensors": weights.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "ladder.json")); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	dir := randomModel(t, inference.SWEET, inference.MaxProbability)
	tensor := func(shape []int, values ...float32) inference.Tensor {
		return inference.Tensor{Shape: shape, Data: values}
	}
	list := func(values ...float32) inference.Tensor { return tensor([]int{len(values)}, values...) }
	for _, test := range []struct {
		name    string
		changes map[string]inference.Tensor // without data and shape: left out
		want    string
	}{
		{"nothing to compare", map[string]inference.Tensor{"logits": {}}, `neither a tensor "hidden" nor "logits": nothing to compare`},
		{"no ids", map[string]inference.Tensor{"ids": {}}, `tensor "ids": missing, or not of F32`},
		{"ids in two dimensions", map[string]inference.Tensor{"ids": tensor([]int{2, 2}, 2, 4, 3, 7)}, `tensor "ids": shape [2 2], want one dimension`},
		{"half an id", map[string]inference.Tensor{"ids": list(2, 4.5, 3, 7)}, `tensor "ids": number 1 is 4.5, want a whole one of 0 or more`},
		{"a negative id", map[string]inference.Tensor{"ids": list(2, -4, 3, 7)}, `tensor "ids": number 1 is -4, want a whole one of 0 or more`},
		{"an id outside the vocabulary", map[string]inference.Tensor{"ids": list(2, 4, 3, 4000)}, "text 2: adding a row: token 0 is id 4000, the vocabulary has 56"},
		{"too few types", map[string]inference.Tensor{"types": list(0, 0, 0)}, `tensor "types": 3 numbers for 4 ids`},
		{"a third type", map[string]inference.Tensor{"types": list(0, 2, 0, 0)}, `tensor "types": row 1: 2 at token 2, want 0 for the first text and then 1 for the second`},
		{"a first text behind the second", map[string]inference.Tensor{"types": list(0, 1, 0, 0)}, `tensor "types": row 1: 0 at token 3, want 0 for the first text and then 1 for the second`},
		{"starts that do not reach the end", map[string]inference.Tensor{"starts": list(0, 3)}, `tensor "starts": want 0, the start of every other row, and the 4 ids`},
		{"starts that go back", map[string]inference.Tensor{"starts": list(0, 3, 2, 4)}, `tensor "starts": row 2 goes from 3 to 2 of 4 ids`},
		{"starts past the end", map[string]inference.Tensor{"starts": list(0, 9, 4)}, `tensor "starts": row 1 goes from 0 to 9 of 4 ids`},
		{"logits of another count of texts", map[string]inference.Tensor{"logits": tensor([]int{1, 3}, 1, 2, 3)}, `tensor "logits": shape [1 3], want one row of logits for each of 2 rows`},
		{"logits of other labels", map[string]inference.Tensor{"logits": tensor([]int{2, 2}, 1, 2, 3, 4)}, "it has 3 labels, the golden file 2 logits a text"},
		{"a logit that is no number", map[string]inference.Tensor{"logits": tensor([]int{2, 3}, 1, 2, 3, 4, 5, float32(math.NaN()))}, `tensor "logits": number 5 is NaN`},
		{"places out of order", map[string]inference.Tensor{"hidden": tensor([]int{2, 1}, 1, 2), "at": list(1, 1)}, `tensor "at": 1 follows 1, want ascending places among 4 ids`},
		{"a place past the end", map[string]inference.Tensor{"hidden": tensor([]int{1, 1}, 1), "at": list(4)}, `tensor "at": 4 follows -1, want ascending places among 4 ids`},
		{"hidden states of too few tokens", map[string]inference.Tensor{"hidden": tensor([]int{3, 1}, 1, 2, 3)}, `tensor "hidden": shape [3 1], want one hidden state for each of 4 tokens`},
		{"hidden states of another width", map[string]inference.Tensor{"hidden": tensor([]int{4, 1}, 1, 2, 3, 4)}, "it has hidden states of 32 values, the golden file of 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := map[string]inference.Tensor{
				"ids": list(2, 4, 3, 7), "types": list(0, 0, 0, 0), "starts": list(0, 3, 4), "logits": tensor([]int{2, 3}, 1, 2, 3, 4, 5, 6),
			}
			maps.Copy(g, test.changes)
			for name, tensor := range g {
				tensor.Name = name
				if g[name] = tensor; tensor.Shape == nil {
					delete(g, name)
				}
			}
			if _, err := verify(t, "--model", dir, "--golden", writeGolden(t, g)); err == nil || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("got error %v, want %s", err, test.want)
			}
		})
	}
}

func FuzzParseGolden(f *testing.F) {
	for _, starts := range [][]float32{{0, 2}, {0, 1, 2}, {1, 2}, {0, 2, 1}} {
		var file bytes.Buffer
		err := inference.WriteTensors(&file, []inference.Tensor{
			{Name: "ids", Shape: []int{2}, Data: []float32{1, 2}},
			{Name: "types", Shape: []int{2}, Data: []float32{0, 1}},
			{Name: "starts", Shape: []int{len(starts)}, Data: starts},
			{Name: "hidden", Shape: []int{2, 1}, Data: []float32{3, 4}},
		}, inference.StoreF32)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file.Bytes())
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		g, err := parseGolden(file)
		if err != nil {
			return
		}
		if len(g.rows) == 0 || len(g.starts) != len(g.rows)+1 || len(g.hidden) != len(g.at)*g.width || len(g.logits) != len(g.rows)*g.classes {
			t.Errorf("got %+v, whose sizes do not fit together", g)
		}
		for r, row := range g.rows {
			if len(row.Tokens) != g.starts[r+1]-g.starts[r] || row.Second < 0 || row.Second > len(row.Tokens) {
				t.Errorf("got row %+v from %d to %d", row, g.starts[r], g.starts[r+1])
			}
		}
	})
}

// TestMultiLabelIsClassified runs a multi-label directory as transformers writes
// it: each label's score is the sigmoid of its own logit, and the highest wins.
func TestMultiLabelIsClassified(t *testing.T) {
	dir := randomModel(t, inference.SWEET, inference.MaxProbability)
	labels := map[string]any{"id2label": map[string]string{"0": "red", "1": "green", "2": "blue"}}
	asHugging(t, dir, "BertForSequenceClassification", labels)
	const text = "a b cd\n"
	single, _, err := classify(t, strings.NewReader(text), "--model", dir, "--scores")
	if err != nil {
		t.Fatal(err)
	}
	labels["problem_type"] = "multi_label_classification"
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	data = append(bytes.TrimSuffix(data, []byte("}")), `,"problem_type":"multi_label_classification"}`...)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	multi, _, err := classify(t, strings.NewReader(text), "--model", dir, "--scores")
	if err != nil {
		t.Fatal(err)
	}
	softmax, sigmoid := parseLines(t, single)[0], parseLines(t, multi)[0]
	if sigmoid.Exit != 1 || sigmoid.Layers != 3 || sigmoid.Label != softmax.Label || sigmoid.Score != sigmoid.Scores[0].Score {
		t.Errorf("got %+v, want the label of %+v after 3 layers with its own score", sigmoid, softmax)
	}
	// Odds of the sigmoid are e^z, and so are ratios of the softmax.
	odds := func(i int) float64 {
		p := float64(sigmoid.Scores[i].Score)
		return p / (1 - p)
	}
	for i := range softmax.Scores {
		got, want := odds(i)/odds(0), float64(softmax.Scores[i].Score/softmax.Scores[0].Score)
		if softmax.Scores[i].Label != sigmoid.Scores[i].Label || math.Abs(got-want) > 1e-4*want {
			t.Errorf("got %v with odds %v of the first's, want %v", sigmoid.Scores[i], got, want)
		}
	}
	for _, command := range []string{"evaluate", "calibrate"} {
		_, err := runSweet(t.Context(), newCommand(), io.Discard, command, "--model", dir, "--data", filepath.Join(writeFruit(t), "dev.tsv"))
		if !errors.Is(err, errMultiLabel) {
			t.Errorf("%s: got error %v, want %v", command, err, errMultiLabel)
		}
	}
	if sum := sigmoid.Scores[0].Score + sigmoid.Scores[1].Score + sigmoid.Scores[2].Score; math.Abs(float64(sum)-1) < 1e-3 {
		t.Errorf("got scores that sum to %v, as if labels excluded each other", sum)
	}
}

// TestTrainStartsFromOtherHeads starts from a masked language model.
func TestTrainStartsFromOtherHeads(t *testing.T) {
	data, dir := writeFruit(t), randomModel(t, inference.SWEET, inference.MaxProbability)
	asHugging(t, dir, "BertForMaskedLM", nil)
	var talk strings.Builder
	out, err := runSweet(t.Context(), newCommand(), &talk, "train", "--data", data, "--init", dir, "--out", t.TempDir(), "--exits", "1,3",
		"--epochs", "1", "--limit", "16", "--batch", "8", "--max-length", "16", "--threads", "2", "--json")
	if err != nil {
		t.Fatal(err)
	}
	if want := "8 tensors start at random"; !strings.Contains(talk.String(), want) {
		t.Errorf("said %q, want %q: a classifier of something else is none", talk.String(), want)
	}
	if !strings.Contains(out, `"steps":2`) {
		t.Errorf("got %s, want a run of 2 steps", out)
	}
}
