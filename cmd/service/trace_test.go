package service

import (
	"os"
	"path/filepath"
	"testing"
)

func TestATraceBeginsALine(t *testing.T) {
	for before, want := range map[string]string{"": "x", "whole\n": "whole\nx", "hal": "hal\nx"} {
		path := filepath.Join(t.TempDir(), "trace")
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := openTrace(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("x"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("after %q: got %q, %v, want %q", before, got, err, want)
		}
	}
}
