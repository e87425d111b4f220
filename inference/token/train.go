package token

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// specials are the first pieces of a trained vocabulary, in this order.
var specials = []string{pad, unk, cls, sep, "[MASK]"}

// leastPairs is how often two pieces must stand side by side to become one.
const leastPairs = 2

// TrainVocab makes a WordPiece vocabulary of at most size pieces from texts,
// which it reads once. It starts from the special pieces and every character
// seen, alone and with "##" before it, and then joins the two neighboring
// pieces that occur together most often, as Hugging Face's WordPiece trainer
// does, until size is reached or no two occur together twice. If there are too
// many characters for size, the most frequent ones are taken. The result
// depends only on the words and their numbers, not on the order of texts.
func TrainVocab(texts iter.Seq[string], size int, o Options) ([]string, error) {
	if size <= len(specials) {
		return nil, fmt.Errorf("a vocabulary of %d pieces is too small: %d are special", size, len(specials))
	}
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	words := countWords(texts, o)
	if len(words) == 0 {
		return nil, errors.New("no words in the texts to make a vocabulary from")
	}
	t := newTrainer(words, size)
	for len(t.vocab) < size {
		p, ok := t.commonest()
		if !ok {
			break
		}
		t.join(p)
	}
	return t.vocab, nil
}

// countWords returns how often each word occurs in texts.
func countWords(texts iter.Seq[string], o Options) map[string]int {
	// A number is changed through its pointer: assigning to a map entry would
	// allocate the key for every word.
	numbers := map[string]*int{}
	var n normalizer
	for text := range texts {
		n.words(text, o, func(word []byte, chars int) {
			if chars > o.MaxWordChars {
				return
			}
			if number, ok := numbers[string(word)]; ok {
				*number++
				return
			}
			number := 1
			numbers[string(word)] = &number
		})
	}
	words := make(map[string]int, len(numbers))
	for word, number := range numbers {
		words[word] = *number
	}
	return words
}

// A trainer holds the words as pieces, and how often any two pieces are
// neighbors.
type trainer struct {
	vocab []string
	ids   map[string]int32
	words []trainWord
	pairs map[pair]*pairCount
	queue pairQueue
}

type trainWord struct {
	pieces []int32
	number int
}

// A pair is two pieces side by side in a word.
type pair struct{ left, right int32 }

type pairCount struct {
	number int
	queued int     // the highest number with which the pair is in the queue
	words  []int32 // where it occurs, with some where it no longer does, and some twice
}

func newTrainer(words map[string]int, size int) *trainer {
	t := &trainer{
		vocab: slices.Clone(specials),
		ids:   map[string]int32{},
		pairs: map[pair]*pairCount{},
	}
	t.addAlphabet(words, size)
	for _, word := range slices.Sorted(maps.Keys(words)) {
		if w, ok := t.spell(word, words[word]); ok {
			t.words = append(t.words, w)
		}
	}
	for i := range t.words {
		w := &t.words[i]
		for p := range w.pairs() {
			c := t.count(p, w.number)
			c.words = append(c.words, int32(i))
		}
	}
	for p, c := range t.pairs {
		t.enqueue(p, c)
	}
	return t
}

// addAlphabet adds the characters of words to the vocabulary.
func (t *trainer) addAlphabet(words map[string]int, size int) {
	type character struct {
		r      rune
		number int
		inside bool // in words of more than itself
	}
	seen := map[rune]*character{}
	for word, number := range words {
		inside := utf8.RuneCountInString(word) > 1
		for _, r := range word {
			c := seen[r]
			if c == nil {
				c = &character{r: r}
				seen[r] = c
			}
			c.number += number
			c.inside = c.inside || inside
		}
	}
	characters := slices.SortedFunc(maps.Values(seen), func(x, y *character) int {
		return cmp.Or(cmp.Compare(y.number, x.number), cmp.Compare(x.r, y.r))
	})
	var alone, behind []string
	room := size - len(t.vocab)
	for _, c := range characters {
		forms := 1
		if c.inside {
			forms = 2
		}
		if room -= forms; room < 0 {
			break
		}
		alone = append(alone, string(c.r))
		if c.inside {
			behind = append(behind, continuation+string(c.r))
		}
	}
	slices.Sort(alone)
	slices.Sort(behind)
	for _, piece := range slices.Concat(alone, behind) {
		t.add(piece)
	}
}

