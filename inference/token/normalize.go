package token

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A normalizer is the whole of BERT's normalization, character by character.
// Append goes through it only for stretches that are not plain ASCII, and
// TrainVocab for everything. Its buffers are kept between uses.
type normalizer struct {
	clean  []byte // no controls, every space an ASCII one, CJK set apart
	marked []byte // clean with the accents taken off their letters
	word   []byte
}

// words calls emit with each word of text in turn: normalized, cut at spaces,
// every punctuation mark a word of its own. emit must not keep the word.
func (n *normalizer) words(text string, o Options, emit func(word []byte, chars int)) {
	n.clean = appendClean(n.clean[:0], text, o)
	chars := n.clean
	if !o.KeepAccents {
		// The whole stretch at once: a mark may change places with the next one.
		n.marked = norm.NFD.Append(n.marked[:0], n.clean...)
		chars = n.marked
	}
	n.word = n.word[:0]
	count := 0
	flush := func() {
		if count > 0 {
			emit(n.word, count)
		}
		n.word, count = n.word[:0], 0
	}
	for len(chars) > 0 {
		r, size := utf8.DecodeRune(chars)
		chars = chars[size:]
		switch {
		case !o.KeepAccents && unicode.Is(unicode.Mn, r):
		case r == ' ':
			flush()
		case isPunct(r):
			flush()
			n.word, count = utf8.AppendRune(n.word, r), 1
			flush()
		case o.Cased:
			n.word = utf8.AppendRune(n.word, r)
			count++
		case r == 'İ': // the one letter whose lower case is two characters
			n.word = append(n.word, "i\u0307"...)
			count += 2
		default:
			n.word = utf8.AppendRune(n.word, unicode.ToLower(r))
			count++
		}
	}
	flush()
}

// appendClean appends text without control characters and bytes that are not
// UTF-8, with an ASCII space for every kind of space and around every CJK
// ideograph.
func appendClean(dst []byte, text string, o Options) []byte {
	for _, r := range text {
		switch {
		case isSpace(r):
			dst = append(dst, ' ')
		case isDropped(r):
		case !o.WholeCJK && isCJK(r):
			dst = append(dst, ' ')
			dst = utf8.AppendRune(dst, r)
			dst = append(dst, ' ')
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

func isSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\r':
		return true
	}
	// The other ASCII and Latin-1 spaces of Unicode are controls first.
	return r > 0x85 && unicode.IsSpace(r)
}

func isDropped(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co)
}

// isPunct reports whether r is a word of its own. BERT counts all of ASCII's
// symbols, "$" and "+" among them, but only true punctuation beyond ASCII.
func isPunct(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return '!' <= r && r <= '/' || ':' <= r && r <= '@' || '[' <= r && r <= '`' || '{' <= r && r <= '~'
	default:
		return unicode.IsPunct(r)
	}
}

// isCJK reports whether r is an ideograph. The gap from 0x2B820 to 0x2B91F
// is in the reference, and so part of what models were trained with.
func isCJK(r rune) bool {
	return 0x4E00 <= r && r <= 0x9FFF ||
		0x3400 <= r && r <= 0x4DBF ||
		0x20000 <= r && r <= 0x2A6DF ||
		0x2A700 <= r && r <= 0x2B73F ||
		0x2B740 <= r && r <= 0x2B81F ||
		0x2B920 <= r && r <= 0x2CEAF ||
		0xF900 <= r && r <= 0xFAFF ||
		0x2F800 <= r && r <= 0x2FA1F
}
