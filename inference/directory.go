package inference

import (
	"errors"
	"io/fs"
)

// A Directory is a model directory in memory: config.json and
// model.safetensors. Tensors have the names that [Config.Parameters] gives;
// others in the file are kept under their own.
type Directory struct {
	Config  Config
	Tensors map[string]Tensor
	Digest  string // hex SHA-256 over config.json, model.safetensors and the tokenizer file; "" for a model that was never saved
}

// Open reads the model directory fsys.
func Open(fsys fs.FS) (*Directory, error) { return nil, errors.New("not built") }

// A File is one more file of a model directory.
type File struct {
	Name string
	Data []byte
}

// VocabFile returns the vocab.txt of vocab.
func VocabFile(vocab []string) File { return File{} }

// Save writes a model directory: config.json, model.safetensors with numbers of
// type d, and the tokenizer's files (vocab.txt or tokenizer.json, and perhaps
// tokenizer_config.json). The directory is made where there is none. A model
// that is already there is replaced; its ladder.json stays, and is refused
// later unless the new model is the same.
func Save(dir string, c Config, ts []Tensor, d DType, tokenizer ...File) error {
	return errors.New("not built")
}
