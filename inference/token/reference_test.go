package token

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// referenceIDs is BERT's tokenizer written as its authors did, one pass over the
// whole text for each step, with nothing of the fast one in it.
func referenceIDs(ids map[string]int32, o Options, text string) []int32 {
	var row []int32
	for _, word := range referenceWords(o, text) {
		row = append(row, referencePieces(ids, []rune(word))...)
	}
	return row
}

func referenceWords(o Options, text string) []string {
	var clean strings.Builder
	for _, r := range strings.ToValidUTF8(text, "") {
		switch {
		case strings.ContainsRune("\t\n\r", r):
			clean.WriteRune(' ')
		case r == utf8.RuneError, unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
		case unicode.Is(unicode.White_Space, r):
			clean.WriteRune(' ')
		case !o.WholeCJK && unicode.Is(ideographs, r):
			clean.WriteString(" " + string(r) + " ")
		default:
			clean.WriteRune(r)
		}
	}
	text = clean.String()
	if !o.KeepAccents {
		text = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFD.String(text))
	}
	if !o.Cased {
		text = strings.ReplaceAll(text, "İ", "i\u0307")
		text = strings.Map(unicode.ToLower, text)
	}
	var words strings.Builder
	for _, r := range text {
		if unicode.IsPunct(r) || strings.ContainsRune("$+<=>^`|~", r) {
			words.WriteString(" " + string(r) + " ")
		} else {
			words.WriteRune(r)
		}
	}
	return strings.FieldsFunc(words.String(), func(r rune) bool { return r == ' ' })
}

var ideographs = &unicode.RangeTable{
	R16: []unicode.Range16{{0x3400, 0x4DBF, 1}, {0x4E00, 0x9FFF, 1}, {0xF900, 0xFAFF, 1}},
	R32: []unicode.Range32{{0x20000, 0x2A6DF, 1}, {0x2A700, 0x2B73F, 1}, {0x2B740, 0x2B81F, 1}, {0x2B920, 0x2CEAF, 1}, {0x2F800, 0x2FA1F, 1}},
}

// referencePieces tries ever shorter pieces at every place.
func referencePieces(ids map[string]int32, word []rune) []int32 {
	unknown := []int32{ids["[UNK]"]}
	if len(word) > 100 {
		return unknown
	}
	var row []int32
	for start := 0; start < len(word); {
		end := len(word)
		for ; end > start; end-- {
			piece := string(word[start:end])
			if start > 0 {
				piece = "##" + piece
			}
			if id, ok := ids[piece]; ok {
				row = append(row, id)
				break
			}
		}
		if end == start {
			return unknown
		}
		start = end
	}
	return row
}

// hardTexts are what fast paths are tempted to get wrong.
var hardTexts = []string{
	"", " ", "My parcel was due on Tuesday and it still has not arrived.",
	"refund refund\u0301 refund’s re\u00adfund REFUND",
	"eleven, seventeen-and-a-half 0123456789abcdefg",
	"é\u0301!\u0301a\u0301\u0327 \u0301x", "İI iı ǅ ẞß ΑΣ", "한국어 \u1112\u1161\u11ab",
	"北京parcel上海 \U00020000x \U0002b820\U0002b920", "a\u2028b\u2029c\u0085d\u000be\u001cf",
	"\xff\xfe re\xc3fund \xed\xa0\x80 \xf4\x90\x80\x80", "¿Qué? «sí» — $5 €5 ½",
	"\U0001d15f \U0001d165\U0001d16d\u302e x\u302f\U0001d165", strings.Repeat("é", 101), strings.Repeat("ab", 60),
	strings.Repeat("a\u0301", 100) + " " + strings.Repeat("a", 100) + "é", "👩‍👩‍👧‍👦 1\ufe0f\u20e3",
}

func FuzzAppendEqualsReference(f *testing.F) {
	for _, text := range hardTexts {
		f.Add(text)
	}
	tokenizers := map[string]*Tokenizer{}
	vocabs := map[string]map[string]int32{}
	for name := range variants {
		tokenizers[name] = variant(f, name)
		vocabs[name] = map[string]int32{}
		for id, piece := range tokenizers[name].Vocab() {
			vocabs[name][piece] = int32(id)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1000 {
			t.Skip("the reference is slow")
		}
		for name, v := range variants {
			tokens := tokenizers[name]
			got, want := tokens.Append(nil, text), referenceIDs(vocabs[name], v.options, text)
			if !slices.Equal(got, want) {
				t.Errorf("%s %+q:\n got %v,\nwant %v", name, text, got, want)
			}
			if len(got) > len(text) {
				t.Errorf("%s %+q: got %d ids, want at most as many as bytes, %d", name, text, len(got), len(text))
			}
			for _, id := range got {
				if id < 0 || int(id) >= tokens.Size() || id == tokens.CLS() || id == tokens.SEP() || id == tokens.PAD() {
					t.Errorf("%s %+q: got id %d, want that of a piece of text", name, text, id)
				}
			}
		}
	})
}
