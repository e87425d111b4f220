package inference_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"sweetspot/inference"
	"sweetspot/inference/devicetest"
)

// oneExit is the shape of a small classifier as transformers has them.
func oneExit() inference.Config {
	c := small()
	c.Exits, c.Pooling, c.Method = []int{2}, []inference.Pooling{inference.CLS}, inference.EarlyExit
	return c
}

// bertJSON is the config.json that transformers writes for the shape c.
func bertJSON(c inference.Config, changes map[string]any) map[string]any {
	all := map[string]any{
		"_name_or_path": c.Name, "vocab_size": c.Vocab, "hidden_size": c.Width, "num_hidden_layers": c.Layers,
		"num_attention_heads": c.Heads, "intermediate_size": c.FeedForward, "max_position_embeddings": c.Positions,
	}
	maps.Copy(all, changes)
	return bertConfig(all)
}

// hubName is what transformers calls a tensor of a classifier with one exit.
func hubName(name string) string {
	name = strings.TrimPrefix(name, "exits.0.")
	if strings.HasPrefix(name, "classifier.") {
		return name
	}
	return "bert." + name
}

// hubTensors are the tensors of a random classifier of shape c, renamed.
func hubTensors(c inference.Config, name func(string) string) []inference.Tensor {
	var ts []inference.Tensor
	for _, t := range devicetest.Random(c, 4).Tensors {
		t.Name = name(t.Name)
		ts = append(ts, t)
	}
	slices.SortFunc(ts, func(a, b inference.Tensor) int { return strings.Compare(a.Name, b.Name) })
	return ts
}

// hubFS is the directory of a random classifier as transformers saves it.
func hubFS(t *testing.T, changes map[string]any) fstest.MapFS {
	t.Helper()
	return modelFS(t, bertJSON(oneExit(), changes), hubTensors(oneExit(), hubName))
}

// stored returns the tensors as a safetensors file.
func stored(t *testing.T, ts []inference.Tensor) *fstest.MapFile {
	t.Helper()
	var file bytes.Buffer
	if err := inference.WriteTensors(&file, ts, inference.StoreF32); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: file.Bytes()}
}

// The names of the shards that sharded makes, in their order.
const (
	firstShard  = "model-00001-of-00002.safetensors"
	secondShard = "model-00002-of-00002.safetensors"
)

// sharded cuts the weights of fsys into two shards and returns what their index
// says of each tensor.
func sharded(t *testing.T, fsys fstest.MapFS) map[string]string {
	t.Helper()
	whole, err := inference.ReadTensors(fsys["model.safetensors"].Data)
	if err != nil {
		t.Fatal(err)
	}
	delete(fsys, "model.safetensors")
	places, parts := map[string]string{}, map[string][]inference.Tensor{}
	for i, name := range slices.Sorted(maps.Keys(whole)) {
		shard := []string{secondShard, firstShard, firstShard}[i%3]
		places[name] = shard
		parts[shard] = append(parts[shard], whole[name])
	}
	for shard, ts := range parts {
		fsys[shard] = stored(t, ts)
	}
	setIndex(t, fsys, places)
	return places
}

func setIndex(t *testing.T, fsys fstest.MapFS, places any) {
	t.Helper()
	fsys["model.safetensors.index.json"] = &fstest.MapFile{Data: encoded(t, map[string]any{
		"metadata": map[string]any{"total_size": 1}, "weight_map": places,
	})}
}

func TestOpenNamesTensorsAsParametersDoes(t *testing.T) {
	want := devicetest.Random(oneExit(), 4)
	for name, rename := range map[string]func(name string) string{
		"as transformers":  hubName,
		"without a prefix": func(name string) string { return strings.TrimPrefix(name, "exits.0.") },
		"with the norms of TensorFlow": func(name string) string {
			return strings.NewReplacer("LayerNorm.weight", "LayerNorm.gamma", "LayerNorm.bias", "LayerNorm.beta").Replace(hubName(name))
		},
		"as our own": func(name string) string { return name },
	} {
		t.Run(name, func(t *testing.T) {
			fsys := modelFS(t, bertJSON(oneExit(), nil), hubTensors(oneExit(), rename))
			for _, in := range []string{"one file", "shards"} {
				if in == "shards" {
					sharded(t, fsys)
				}
				got, err := inference.Open(fsys)
				if err != nil {
					t.Fatalf("%s: %v", in, err)
				}
				if err := got.Check(); err != nil {
					t.Errorf("%s: %v", in, err)
				}
				if !reflect.DeepEqual(got.Tensors, want.Tensors) {
					t.Errorf("%s: got tensors %v, want %v", in, slices.Sorted(maps.Keys(got.Tensors)), slices.Sorted(maps.Keys(want.Tensors)))
				}
				if !reflect.DeepEqual(got.Config, oneExit()) {
					t.Errorf("%s: got %+v, want %+v", in, got.Config, oneExit())
				}
			}
		})
	}
}

