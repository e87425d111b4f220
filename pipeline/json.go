package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// A path is the keys that lead to a field of nested JSON objects.
type path []string

// parsePath reads a dotted path such as "body.text". Keys are taken as they
// are; a key that holds a dot cannot be named.
func parsePath(s string) (path, error) {
	p := path(strings.Split(s, "."))
	if slices.Contains(p, "") {
		return nil, errors.New("want keys joined by dots, such as body.text")
	}
	return p, nil
}

func (p path) String() string { return strings.Join(p, ".") }

// find returns the string at p in value. Of a key that is there twice the last
// counts, as it does for encoding/json.
func (p path) find(value []byte) (string, *poison) {
	at := json.RawMessage(value)
	for i, key := range p {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(at, &object); err != nil || object == nil {
			if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
				return "", poisoned(InvalidJSON, "the value is not JSON: at byte %d: %w", syntax.Offset, err)
			}
			return "", poisoned(MissingText, "%s is %s, not an object", p[:i].place(), kind(at))
		}
		field, ok := object[key]
		if !ok {
			return "", poisoned(MissingText, "%s has no field %q", p[:i].place(), key)
		}
		at = field
	}
	var s *string
	if err := json.Unmarshal(at, &s); err != nil || s == nil {
		return "", poisoned(MissingText, "%s is %s, not a string", p, kind(at))
	}
	return *s, nil
}

// place names what p leads to.
func (p path) place() string {
	if len(p) == 0 {
		return "the value"
	}
	return p.String()
}

// kind names the kind of a valid JSON value.
func kind(raw json.RawMessage) string {
	switch b := bytes.TrimLeft(raw, " \t\r\n"); b[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}
