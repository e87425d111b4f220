package inference

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Config is the shape of a model: config.json in the layout of Hugging Face's
// BertConfig, with the exits added.
type Config struct {
	Name        string   // _name_or_path; may be empty
	Vocab       int      // vocab_size, V
	Width       int      // hidden_size, D
	Layers      int      // num_hidden_layers
	Heads       int      // num_attention_heads, H: D/H is a multiple of 8
	FeedForward int      // intermediate_size, F
	Positions   int      // max_position_embeddings, P: the most tokens of a row
	Types       int      // type_vocab_size, at least 1
	Epsilon     float64  // layer_norm_eps
	Labels      []string // id2label, (C)
	MultiLabel  bool     // problem_type: labels do not exclude each other, and each has its own probability

	Exits   []int     // exits: the layers after which a row may leave, ascending, the last is Layers; of a Multi-Model, the layers of each model
	Pooling []Pooling // exit_pooling, one per exit
	Score   Score     // exit_score
	Method  Method    // method
}

// A Method is how the exits were trained, by a name of small letters, digits and
// hyphens. Package train lists the names; only [MultiModel] is served otherwise
// than the rest.
type Method string

// The methods.
const (
	SWEET      Method = "sweet" // each group of layers is updated by the next exit only
	EarlyExit  Method = "ee"    // one encoder, all exits' losses together
	MultiModel Method = "mm"    // separate models of growing size, one per exit, each run from the text on
)

// maxSize bounds every size in config.json, so that products of two of them
// fit an int and a wrong digit is an error before it is an allocation.
const maxSize = 1 << 24

// lanes is what the values of an attention head, and so of a token, must be a
// multiple of: devices work on vectors of that many.
const lanes = 8

// The bounds of what is counted out before a tensor has been seen.
const (
	maxLayers = 1 << 10
	maxLabels = 1 << 16
)

// configFile is config.json as it stands in the file. Pointers tell a field
// that is missing from one that is zero.
type configFile struct {
	Architectures []string         `json:"architectures"`
	ModelType     string           `json:"model_type"`
	Name          string           `json:"_name_or_path,omitempty"`
	Vocab         *int             `json:"vocab_size"`
	Width         *int             `json:"hidden_size"`
	Layers        *int             `json:"num_hidden_layers"`
	Heads         *int             `json:"num_attention_heads"`
	FeedForward   *int             `json:"intermediate_size"`
	Activation    *string          `json:"hidden_act"`
	Positions     *int             `json:"max_position_embeddings"`
	PositionKind  *string          `json:"position_embedding_type,omitempty"`
	Types         *int             `json:"type_vocab_size"`
	Epsilon       *float64         `json:"layer_norm_eps"`
	Decoder       bool             `json:"is_decoder,omitempty"`
	CrossAttended bool             `json:"add_cross_attention,omitempty"`
	Pruned        map[string][]int `json:"pruned_heads,omitempty"`
	Problem       *string          `json:"problem_type,omitempty"`
	NumLabels     *int             `json:"num_labels"`
	ID2Label      map[string]label `json:"id2label"`
	Label2ID      labelIDs         `json:"label2id"`

	Exits   []int           `json:"exits"`
	Pooling json.RawMessage `json:"exit_pooling"`
	Score   *Score          `json:"exit_score"`
	Method  *Method         `json:"method"`
}

// ParseConfig reads config.json. Fields that it does not know are ignored;
// without our own it describes a BertForSequenceClassification, whose one exit
// is at the last layer. Errors begin with the field's name.
func ParseConfig(data []byte) (Config, error) {
	f, err := readConfig(data)
	if err != nil {
		return Config{}, err
	}
	return f.classifier()
}

// readConfig reads config.json as it stands and refuses what describes another
// encoder than ours.
func readConfig(data []byte) (*configFile, error) {
	f := &configFile{}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, jsonError(err)
	}
	return f, f.supported()
}

// config gives the fields their meanings and checks them.
func (f *configFile) config() (Config, error) {
	c := Config{Name: f.Name, Types: 2, Epsilon: 1e-12, Exits: f.Exits, Score: MaxProbability, Method: EarlyExit}
	for _, field := range []struct {
		name  string
		to    *int
		value *int
	}{
		{"vocab_size", &c.Vocab, f.Vocab},
		{"hidden_size", &c.Width, f.Width},
		{"num_hidden_layers", &c.Layers, f.Layers},
		{"num_attention_heads", &c.Heads, f.Heads},
		{"intermediate_size", &c.FeedForward, f.FeedForward},
		{"max_position_embeddings", &c.Positions, f.Positions},
	} {
		if field.value == nil {
			return Config{}, fmt.Errorf("%s: missing", field.name)
		}
		*field.to = *field.value
	}
	setIf(&c.Types, f.Types)
	setIf(&c.Epsilon, f.Epsilon)
	setIf(&c.Score, f.Score)
	setIf(&c.Method, f.Method)
	if c.Exits == nil {
		c.Exits = []int{c.Layers}
	}
	var err error
	if c.MultiLabel, err = f.multiLabel(); err != nil {
		return Config{}, err
	}
	if c.Labels, err = f.labels(); err != nil {
		return Config{}, err
	}
	if c.Pooling, err = parsePooling(f.Pooling, len(c.Exits)); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

func setIf[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// jsonError names the field that a JSON error is about, where it knows.
func jsonError(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return fmt.Errorf("got a JSON %s, want an object", wrong.Value)
		}
		return fmt.Errorf("%s: got a JSON %s, want %s", wrong.Field, wrong.Value, wrong.Type)
	}
	if wrong, ok := errors.AsType[*labelError](err); ok {
		return wrong
	}
	return fmt.Errorf("not valid JSON: %w", err)
}

