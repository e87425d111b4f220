package token

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// wordPiece is a tokenizer.json of basic's first pieces and one added token.
const wordPiece = `{
  "version": "1.0",
  "truncation": {"max_length": 4},
  "added_tokens": [
    {"id": 0, "content": "[PAD]", "special": true},
    {"id": 7, "content": "[MASK]", "special": true}
  ],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
    "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
             {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]},
  "decoder": {"type": "WordPiece"},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "want": 4, "##ed": 5, "é": 6}}
}`

// edit returns wordPiece with one of its strings replaced.
func edit(tb testing.TB, before, after string) string {
	tb.Helper()
	if strings.Count(wordPiece, before) != 1 {
		tb.Fatalf("%q is not once in the file", before)
	}
	return strings.Replace(wordPiece, before, after, 1)
}

const specialLines = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"

func files(content map[string]string) fs.FS {
	dir := fstest.MapFS{}
	for name, text := range content {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return dir
}

func TestLoad(t *testing.T) {
	bert := Options{MaxWordChars: 100}
	cased := Options{Cased: true, KeepAccents: true, MaxWordChars: 100}
	for _, test := range []struct {
		name    string
		files   map[string]string
		file    string
		options Options
		size    int
	}{
		{"a vocabulary alone is uncased", map[string]string{vocabName: specialLines + "want\n"}, vocabName, bert, 5},
		{"without the last line's end", map[string]string{vocabName: specialLines + "want"}, vocabName, bert, 5},
		{"with the line ends of Windows", map[string]string{vocabName: strings.ReplaceAll(specialLines, "\n", "\r\n")}, vocabName, bert, 4},
		{"settings that say nothing", map[string]string{vocabName: specialLines, configName: "{}"}, vocabName, bert, 4},
		{"cased by settings", map[string]string{vocabName: specialLines, configName: `{"do_lower_case": false, "tokenizer_class": "BertTokenizerFast"}`}, vocabName, cased, 4},
		{
			"all settings",
			map[string]string{vocabName: specialLines, configName: `{"do_lower_case": false, "strip_accents": true, "tokenize_chinese_chars": false}`},
			vocabName,
			Options{Cased: true, WholeCJK: true, MaxWordChars: 100},
			4,
		},
		{
			"lower case with accents",
			map[string]string{vocabName: specialLines, configName: `{"strip_accents": false}`},
			vocabName,
			Options{KeepAccents: true, MaxWordChars: 100},
			4,
		},
		{"tokenizer.json", map[string]string{tokenizerName: wordPiece}, tokenizerName, bert, 8},
		{
			"tokenizer.json before the rest",
			map[string]string{tokenizerName: wordPiece, vocabName: specialLines, configName: `{"do_lower_case": false}`},
			tokenizerName, bert, 8,
		},
		{
			"cased tokenizer.json",
			map[string]string{tokenizerName: edit(t, `"lowercase": true`, `"lowercase": false`)},
			tokenizerName, cased, 8,
		},
		{
			"accents and ideographs in tokenizer.json",
			map[string]string{tokenizerName: edit(t,
				`"handle_chinese_chars": true, "strip_accents": null`, `"handle_chinese_chars": false, "strip_accents": false`)},
			tokenizerName,
			Options{KeepAccents: true, WholeCJK: true, MaxWordChars: 100},
			8,
		},
		{"an older file without the model's type", map[string]string{tokenizerName: edit(t, `"type": "WordPiece", "unk`, `"unk`)}, tokenizerName, bert, 8},
		{
			"an older post-processor",
			map[string]string{tokenizerName: edit(t, `"type": "TemplateProcessing",`, `"type": "BertProcessing",`)},
			tokenizerName, bert, 8,
		},
		{
			"a limit of characters",
			map[string]string{tokenizerName: edit(t, `"max_input_chars_per_word": 100`, `"max_input_chars_per_word": 3`)},
			tokenizerName,
			Options{MaxWordChars: 3},
			8,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			tokens, err := Load(files(test.files))
			if err != nil {
				t.Fatal(err)
			}
			if got := tokens.File(); got != test.file {
				t.Errorf("File: got %q, want %q", got, test.file)
			}
			if got := tokens.Options(); got != test.options {
				t.Errorf("Options: got %+v, want %+v", got, test.options)
			}
			if got := tokens.Size(); got != test.size {
				t.Errorf("Size: got %d, want %d", got, test.size)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	withJSON := func(before, after string) map[string]string {
		return map[string]string{tokenizerName: edit(t, before, after)}
	}
	withSettings := func(settings string) map[string]string {
		return map[string]string{vocabName: specialLines, configName: settings}
	}
	const model = `"type": "WordPiece", "unk_token": "[UNK]"`
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no file", nil, "no tokenizer.json and no vocab.txt: file does not exist"},
		{"an empty vocabulary", map[string]string{vocabName: ""}, "vocab.txt: the file is empty"},
		{"an empty line", map[string]string{vocabName: specialLines + "\na\n"}, "vocab.txt: line 5 is empty"},
		{"a line twice", map[string]string{vocabName: specialLines + "a\nb\na\n"}, `vocab.txt: line 7, "a", is there already as line 5`},
		{"a line that is not UTF-8", map[string]string{vocabName: specialLines + "\xff\n"}, `vocab.txt: line 5, "\xff", is not UTF-8`},
		{"missing pieces", map[string]string{vocabName: "[PAD]\n[CLS]\na\n"}, "vocab.txt: no [UNK], no [SEP] among the pieces"},

		{"settings that are not JSON", withSettings("{\n\"do_lower_case\": maybe}"), "tokenizer_config.json: line 2: invalid character 'm' looking for beginning of value"},
		{"a setting of the wrong kind", withSettings(`{"do_lower_case": "no"}`), "tokenizer_config.json: do_lower_case is a JSON string, which does not belong there"},
		{"another class", withSettings(`{"tokenizer_class": "BertJapaneseTokenizer"}`), "tokenizer_config.json: tokenizer_class BertJapaneseTokenizer is not supported, only BertTokenizer"},
		{"no basic tokenizer", withSettings(`{"do_basic_tokenize": false}`), "tokenizer_config.json: do_basic_tokenize false is not supported"},

		{"an empty file", map[string]string{tokenizerName: ""}, "tokenizer.json: the file is empty"},
		{"a cut file", map[string]string{tokenizerName: wordPiece[:200]}, "tokenizer.json: line 8: unexpected end of JSON input"},
		{"not an object", map[string]string{tokenizerName: "[]"}, "tokenizer.json: it is a JSON array, which does not belong there"},
		{"null", map[string]string{tokenizerName: "null"}, "tokenizer.json: model is missing"},
		{"BPE", withJSON(model, `"type": "BPE", "unk_token": "[UNK]"`), "tokenizer.json: model BPE is not supported, only WordPiece"},
		{"BPE without its name", withJSON(model, `"merges": [], "unk_token": "[UNK]"`), "tokenizer.json: model BPE is not supported, only WordPiece"},
		{
			"Unigram",
			map[string]string{tokenizerName: `{"model": {"type": "Unigram", "vocab": [["a", -1.5]]}}`},
			"tokenizer.json: model Unigram is not supported, only WordPiece",
		},
		{"a model without a type", map[string]string{tokenizerName: `{"model": {}}`}, "tokenizer.json: model: type is missing"},
		{"another unknown piece", withJSON(model, `"type": "WordPiece", "unk_token": "<unk>"`), `tokenizer.json: model: unk_token "<unk>" is not supported, only "[UNK]"`},
		{"another prefix", withJSON(`"continuing_subword_prefix": "##"`, `"continuing_subword_prefix": "@@"`), `tokenizer.json: model: continuing_subword_prefix "@@" is not supported, only "##"`},
		{"words of no length", withJSON(`"max_input_chars_per_word": 100`, `"max_input_chars_per_word": 0`), "tokenizer.json: model: max_input_chars_per_word is 0, below 1"},
		{"words of half a length", withJSON(`"max_input_chars_per_word": 100`, `"max_input_chars_per_word": 1.5`), "tokenizer.json: model: max_input_chars_per_word is a JSON number 1.5, which does not belong there"},
		{"a model without its vocabulary", withJSON(`"vocab": {`, `"words": {`), "tokenizer.json: model: vocab is missing"},
		{"an id of the wrong kind", withJSON(`"want": 4`, `"want": "4"`), `tokenizer.json: model.vocab: the id of "want" is "4", not a whole number`},
		{"a vocabulary of the wrong kind", withJSON(`"vocab": {`, `"vocab": [], "words": {`), "tokenizer.json: model.vocab: it is a JSON array, which does not belong there"},
		{"an id twice", withJSON(`"want": 4`, `"want": 5`), `tokenizer.json: model.vocab: "##ed" and "want" both have id 5`},
		{"an id too high", withJSON(`"want": 4`, `"want": 40`), `tokenizer.json: model.vocab: "want" has id 40, but there are only 8 pieces`},
		{"an id below zero", withJSON(`"want": 4`, `"want": -4`), `tokenizer.json: model.vocab: "want" has id -4, but there are only 8 pieces`},
		{"no special pieces", withJSON(`"[SEP]": 3`, `"sep": 3`), "tokenizer.json: no [SEP] among the pieces"},
		{"an empty piece", withJSON(`"want": 4`, `"": 4`), "tokenizer.json: model.vocab: the piece with id 4 is empty"},
		{"an added word", withJSON(`"content": "[MASK]", "special": true`, `"content": "covid", "special": false`), `tokenizer.json: added_tokens[1]: "covid" is not special; added words are not supported`},
		{"an added token with two ids", withJSON(`"id": 0, "content"`, `"id": 9, "content"`), `tokenizer.json: added_tokens[0]: "[PAD]" has id 9, but 0 in the model's vocabulary`},
		{"no normalizer", withJSON(`"normalizer": {`, `"normaliser": {`), "tokenizer.json: normalizer is missing, only BertNormalizer is supported"},
		{"another normalizer", withJSON(`"BertNormalizer"`, `"NFKC"`), "tokenizer.json: normalizer NFKC is not supported, only BertNormalizer"},
		{"controls kept", withJSON(`"clean_text": true`, `"clean_text": false`), "tokenizer.json: normalizer: clean_text false is not supported"},
		{"case unsaid", withJSON(`, "lowercase": true`, ``), "tokenizer.json: normalizer: lowercase is missing"},
		{"case of the wrong kind", withJSON(`"lowercase": true`, `"lowercase": 1`), "tokenizer.json: normalizer: lowercase is a JSON number, which does not belong there"},
		{"no pre-tokenizer", withJSON(`{"type": "BertPreTokenizer"}`, `null`), "tokenizer.json: pre_tokenizer is missing, only BertPreTokenizer is supported"},
		{"another pre-tokenizer", withJSON(`"BertPreTokenizer"`, `"ByteLevel"`), "tokenizer.json: pre_tokenizer ByteLevel is not supported, only BertPreTokenizer"},
		{"another post-processor", withJSON(`"TemplateProcessing"`, `"RobertaProcessing"`), "tokenizer.json: post_processor RobertaProcessing is not supported, only TemplateProcessing"},
		{
			"another template", withJSON(`"single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, `, `"single": [`),
			`tokenizer.json: post_processor.single: "A:0 [SEP]:0" is not supported, only "[CLS]:0 A:0 [SEP]:0"`,
		},
		{
			"another type of the pair", withJSON(`{"Sequence": {"id": "B", "type_id": 1}}`, `{"Sequence": {"id": "B", "type_id": 0}}`),
			`tokenizer.json: post_processor.pair: "[CLS]:0 A:0 [SEP]:0 B:0 [SEP]:1" is not supported, only "[CLS]:0 A:0 [SEP]:0 B:1 [SEP]:1"`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(files(test.files))
			if err == nil || err.Error() != test.want {
				t.Errorf("got error %v,\n         want %s", err, test.want)
			}
		})
	}
}

func TestLoadWithoutFilesIsNotExist(t *testing.T) {
	if _, err := Load(files(nil)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want one that is fs.ErrNotExist", err)
	}
}

func TestLoadVocab(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"mine.json":           wordPiece,
		"mine.txt":            specialLines + "want\n",
		"cased/any.txt":       specialLines + "Want\n",
		"cased/" + configName: `{"do_lower_case": false}`,
		"bad/vocab.txt":       "[PAD]\n[PAD]\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name  string
		path  string
		file  string
		cased bool
		err   string
	}{
		{name: "JSON by its name", path: "mine.json", file: "mine.json"},
		{name: "lines by another name", path: "mine.txt", file: "mine.txt"},
		{name: "with settings beside it", path: "cased/any.txt", file: "any.txt", cased: true},
		{name: "a fault inside", path: "bad/vocab.txt", err: filepath.Join(dir, "bad") + `: vocab.txt: line 2, "[PAD]", is there already as line 1`},
		{name: "no file", path: "none.txt", err: dir + ": reading the tokenizer: open none.txt: no such file or directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tokens, err := LoadVocab(filepath.Join(dir, test.path))
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("got error %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := tokens.File(); got != test.file {
				t.Errorf("File: got %q, want %q", got, test.file)
			}
			if got := tokens.Options().Cased; got != test.cased {
				t.Errorf("Cased: got %t, want %t", got, test.cased)
			}
		})
	}
	t.Chdir(dir)
	if _, err := LoadVocab("mine.txt"); err != nil {
		t.Errorf("a name without a directory: got error %v, want none", err)
	}
}