func TestDigestIsOfTheShards(t *testing.T) {
	fsys := hubFS(t, nil)
	sharded(t, fsys)
	opened, err := inference.Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range []string{"config.json", firstShard, secondShard, "vocab.txt"} {
		all = append(all, fsys[name].Data...)
	}
	if sum := sha256.Sum256(all); opened.Digest != hex.EncodeToString(sum[:]) {
		t.Errorf("got digest %s, want %x", opened.Digest, sum)
	}
	t.Run("one file goes before shards", func(t *testing.T) {
		fsys["model.safetensors"] = hubFS(t, nil)["model.safetensors"]
		fsys[firstShard].Data = []byte("never read")
		if _, err := inference.Open(fsys); err != nil {
			t.Error(err)
		}
	})
}

func TestOpenRefusesShards(t *testing.T) {
	const norm = "bert.embeddings.LayerNorm.bias"
	for _, test := range []struct {
		name   string
		change func(fsys fstest.MapFS, places map[string]string)
		want   string
		is     error
	}{
		{
			"a shard is missing", func(fsys fstest.MapFS, _ map[string]string) { delete(fsys, secondShard) },
			"reading the weights, a shard that model.safetensors.index.json names: open " + secondShard + ": file does not exist", fs.ErrNotExist,
		},
		{"a shard is cut short", func(fsys fstest.MapFS, _ map[string]string) {
			fsys[secondShard].Data = fsys[secondShard].Data[:100]
		}, secondShard + ": header length: ", nil},
		{"the index is no JSON", func(fsys fstest.MapFS, _ map[string]string) {
			fsys["model.safetensors.index.json"].Data = []byte("{")
		}, "model.safetensors.index.json: the JSON ends early", nil},
		{"the index lists nothing", func(fsys fstest.MapFS, _ map[string]string) {
			fsys["model.safetensors.index.json"].Data = []byte(`{"metadata":{}}`)
		}, "model.safetensors.index.json: weight_map: missing", nil},
		{"the index lists no tensors", func(fsys fstest.MapFS, _ map[string]string) {
			fsys["model.safetensors.index.json"].Data = []byte(`{"weight_map":{}}`)
		}, "model.safetensors.index.json: weight_map: no tensors", nil},
		{"the index is a list of tensors", func(fsys fstest.MapFS, _ map[string]string) {
			fsys["model.safetensors.index.json"].Data = []byte(`{"weight_map":[]}`)
		}, "model.safetensors.index.json: weight_map: want a JSON object", nil},
		{"a tensor is listed twice", func(fsys fstest.MapFS, _ map[string]string) {
			fsys["model.safetensors.index.json"].Data = []byte(`{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}`)
		}, `model.safetensors.index.json: weight_map: "a" comes twice`, nil},
		{"a shard is a number", func(fsys fstest.MapFS, _ map[string]string) {
			fsys["model.safetensors.index.json"].Data = []byte(`{"weight_map":{"a":1}}`)
		}, `model.safetensors.index.json: weight_map: "a": want the name of a file, got 1`, nil},
		{"a shard outside the directory", func(fsys fstest.MapFS, places map[string]string) {
			places[norm] = "../" + firstShard
			setIndex(t, fsys, places)
		}, `model.safetensors.index.json: weight_map: "` + norm + `": "../` + firstShard + `" is not the name of a file in the model directory`, nil},
		{"a shard in a folder", func(fsys fstest.MapFS, places map[string]string) {
			places[norm] = "a/b.safetensors"
			setIndex(t, fsys, places)
		}, `"a/b.safetensors" is not the name of a file in the model directory`, nil},
		{"a shard that is a pickle", func(fsys fstest.MapFS, places map[string]string) {
			places[norm] = "pytorch_model-00001-of-00002.bin"
			setIndex(t, fsys, places)
		}, `"pytorch_model-00001-of-00002.bin" is not a safetensors file`, nil},
		{"a tensor that its shard lacks", func(fsys fstest.MapFS, places map[string]string) {
			places["bert.encoder.extra"] = firstShard
			setIndex(t, fsys, places)
		}, firstShard + `: tensor "bert.encoder.extra": missing, though model.safetensors.index.json says it is there`, nil},
		{"a tensor in the other shard", func(fsys fstest.MapFS, places map[string]string) {
			places[norm] = map[string]string{firstShard: secondShard, secondShard: firstShard}[places[norm]]
			setIndex(t, fsys, places)
		}, `tensor "` + norm + `": missing, though model.safetensors.index.json says it is there`, nil},
		{"a tensor that the index lacks", func(fsys fstest.MapFS, places map[string]string) {
			delete(places, norm)
			setIndex(t, fsys, places)
		}, `tensor "` + norm + `": not listed in model.safetensors.index.json`, nil},
		{
			"a tensor in both shards", func(fsys fstest.MapFS, _ map[string]string) { fsys[secondShard] = fsys[firstShard] },
			": is in " + firstShard + " too", nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			fsys := hubFS(t, nil)
			test.change(fsys, sharded(t, fsys))
			_, err := inference.Open(fsys)
			if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("got error %v, want %s", err, test.want)
			}
		})
	}
	t.Run("a needed tensor is in no shard", func(t *testing.T) {
		c := oneExit()
		ts := slices.DeleteFunc(hubTensors(c, hubName), func(t inference.Tensor) bool { return t.Name == norm })
		fsys := modelFS(t, bertJSON(c, nil), ts)
		sharded(t, fsys)
		opened, err := inference.Open(fsys)
		if err != nil {
			t.Fatal(err)
		}
		const want = `tensor "embeddings.LayerNorm.bias": missing; config.json asks for 2 layers of a BERT encoder`
		if err := opened.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
	t.Run("a needed tensor is wrong in its shard", func(t *testing.T) {
		fsys := hubFS(t, map[string]any{"vocab_size": 13})
		places := sharded(t, fsys)
		opened, err := inference.Open(fsys)
		if err != nil {
			t.Fatal(err)
		}
		want := places["bert.embeddings.word_embeddings.weight"] + `: tensor "embeddings.word_embeddings.weight": shape: [12 8] with 96 numbers, want [13 8]`
		if err := opened.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
}

func TestTensorsThatAreNoWeightsArePassedOver(t *testing.T) {
	ids := tensorFile(`{"bert.embeddings.position_ids":{"dtype":"I64","shape":[1,2],"data_offsets":[0,16]},`+
		`"bert.encoder.layer.0.output.dense.weight":{"dtype":"I8","shape":[8,16],"data_offsets":[16,144]}}`, 144)
	fsys := hubFS(t, nil)
	places := sharded(t, fsys)
	fsys["more.safetensors"] = &fstest.MapFile{}
	places["bert.embeddings.position_ids"] = "more.safetensors"
	const quantized = "bert.encoder.layer.0.output.dense.weight"
	t.Run("not needed", func(t *testing.T) {
		fsys["more.safetensors"].Data = tensorFile(`{"bert.embeddings.position_ids":{"dtype":"I64","shape":[1,2],"data_offsets":[0,16]}}`, 16)
		setIndex(t, fsys, places)
		opened, err := inference.Open(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if err := opened.Check(); err != nil {
			t.Error(err)
		}
	})
	t.Run("needed", func(t *testing.T) {
		whole, err := inference.ReadTensors(fsys[places[quantized]].Data)
		if err != nil {
			t.Fatal(err)
		}
		delete(whole, quantized)
		fsys[places[quantized]] = stored(t, slices.Collect(maps.Values(whole)))
		fsys["more.safetensors"].Data = ids
		places[quantized] = "more.safetensors"
		setIndex(t, fsys, places)
		opened, err := inference.Open(fsys)
		if err != nil {
			t.Fatal(err)
		}
		const want = `more.safetensors: tensor "encoder.layer.0.output.dense.weight": dtype: "I8" is not read, want F32, BF16 or F16`
		if err := opened.Check(); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
}

func TestOtherFormatsAreToldHowToConvert(t *testing.T) {
	for _, test := range []struct{ file, class, want string }{
		{
			"pytorch_model.bin", "BertForSequenceClassification",
			`pytorch_model.bin is there but not read: it is a pickle, which can run code of its maker when it is read. Convert it, in the model directory: ` +
				`python3 -c "from transformers import BertForSequenceClassification as M; M.from_pretrained('.').save_pretrained('.', safe_serialization=True)"`,
		},
		{
			"pytorch_model.bin.index.json", "",
			`pytorch_model.bin.index.json is there but not read: it is the index of pickles, which can run code of their maker when they are read. Convert it, in the model directory: ` +
				`python3 -c "from transformers import BertForSequenceClassification as M; M.from_pretrained('.').save_pretrained('.', safe_serialization=True)"`,
		},
		{
			"tf_model.h5", "BertModel",
			`tf_model.h5 is there but not read: it is of TensorFlow, which transformers reads up to version 4. Convert it, in the model directory: ` +
				`python3 -c "from transformers import BertModel as M; M.from_pretrained('.', from_tf=True).save_pretrained('.', safe_serialization=True)"`,
		},
		{
			"flax_model.msgpack", "BertForMaskedLM",
			`flax_model.msgpack is there but not read: it is of Flax, which transformers reads up to version 4. Convert it, in the model directory: ` +
				`python3 -c "from transformers import BertForMaskedLM as M; M.from_pretrained('.', from_flax=True).save_pretrained('.', safe_serialization=True)"`,
		},
	} {
		t.Run(test.file, func(t *testing.T) {
			class := any([]string{test.class})
			if test.class == "" {
				class = missing
			}
			fsys := hubFS(t, map[string]any{"architectures": class})
			fsys[test.file] = fsys["model.safetensors"]
			if _, err := inference.OpenEncoder(fsys); err != nil {
				t.Errorf("got error %v beside safetensors, want none", err)
			}
			delete(fsys, "model.safetensors")
			_, err := inference.OpenEncoder(fsys)
			if err == nil || !errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(err.Error(), "; "+test.want) {
				t.Errorf("got error %v, want %s", err, test.want)
			}
		})
	}
}

func TestOpenEncoder(t *testing.T) {
	labels := []string{"LABEL_0", "LABEL_1"}
	for _, test := range []struct {
		name       string
		changes    map[string]any
		classifies bool
	}{
		{"a classifier", nil, true},
		{"no class", map[string]any{"architectures": missing}, true},
		{"an encoder alone", map[string]any{"architectures": []string{"BertModel"}, "id2label": missing}, false},
		{"a language model", map[string]any{"architectures": []string{"BertForMaskedLM"}, "id2label": missing}, false},
		{"a classifier of tokens", map[string]any{"architectures": []string{"BertForTokenClassification"}}, false},
		{"a regression", map[string]any{"id2label": map[string]string{"0": "score"}, "problem_type": "regression"}, false},
		{"a regression by count", map[string]any{"id2label": missing, "num_labels": 1}, false},
		{"a multi-label classifier", map[string]any{"problem_type": "multi_label_classification"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := inference.OpenEncoder(hubFS(t, test.changes))
			if err != nil {
				t.Fatal(err)
			}
			if test.classifies {
				if err := got.Check(); err != nil || !slices.Equal(got.Config.Labels, []string{"no", "yes"}) {
					t.Errorf("got labels %v and error %v, want the classifier", got.Config.Labels, err)
				}
				return
			}
			if _, ok := got.Tensors["classifier.weight"]; !ok || got.Config.MultiLabel || !slices.Equal(got.Config.Labels, labels) {
				t.Errorf("got %+v, want no classifier and labels %v", got.Config, labels)
			}
			const want = `tensor "exits.0.classifier.weight": missing; the model has no classifier there`
			if err := got.Check(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want %s", err, want)
			}
		})
	}
	t.Run("another encoder is refused", func(t *testing.T) {
		const want = `config.json: model_type: "electra" (BertForSequenceClassification) is not supported, want "bert"`
		if _, err := inference.OpenEncoder(hubFS(t, map[string]any{"model_type": "electra"})); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
}

// TestEncoderGivesHiddenStates runs rows through the stages of a model and
// through its encoder alone: the last stage's hidden states are the same.
func TestEncoderGivesHiddenStates(t *testing.T) {
	ctx, dir, rows := t.Context(), devicetest.Random(small(), 1), []inference.Row{row(1, 2, 3), row(4), row(5, 6, 7, 8, 9, 10)}
	staged := smallModel(t)
	first, last := newBatch(t, staged, 0), newBatch(t, staged, 1)
	last.KeepHidden()
	for name := range dir.Tensors {
		if strings.HasPrefix(name, "exits.") {
			delete(dir.Tensors, name)
		}
	}
	encoder, err := inference.NewEncoder(dir, devicetest.Reference(), inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	alone := newBatch(t, encoder, 0)
	alone.KeepHidden()
	fillAndRun(t, staged, first, rows)
	fillAndRun(t, encoder, alone, rows)
	if err := errors.Join(last.Take(first, []int{0, 1, 2}), staged.Forward(ctx, last), last.Wait(ctx)); err != nil {
		t.Fatal(err)
	}
	if first.Hidden != nil || alone.Exits != nil {
		t.Errorf("got hidden states %v and exits %v that nobody asked for", first.Hidden, alone.Exits)
	}
	if len(alone.Hidden) != 10*8 || !slices.Equal(alone.Hidden, last.Hidden) {
		t.Errorf("got hidden states %v, want %v", alone.Hidden, last.Hidden)
	}
	delete(dir.Tensors, "embeddings.LayerNorm.bias")
	const want = `model.safetensors: tensor "embeddings.LayerNorm.bias": missing; config.json asks for 2 layers of a BERT encoder`
	if _, err := inference.NewEncoder(dir, devicetest.Reference(), inference.Options{}); err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

// TestMultiLabelScoresEachLabelAlone compares with the sigmoids that
// transformers' pipeline makes of the same logits.
func TestMultiLabelScoresEachLabelAlone(t *testing.T) {
	c := oneExit()
	single := devicetest.Random(c, 3)
	c.MultiLabel = true
	multi := &inference.Directory{Config: c, Tensors: single.Tensors}
	rows := []inference.Row{row(1, 2, 3), row(4), row(5, 6, 7, 8, 9, 10)}
	softmax := logitsOf(t, single, rows)
	for keep, asked := range map[string]bool{"logits asked for": true, "logits not asked for": false} {
		t.Run(keep, func(t *testing.T) {
			m, err := inference.New(multi, devicetest.Reference(), inference.Options{})
			if err != nil {
				t.Fatal(err)
			}
			b := newBatch(t, m, 0)
			if asked {
				b.KeepLogits()
			}
			fillAndRun(t, m, b, rows)
			for r, e := range b.Exits {
				scores := b.Scores(nil, r)
				for i, z := range softmax[r] {
					if want := 1 / (1 + math.Exp(-float64(z))); math.Abs(float64(scores[i])-want) > 1e-7 {
						t.Errorf("row %d: got score %v for label %d, want %v", r, scores[i], i, want)
					}
				}
				if e.Confidence != slices.Max(scores) || e.Confidence != scores[e.Label] {
					t.Errorf("row %d: got %v, want the label with the highest of %v", r, e, scores)
				}
			}
		})
	}
}

// fillAndRun runs rows as b.
func fillAndRun(t *testing.T, m *inference.Model, b *inference.Batch, rows []inference.Row) {
	t.Helper()
	for _, r := range rows {
		if ok, err := b.Add(r); !ok || err != nil {
			t.Fatalf("adding a row: %v, %v", ok, err)
		}
	}
	if err := errors.Join(m.Forward(t.Context(), b), b.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// logitsOf returns the logits of every row at the only exit of a model.
func logitsOf(t *testing.T, dir *inference.Directory, rows []inference.Row) [][]float32 {
	t.Helper()
	m, err := inference.New(dir, devicetest.Reference(), inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBatch(t, m, 0)
	b.KeepLogits()
	fillAndRun(t, m, b, rows)
	var logits [][]float32
	for r := range rows {
		logits = append(logits, b.Logits[r*len(m.Labels):(r+1)*len(m.Labels)])
	}
	return logits
}

func FuzzShardIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":8},"weight_map":{"a":"x.safetensors","b":"y.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../x.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":".safetensors"}}`))
	config := []byte(`{"vocab_size":4,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":1,"intermediate_size":8,"max_position_embeddings":4}`)
	f.Fuzz(func(t *testing.T, index []byte) {
		fsys := &recordingFS{fsys: fstest.MapFS{
			"config.json": {Data: config}, "vocab.txt": {}, "model.safetensors.index.json": {Data: index},
			"x.safetensors": {Data: tensorFile(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0)},
			"y.safetensors": {Data: tensorFile(`{"b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0)},
		}}
		opened, err := inference.Open(fsys)
		if err == nil && len(opened.Tensors) != 1 && len(opened.Tensors) != 2 {
			t.Errorf("got tensors %v, want those of the shards that are there", opened.Tensors)
		}
		for _, name := range fsys.opened {
			if strings.ContainsAny(name, `/\`) {
				t.Errorf("opened %q, which is not in the model directory", name)
			}
		}
	})
}

// recordingFS remembers which files were opened.
type recordingFS struct {
	fsys   fs.FS
	opened []string
}

func (f *recordingFS) Open(name string) (fs.File, error) {
	f.opened = append(f.opened, name)
	return f.fsys.Open(name)
}
