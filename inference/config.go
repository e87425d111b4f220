package inference

import "errors"

// Config is the shape of a model: config.json in the layout of Hugging Face's
// BertConfig, with the exits added.
type Config struct {
	Name        string   // _name_or_path; may be empty
	Vocab       int      // vocab_size, V
	Width       int      // hidden_size, D
	Layers      int      // num_hidden_layers
	Heads       int      // num_attention_heads, H
	FeedForward int      // intermediate_size, F
	Positions   int      // max_position_embeddings, P
	Types       int      // type_vocab_size
	Epsilon     float64  // layer_norm_eps
	Labels      []string // id2label, (C)

	Exits   []int     // exits: the layers after which a row may leave, ascending, the last is Layers
	Pooling []Pooling // exit_pooling, one per exit
	Score   Score     // exit_score
	Method  Method    // method
}

// A Method is how the exits were trained.
type Method string

// The methods.
const (
	SWEET     Method = "sweet" // each group of layers is updated by the next exit only
	EarlyExit Method = "ee"    // one encoder, all exits' losses together
)

// ParseConfig reads config.json. Fields that it does not know are ignored.
func ParseConfig(data []byte) (Config, error) { return Config{}, errors.New("not built") }

// Encode returns c as config.json.
func (c Config) Encode() ([]byte, error) { return nil, errors.New("not built") }

// Validate reports what is wrong with c, by the names of config.json's fields.
func (c Config) Validate() error { return nil }

// A Parameter is the name and shape of one of a model's tensors.
type Parameter struct {
	Name  string
	Shape []int
}

// Parameters lists the tensors of a model of this shape, in the order of the
// forward pass: embeddings, layers, and every exit's pooler and classifier
// right after the layer that it reads.
func (c Config) Parameters() []Parameter { return nil }
