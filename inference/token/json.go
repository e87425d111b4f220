package token

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A tokenizerFile is what counts in a tokenizer.json. The rest of a part is
// read only after its type is known to be BERT's.
type tokenizerFile struct {
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Model         json.RawMessage `json:"model"`
}

type addedToken struct {
	ID      int    `json:"id"`
	Content string `json:"content"`
	Special bool   `json:"special"`
}

// parseTokenizer reads a tokenizer.json. It refuses, by name, every setting
// under which BERT's WordPiece would give other ids.
func parseTokenizer(data []byte) (*Tokenizer, error) {
	var f tokenizerFile
	if err := decode(data, &f); err != nil {
		return nil, err
	}
	var o Options
	ids, err := parseModel(f.Model, &o)
	if err != nil {
		return nil, err
	}
	if err := parseNormalizer(f.Normalizer, &o); err != nil {
		return nil, err
	}
	if err := checkType(f.PreTokenizer, "pre_tokenizer", "BertPreTokenizer"); err != nil {
		return nil, err
	}
	if err := checkPostProcessor(f.PostProcessor); err != nil {
		return nil, err
	}
	if err := addTokens(ids, f.AddedTokens); err != nil {
		return nil, err
	}
	vocab, err := order(ids)
	if err != nil {
		return nil, err
	}
	return newTokenizer(vocab, o, func(id int) string { return fmt.Sprintf("model.vocab: the piece with id %d", id) })
}

func parseNormalizer(data json.RawMessage, o *Options) error {
	if err := checkType(data, "normalizer", "BertNormalizer"); err != nil {
		return err
	}
	var n struct {
		CleanText    *bool `json:"clean_text"`
		SplitCJK     *bool `json:"handle_chinese_chars"`
		StripAccents *bool `json:"strip_accents"`
		Lowercase    *bool `json:"lowercase"`
	}
	if err := decode(data, &n); err != nil {
		return fmt.Errorf("normalizer: %w", err)
	}
	if !value(n.CleanText, true) {
		return errors.New("normalizer: clean_text false is not supported")
	}
	if n.Lowercase == nil {
		return errors.New("normalizer: lowercase is missing")
	}
	o.Cased = !*n.Lowercase
	o.KeepAccents = !value(n.StripAccents, *n.Lowercase)
	o.WholeCJK = !value(n.SplitCJK, true)
	return nil
}

// parseModel reads the vocabulary, as ids by piece.
func parseModel(data json.RawMessage, o *Options) (map[string]int, error) {
	var m struct {
		Type         string          `json:"type"`
		Merges       json.RawMessage `json:"merges"`
		Unknown      *string         `json:"unk_token"`
		Continuation *string         `json:"continuing_subword_prefix"`
		MaxWordChars *int            `json:"max_input_chars_per_word"`
		Vocab        json.RawMessage `json:"vocab"`
	}
	if isNull(data) {
		return nil, errors.New("model is missing")
	}
	if err := decode(data, &m); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if m.Type == "" {
		// Files of before the type was written: only BPE has merges, and only
		// WordPiece a prefix without them.
		switch {
		case !isNull(m.Merges):
			m.Type = "BPE"
		case m.Continuation != nil:
			m.Type = "WordPiece"
		default:
			return nil, errors.New("model: type is missing")
		}
	}
	if m.Type != "WordPiece" {
		return nil, fmt.Errorf("model %s is not supported, only WordPiece", m.Type)
	}
	if got := value(m.Unknown, unk); got != unk {
		return nil, fmt.Errorf("model: unk_token %q is not supported, only %q", got, unk)
	}
	if got := value(m.Continuation, continuation); got != continuation {
		return nil, fmt.Errorf("model: continuing_subword_prefix %q is not supported, only %q", got, continuation)
	}
	o.MaxWordChars = value(m.MaxWordChars, maxWordChars)
	if o.MaxWordChars < 1 {
		return nil, fmt.Errorf("model: max_input_chars_per_word is %d, below 1", o.MaxWordChars)
	}
	if isNull(m.Vocab) {
		return nil, errors.New("model: vocab is missing")
	}
	return parseIDs(m.Vocab)
}

