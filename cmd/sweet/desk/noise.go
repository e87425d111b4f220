package desk

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// dress puts a greeting, remarks and a closing around the matter of a message.
func (g *Generator) dress(t *tone, s *scene, core []string) string {
	sentences := core
	seen := strings.Join(core, " ")
	for len(strings.Fields(seen)) < maxWords && g.chance(t.asides) {
		aside := s.expand(asides.pick(g.r, g.pool))
		if resembles(seen, aside) {
			continue
		}
		seen += " " + aside
		if len(sentences) == len(core) && g.chance(0.3) {
			sentences = append([]string{aside}, sentences...)
		} else {
			sentences = append(sentences, aside)
		}
	}
	text := ""
	if !slices.ContainsFunc(core, greets) && g.chance(0.5) {
		text = s.expand(t.openers.pick(g.r, g.pool))
		if !marked(text) {
			text += oneOf(g.r, []string{",", ",", ".", "!"})
		}
	}
	for _, sentence := range sentences {
		text = follow(text, sentence)
	}
	return g.sign(t, s, text)
}

// resembles says whether a remark has a longer word that was said already.
func resembles(text, remark string) bool {
	for w := range strings.FieldsSeq(remark) {
		if len(w) >= 5 && strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// follow appends a sentence to a text, with a mark between the two.
func follow(text, sentence string) string {
	if text == "" {
		return sentence
	}
	if !marked(text) {
		text += "."
	}
	return text + " " + sentence
}

// marked says whether a text ends with a mark, an emoji among them, so that a
// sentence can follow.
func marked(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(text)
	return !unicode.IsLetter(last) && !unicode.IsDigit(last)
}

// greets says whether a sentence already says hello.
func greets(sentence string) bool {
	first, _, _ := strings.Cut(sentence, " ")
	switch strings.Trim(first, ",.!?") {
	case "hi", "hello", "hey", "dear", "good", "happy", "thanks", "thank", "congratulations", "see":
		return true
	}
	return false
}

// sign ends a text: a closing that repeats none of its courtesies, then rarely a
// signature or what the mail program quotes.
func (g *Generator) sign(t *tone, s *scene, text string) string {
	named := false
	closer := t.closers.pick(g.r, g.pool)
	if g.chance(0.45) && !repeats(text, closer) {
		text = follow(text, s.expand(closer))
		named = strings.Contains(closer, "{name}")
	}
	if g.chance(t.hasEmoji) {
		text += " " + oneOf(g.r, emoji)
	}
	if !named && g.chance(0.04) {
		text = follow(text, s.expand(signatures.pick(g.r, g.pool)))
	}
	if g.chance(0.03) {
		text = follow(text, s.expand(quotes.pick(g.r, g.pool)))
	}
	return text
}

// courtesies are what a message says once at most, by the words that show it.
var courtesies = [][]string{{"thank", "thx"}, {"have a"}, {"hurry"}, {"answer"}, {"wish", "regards"}}

// repeats says whether a closing has a courtesy that the text has already.
func repeats(text, closer string) bool {
	for _, shown := range courtesies {
		if containsAny(closer, shown) && containsAny(text, shown) {
			return true
		}
	}
	return false
}

func containsAny(text string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// noise types a text the way its tone does: capitals, marks, slips.
func (g *Generator) noise(t *tone, text string) string {
	if g.chance(t.sloppy) {
		text = strings.NewReplacer(",", "", "'", "").Replace(text)
	}
	for g.chance(t.sloppy) {
		text = g.slip(text)
	}
	switch {
	case g.chance(t.lower):
		text = strings.ToLower(text)
	case g.chance(t.shout * 0.1):
		text = strings.ToUpper(text)
	default:
		text = capitalize(text)
	}
	if g.chance(t.shout) {
		text = g.shout(text)
	}
	if last, _ := utf8.DecodeLastRuneInString(text); unicode.IsLetter(last) && g.chance(0.6) {
		text += "."
	}
	return text
}

// capitalize starts each sentence with a capital letter.
func capitalize(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c >= 'a' && c <= 'z' && startsSentence(text[:i]) {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// startsSentence says whether a sentence starts after the given text.
func startsSentence(before string) bool {
	quoted, ok := strings.CutSuffix(before, ": \"")
	if ok || quoted == "" {
		return true
	}
	n := len(before)
	return n >= 2 && before[n-1] == ' ' && strings.IndexByte(".?!>", before[n-2]) >= 0
}

// slip mistypes one longer word: a letter lost, doubled or swapped with the next.
func (g *Generator) slip(text string) string {
	words := strings.Split(text, " ")
	i := g.r.IntN(len(words))
	w := words[i]
	if len(w) < 5 || strings.ContainsFunc(w, func(c rune) bool { return c > unicode.MaxASCII || !unicode.IsLetter(c) }) {
		return text
	}
	j := 1 + g.r.IntN(len(w)-3)
	switch g.r.IntN(3) {
	case 0:
		w = w[:j] + w[j+1:]
	case 1:
		w = w[:j] + w[j:j+1] + w[j:]
	default:
		w = w[:j] + w[j+1:j+2] + w[j:j+1] + w[j+2:]
	}
	words[i] = w
	return strings.Join(words, " ")
}

// shout puts a word in capitals and ends with more than one mark.
func (g *Generator) shout(text string) string {
	words := strings.Split(text, " ")
	i := g.r.IntN(len(words))
	words[i] = strings.ToUpper(words[i])
	text = strings.Join(words, " ")
	if last, _ := utf8.DecodeLastRuneInString(text); unicode.IsLetter(last) {
		text += oneOf(g.r, []string{"!", "!!", "!!!"})
	}
	return text
}