// parsePooling reads exit_pooling: one for all exits, or one per exit. Missing
// is [CLS], as BERT.
func parsePooling(data json.RawMessage, exits int) ([]Pooling, error) {
	one := CLS
	if len(data) > 0 && string(data) != "null" {
		var each []Pooling
		if json.Unmarshal(data, &each) == nil {
			return each, nil
		}
		if err := json.Unmarshal(data, &one); err != nil {
			return nil, errors.New("exit_pooling: want \"cls\", \"mean\", or a list of one per exit")
		}
	}
	return slices.Repeat([]Pooling{one}, exits), nil
}

// Validate reports what is wrong with c, by the names of config.json's fields.
func (c Config) Validate() error {
	for _, field := range []struct {
		name       string
		value, max int
	}{
		{"vocab_size", c.Vocab, maxSize},
		{"hidden_size", c.Width, maxSize},
		{"num_hidden_layers", c.Layers, maxLayers},
		{"num_attention_heads", c.Heads, maxSize},
		{"intermediate_size", c.FeedForward, maxSize},
		{"max_position_embeddings", c.Positions, maxSize},
		{"type_vocab_size", c.Types, maxSize},
	} {
		if field.value < 1 || field.value > field.max {
			return fmt.Errorf("%s: %d is not from 1 to %d", field.name, field.value, field.max)
		}
	}
	if c.Width%c.Heads != 0 {
		return fmt.Errorf("num_attention_heads: %d does not divide hidden_size %d", c.Heads, c.Width)
	}
	if size := c.Width / c.Heads; size%lanes != 0 {
		return fmt.Errorf("num_attention_heads: %d of hidden_size %d are heads of %d values, want a multiple of %d", c.Heads, c.Width, size, lanes)
	}
	if !(c.Epsilon > 0 && c.Epsilon < 1) {
		return fmt.Errorf("layer_norm_eps: %v is not between 0 and 1", c.Epsilon)
	}
	return cmp.Or(c.validateLabels(), c.validateExits(), c.validateMethod())
}

func (c Config) validateLabels() error {
	switch {
	case len(c.Labels) == 0:
		return errors.New("id2label: no labels")
	case len(c.Labels) == 1 && !c.MultiLabel:
		return fmt.Errorf("id2label: one label, %q, is a regression to transformers, which gives no label: want 2 labels or more, or problem_type %q",
			c.Labels[0], multiLabelProblem)
	}
	seen := map[string]int{}
	for i, label := range c.Labels {
		if strings.TrimSpace(label) == "" {
			return fmt.Errorf("id2label: label %d is blank", i)
		}
		if first, ok := seen[label]; ok {
			return fmt.Errorf("id2label: %d and %d are both %q", first, i, label)
		}
		seen[label] = i
	}
	return nil
}

func (c Config) validateExits() error {
	if len(c.Exits) == 0 {
		return errors.New("exits: none, want at least one")
	}
	last := 0
	for _, layer := range c.Exits {
		if layer <= last || layer > c.Layers {
			return fmt.Errorf("exits: %v must ascend from at least 1 to num_hidden_layers %d", c.Exits, c.Layers)
		}
		last = layer
	}
	if last != c.Layers {
		return fmt.Errorf("exits: the last of %v must be num_hidden_layers %d", c.Exits, c.Layers)
	}
	if len(c.Pooling) != len(c.Exits) {
		return fmt.Errorf("exit_pooling: %d entries for %d exits", len(c.Pooling), len(c.Exits))
	}
	for _, p := range c.Pooling {
		if p != CLS && p != Mean {
			return fmt.Errorf("exit_pooling: %q is not %q or %q", p, CLS, Mean)
		}
	}
	if c.MultiLabel && len(c.Exits) > 1 {
		return fmt.Errorf("exits: %v, but a model of problem_type %q is only served with one, at the last layer", c.Exits, multiLabelProblem)
	}
	if c.MultiLabel && c.Score != MaxProbability {
		return fmt.Errorf("exit_score: %q, but labels of problem_type %q have no common distribution: want %q", c.Score, multiLabelProblem, MaxProbability)
	}
	if err := c.Score.Validate(len(c.Labels)); err != nil {
		return fmt.Errorf("exit_score: %w", err)
	}
	return nil
}

