package token

import "math"

// A class says what a byte of text means to Append.
type class uint8

const (
	other class = iota // a control character, or a byte of a longer character
	space
	mark   // a word by itself
	letter // or digit: part of a word
)

var classes = func() (table [256]class) {
	for c := range 128 {
		switch r := rune(c); {
		case isSpace(r):
			table[c] = space
		case isPunct(r):
			table[c] = mark
		case '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z':
			table[c] = letter
		}
	}
	return table
}()

// lowerASCII and sameByte are the ways to look up a byte of ASCII text.
var lowerASCII, sameByte = func() (lower, same [256]byte) {
	for c := range 256 {
		lower[c], same[c] = byte(c), byte(c)
		if 'A' <= c && c <= 'Z' {
			lower[c] += 'a' - 'A'
		}
	}
	return lower, same
}()

// Append appends the ids of text's word pieces to dst, without [CLS] and [SEP].
// Bytes that are not UTF-8 are left out, as BERT does with U+FFFD. If text is
// ASCII and dst has the room, it does not allocate; a text has at most as many
// ids as bytes.
func (t *Tokenizer) Append(dst []int32, text string) []int32 {
	return t.appendUntil(dst, text, math.MaxInt)
}

// appendUntil is Append that goes on to the next word only while dst has fewer
// than most ids.
func (t *Tokenizer) appendUntil(dst []int32, text string, most int) []int32 {
	var n *normalizer
	for i := 0; i < len(text) && len(dst) < most; {
		switch classes[text[i]] {
		case space:
			i++
			continue
		case mark:
			dst = append(dst, t.marks[text[i]])
			i++
			continue
		case letter:
			end := i + 1
			for end < len(text) && classes[text[end]] == letter {
				end++
			}
			if end == len(text) || classes[text[end]] != other {
				dst = t.appendWord(dst, text, i, end)
				i = end
				continue
			}
		case other:
		}
		// Something here is not plain: normalize up to the next space.
		end := i + 1
		for end < len(text) && classes[text[end]] != space {
			end++
		}
		if n == nil {
			n = new(normalizer)
		}
		dst = t.appendNormalized(dst, text[i:end], n)
		i = end
	}
	return dst
}

// appendNormalized is Append for text of any kind.
func (t *Tokenizer) appendNormalized(dst []int32, text string, n *normalizer) []int32 {
	n.words(text, t.options, func(word []byte, chars int) {
		if chars > t.options.MaxWordChars {
			dst = append(dst, t.unk)
			return
		}
		dst = appendPieces(dst, &t.pieces, word, &sameByte, t.unk)
	})
	return dst
}

// appendWord appends the ids of the word of letters and digits at text[i:end].
func (t *Tokenizer) appendWord(dst []int32, text string, i, end int) []int32 {
	if end-i <= maxTableWord {
		if id, ok := t.words.find(text, i, end); ok {
			return append(dst, id)
		}
	}
	if end-i > t.options.MaxWordChars {
		return append(dst, t.unk)
	}
	return appendPieces(dst, &t.pieces, text[i:end], t.fold, t.unk)
}
