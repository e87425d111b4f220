// Package access holds what lets the worker in at a server and lets it know the
// server: secrets and certificates. It knows neither Kafka nor NATS.
//
// What lies in a file is read anew for every connection, so that a password or
// a certificate can be exchanged while the worker runs: whoever exchanges it
// lets the server take the old and the new one for as long as that takes, or
// ends the old connections after. A file that cannot be used fails the
// connection that needs it, and is tried again with the next.
package access

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// A Secret is a value that is never shown, given as text or as a file. The zero
// value is none. However it is printed, logged or encoded, it gives "***", or the
// address of its text: deep in other values fmt asks nobody.
type Secret struct {
	text *string
	file string
}

// SecretText returns a secret that is known. An empty one is none.
func SecretText(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// SecretFile returns a secret that is read from a file whenever it is needed.
func SecretFile(path string) Secret { return Secret{file: path} }

// IsSet reports whether there is a secret.
func (s Secret) IsSet() bool { return s != Secret{} }

// File returns the path of the secret's file, and "" where it is none.
func (s Secret) File() string { return s.file }

// Read returns the secret as it is now. One newline at a file's end is dropped.
// A file without anything else is an error: it is one that is being written.
func (s Secret) Read() (string, error) {
	switch {
	case s.text != nil:
		return *s.text, nil
	case s.file == "":
		return "", nil
	}
	b, err := os.ReadFile(s.file)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" {
		return "", fmt.Errorf("%s: %w", s.file, errEmpty)
	}
	return text, nil
}

var errEmpty = errors.New("the file is empty")

const masked = "***"

// String implements [fmt.Stringer].
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return masked
}

// GoString implements [fmt.GoStringer], for %#v.
func (s Secret) GoString() string { return "access.Secret(" + s.String() + ")" }

// MarshalText implements [encoding.TextMarshaler].
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
