package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/inference/bundled"
)

// TestABrokenLadderIsFoundBeforeMeasuring names texts that are not there, which
// would be the error if the ladder were looked at later.
func TestABrokenLadderIsFoundBeforeMeasuring(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, bundled.FS()); err != nil {
		t.Fatal(err)
	}
	ladder := filepath.Join(dir, "ladder.json")
	for _, tt := range []struct{ name, ladder, want string }{
		{"a good ladder", "{}", "absent.tsv"},
		{"a broken one", "rubble", "delete it or repair it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(ladder, []byte(tt.ladder), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := runSweet(t.Context(), newCalibrateCommand(), io.Discard, "--model", dir, "--data", filepath.Join(dir, "absent.tsv"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}