// Both forms of one vocabulary give the same ids.
func TestFormsAgree(t *testing.T) {
	vocab := readVocab(t, uncasedVocab)
	ids := map[string]int{}
	for id, piece := range vocab {
		ids[piece] = id
	}
	pieces, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	start := strings.Index(wordPiece, `"vocab": {`) + len(`"vocab": `)
	text := wordPiece[:start] + string(pieces) + "}}"
	text = strings.Replace(text, `"id": 7, "content": "[MASK]"`, `"id": 4, "content": "[MASK]"`, 1)
	tokens, err := Load(files(map[string]string{tokenizerName: text}))
	if err != nil {
		t.Fatal(err)
	}
	if got := tokens.Vocab(); !slices.Equal(got, vocab) {
		t.Errorf("got %v, want %v", got, vocab)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(specialLines+"a\n##b\n", `{"do_lower_case": false}`, "")
	f.Add("", "", wordPiece)
	f.Add("", "", edit(f, `"want": 4`, `"want": 1e9`))
	f.Fuzz(func(t *testing.T, vocab, config, tokenizer string) {
		dir := map[string]string{vocabName: vocab, configName: config, tokenizerName: tokenizer}
		maps.DeleteFunc(dir, func(_, text string) bool { return text == "" })
		tokens, err := Load(files(dir))
		if err != nil {
			return
		}
		for _, text := range append(hardTexts, vocab) {
			for _, id := range tokens.Append(nil, text) {
				if id < 0 || int(id) >= tokens.Size() {
					t.Fatalf("%q: got id %d, want one below %d", text, id, tokens.Size())
				}
			}
		}
	})
}
