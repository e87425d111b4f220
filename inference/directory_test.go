package inference_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"sweetspot/inference"
	"sweetspot/inference/devicetest"
)

// small is the shape of a model that tests make by the dozen.
func small() inference.Config {
	return inference.Config{
		Name: "acme/small", Vocab: 12, Width: 8, Layers: 2, Heads: 1, FeedForward: 16, Positions: 6, Types: 2, Epsilon: 1e-12,
		Labels: []string{"no", "yes"}, Exits: []int{1, 2}, Pooling: []inference.Pooling{inference.CLS, inference.Mean},
		Score: inference.MaxProbability, Method: inference.SWEET,
	}
}

func tensors(dir *inference.Directory) []inference.Tensor {
	return slices.Collect(maps.Values(dir.Tensors))
}

var vocab = inference.VocabFile([]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"})

// saved returns a directory with a small random model.
func saved(t *testing.T, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	if err := inference.Save(dir, small(), tensors(devicetest.Random(small(), seed)), inference.StoreF32, vocab); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSavedIsOpened(t *testing.T) {
	random := devicetest.Random(small(), 1)
	parent := t.TempDir()
	dir := filepath.Join(parent, "new", "model")
	if err := inference.Save(dir, small(), tensors(random), inference.StoreF32, vocab); err != nil {
		t.Fatal(err)
	}
	opened, err := inference.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Check(); err != nil {
		t.Error(err)
	}
	for name, want := range random.Tensors {
		if got := opened.Tensors[name]; !slices.Equal(got.Data, want.Data) || !slices.Equal(got.Shape, want.Shape) {
			t.Errorf("got %.60v, want %.60v", got, want)
		}
	}
	var all []byte
	for _, name := range []string{"config.json", "model.safetensors", "vocab.txt"} {
		all = append(all, readFile(t, filepath.Join(dir, name))...)
	}
	if sum := sha256.Sum256(all); opened.Digest != hex.EncodeToString(sum[:]) {
		t.Errorf("got digest %s, want %x", opened.Digest, sum)
	}
	if got, want := string(readFile(t, filepath.Join(dir, "vocab.txt"))), "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n"; got != want {
		t.Errorf("got vocabulary %q, want %q", got, want)
	}
}

// names lists what is in a directory, hidden files too.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	return found
}

func TestSaveReplacesAModel(t *testing.T) {
	dir := saved(t, 1)
	for _, name := range []string{"tokenizer.json", "ladder.json", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := inference.Save(dir, small(), tensors(devicetest.Random(small(), 2)), inference.StoreBF16, vocab); err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, dir), []string{"config.json", "ladder.json", "model.safetensors", "notes.txt", "vocab.txt"}; !slices.Equal(got, want) {
		t.Errorf("got files %v, want %v: no other tokenizer and nothing half written", got, want)
	}
	again := t.TempDir()
	if err := inference.Save(again, small(), tensors(devicetest.Random(small(), 2)), inference.StoreBF16, vocab); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config.json", "model.safetensors", "vocab.txt"} {
		if !bytes.Equal(readFile(t, filepath.Join(dir, name)), readFile(t, filepath.Join(again, name))) {
			t.Errorf("%s: got other bytes for the same model", name)
		}
	}
}

