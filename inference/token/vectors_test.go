package token

import (
	"math"
	"path/filepath"
	"slices"
	"testing"
)

// The vocabularies in testdata are TrainVocab's, of sentences of our own. The
// ids in vectors.jsonl are those of Hugging Face tokenizers 0.23.3 with these
// vocabularies.
const (
	uncasedVocab = "testdata/uncased/vocab.txt"
	casedVocab   = "testdata/cased/vocab.txt"
)

// variants are the ways to normalize that vectors.jsonl has.
var variants = map[string]struct {
	path    string
	options Options
}{
	"uncased":   {uncasedVocab, Options{}},
	"cased":     {casedVocab, Options{Cased: true, KeepAccents: true}},
	"accents":   {uncasedVocab, Options{KeepAccents: true}},
	"whole_cjk": {uncasedVocab, Options{WholeCJK: true}},
}

// variant returns the tokenizer of one of the variants.
func variant(tb testing.TB, name string) *Tokenizer {
	tb.Helper()
	v, ok := variants[name]
	if !ok {
		tb.Fatalf("no variant %q", name)
	}
	t, err := New(readVocab(tb, v.path), v.options)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func readVocab(tb testing.TB, path string) []string {
	tb.Helper()
	var vocab []string
	readLines(tb, path, func(line []byte) { vocab = append(vocab, string(line)) })
	return vocab
}

func TestRowsEqualReference(t *testing.T) {
	tokenizers := map[string]*Tokenizer{}
	for name := range variants {
		tokenizers[name] = variant(t, name)
	}
	type vector struct {
		Options  string     `json:"options"`
		Text     string     `json:"text"`
		Pair     string     `json:"pair"`
		Limit    int        `json:"limit"`
		Truncate Truncation `json:"truncate"`
		IDs      []int32    `json:"ids"`
		Second   int        `json:"second"`
	}
	vectors := readJSON[vector](t, "testdata/vectors.jsonl")
	if len(vectors) < 500 {
		t.Fatalf("got %d vectors, want 500 and more", len(vectors))
	}
	for i, v := range vectors {
		limit := v.Limit
		if limit == 0 {
			limit = math.MaxInt
		}
		row, err := tokenizers[v.Options].Row(nil, v.Text, v.Pair, limit, v.Truncate)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if !slices.Equal(row.IDs, v.IDs) || row.Second != v.Second {
			t.Errorf("line %d: %s %q %q, limit %d %s:\n got %v, token type 1 from %d,\nwant %v, token type 1 from %d",
				i+1, v.Options, v.Text, v.Pair, v.Limit, v.Truncate, row.IDs, row.Second, v.IDs, v.Second)
		}
	}
}

func TestSharedVectors(t *testing.T) {
	for name, path := range map[string]string{
		"vocab.txt":      shared(t, "vocab", "vocab.txt"),
		"tokenizer.json": shared(t, "vocab", "tokenizer.json"),
	} {
		t.Run(name, func(t *testing.T) {
			tokens, err := LoadVocab(path)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			files, _ := filepath.Glob(shared(t, "vectors", "*.jsonl*"))
			for _, file := range files {
				n += compareShared(t, tokens, file)
			}
			if n < 10612 {
				t.Errorf("got %d vectors, want 10612", n)
			}
		})
	}
}

// compareShared returns the number of vectors in file.
func compareShared(t *testing.T, tokens *Tokenizer, file string) int {
	t.Helper()
	type vector struct {
		Name    string  `json:"name"`
		Text    string  `json:"text"`
		Pair    string  `json:"text_pair"`
		IDs     []int32 `json:"ids"`
		Special bool    `json:"add_special_tokens"`
	}
	vectors := readJSON[vector](t, file)
	for _, v := range vectors {
		ids := tokens.Append(nil, v.Text)
		if v.Special {
			row, err := tokens.Row(nil, v.Text, v.Pair, math.MaxInt, Right)
			if err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			ids = row.IDs
		}
		if !slices.Equal(ids, v.IDs) {
			t.Errorf("%s: %q\n got %v,\nwant %v", v.Name, v.Text, ids, v.IDs)
		}
	}
	return len(vectors)
}