// add returns the id of piece, which may be new.
func (t *trainer) add(piece string) int32 {
	id, ok := t.ids[piece]
	if !ok {
		id = int32(len(t.vocab))
		t.ids[piece] = id
		t.vocab = append(t.vocab, piece)
	}
	return id
}

// spell returns word as single characters, or false if one of them is not in
// the vocabulary.
func (t *trainer) spell(word string, number int) (trainWord, bool) {
	w := trainWord{number: number}
	for i, r := range word {
		piece := string(r)
		if i > 0 {
			piece = continuation + piece
		}
		id, ok := t.ids[piece]
		if !ok {
			return w, false
		}
		w.pieces = append(w.pieces, id)
	}
	return w, true
}

// pairs yields the pairs of the word, in order.
func (w *trainWord) pairs() iter.Seq[pair] {
	return func(yield func(pair) bool) {
		for k := 1; k < len(w.pieces); k++ {
			if !yield(pair{w.pieces[k-1], w.pieces[k]}) {
				return
			}
		}
	}
}

// count adds number to the count of p.
func (t *trainer) count(p pair, number int) *pairCount {
	c := t.pairs[p]
	if c == nil {
		c = &pairCount{}
		t.pairs[p] = c
	}
	c.number += number
	return c
}

// commonest returns the pair that occurs most often, or false if none occurs
// often enough.
func (t *trainer) commonest() (pair, bool) {
	for len(t.queue) > 0 {
		top := t.queue.pop()
		c := t.pairs[top.pair]
		if c == nil || top.number != c.queued {
			continue // joined, or queued again with a higher number
		}
		if c.number == top.number {
			return top.pair, true
		}
		c.queued = 0
		t.enqueue(top.pair, c)
	}
	return pair{}, false
}

// enqueue puts the pair into the queue, unless it is in there with a number at
// least as high.
func (t *trainer) enqueue(p pair, c *pairCount) {
	if c.number >= leastPairs && c.number > c.queued {
		c.queued = c.number
		t.queue.push(queuedPair{p, c.number})
	}
}

// join makes one piece of the pair wherever it occurs.
func (t *trainer) join(p pair) {
	// The piece may be there already, made of another pair.
	joined := t.add(t.vocab[p.left] + strings.TrimPrefix(t.vocab[p.right], continuation))
	words := t.pairs[p].words
	for _, i := range words {
		w := &t.words[i]
		if !w.has(p) {
			continue
		}
		for q := range w.pairs() {
			t.count(q, -w.number)
		}
		w.replace(p, joined)
		for q := range w.pairs() {
			c := t.count(q, w.number)
			if q.left == joined || q.right == joined {
				c.words = append(c.words, i)
			}
		}
	}
	delete(t.pairs, p)
	for _, i := range words {
		for q := range t.words[i].pairs() {
			t.enqueue(q, t.pairs[q])
		}
	}
}

func (w *trainWord) has(p pair) bool {
	for q := range w.pairs() {
		if q == p {
			return true
		}
	}
	return false
}

// replace puts joined in the place of p, from the left.
func (w *trainWord) replace(p pair, joined int32) {
	kept := w.pieces[:0]
	for k := 0; k < len(w.pieces); k++ {
		piece := w.pieces[k]
		if piece == p.left && k+1 < len(w.pieces) && w.pieces[k+1] == p.right {
			piece = joined
			k++
		}
		kept = append(kept, piece)
	}
	w.pieces = kept
}
