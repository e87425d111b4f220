package inference

import (
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

// A Directory is a model directory in memory: config.json and
// model.safetensors. Tensors have the names that [Config.Parameters] gives;
// others in the file are kept under their own.
type Directory struct {
	Config  Config
	Tensors map[string]Tensor
	Digest  string // see Open; "" for a model that was never saved
}

// Open reads the model directory fsys, ours or a plain
// BertForSequenceClassification. Weights that a model needs and that are not
// there are found by [Directory.Check], not here: training starts from less.
//
// The digest is the SHA-256, in hex, over config.json, model.safetensors and
// the tokenizer file, one after another. Where that is vocab.txt and there is a
// tokenizer_config.json, which says how texts are normalized, it follows:
//
//	cat config.json model.safetensors vocab.txt tokenizer_config.json | sha256sum
func Open(fsys fs.FS) (*Directory, error) {
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
	c, err := ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configName, err)
	}
	if data, err = read(weightsName); err != nil {
		return nil, fmt.Errorf("reading the weights: %w%s", err, otherWeights(fsys))
	}
	stored, err := ReadTensors(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", weightsName, err)
	}
	tensors, err := rename(stored, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", weightsName, err)
	}
	if _, err = read(tokenizerName); errors.Is(err, fs.ErrNotExist) {
		if _, err = read(vocabName); err == nil {
			err = unlessMissing(read(tokenizerConfigName))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the tokenizer, tokenizer.json or vocab.txt: %w", err)
	}
	return &Directory{Config: c, Tensors: tensors, Digest: hex.EncodeToString(digest.Sum(nil))}, nil
}

// unlessMissing returns err unless it says that there is no such file.
func unlessMissing(_ []byte, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// otherWeights says what to do about a directory that holds its weights in a
// form that is not read.
func otherWeights(fsys fs.FS) string {
	for _, name := range []string{"model.safetensors.index.json", "pytorch_model.bin", "tf_model.h5"} {
		if _, err := fs.Stat(fsys, name); err == nil {
			return "; " + name + " is there but not read: save the model as one safetensors file"
		}
	}
	return ""
}

// rename gives the tensors of a Hugging Face checkpoint the names that
// Parameters uses: no "bert." before them, weight and bias for the gamma and
// beta of old layer norms, and a lone pooler and classifier as the one exit's.
func rename(stored map[string]Tensor, c Config) (map[string]Tensor, error) {
	_, exits := stored[exitPrefix(0)+"classifier.weight"]
	lone := !exits && len(c.Exits) == 1 && c.Method != MultiModel
	tensors := make(map[string]Tensor, len(stored))
	for name, t := range stored {
		t.Name = strings.TrimPrefix(name, "bert.")
		if base, ok := strings.CutSuffix(t.Name, "LayerNorm.gamma"); ok {
			t.Name = base + "LayerNorm.weight"
		} else if base, ok := strings.CutSuffix(t.Name, "LayerNorm.beta"); ok {
			t.Name = base + "LayerNorm.bias"
		}
		if lone && (strings.HasPrefix(t.Name, "pooler.dense.") || strings.HasPrefix(t.Name, "classifier.")) {
			t.Name = exitPrefix(0) + t.Name
		}
		if _, twice := tensors[t.Name]; twice {
			return nil, fmt.Errorf("tensor %q: comes twice, once under an older name", t.Name)
		}
		tensors[t.Name] = t
	}
	return tensors, nil
}

// Check reports the first tensor that a model of this shape needs and that is
// missing, has another shape, or holds a number that is not finite.
func (d *Directory) Check() error {
	if err := d.Config.Validate(); err != nil {
		return fmt.Errorf("%s: %w", configName, err)
	}
	for _, p := range d.Config.Parameters() {
		if err := d.check(p); err != nil {
			return fmt.Errorf("%s: tensor %q: %w", weightsName, p.Name, err)
		}
	}
	return nil
}

func (d *Directory) check(p Parameter) error {
	t, ok := d.Tensors[p.Name]
	if !ok {
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