// parseIDs reads the ids of the pieces.
func parseIDs(data json.RawMessage) (map[string]int, error) {
	var ids map[string]int
	err := decode(data, &ids)
	if err == nil {
		return ids, nil
	}
	// Tell the piece, if the fault is in one.
	var values map[string]json.RawMessage
	if json.Unmarshal(data, &values) == nil {
		for _, piece := range slices.Sorted(maps.Keys(values)) {
			if json.Unmarshal(values[piece], new(int)) != nil {
				return nil, fmt.Errorf("model.vocab: the id of %q is %.20s, not a whole number", piece, values[piece])
			}
		}
	}
	return nil, fmt.Errorf("model.vocab: %w", err)
}

// addTokens puts the added tokens that the model's vocabulary lacks behind it.
// They are ids that no text contains, so only special ones can be allowed: a
// word that was added would have to be found in texts before they are split.
func addTokens(ids map[string]int, added []addedToken) error {
	for i, a := range added {
		if !a.Special {
			return fmt.Errorf("added_tokens[%d]: %q is not special; added words are not supported", i, a.Content)
		}
		if id, ok := ids[a.Content]; ok && id != a.ID {
			return fmt.Errorf("added_tokens[%d]: %q has id %d, but %d in the model's vocabulary", i, a.Content, a.ID, id)
		}
		ids[a.Content] = a.ID
	}
	return nil
}

// order returns the pieces by id, if every id from 0 on is there once.
func order(ids map[string]int) ([]string, error) {
	vocab := make([]string, len(ids))
	taken := make([]bool, len(ids))
	for _, piece := range slices.Sorted(maps.Keys(ids)) {
		id := ids[piece]
		if id < 0 || id >= len(ids) {
			return nil, fmt.Errorf("model.vocab: %q has id %d, but there are only %d pieces", piece, id, len(ids))
		}
		if taken[id] {
			return nil, fmt.Errorf("model.vocab: %q and %q both have id %d", vocab[id], piece, id)
		}
		vocab[id], taken[id] = piece, true
	}
	return vocab, nil
}

// checkPostProcessor makes sure that rows are put together as BERT's are. A file
// without the part leaves that to its reader.
func checkPostProcessor(data json.RawMessage) error {
	const name = "post_processor"
	if isNull(data) || checkType(data, name, "BertProcessing") == nil {
		return nil
	}
	if err := checkType(data, name, "TemplateProcessing"); err != nil {
		return err
	}
	var p struct {
		Single []templatePart `json:"single"`
		Pair   []templatePart `json:"pair"`
	}
	if err := decode(data, &p); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, t := range []struct {
		name  string
		parts []templatePart
		want  string
	}{
		{"single", p.Single, "[CLS]:0 A:0 [SEP]:0"},
		{"pair", p.Pair, "[CLS]:0 A:0 [SEP]:0 B:1 [SEP]:1"},
	} {
		var got []string
		for _, part := range t.parts {
			got = append(got, part.String())
		}
		if got := strings.Join(got, " "); got != t.want {
			return fmt.Errorf("%s.%s: %q is not supported, only %q", name, t.name, got, t.want)
		}
	}
	return nil
}

// A templatePart is a special token or one of the two texts.
type templatePart struct {
	Special  *typedID `json:"SpecialToken"`
	Sequence *typedID `json:"Sequence"`
}

type typedID struct {
	ID   string `json:"id"`
	Type int    `json:"type_id"`
}

func (p templatePart) String() string {
	for _, t := range []*typedID{p.Special, p.Sequence} {
		if t != nil {
			return fmt.Sprintf("%s:%d", t.ID, t.Type)
		}
	}
	return "?"
}

// checkType makes sure that a part of the file is of the one type that is
// supported.
func checkType(data json.RawMessage, part, want string) error {
	if isNull(data) {
		return fmt.Errorf("%s is missing, only %s is supported", part, want)
	}
	var p struct {
		Type string `json:"type"`
	}
	if err := decode(data, &p); err != nil {
		return fmt.Errorf("%s: %w", part, err)
	}
	if p.Type != want {
		return fmt.Errorf("%s %s is not supported, only %s", part, p.Type, want)
	}
	return nil
}

func isNull(data json.RawMessage) bool { return len(data) == 0 || string(data) == "null" }

// decode is [json.Unmarshal] with errors that tell the line or the field.
func decode(data []byte, to any) error {
	err := json.Unmarshal(data, to)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		line := 1 + bytes.Count(data[:min(syntax.Offset, int64(len(data)))], []byte("\n"))
		return fmt.Errorf("line %d: %w", line, err)
	}
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s is a JSON %s, which does not belong there", cmp.Or(mismatch.Field, "it"), mismatch.Value)
	}
	return err
}
