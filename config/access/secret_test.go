package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASecretIsNeverShown(t *testing.T) {
	type holder struct {
		Name string
		S    Secret
		deep struct{ s Secret } // where fmt calls no method
	}
	h := holder{Name: "a", S: SecretText("hunter2")}
	h.deep.s = h.S
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", h, &h, h.S)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", slog.Any("holder", h), slog.Any("secret", h.S))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", slog.Any("holder", h), slog.Any("secret", h.S))
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	for _, leak := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), fmt.Sprintf("%d", []byte("hunter2"))} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q is shown in:\n%s", leak, &out)
		}
	}
	if !strings.Contains(string(b), "***") {
		t.Errorf("encoded as %s, want stars", b)
	}
}

func TestASecretInAFileIsReadAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	s := SecretFile(path)
	if !s.IsSet() || s.File() != path {
		t.Errorf("got %+v, %q; want one in %s", s, s.File(), path)
	}
	for _, tt := range []struct {
		name, text, want string
		fails            bool
	}{
		{"at first", "one", "one", false},
		{"exchanged, with a newline", "two\n", "two", false},
		{"with Windows' newline", "three\r\n", "three", false},
		{"white space belongs to it", " four \n\n", " four \n", false},
		{"while it is being written", "", "", true},
		{"with a newline alone", "\n", "", true},
		{"written", "five", "five", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Read(); got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %q, %v; want %q, an error %v", got, err, tt.want, tt.fails)
			}
		})
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Read(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %q, %v from a file that is gone; want an error with its path", got, err)
	}
}

func TestTheZeroSecretIsNone(t *testing.T) {
	var s Secret
	if text, err := s.Read(); s.IsSet() || text != "" || err != nil || s.String() != "" {
		t.Errorf("got set %v, %q, %v, %q", s.IsSet(), text, err, s.String())
	}
}
