package token

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// basic is a vocabulary small enough to work out ids by hand.
var basic = []string{
	"[PAD]", "[UNK]", "[CLS]", "[SEP]",
	"want", "##want", "##ed", "wa", "un", "runn", "##ing", ",", // 4 to 11
	"é", "run", "##n", "A", "a", "北", "##京", "!", "##é", "0123456789abcdef", "##0", // 12 to 22
}

func newBasic(tb testing.TB, o Options) *Tokenizer {
	tb.Helper()
	t, err := New(basic, o)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestAppend(t *testing.T) {
	cased := Options{Cased: true, KeepAccents: true}
	for _, test := range []struct {
		name    string
		options Options
		text    string
		want    []int32
	}{
		{"BERT's own example", Options{}, "UNwant\u00e9d,running", []int32{8, 5, 6, 11, 9, 10}},
		{"nothing", Options{}, "", nil},
		{"only spaces", Options{}, " \t\r\n\u00a0\u3000", nil},
		{"longest piece wins over the first", Options{}, "runn run", []int32{9, 13}},
		{"a word without a way on is one unknown", Options{}, "wantx want", []int32{1, 4}},
		{"capitals in cased text", cased, "A a WANT", []int32{15, 16, 1}},
		{"capitals in uncased text", Options{}, "A a WANT", []int32{16, 16, 4}},
		{"accents that are kept", Options{KeepAccents: true}, "É wanté", []int32{12, 4, 20}},
		{"accents that are stripped", Options{Cased: true}, "á A\u0301", []int32{16, 15}},
		{"ideographs apart", Options{}, "北京", []int32{17, 1}},
		{"ideographs together", Options{WholeCJK: true}, "北京", []int32{17, 18}},
		{"controls vanish inside a word", Options{}, "wa\x00n\x7ft\u200bed", []int32{4, 6}},
		{"bytes that are not UTF-8 vanish", Options{}, "wa\xffn\xc3\xe5t\xf0\x9f", []int32{4}},
		{"the replacement character vanishes", Options{}, "wan\ufffdt", []int32{4}},
		{"punctuation is a word each", Options{}, "!!want,,", []int32{19, 19, 4, 11, 11}},
		{"unknown punctuation", Options{}, "want?", []int32{4, 1}},
		{"special tokens are plain text", Options{}, "[CLS] [PAD]a", []int32{1, 1, 1, 1, 1, 1, 16}},
		{"a word of 16 bytes is looked up whole", Options{}, "0123456789abcdef", []int32{21}},
		{"one of 17 goes on from it", Options{}, "0123456789ABCDEF0", []int32{21, 22}},
		{"a word of 100 characters", Options{}, "a" + strings.Repeat("ed", 49) + "n", append(append([]int32{16}, slices.Repeat([]int32{6}, 49)...), 14)},
		{"a word of 101 characters", Options{}, "a" + strings.Repeat("ed", 50), []int32{1}},
		{"characters count, not bytes", Options{KeepAccents: true}, strings.Repeat("é", 100), append([]int32{12}, slices.Repeat([]int32{20}, 99)...)},
		{"101 characters beyond ASCII", Options{KeepAccents: true}, strings.Repeat("é", 101), []int32{1}},
		{"a limit of one's own", Options{MaxWordChars: 4}, "want wanted wané", []int32{4, 1, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := newBasic(t, test.options).Append(nil, test.text); !slices.Equal(got, test.want) {
				t.Errorf("Append(%q): got %v, want %v", test.text, got, test.want)
			}
		})
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	got := newBasic(t, Options{}).Append([]int32{-7}, "a é wantx")
	if want := []int32{-7, 16, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTokenizerSaysWhatItHolds(t *testing.T) {
	vocab := slices.Clone(basic)
	tokens, err := New(vocab, Options{Cased: true})
	if err != nil {
		t.Fatal(err)
	}
	vocab[4] = "changed by the caller"
	if got := tokens.Vocab(); !slices.Equal(got, basic) {
		t.Errorf("Vocab: got %v, want %v", got, basic)
	}
	if got, want := tokens.Size(), len(basic); got != want {
		t.Errorf("Size: got %d, want %d", got, want)
	}
	got := []int32{tokens.PAD(), tokens.UNK(), tokens.CLS(), tokens.SEP()}
	if want := []int32{0, 1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("PAD, UNK, CLS, SEP: got %v, want %v", got, want)
	}
	if got, want := tokens.Options(), (Options{Cased: true, MaxWordChars: 100}); got != want {
		t.Errorf("Options: got %+v, want %+v", got, want)
	}
	if got := tokens.File(); got != "" {
		t.Errorf("File: got %q, want none", got)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		vocab   []string
		options Options
		want    string
	}{
		{"nothing", nil, Options{}, "vocabulary: no [PAD], no [UNK], no [CLS], no [SEP] among the pieces"},
		{"a missing piece", []string{"[PAD]", "[UNK]", "[CLS]", "a"}, Options{}, "vocabulary: no [SEP] among the pieces"},
		{"a piece twice", append(slices.Clone(basic), "want"), Options{}, `vocabulary: piece 23, "want", is there already as piece 4`},
		{"an empty piece", []string{"[PAD]", ""}, Options{}, "vocabulary: piece 1 is empty"},
		{"a piece that is not UTF-8", []string{"[PAD]", "\xff"}, Options{}, `vocabulary: piece 1, "\xff", is not UTF-8`},
		{"a negative limit", basic, Options{MaxWordChars: -1}, "vocabulary: words of at most -1 characters are asked for"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.vocab, test.options)
			if err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %s", err, test.want)
			}
		})
	}
}

// Pieces that no text can reach must not be reached by one that looks alike.
func TestOddPiecesAreHarmless(t *testing.T) {
	odd := append(slices.Clone(basic), "##", "#", "a\x00", "a b", strings.Repeat("x", 200), "\x00", " ", "##\x00", "ab\xcc\x81c")
	tokens, err := New(odd, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := tokens.Append(nil, "a a\x00 ## a b x")
	if want := []int32{16, 16, 24, 24, 16, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAppendDoesNotAllocateForASCII(t *testing.T) {
	tokens := variant(t, "uncased")
	texts := []string{
		"My parcel was due on Tuesday, and it STILL has not arrived!",
		"unheardofwordthatislongerthanthetable " + strings.Repeat("x", 300),
		"[MASK] 1,299.00 (no. 55-1902)\t\r\n",
	}
	dst := make([]int32, 0, 400)
	allocs := testing.AllocsPerRun(100, func() {
		for _, text := range texts {
			dst = tokens.Append(dst[:0], text)
		}
	})
	if allocs != 0 {
		t.Errorf("got %v allocations, want 0", allocs)
	}
	allocs = testing.AllocsPerRun(100, func() {
		row, err := tokens.Row(dst, texts[0], texts[2], 16, HeadTail)
		if err != nil || len(row.IDs) != 16 {
			t.Errorf("got %d ids and error %v, want 16", len(row.IDs), err)
		}
	})
	if allocs != 0 {
		t.Errorf("Row: got %v allocations, want 0", allocs)
	}
}

func TestManyGoroutinesShareATokenizer(t *testing.T) {
	tokens := variant(t, "uncased")
	const text = "Zürich’s parcel, 北京 and back"
	want := tokens.Append(nil, text)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if got := tokens.Append(nil, text); !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			}
		})
	}
	all.Wait()
}
