package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/cmd/sweet/desk"
	"sweetspot/inference"
	"sweetspot/inference/bundled"
)

// copyBundled returns a folder with the bundled model and a file of labeled
// texts for it.
func copyBundled(t *testing.T, texts int) (model, data string) {
	t.Helper()
	model, folder := t.TempDir(), t.TempDir()
	if err := os.CopyFS(model, bundled.FS()); err != nil {
		t.Fatal(err)
	}
	if err := generate(folder, 9, []split{{"calibration", texts, desk.Calibration, desk.DefaultMix}}); err != nil {
		t.Fatal(err)
	}
	return model, filepath.Join(folder, "calibration.tsv")
}

// TestCalibrateWritesLadderAndReport certifies both kinds of floor and reads back
// what was written.
func TestCalibrateWritesLadderAndReport(t *testing.T) {
	model, data := copyBundled(t, 300)
	page := filepath.Join(t.TempDir(), "out.html")
	for _, tt := range []struct {
		name    string
		args    []string
		floor   inference.Floor
		labeled bool
		tables  string
	}{
		{"agreement", []string{"--floor", "0.9"}, "", false, "at least 90 % agree with full depth"},
		{"agreement with labels", []string{"--floor", "0.9", "--labels"}, "", true, "accuracy"},
		{"accuracy", []string{"--max-loss", "0.1"}, inference.AccuracyFloor, true, "at most 10 % are wrong where full depth is right"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"--model", model, "--data", data, "--max-tokens", "48", "--report", page}, tt.args...)
			out, err := runSweet(t.Context(), newCalibrateCommand(), io.Discard, append(args, "--json")...)
			if err != nil {
				t.Fatal(err)
			}
			var x calibration
			if err := json.Unmarshal([]byte(out), &x); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			l, digest, err := inference.LoadLadder(os.DirFS(model), x.Precision, x.Ladder.Model, 4)
			if err != nil || digest != x.Digest || len(l.Rungs) < 2 || len(x.Risks) != len(l.Rungs) {
				t.Errorf("got ladder %+v with digest %s and error %v, want %s and some rungs, each with its risk", l, digest, err, x.Digest)
			}
			if l.Floor != tt.floor || x.Labeled != tt.labeled || (l.DisagreementLimit > 0) != (tt.floor != "") {
				t.Errorf("got floor %q, limit %v, labeled %v", l.Floor, l.DisagreementLimit, x.Labeled)
			}
			if got, err := os.ReadFile(page); err != nil || !strings.Contains(string(got), digest) {
				t.Errorf("the report, read with error %v, lacks the ladder's digest", err)
			}
			out, err = runSweet(t.Context(), newCalibrateCommand(), io.Discard, args...)
			if err != nil || !strings.Contains(out, tt.tables) || !strings.Contains(out, "ECE after") || !strings.Contains(out, digest) {
				t.Errorf("got error %v and\n%s\nwant %q", err, out, tt.tables)
			}
		})
	}
}

// TestCalibrateRefuses names no texts that are there: it must not read them.
func TestCalibrateRefuses(t *testing.T) {
	model, _ := copyBundled(t, 1)
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name  string
		args  []string
		want  string
		usage bool
	}{
		{"two floors", []string{"--floor", "0.9", "--max-loss", "0.1"}, "certified for one of them", true},
		{"no loss", []string{"--max-loss", "0"}, "--max-loss 0", true},
		{"too large a loss", []string{"--max-loss", "1.5"}, "largest loss 1.5", true},
		{"a report in no folder", []string{"--report", filepath.Join(folder, "absent", "out.html")}, "no such file", true},
		{"a report that is a folder", []string{"--report", folder}, "is a folder", true},
		{"no labels", []string{"--max-loss", "0.1", "--data", write("bare.tsv", "text\nwhere is it\n")}, "bare.tsv:2: there is no column label", false},
		{"a label that the model lacks", []string{"--labels", "--data", write("other.tsv", "text\tlabel\nwhere is it\tmars\n")}, `other.tsv:2: the model has no label "mars"`, false},
		{"too few texts", []string{"--data", write("few.tsv", "text\nwhere is it\n")}, "1 records: want at least 100", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"--model", model, "--data", filepath.Join(folder, "absent.tsv")}, tt.args...)
			_, err := runSweet(t.Context(), newCalibrateCommand(), io.Discard, args...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, new(usageError)) != tt.usage {
				t.Errorf("got error %v, want %q, of usage: %v", err, tt.want, tt.usage)
			}
		})
	}
}

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