func TestSaveThatFailsLeavesTheModel(t *testing.T) {
	dir := saved(t, 1)
	before, err := inference.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	broken := devicetest.Random(small(), 2)
	delete(broken.Tensors, "exits.1.classifier.bias")
	twice := tensors(devicetest.Random(small(), 2))
	twice = append(twice, twice[0])
	for _, test := range []struct {
		name string
		save func() error
		want string
	}{
		{"a tensor is missing", func() error {
			return inference.Save(dir, small(), tensors(broken), inference.StoreF32, vocab)
		}, `model.safetensors: tensor "exits.1.classifier.bias": missing`},
		{"a tensor comes twice", func() error {
			return inference.Save(dir, small(), twice, inference.StoreF32, vocab)
		}, "given twice"},
		{"no tokenizer", func() error {
			return inference.Save(dir, small(), tensors(devicetest.Random(small(), 2)), inference.StoreF32)
		}, "a model directory needs vocab.txt or tokenizer.json"},
		{"a file that is not a tokenizer's", func() error {
			return inference.Save(dir, small(), tensors(devicetest.Random(small(), 2)), inference.StoreF32, vocab, inference.File{Name: "../x"})
		}, "../x is not a tokenizer's file"},
		{"a shape that is wrong", func() error {
			c := small()
			c.Heads = 3
			return inference.Save(dir, c, tensors(devicetest.Random(small(), 2)), inference.StoreF32, vocab)
		}, "config.json: num_attention_heads: 3 does not divide hidden_size 8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.save(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %s", err, test.want)
			}
			if got, want := names(t, dir), []string{"config.json", "model.safetensors", "vocab.txt"}; !slices.Equal(got, want) {
				t.Errorf("got files %v, want %v", got, want)
			}
			if after, err := inference.Open(os.DirFS(dir)); err != nil || after.Digest != before.Digest {
				t.Errorf("got another model or error %v, want the one before", err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	good := func() fstest.MapFS {
		return modelFS(t, bertConfig(map[string]any{"hidden_size": 16, "num_attention_heads": 1}), []inference.Tensor{{Name: "a", Shape: []int{0}}})
	}
	for _, test := range []struct {
		name   string
		change func(fsys fstest.MapFS)
		want   string
		is     error
	}{
		{"no config.json", func(fsys fstest.MapFS) { delete(fsys, "config.json") }, "config.json", fs.ErrNotExist},
		{"no weights", func(fsys fstest.MapFS) { delete(fsys, "model.safetensors") }, "model.safetensors", fs.ErrNotExist},
		{"no tokenizer", func(fsys fstest.MapFS) { delete(fsys, "vocab.txt") }, "tokenizer.json or vocab.txt", fs.ErrNotExist},
		{"a config that is wrong", func(fsys fstest.MapFS) {
			fsys["config.json"].Data = encoded(t, bertConfig(map[string]any{"num_attention_heads": 7}))
		}, "config.json: num_attention_heads: 7 does not divide hidden_size 128", nil},
		{"weights that are wrong", func(fsys fstest.MapFS) { fsys["model.safetensors"].Data = []byte("x") }, "model.safetensors: header length: the file has 1 bytes", nil},
		{"a tensor under two names", func(fsys fstest.MapFS) {
			fsys["model.safetensors"].Data = tensorFile(`{"bert.a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0)
		}, `model.safetensors: tensor "a": comes twice, once under an older name`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			fsys := good()
			if _, err := inference.Open(fsys); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			test.change(fsys)
			_, err := inference.Open(fsys)
			if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("got error %v, want %s", err, test.want)
			}
		})
	}
	t.Run("tokenizer.json goes before vocab.txt", func(t *testing.T) {
		fsys := good()
		before, err := inference.Open(fsys)
		if err != nil {
			t.Fatal(err)
		}
		fsys["tokenizer.json"] = &fstest.MapFile{Data: []byte("{}")}
		both, err := inference.Open(fsys)
		if err != nil {
			t.Fatal(err)
		}
		delete(fsys, "vocab.txt")
		if alone, err := inference.Open(fsys); err != nil || alone.Digest != both.Digest || alone.Digest == before.Digest {
			t.Errorf("got digests %s, %s with both, %s with tokenizer.json alone, want the last two equal and unlike the first; error %v",
				before.Digest, both.Digest, alone.Digest, err)
		}
	})
}

// TestDigestIsOfTheTokenizersConfigToo copies a cased model without the file
// that says so: texts would be lowercased, and the ladder's promise be void.
func TestDigestIsOfTheTokenizersConfigToo(t *testing.T) {
	dir := t.TempDir()
	cased := inference.File{Name: "tokenizer_config.json", Data: []byte(`{"do_lower_case":false}`)}
	if err := inference.Save(dir, small(), tensors(devicetest.Random(small(), 1)), inference.StoreF32, vocab, cased); err != nil {
		t.Fatal(err)
	}
	digest := func(names ...string) string {
		t.Helper()
		opened, err := inference.Open(os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, name := range names {
			all = append(all, readFile(t, filepath.Join(dir, name))...)
		}
		if sum := sha256.Sum256(all); opened.Digest != hex.EncodeToString(sum[:]) {
			t.Errorf("got digest %s, want %x, that of %v", opened.Digest, sum, names)
		}
		return opened.Digest
	}
	l := twoRungs()
	l.Model = digest("config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json")
	if _, err := inference.SaveLadder(dir, inference.F32, l); err != nil {
		t.Fatal(err)
	}
	if _, _, err := inference.LoadLadder(os.DirFS(dir), inference.F32, l.Model, 3); err != nil {
		t.Errorf("got error %v for the model as it was", err)
	}
	if err := os.Remove(filepath.Join(dir, "tokenizer_config.json")); err != nil {
		t.Fatal(err)
	}
	copied := digest("config.json", "model.safetensors", "vocab.txt")
	if _, _, err := inference.LoadLadder(os.DirFS(dir), inference.F32, copied, 3); !errors.Is(err, inference.ErrOtherModel) {
		t.Errorf("got error %v for the copy, want ErrOtherModel", err)
	}
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json"} { // beside tokenizer.json the config says nothing
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		digest("config.json", "model.safetensors", "tokenizer.json")
	}
}

// TestLadderIsTiedToTheScore changes the score of a model that has a ladder:
// its thresholds are of another measure.
func TestLadderIsTiedToTheScore(t *testing.T) {
	dir := saved(t, 1)
	opened, err := inference.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	l := inference.FullDepth(2)
	l.Epsilon, l.Delta, l.Records, l.MaxTokens, l.Truncate, l.Model = 0.02, 0.05, 100, 6, "right", opened.Digest
	if _, err := inference.SaveLadder(dir, inference.F32, l); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config.json")
	measured := readFile(t, path)
	for _, test := range []struct {
		score inference.Score
		want  error
	}{
		{inference.Margin, inference.ErrOtherModel}, {inference.Entropy, inference.ErrOtherModel}, {inference.MaxProbability, nil},
	} {
		changed := bytes.Replace(measured, []byte(inference.MaxProbability), []byte(test.score), 1)
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := inference.Load(os.DirFS(dir), devicetest.Reference(), inference.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if m.Config().Score != test.score || !errors.Is(m.LadderProblem, test.want) || (m.LadderDigest == "") != (test.want != nil) {
			t.Errorf("%s: got score %s and problem %v, want problem %v", test.score, m.Config().Score, m.LadderProblem, test.want)
		}
	}
}

func TestCheckNamesTheTensor(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(ts map[string]inference.Tensor)
		want   string
	}{
		{
			"missing", func(ts map[string]inference.Tensor) { delete(ts, "encoder.layer.1.output.dense.bias") },
			`model.safetensors: tensor "encoder.layer.1.output.dense.bias": missing; config.json asks for 2 layers of a BERT encoder`,
		},
		{
			"an exit missing", func(ts map[string]inference.Tensor) { delete(ts, "exits.0.classifier.weight") },
			`model.safetensors: tensor "exits.0.classifier.weight": missing; the model has no classifier there: fine-tune it first, sweet train --init`,
		},
		{"another shape", func(ts map[string]inference.Tensor) {
			w := ts["exits.0.pooler.dense.weight"]
			w.Shape = []int{4, 16}
			ts[w.Name] = w
		}, `model.safetensors: tensor "exits.0.pooler.dense.weight": shape: [4 16] with 64 numbers, want [8 8] as config.json says`},
		{
			"not a number", func(ts map[string]inference.Tensor) { ts["embeddings.LayerNorm.bias"].Data[3] = float32(math.NaN()) },
			`model.safetensors: tensor "embeddings.LayerNorm.bias": number 3 is NaN`,
		},
		{
			"infinite", func(ts map[string]inference.Tensor) { ts["embeddings.LayerNorm.bias"].Data[0] = float32(math.Inf(-1)) },
			`model.safetensors: tensor "embeddings.LayerNorm.bias": number 0 is -Inf`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := devicetest.Random(small(), 1)
			test.change(dir.Tensors)
			if err := dir.Check(); err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %s", err, test.want)
			}
			if _, err := inference.New(dir, devicetest.Reference(), inference.Options{}); err == nil || err.Error() != test.want {
				t.Errorf("got error %v from New, want %s", err, test.want)
			}
		})
	}
}
