package pipeline

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// deadlineHeader is the header of a message that says by when it should be
// answered.
const deadlineHeader = "sweet-deadline"

// A content is what a message asks to have classified, and how.
type content struct {
	text, pair string
	tier       Tier
	deadline   time.Time // zero where there is none
}

// A poison is why a message can never be classified.
type poison struct {
	reason Reason
	err    error // for people; without the text
}

func poisoned(r Reason, format string, args ...any) *poison {
	return &poison{r, fmt.Errorf(format, args...)}
}

// A decoder reads messages.
type decoder struct {
	input      Input
	text, pair path // of JSON; pair is nil where texts come alone
	most       Size
}

func newDecoder(cfg *Config) (decoder, error) {
	d := decoder{input: cfg.Input, most: cfg.MaxMessageBytes}
	if cfg.Input != JSON {
		return d, nil
	}
	var err error
	if d.text, err = parsePath(cfg.InputText); err != nil {
		return d, fmt.Errorf("SWEET_INPUT_TEXT=%s: %w", cfg.InputText, err)
	}
	if cfg.InputPair == "" {
		return d, nil
	}
	if d.pair, err = parsePath(cfg.InputPair); err != nil {
		return d, fmt.Errorf("SWEET_INPUT_PAIR=%s: %w", cfg.InputPair, err)
	}
	return d, nil
}

// decode reads m, which is no tombstone.
func (d *decoder) decode(m *Message) (content, *poison) {
	if n := len(m.Value); Size(n) > d.most {
		return content{}, poisoned(TooLarge, "the value has %d bytes, more than SWEET_MAX_MESSAGE_BYTES=%v", n, d.most)
	}
	if len(bytes.TrimSpace(m.Value)) == 0 {
		return content{}, poisoned(Empty, "the value is empty or blank")
	}
	if !utf8.Valid(m.Value) {
		return content{}, poisoned(InvalidUTF8, "the value is not UTF-8")
	}
	c, bad := readHeaders(m.Headers)
	if bad != nil {
		return content{}, bad
	}
	if d.input == Text {
		c.text = string(m.Value)
		return c, nil
	}
	if c.text, bad = d.field(m.Value, d.text); bad != nil || d.pair == nil {
		return c, bad
	}
	c.pair, bad = d.field(m.Value, d.pair)
	return c, bad
}

// field returns the text at p, which must not be blank.
func (d *decoder) field(value []byte, p path) (string, *poison) {
	s, bad := p.find(value)
	if bad == nil && strings.TrimSpace(s) == "" {
		bad = poisoned(Empty, "%s is empty or blank", p)
	}
	return s, bad
}

// readHeaders reads what a message's headers say of its treatment. Of a header
// that is there twice the last counts.
func readHeaders(headers []Header) (content, *poison) {
	c := content{tier: Standard}
	for _, h := range headers {
		switch h.Key {
		case TierHeader:
			if c.tier = Tier(h.Value); !c.tier.Known() {
				return c, poisoned(BadHeader, "header %s is %.40q; want strict, standard or best-effort", h.Key, h.Value)
			}
		case deadlineHeader:
			// It orders work and never loses a message: one that does not parse is none.
			c.deadline = readTime(string(h.Value))
		}
	}
	return c, nil
}

// readTime reads RFC 3339 or Unix milliseconds. What is neither is the zero
// time.
func readTime(s string) time.Time {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.UnixMilli(ms)
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
