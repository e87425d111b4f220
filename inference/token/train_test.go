package token

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestTrainVocab(t *testing.T) {
	// ab occurs four times, abc of it three times, and nothing else twice.
	texts := []string{"ab abc", "ABC, abc", "x!"}
	alphabet := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "!", ",", "a", "b", "c", "x", "##a", "##b", "##c"}
	for _, test := range []struct {
		name    string
		size    int
		options Options
		want    []string
	}{
		{"all there is", 100, Options{}, append(slices.Clone(alphabet), "ab", "abc")},
		{"up to a size", 15, Options{}, append(slices.Clone(alphabet), "ab")},
		{"characters alone", 14, Options{}, alphabet},
		{"the most frequent characters", 10, Options{}, []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b"}},
		{"cased", 100, Options{Cased: true}, []string{
			"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "!", ",", "A", "B", "C", "a", "b", "c", "x", "##A", "##B", "##C", "##a", "##b", "##c", "ab", "abc",
		}},
		{"short words", 100, Options{MaxWordChars: 2}, []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "!", ",", "a", "b", "x", "##a", "##b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := TrainVocab(slices.Values(texts), test.size, test.options)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q,\nwant %q", got, test.want)
			}
		})
	}
}

func TestTrainVocabRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		texts   []string
		size    int
		options Options
		want    string
	}{
		{"a size below the special pieces", []string{"a"}, 5, Options{}, "a vocabulary of 5 pieces is too small: 5 are special"},
		{"texts without a word", []string{"", " \t"}, 100, Options{}, "no words in the texts to make a vocabulary from"},
		{"a negative limit", []string{"a"}, 100, Options{MaxWordChars: -1}, "words of at most -1 characters are asked for"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := TrainVocab(slices.Values(test.texts), test.size, test.options)
			if err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %s", err, test.want)
			}
		})
	}
}

// randomTexts returns n texts of words that share syllables.
func randomTexts(n int) []string {
	random := rand.New(rand.NewPCG(1, 2))
	syllables := strings.Fields("re fund par cel de liv er y or the in voice can a aa aaa ss çe 北 é ! , 1 20")
	texts := make([]string, n)
	for i := range texts {
		var text strings.Builder
		for range 1 + random.IntN(12) {
			for range 1 + random.IntN(4) {
				// The smaller of two: some syllables are common, others rare.
				text.WriteString(syllables[min(random.IntN(len(syllables)), random.IntN(len(syllables)))])
			}
			text.WriteByte(' ')
		}
		texts[i] = text.String()
	}
	return texts
}

// recount is TrainVocab's choice of pieces without its bookkeeping: it counts
// all pairs anew before every join.
func recount(texts []string, size int) []string {
	t := newTrainer(countWords(slices.Values(texts), Options{MaxWordChars: maxWordChars}), size)
	for len(t.vocab) < size {
		numbers := map[pair]int{}
		for i := range t.words {
			for p := range t.words[i].pairs() {
				numbers[p] += t.words[i].number
			}
		}
		best := queuedPair{number: leastPairs - 1}
		for p, number := range numbers {
			if q := (queuedPair{p, number}); number >= leastPairs && q.before(best) {
				best = q
			}
		}
		if best.number < leastPairs {
			break
		}
		joined := t.add(t.vocab[best.left] + strings.TrimPrefix(t.vocab[best.right], continuation))
		for i := range t.words {
			t.words[i].replace(best.pair, joined)
		}
	}
	return t.vocab
}

func TestTrainVocabEqualsRecounting(t *testing.T) {
	texts := randomTexts(150)
	got, err := TrainVocab(slices.Values(texts), 600, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := recount(texts, 600); !slices.Equal(got, want) {
		t.Errorf("got %q,\nwant %q", got, want)
	}
}

func TestTrainVocabDoesNotDependOnOrder(t *testing.T) {
	texts := randomTexts(300)
	want, err := TrainVocab(slices.Values(texts), 400, Options{})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(texts)
	got, err := TrainVocab(slices.Values(texts), 400, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("of the texts in reverse: got %q,\nwant %q", got, want)
	}
}

// What a vocabulary was made from, a tokenizer of it knows.
func TestTrainedVocabularyCoversItsTexts(t *testing.T) {
	texts := randomTexts(200)
	for name, v := range variants {
		vocab, err := TrainVocab(slices.Values(texts), 300, v.options)
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := New(vocab, v.options)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(vocab); got != 300 {
			t.Errorf("%s: got %d pieces, want 300", name, got)
		}
		long, unknown := 0, 0
		for _, text := range texts {
			for _, id := range tokens.Append(nil, text) {
				switch {
				case id == tokens.UNK():
					unknown++
				case len(vocab[id]) > len("##xx"):
					long++
				}
			}
		}
		if unknown > 0 || long == 0 {
			t.Errorf("%s: got %d unknown words and %d long pieces, want 0 and some", name, unknown, long)
		}
	}
}

func TestQueueGivesTheHighestFirst(t *testing.T) {
	var queue pairQueue
	numbers := map[queuedPair]bool{}
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		q := queuedPair{pair{random.Int32N(5), random.Int32N(5)}, random.IntN(20)}
		if !numbers[q] {
			queue.push(q)
		}
		numbers[q] = true
	}
	want := slices.SortedFunc(maps.Keys(numbers), func(x, y queuedPair) int {
		if x.before(y) {
			return -1
		}
		return 1
	})
	var got []queuedPair
	for len(queue) > 0 {
		got = append(got, queue.pop())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v,\nwant %v", got, want)
	}
}
