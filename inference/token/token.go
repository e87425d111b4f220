// Package token turns text into the token ids that an encoder of the BERT
// family reads, and makes the vocabulary for one that is trained from scratch.
//
// It knows BERT's normalizer, WordPiece, and how a row is put together and cut
// to length. It does not know models, batches or where texts come from.
//
// Special tokens written in a text ("[MASK]", "[SEP]") are plain text here,
// brackets and all: who writes a message cannot reach into a row's structure.
// Otherwise ids are those of Hugging Face's BERT tokenizer. Characters are
// classed by the Unicode version of this Go release; the reference's tables are
// of 2015, so a few hundred rare characters that were added or moved to another
// class since then may differ.
package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The pieces that every vocabulary holds.
const (
	pad = "[PAD]"
	unk = "[UNK]"
	cls = "[CLS]"
	sep = "[SEP]"
)

// continuation begins a piece that does not start its word.
const continuation = "##"

// maxWordChars is BERT's limit on the characters of a word.
const maxWordChars = 100

// Options say how text is normalized. The zero value is BERT uncased: lower
// case, no accents, every CJK ideograph a word of its own. BERT cased is
// Options{Cased: true, KeepAccents: true}.
type Options struct {
	Cased        bool // keep upper case
	KeepAccents  bool // keep accents and all other nonspacing marks
	WholeCJK     bool // leave runs of CJK ideographs together
	MaxWordChars int  // longer words become [UNK]; 0 means 100
}

// filled returns o with its defaults.
func (o Options) filled() (Options, error) {
	if o.MaxWordChars < 0 {
		return o, fmt.Errorf("words of at most %d characters are asked for", o.MaxWordChars)
	}
	if o.MaxWordChars == 0 {
		o.MaxWordChars = maxWordChars
	}
	return o, nil
}

// A Tokenizer maps texts to token ids. It does not change after New, and any
// number of goroutines may use it at once.
type Tokenizer struct {
	vocab   []string
	options Options
	file    string

	pad, unk, cls, sep int32

	words  wordTable  // ASCII words of up to 16 bytes that are pieces
	pieces trie       // all pieces
	fold   *[256]byte // what a byte of ASCII text is looked up as
	marks  [128]int32 // ids of the ASCII characters that are words by themselves
}

// New makes a tokenizer for vocab, in which a piece's index is its id. The
// error names the pieces that are missing, empty or there twice.
func New(vocab []string, o Options) (*Tokenizer, error) {
	t, err := newTokenizer(vocab, o, func(id int) string { return fmt.Sprintf("piece %d", id) })
	if err != nil {
		return nil, fmt.Errorf("vocabulary: %w", err)
	}
	return t, nil
}

// newTokenizer is New with place to say where in a file a piece stands.
func newTokenizer(vocab []string, o Options, place func(id int) string) (*Tokenizer, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	ids, err := index(vocab, place)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{
		vocab:   slices.Clone(vocab),
		options: o,
		pad:     ids[pad],
		unk:     ids[unk],
		cls:     ids[cls],
		sep:     ids[sep],
		words:   newWordTable(vocab, o),
		pieces:  newTrie(vocab, o.MaxWordChars),
		fold:    &lowerASCII,
	}
	if o.Cased {
		t.fold = &sameByte
	}
	for c := range t.marks {
		t.marks[c] = t.unk
		if id, ok := ids[string(rune(c))]; ok {
			t.marks[c] = id
		}
	}
	return t, nil
}

// index returns the id of every piece, or an error that says what vocab lacks.
func index(vocab []string, place func(id int) string) (map[string]int32, error) {
	ids := make(map[string]int32, len(vocab))
	for id, piece := range vocab {
		if piece == "" {
			return nil, fmt.Errorf("%s is empty", place(id))
		}
		if !utf8.ValidString(piece) {
			return nil, fmt.Errorf("%s, %q, is not UTF-8", place(id), piece)
		}
		if first, ok := ids[piece]; ok {
			return nil, fmt.Errorf("%s, %q, is there already as %s", place(id), piece, place(int(first)))
		}
		ids[piece] = int32(id)
	}
	var missing []string
	for _, piece := range []string{pad, unk, cls, sep} {
		if _, ok := ids[piece]; !ok {
			missing = append(missing, piece)
		}
	}
	if len(missing) > 0 {
		return nil, errors.New("no " + strings.Join(missing, ", no ") + " among the pieces")
	}
	return ids, nil
}

// Vocab returns the pieces in the order of their ids. It is the tokenizer's
// own: do not change it.
func (t *Tokenizer) Vocab() []string { return t.vocab }

// Size returns the number of pieces; ids are below it.
func (t *Tokenizer) Size() int { return len(t.vocab) }

// Options returns how texts are normalized, with MaxWordChars filled in.
func (t *Tokenizer) Options() Options { return t.options }

// File returns the name of the file that Load or LoadVocab took the vocabulary
// from, without its directory, or "" after New.
func (t *Tokenizer) File() string { return t.file }

// PAD returns the id of [PAD].
func (t *Tokenizer) PAD() int32 { return t.pad }

// UNK returns the id of [UNK].
func (t *Tokenizer) UNK() int32 { return t.unk }

// CLS returns the id of [CLS].
func (t *Tokenizer) CLS() int32 { return t.cls }

// SEP returns the id of [SEP].
func (t *Tokenizer) SEP() int32 { return t.sep }
