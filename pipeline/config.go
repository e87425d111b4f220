package pipeline

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"sweetspot/inference/token"
)

// Config holds the pipeline's settings. A zero MaxTokens or BatchTokens stands
// for the model's or the device's own figure, which the caller fills in before
// [New].
type Config struct {
	MaxTokens       int           `env:"MAX_TOKENS" unset:"the model's" doc:"tokens kept per text, [CLS] and [SEP] included"`
	Truncate        string        `env:"TRUNCATE, default=right" doc:"what is left out of a text that is too long: right, left, head_tail (keeps both ends), or reject (dead letter)"`
	BatchTokens     int           `env:"BATCH_TOKENS" unset:"2048 (CPU)" doc:"token budget of one stage run"`
	Mode            Mode          `env:"MODE, default=auto" doc:"full (every layer for every text), fixed (the rung of SWEET_RUNG), or auto (with a ladder the deepest rung that the load allows, else full): full where no answer may differ from full depth's, fixed to hold or measure one rung"`
	Rung            int           `env:"RUNG, default=0" doc:"rung of the ladder for fixed; 0 is full depth"`
	Input           Input         `env:"INPUT, default=text" doc:"what a message's value is: text, or json"`
	InputText       string        `env:"INPUT_TEXT, default=text" doc:"dotted path of the text in a JSON value"`
	InputPair       string        `env:"INPUT_PAIR" doc:"dotted path of the second text of a pair in a JSON value"`
	MaxMessageBytes Size          `env:"MAX_MESSAGE_BYTES, default=1MiB" doc:"a larger value is a dead letter"`
	CopyHeaders     []string      `env:"COPY_HEADERS" doc:"headers carried over to the result, beside traceparent and tracestate"`
	ResultScores    bool          `env:"RESULT_SCORES, default=false" doc:"the scores of all labels in the result"`
	Drain           time.Duration `env:"DRAIN, default=30s" doc:"time to settle what is in flight at stop or revoke"`
}

// A Mode says how the rung is chosen that a row is admitted under.
type Mode string

// The modes.
const (
	Full  Mode = "full"  // rung 0
	Fixed Mode = "fixed" // Config.Rung
	Auto  Mode = "auto"  // the one that the controller chooses
)

// An Input says what a message's value is.
type Input string

// The inputs.
const (
	Text Input = "text" // the text itself
	JSON Input = "json" // an object that holds the text
)

// Validate reports every setting that is out of range or contradicts another.
func (c *Config) Validate() error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if least := c.leastTokens(); c.MaxTokens != 0 && c.MaxTokens < least {
		add("SWEET_MAX_TOKENS=%d: want at least %d, or unset for the model's", c.MaxTokens, least)
	}
	if _, err := token.ParseTruncation(c.Truncate); err != nil {
		add("SWEET_TRUNCATE=%s: want right, left, head_tail or reject", c.Truncate)
	}
	if c.BatchTokens < 0 || c.BatchTokens != 0 && c.BatchTokens < c.MaxTokens {
		add("SWEET_BATCH_TOKENS=%d: want at least the tokens of one text (SWEET_MAX_TOKENS=%d)", c.BatchTokens, c.MaxTokens)
	}
	switch c.Mode {
	case Full, Fixed, Auto:
	default:
		add("SWEET_MODE=%s: want full, fixed or auto", c.Mode)
	}
	if c.Rung < 0 || c.Rung > maxRung {
		add("SWEET_RUNG=%d: want a rung of the ladder, from 0", c.Rung)
	}
	if c.Rung != 0 && c.Mode != Fixed {
		add("SWEET_RUNG=%d: only SWEET_MODE=fixed uses it, and the mode is %s", c.Rung, c.Mode)
	}
	faults = append(faults, c.validateInput()...)
	for _, h := range c.CopyHeaders {
		if bad := checkHeader(h); bad != "" {
			add("SWEET_COPY_HEADERS: %q %s", h, bad)
		}
	}
	if c.Drain <= 0 {
		add("SWEET_DRAIN=%v: want more than 0", c.Drain)
	}
	return errors.Join(faults...)
}

func (c *Config) validateInput() []error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch c.Input {
	case JSON:
		if _, err := parsePath(c.InputText); err != nil {
			add("SWEET_INPUT_TEXT=%s: %w", c.InputText, err)
		}
		if c.InputPair != "" {
			if _, err := parsePath(c.InputPair); err != nil {
				add("SWEET_INPUT_PAIR=%s: %w", c.InputPair, err)
			}
		}
	case Text:
		if c.InputPair != "" {
			add("SWEET_INPUT_PAIR=%s: only SWEET_INPUT=json has fields", c.InputPair)
		}
	default:
		add("SWEET_INPUT=%s: want text or json", c.Input)
	}
	if c.MaxMessageBytes < 1 {
		add("SWEET_MAX_MESSAGE_BYTES=%v: want at least 1", c.MaxMessageBytes)
	}
	return faults
}

// notInHeaders is what of visible ASCII the NATS client refuses in the name of
// a header: all that HTTP does.
const notInHeaders = "\"(),/:;<=>?@[\\]{}"

// checkHeader says what keeps h from being the name of a carried header.
func checkHeader(h string) string {
	switch {
	case h == "" || strings.ContainsFunc(h, func(r rune) bool { return r <= ' ' || r > '~' }) || strings.ContainsAny(h, notInHeaders):
		return "is not a header name: want letters, digits and !#$%&'*+-.^_`|~"
	case strings.HasPrefix(strings.ToLower(h), "nats-"):
		return "means something to the NATS server, so it is not carried over"
	}
	return ""
}

// leastTokens is the length of the shortest row: [CLS], a piece, [SEP], and for
// a pair another piece and another [SEP].
func (c *Config) leastTokens() int {
	if c.InputPair != "" {
		return 5
	}
	return 3
}

const maxRung = math.MaxUint8 // a row carries its rung in one byte

// Admit returns the cheapest rung that rows are admitted under with a ladder of
// the given number of rungs, full depth included. It is an error to ask for a rung
// that the ladder does not have: nobody certified it.
func (c *Config) Admit(rungs int) (uint8, error) {
	last := min(max(rungs, 1)-1, maxRung)
	switch c.Mode {
	case Full:
		return 0, nil
	case Fixed:
		if c.Rung < 0 || c.Rung > last {
			return 0, fmt.Errorf("SWEET_RUNG=%d: the certified rungs are 0 to %d", c.Rung, last)
		}
		return uint8(c.Rung), nil
	case Auto:
		return uint8(last), nil
	}
	return 0, fmt.Errorf("SWEET_MODE=%s: want full, fixed or auto", c.Mode)
}