func (c Config) validateMethod() error {
	switch c.Method {
	case SWEET, EarlyExit, MultiModel:
		return nil
	default:
		return c.Method.validName()
	}
}

// maxMethod bounds the length of a method's name, in bytes.
const maxMethod = 32

// validName reports what is wrong with m as a name. There are more ways to train
// exits than there are to serve them, so that any name will do.
func (m Method) validName() error {
	good := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' }
	if m == "" || len(m) > maxMethod || strings.ContainsFunc(string(m), func(r rune) bool { return !good(r) }) {
		return fmt.Errorf("method: %q is no name of small letters, digits and hyphens, up to %d, like \"sweet\"", m, maxMethod)
	}
	return nil
}

// StageLayers returns how many encoder layers a row has run when it leaves
// after the given stage, from 0. A Multi-Model begins anew at every stage, so
// there it is the sum over the models up to this one.
func (c Config) StageLayers(stage int) int {
	if c.Method != MultiModel {
		return c.Exits[stage]
	}
	layers := 0
	for _, e := range c.Exits[:stage+1] {
		layers += e
	}
	return layers
}

// FullLayers returns how many encoder layers a row runs at full depth, which a
// Multi-Model has more of than its largest model.
func (c Config) FullLayers() int { return c.StageLayers(len(c.Exits) - 1) }

// Encode returns c as config.json. What it writes, ParseConfig reads back equal.
func (c Config) Encode() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	pooling, err := json.Marshal(c.Pooling)
	if err != nil {
		return nil, fmt.Errorf("exit_pooling: %w", err)
	}
	activation, classes := "gelu", len(c.Labels)
	f := configFile{
		Architectures: []string{"BertForSequenceClassification"}, ModelType: "bert", Name: c.Name,
		Vocab: &c.Vocab, Width: &c.Width, Layers: &c.Layers, Heads: &c.Heads, FeedForward: &c.FeedForward,
		Activation: &activation, Positions: &c.Positions, Types: &c.Types, Epsilon: &c.Epsilon,
		NumLabels: &classes, ID2Label: map[string]label{}, Label2ID: labelIDs{},
		Exits: c.Exits, Pooling: pooling, Score: &c.Score, Method: &c.Method,
	}
	for i, name := range c.Labels {
		f.ID2Label[strconv.Itoa(i)] = label(name)
		f.Label2ID[name] = i
	}
	if c.MultiLabel {
		problem := multiLabelProblem
		f.Problem = &problem
	}
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return append(data, '\n'), nil
}

// A Parameter is the name and shape of one of a model's tensors.
type Parameter struct {
	Name  string
	Shape []int
}

// Parameters lists the tensors of a model of this shape, in the order of the
// forward pass: embeddings, layers, and every exit's pooler and classifier
// right after the layer that it reads. Those of a Multi-Model come model after
// model, named models.N. and then as in a classifier with one exit, whose
// pooler and classifier have no number. Weights of linear layers are (out, in).
func (c Config) Parameters() []Parameter {
	if c.Method == MultiModel {
		return c.multiParameters()
	}
	var ps []Parameter
	linear := func(name string, n, k int) {
		ps = append(ps, Parameter{name + ".weight", []int{n, k}}, Parameter{name + ".bias", []int{n}})
	}
	norm := func(name string) {
		ps = append(ps, Parameter{name + ".weight", []int{c.Width}}, Parameter{name + ".bias", []int{c.Width}})
	}
	ps = append(ps,
		Parameter{"embeddings.word_embeddings.weight", []int{c.Vocab, c.Width}},
		Parameter{"embeddings.position_embeddings.weight", []int{c.Positions, c.Width}},
		Parameter{"embeddings.token_type_embeddings.weight", []int{c.Types, c.Width}})
	norm("embeddings.LayerNorm")
	exit := 0
	for layer := range c.Layers {
		p := layerPrefix(layer)
		linear(p+"attention.self.query", c.Width, c.Width)
		linear(p+"attention.self.key", c.Width, c.Width)
		linear(p+"attention.self.value", c.Width, c.Width)
		linear(p+"attention.output.dense", c.Width, c.Width)
		norm(p + "attention.output.LayerNorm")
		linear(p+"intermediate.dense", c.FeedForward, c.Width)
		linear(p+"output.dense", c.Width, c.FeedForward)
		norm(p + "output.LayerNorm")
		if exit < len(c.Exits) && c.Exits[exit] == layer+1 {
			linear(exitPrefix(exit)+"pooler.dense", c.Width, c.Width)
			linear(exitPrefix(exit)+"classifier", len(c.Labels), c.Width)
			exit++
		}
	}
	return ps
}

func layerPrefix(layer int) string { return "encoder.layer." + strconv.Itoa(layer) + "." }

func exitPrefix(exit int) string { return "exits." + strconv.Itoa(exit) + "." }
