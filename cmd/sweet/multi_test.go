package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSharesOfAMultiModelAreOfAllItsModels looks at what people read about a
// model whose two models have 1 and 3 layers: full depth runs 4 and saves none.
func TestSharesOfAMultiModelAreOfAllItsModels(t *testing.T) {
	dir, file := classifyModel(t), filepath.Join(t.TempDir(), "texts.tsv")
	lines := []string{"text\tlabel"}
	for i, text := range classifyTexts(300) {
		lines = append(lines, text+"\t"+[]string{"red", "green", "blue"}[i%3])
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		want []string // patterns of lines
	}{
		{"evaluate", nil, []string{
			`(?m)^ *1 +1 +\d`, `(?m)^ *2 +4 +\d`, `(?m)^ *0 +1\.00 +75\.0 %`, `(?m)^ *1\.01 +4\.00 +0\.0 %`,
		}},
		{"calibrate", []string{"--floor", "0.05", "--confidence", "0.5"}, []string{`(?m)^ *0 +4\.00 +0\.0 %`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := runSweet(t.Context(), newCommand(), io.Discard, append([]string{test.name, "--model", dir, "--data", file}, test.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("got\n%s\nwant a line like %s", out, want)
				}
			}
		})
	}
}
