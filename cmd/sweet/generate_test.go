package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/cmd/sweet/desk"
)

// runGenerate runs the command and returns the error it ends with.
func runGenerate(t *testing.T, args ...string) error {
	t.Helper()
	cmd := newGenerateCommand()
	cmd.SetArgs(args)
	cmd.SetOut(new(bytes.Buffer))
	cmd.SetErr(new(bytes.Buffer))
	return cmd.Execute()
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func TestGenerateWritesEverySplitWithItsLevels(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	err := runGenerate(t, "--out", dir, "--train", "40", "--dev", "30", "--test", "20", "--calibration", "10")
	if err != nil {
		t.Fatal(err)
	}
	labels := strings.Join(desk.Labels(), " ")
	for name, want := range map[string]int{"train": 40, "dev": 30, "test": 20, "calibration": 10} {
		rows := readLines(t, filepath.Join(dir, name+".tsv"))
		if rows[0] != "text\tlabel" {
			t.Errorf("%s: got the header %q, want text and label", name, rows[0])
		}
		if got := len(rows) - 1; got != want {
			t.Errorf("%s: got %d messages, want %d", name, got, want)
		}
		for _, row := range rows[1:] {
			text, label, ok := strings.Cut(row, "\t")
			if !ok || text == "" || label == "" || !strings.Contains(labels, label) {
				t.Errorf("%s: got the row %q, want a text, a tab and a label", name, row)
			}
		}
		levels := readLines(t, filepath.Join(dir, name+".levels"))
		if len(levels) != want {
			t.Errorf("%s: got %d levels, want %d", name, len(levels), want)
		}
		for _, level := range levels {
			if len(level) != 1 || level < "1" || level > "4" {
				t.Errorf("%s: got the level %q, want 1 to 4", name, level)
			}
		}
	}
}

func TestGenerateIsDecidedByItsSeed(t *testing.T) {
	read := func(seed string) string {
		dir := t.TempDir()
		if err := runGenerate(t, "--out", dir, "--seed", seed, "--train", "50", "--dev", "50", "--test", "0", "--calibration", "0"); err != nil {
			t.Fatal(err)
		}
		train, dev := readLines(t, filepath.Join(dir, "train.tsv")), readLines(t, filepath.Join(dir, "dev.tsv"))
		if strings.Join(train, "\n") == strings.Join(dev, "\n") {
			t.Error("train and dev are the same messages")
		}
		return strings.Join(append(train, dev...), "\n")
	}
	if first, second := read("7"), read("7"); first != second {
		t.Error("equal seeds gave different files")
	}
	if read("7") == read("8") {
		t.Error("different seeds gave equal files")
	}
}

func TestGenerateSkipsEmptySplits(t *testing.T) {
	dir := t.TempDir()
	if err := runGenerate(t, "--out", dir, "--train", "5", "--dev", "0", "--test", "0", "--calibration", "0"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("got %d files, want train.tsv and train.levels only", len(entries))
	}
}

func TestGenerateSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no directory":         {nil, "out"},
		"negative count":       {[]string{"--out", t.TempDir(), "--dev", "-1"}, "--dev is -1"},
		"directory is a file":  {[]string{"--out", filepath.Join(file, "x")}, "making the output directory"},
		"three shares":         {[]string{"--out", t.TempDir(), "--mix", "1,2,3"}, "want 4"},
		"share is no number":   {[]string{"--out", t.TempDir(), "--mix", "1,2,x,3"}, "level 3"},
		"share is not finite":  {[]string{"--out", t.TempDir(), "--mix", "1,2,3,NaN"}, "level 4"},
		"negative share":       {[]string{"--out", t.TempDir(), "--calibration-mix", "1,-2,3,4"}, "--calibration-mix"},
		"nothing but zeros":    {[]string{"--out", t.TempDir(), "--mix", "0,0,0,0"}, "no share above 0"},
		"argument too much":    {[]string{"--out", t.TempDir(), "more"}, "more"},
		"seed is not a number": {[]string{"--out", t.TempDir(), "--seed", "x"}, "seed"},
	} {
		t.Run(name, func(t *testing.T) {
			err := runGenerate(t, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error about %q", err, c.want)
			}
		})
	}
}
