package inference

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
)

// The files of a model directory. tokenizer.json goes before vocab.txt where
// both are there, as in package token.
const (
	configName          = "config.json"
	weightsName         = "model.safetensors"
	ladderName          = "ladder.json"
	vocabName           = "vocab.txt"
	tokenizerName       = "tokenizer.json"
	tokenizerConfigName = "tokenizer_config.json"
)

// A Directory is a model directory in memory: config.json and the weights.
// Tensors have the names that [Config.Parameters] gives; others in the file are
// kept under their own.
type Directory struct {
	Config  Config
	Tensors map[string]Tensor
	Digest  string // see Open; "" for a model that was never saved

	sources map[string]source // of the tensors as stored, by the names in Tensors; empty for a model that was never saved
}

// Open reads the model directory fsys, ours or a plain
// BertForSequenceClassification as transformers saves it, in one safetensors file
// or several. Weights that a model needs and that are not there are found by
// [Directory.Check], not here: training starts from less.
//
// The digest is the SHA-256, in hex, over config.json, model.safetensors and
// the tokenizer file, one after another. Where that is vocab.txt and there is a
// tokenizer_config.json, which says how texts are normalized, it follows:
//
//	cat config.json model.safetensors vocab.txt tokenizer_config.json | sha256sum
//
// Where the weights are cut into shards, these stand in the place of
// model.safetensors, in the order of their names. The index that lists them does
// not count: it may say nothing that the shards do not show, else it is refused.
//
//	cat config.json model-*-of-*.safetensors vocab.txt tokenizer_config.json | sha256sum
func Open(fsys fs.FS) (*Directory, error) {
	return open(fsys, func(f *configFile) (Config, bool, error) {
		c, err := f.classifier()
		return c, true, err
	})
}

// OpenEncoder reads a model directory as [Open] does, for its encoder: what
// training starts from, or what hidden states are read from. So it also reads
// BERT under another head of transformers or under none. The labels and the
// classifier of such a head, of a regression or of a multi-label classifier are
// left out: Config.Labels is what transformers makes of a file without labels. A
// Multi-Model is refused with [ErrSeveralEncoders].
func OpenEncoder(fsys fs.FS) (*Directory, error) { return open(fsys, (*configFile).encoder) }

// ErrSeveralEncoders is that a directory holds a Multi-Model where one encoder is
// asked for: the caller named the wrong directory.
var ErrSeveralEncoders = errors.New("several encoders, want a directory of one")

// open reads a model directory. The shape is what the given function makes of
// config.json; it also says whether a lone classifier is the one exit's.
func open(fsys fs.FS, shape func(f *configFile) (Config, bool, error)) (*Directory, error) {
	digest := sha256.New()
	read := func(name string) ([]byte, error) {
		data, err := fs.ReadFile(fsys, name)
		digest.Write(data)
		return data, err
	}
	data, err := read(configName)
	if err != nil {
		return nil, fmt.Errorf("reading the model's shape: %w", err)
	}
	f, err := readConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configName, err)
	}
	c, classifies, err := shape(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configName, err)
	}
	w, err := readWeights(fsys, read)
	if err != nil {
		if advice := f.convert(fsys); advice != "" && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w; %s", err, advice)
		}
		return nil, err
	}
	d := &Directory{Config: c}
	if err := d.rename(w, classifies); err != nil {
		return nil, err
	}
	if _, err = read(tokenizerName); errors.Is(err, fs.ErrNotExist) {
		if _, err = read(vocabName); err == nil {
			err = unlessMissing(read(tokenizerConfigName))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the tokenizer, tokenizer.json or vocab.txt: %w", err)
	}
	d.Digest = hex.EncodeToString(digest.Sum(nil))
	return d, nil
}

// unlessMissing returns err unless it says that there is no such file.
func unlessMissing(_ []byte, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// rename gives the tensors of a Hugging Face checkpoint the names that
// Parameters uses: no "bert." before them, weight and bias for the gamma and
// beta of old layer norms, and a lone pooler as the one exit's. So is a lone
// classifier, where it classifies texts.
//
//nolint:revive // classifies is what the directory is; it steers one name
func (d *Directory) rename(w weights, classifies bool) error {
	_, exits := w.tensors[exitPrefix(0)+"classifier.weight"]
	lone := !exits && len(d.Config.Exits) == 1 && d.Config.Method != MultiModel
	d.Tensors = make(map[string]Tensor, len(w.tensors))
	d.sources = make(map[string]source, len(w.sources))
	for stored, from := range w.sources {
		name := strings.TrimPrefix(stored, "bert.")
		if base, ok := strings.CutSuffix(name, "LayerNorm.gamma"); ok {
			name = base + "LayerNorm.weight"
		} else if base, ok := strings.CutSuffix(name, "LayerNorm.beta"); ok {
			name = base + "LayerNorm.bias"
		}
		if lone && (strings.HasPrefix(name, "pooler.dense.") || classifies && strings.HasPrefix(name, "classifier.")) {
			name = exitPrefix(0) + name
		}
		if other, twice := d.sources[name]; twice {
			return fmt.Errorf("%s: tensor %q: comes twice, once under an older name", max(from.file, other.file), name)
		}
		d.sources[name] = from
		if t, ok := w.tensors[stored]; ok {
			t.Name = name
			d.Tensors[name] = t
		}
	}
	return nil
}

// Check reports the first tensor that a model of this shape needs and that is
// missing, has another shape, or holds a number that is not finite.
func (d *Directory) Check() error { return d.checkAll(d.Config.Parameters()) }

func (d *Directory) checkAll(ps []Parameter) error {
	if err := d.Config.Validate(); err != nil {
		return fmt.Errorf("%s: %w", configName, err)
	}
	for _, p := range ps {
		if err := d.check(p); err != nil {
			return fmt.Errorf("%s: tensor %q: %w", cmp.Or(d.sources[p.Name].file, weightsName), p.Name, err)
		}
	}
	return nil
}

func (d *Directory) check(p Parameter) error {
	t, ok := d.Tensors[p.Name]
	if !ok {
		if from, stored := d.sources[p.Name]; stored {
			return fmt.Errorf("dtype: %q is not read, want F32, BF16 or F16", from.dtype)
		}
		return errors.New("missing; " + d.missing(p.Name))
	}
	size := 1
	for _, n := range p.Shape {
		size *= n
	}
	if !slices.Equal(t.Shape, p.Shape) || len(t.Data) != size {
		return fmt.Errorf("shape: %v with %d numbers, want %v as %s says", t.Shape, len(t.Data), p.Shape, configName)
	}
	for i, v := range t.Data {
		if !finite(float64(v)) {
			return fmt.Errorf("number %d is %v", i, v)
		}
	}
	return nil
}

// missing says what the lack of a tensor probably means.
func (d *Directory) missing(name string) string {
	if d.Config.Method == MultiModel {
		return fmt.Sprintf("%s asks for a Multi-Model of %d models, of %v layers", configName, len(d.Config.Exits), d.Config.Exits)
	}
	if strings.HasPrefix(name, "exits.") {
		return "the model has no classifier there: fine-tune it first, sweet train --init"
	}
	return fmt.Sprintf("%s asks for %d layers of a BERT encoder", configName, d.Config.Layers)
}

// tensor returns the numbers of a tensor that Check has found to be there.
func (d *Directory) tensor(name string) []float32 { return d.Tensors[name].Data }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
