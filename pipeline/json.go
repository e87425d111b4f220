package pipeline

import (
	"errors"
	"strings"
)

// A path is the keys that lead to a field of nested JSON objects.
type path []string

// parsePath reads a dotted path such as "body.text". Keys are taken as they
// are; a key that holds a dot cannot be named.
func parsePath(s string) (path, error) {
	p := path(strings.Split(s, "."))
	for _, key := range p {
		if key == "" {
			return nil, errors.New("want keys joined by dots, such as body.text")
		}
	}
	return p, nil
}
