package token

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The files of a model directory that say how its texts become ids.
const (
	tokenizerName = "tokenizer.json"
	vocabName     = "vocab.txt"
	configName    = "tokenizer_config.json"
)

// Load reads the tokenizer of a model directory: tokenizer.json if it is there,
// else vocab.txt, normalized as tokenizer_config.json says or, without that, as
// BERT uncased. Settings of truncation and padding in these files are not used.
func Load(fsys fs.FS) (*Tokenizer, error) {
	t, err := loadFile(fsys, tokenizerName)
	if !errors.Is(err, fs.ErrNotExist) {
		return t, err
	}
	t, err = loadFile(fsys, vocabName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no %s and no %s: %w", tokenizerName, vocabName, fs.ErrNotExist)
	}
	return t, err
}

// LoadVocab reads one file: a tokenizer.json if its name ends in .json, else a
// vocab.txt, for which a tokenizer_config.json beside it counts as in Load.
func LoadVocab(path string) (*Tokenizer, error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	t, err := loadFile(os.DirFS(dir), name)
	if err != nil && dir != "." {
		return nil, fmt.Errorf("%s: %w", filepath.Clean(dir), err)
	}
	return t, err
}

// loadFile reads the tokenizer in the file of that name. Its errors name the
// file.
func loadFile(fsys fs.FS, name string) (*Tokenizer, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("reading the tokenizer: %w", err)
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("%s: the file is empty", name)
	}
	var t *Tokenizer
	if strings.HasSuffix(name, ".json") {
		t, err = parseTokenizer(data)
	} else {
		var o Options
		if o, err = loadOptions(fsys); err != nil {
			return nil, err
		}
		t, err = parseVocab(string(data), o)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	t.file = name
	return t, nil
}

// parseVocab reads a vocab.txt: one piece a line, in the order of the ids.
func parseVocab(text string, o Options) (*Tokenizer, error) {
	vocab := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range vocab {
		vocab[i] = strings.TrimSuffix(line, "\r")
	}
	return newTokenizer(vocab, o, func(id int) string { return fmt.Sprintf("line %d", id+1) })
}

// The classes of Hugging Face's tokenizers, without "Fast", that are BERT's
// WordPiece under another name. Others have a vocab.txt too and split by other
// rules.
var wordPieceClasses = []string{
	"", "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "ConvBertTokenizer", "SqueezeBertTokenizer",
}

// A tokenizerConfig is what counts in tokenizer_config.json.
type tokenizerConfig struct {
	Class         string `json:"tokenizer_class"`
	BasicTokenize *bool  `json:"do_basic_tokenize"`
	LowerCase     *bool  `json:"do_lower_case"`
	StripAccents  *bool  `json:"strip_accents"`
	SplitCJK      *bool  `json:"tokenize_chinese_chars"`
}

// loadOptions reads tokenizer_config.json, which need not be there.
func loadOptions(fsys fs.FS) (Options, error) {
	data, err := fs.ReadFile(fsys, configName)
	if errors.Is(err, fs.ErrNotExist) {
		return Options{}, nil
	}
	if err != nil {
		return Options{}, fmt.Errorf("reading the tokenizer's settings: %w", err)
	}
	var c tokenizerConfig
	if err := decode(data, &c); err != nil {
		return Options{}, fmt.Errorf("%s: %w", configName, err)
	}
	if !slices.Contains(wordPieceClasses, strings.TrimSuffix(c.Class, "Fast")) {
		return Options{}, fmt.Errorf("%s: tokenizer_class %s is not supported, only BertTokenizer", configName, c.Class)
	}
	if !value(c.BasicTokenize, true) {
		return Options{}, fmt.Errorf("%s: do_basic_tokenize false is not supported", configName)
	}
	lower := value(c.LowerCase, true)
	return Options{
		Cased:       !lower,
		KeepAccents: !value(c.StripAccents, lower),
		WholeCJK:    !value(c.SplitCJK, true),
	}, nil
}

// value returns *p, or otherwise if the file did not say.
func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
