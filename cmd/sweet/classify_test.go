package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
	"sweetspot/inference/devicetest"
	"sweetspot/inference/token"
)

// classifyModel returns the directory of a small random model whose ladder has
// full depth and one more rung, at which about half of the texts leave early.
func classifyModel(t *testing.T) string {
	t.Helper()
	return randomModel(t, inference.MultiModel, inference.Margin)
}

// randomModel writes a model of random weights with exits after layers 1 and 3,
// and a ladder of two rungs.
func randomModel(t *testing.T, method inference.Method, score inference.Score) string {
	t.Helper()
	vocab := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]"}
	for letter := 'a'; letter <= 'z'; letter++ {
		vocab = append(vocab, string(letter), "##"+string(letter))
	}
	c := inference.Config{
		Vocab: len(vocab), Width: 32, Layers: 3, Heads: 2, FeedForward: 48, Positions: 16, Types: 2, Epsilon: 1e-12,
		Labels: []string{"red", "green", "blue"}, Exits: []int{1, 3}, Pooling: []inference.Pooling{inference.CLS, inference.CLS},
		Score: score, Method: method,
	}
	dir := t.TempDir()
	random := slices.Collect(maps.Values(devicetest.Random(c, 5).Tensors))
	if err := inference.Save(dir, c, random, inference.StoreF32, inference.VocabFile(vocab)); err != nil {
		t.Fatal(err)
	}
	opened, err := inference.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	l := inference.FullDepth(2)
	l.Rungs = append(l.Rungs, inference.Rung{Thresholds: inference.Thresholds{0.2}, Reach: []float64{1, 0.5}, Cost: 0.625})
	l.Temperatures, l.Epsilon, l.Delta, l.Records = []float32{1.25, 1}, 0.02, 0.05, 100
	l.MaxTokens, l.Truncate, l.Model = 16, "right", opened.Digest
	if _, err := inference.SaveLadder(dir, inference.F32, l); err != nil {
		t.Fatal(err)
	}
	return dir
}

// classify runs the command and returns its lines and what it said beside them.
func classify(t *testing.T, stdin io.Reader, args ...string) (lines []string, talk string, err error) {
	t.Helper()
	var out, said bytes.Buffer
	c := newClassifyCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	c.SetIn(stdin)
	c.SetOut(&out)
	c.SetErr(&said)
	err = c.ExecuteContext(t.Context())
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), said.String(), err
}

// classifyTexts are texts of 1 to 20 words.
func classifyTexts(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		for w := range 1 + i%20 {
			texts[i] += strings.Repeat(string(rune('a'+(i*7+w*w)%26)), 1+w%2) + " "
		}
	}
	return texts
}

// oneByOne is what classify must write for texts, with no batches and no
// stages: every text runs alone, and the thresholds are applied afterwards.
func oneByOne(t *testing.T, dir string, texts []string, rung int) []lineResult {
	t.Helper()
	d, err := cpu.Open(cpu.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m, err := inference.Load(os.DirFS(dir), d, inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := inference.NewRunner(m, 0)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := token.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	var results []lineResult
	for _, text := range texts {
		row, err := tokens.Row(nil, text, "", m.MaxTokens(), token.Right)
		if err != nil {
			t.Fatal(err)
		}
		var exits []inference.Exit
		err = r.Each(t.Context(), []inference.Row{{Tokens: row.IDs, Second: row.Second}}, func(_, _ int, e inference.Exit, _ []float32) bool {
			exits = append(exits, e)
			return false
		})
		if err != nil {
			t.Fatal(err)
		}
		stage := 0
		for !m.Ladder.Rungs[rung].Thresholds.Leaves(stage, exits[stage]) {
			stage++
		}
		results = append(results, lineResult{
			Label: m.Labels[exits[stage].Label], Score: exits[stage].Probability, Exit: stage + 1, Layers: m.StageLayers(stage),
			Rung: rung, Tokens: len(row.IDs), Truncated: row.Truncated,
		})
	}
	return results
}

func parseLines(t *testing.T, lines []string) []lineResult {
	t.Helper()
	var results []lineResult
	for _, line := range lines {
		var r lineResult
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		results = append(results, r)
	}
	return results
}

func TestClassifyAnswersAsTextsDoAlone(t *testing.T) {
	dir := classifyModel(t)
	texts := classifyTexts(maxWindow + 300)
	for _, test := range []struct {
		rung string
		want int
	}{{"0", 0}, {"1", 1}, {"last", 1}} {
		t.Run("rung "+test.rung, func(t *testing.T) {
			lines, talk, err := classify(t, strings.NewReader(strings.Join(texts, "\n")), "--model", dir, "--rung", test.rung, "--batch-tokens", "300")
			if err != nil || talk != "" {
				t.Fatalf("got error %v and said %q", err, talk)
			}
			got, want := parseLines(t, lines), oneByOne(t, dir, texts, test.want)
			if len(got) != len(want) {
				t.Fatalf("got %d results, want %d", len(got), len(want))
			}
			early := 0
			for i := range want {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("line %d: got %+v, want %+v", i+1, got[i], want[i])
				}
				if got[i].Exit == 1 {
					early++
				}
			}
			if n := len(texts); test.want == 0 && early != 0 || test.want == 1 && (early < n/10 || early > n-n/10) {
				t.Errorf("got %d of %d texts out early at rung %d", early, n, test.want)
			}
		})
	}
}

func TestClassifyReadsOtherFormats(t *testing.T) {
	dir := classifyModel(t)
	plain, _, err := classify(t, strings.NewReader("a b\nc d e\n"), "--model", dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, stdin string
		args        []string
	}{
		{"lines with the ends of another system, the last without one", "a b\r\nc d e", nil},
		{"objects", `{"text":"a b","n":1}` + "\n" + `{"text":"c d e","pair":""}` + "\n", []string{"--jsonl"}},
		{"a table", "label\ttext\nx\ta b\ny\tc d e\n", []string{"--tsv"}},
		{"a table of pairs without seconds", "\ufefftext_a\ttext_b\na b\t\nc d e\t\n", []string{"--tsv"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := classify(t, strings.NewReader(test.stdin), append(test.args, "--model", dir)...)
			if err != nil || !slices.Equal(got, plain) {
				t.Errorf("got %q and error %v, want %q", got, err, plain)
			}
		})
	}
	t.Run("pairs", func(t *testing.T) {
		objects, _, err := classify(t, strings.NewReader(`{"text":"a","pair":"b c"}`), "--jsonl", "--model", dir)
		table, _, tableErr := classify(t, strings.NewReader("text_a\ttext_b\na\tb c\n"), "--tsv", "--model", dir)
		if err != nil || tableErr != nil || !slices.Equal(objects, table) || parseLines(t, objects)[0].Tokens != 6 {
			t.Errorf("got %q and %q, errors %v and %v, want the same result of 6 tokens", objects, table, err, tableErr)
		}
	})
	t.Run("files", func(t *testing.T) {
		one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
		for name, text := range map[string]string{one: "text\na b\n", two: "label\ttext\nx\tc d e\n"} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, _, err := classify(t, strings.NewReader(""), "--tsv", "--model", dir, one, two); err != nil || !slices.Equal(got, plain) {
			t.Errorf("got %q and error %v, want %q", got, err, plain)
		}
	})
}

func TestClassifySetsLinesAsideAsTheWorkerDoes(t *testing.T) {
	dir := classifyModel(t)
	for _, test := range []struct {
		name, line, want string
		args             []string
	}{
		{"a blank line", " \t", `{"reason":"empty","error":"the line is empty or blank"}`, nil},
		{"no UTF-8", "a\xff", `{"reason":"invalid_utf8","error":"the line is not UTF-8"}`, nil},
		{"no JSON", "{", `{"reason":"invalid_json","error":"the line is not JSON"}`, []string{"--jsonl"}},
		{"no text", `{"pair":"a"}`, `{"reason":"missing_text","error":"no \"text\" in the object"}`, []string{"--jsonl"}},
		{"a text that is blank", `{"text":" "}`, `{"reason":"empty","error":"the text is empty or blank"}`, []string{"--jsonl"}},
		{"too long a text", strings.Repeat("a ", 15), `{"reason":"too_long","error":"text is too long: 17 tokens, where 16 are allowed"}`, []string{"--truncate", "reject"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			good := "a b"
			if slices.Contains(test.args, "--jsonl") {
				good = `{"text":"a b"}`
			}
			lines, talk, err := classify(t, strings.NewReader(good+"\n"+test.line+"\n"+good+"\n"), append(test.args, "--model", dir)...)
			if err != nil || len(lines) != 3 || lines[0] != lines[2] || !strings.HasPrefix(lines[0], `{"label":`) {
				t.Fatalf("got %q and error %v, want results around one line", lines, err)
			}
			if lines[1] != test.want {
				t.Errorf("got %s, want %s", lines[1], test.want)
			}
			if want := "1 of 3 lines were not classified: their results hold the reason\n"; talk != want {
				t.Errorf("said %q, want %q", talk, want)
			}
		})
	}
	t.Run("a row of a table with another number of columns", func(t *testing.T) {
		lines, _, err := classify(t, strings.NewReader("text\tlabel\na\n"), "--tsv", "--model", dir)
		if want := `{"reason":"missing_text","error":"1 columns, want 2 as the first line has"}`; err != nil || lines[0] != want {
			t.Errorf("got %q and error %v, want %s", lines, err, want)
		}
	})
}

func TestClassifyScores(t *testing.T) {
	dir := classifyModel(t)
	lines, _, err := classify(t, strings.NewReader(strings.Join(classifyTexts(50), "\n")), "--model", dir, "--scores", "--rung", "last")
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range parseLines(t, lines) {
		sum := 0.
		for _, s := range r.Scores {
			sum += float64(s.Score)
		}
		if len(r.Scores) != 3 || r.Scores[0].Label != r.Label || r.Scores[0].Score != r.Score || math.Abs(sum-1) > 1e-5 || r.Scores[1].Score < r.Scores[2].Score {
			t.Errorf("line %d: got scores %v of %s %v, want three from the label's down, of sum 1", i+1, r.Scores, r.Label, r.Score)
		}
	}
}

func TestClassifyRefuses(t *testing.T) {
	dir, bare := classifyModel(t), classifyModel(t)
	if err := os.Remove(filepath.Join(bare, "ladder.json")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, args, want string
	}{
		{"a rung that is none", "--rung high --model " + dir, "--rung high: want 0 or more, or last"},
		{"a negative rung", "--rung -1 --model " + dir, "--rung -1: want 0 or more, or last"},
		{"a rung above the last", "--rung 2 --model " + dir, "--rung 2: the ladder has rungs 0 to 1"},
		{"a rung without a ladder", "--rung 1 --model " + bare, "--rung 1: only rung 0, full depth, can be used: no ladder: the model directory has no ladder.json"},
		{"a rung with other limits", "--rung 1 --max-tokens 8 --model " + dir, "--rung 1: only rung 0, full depth, can be used: ladder is for other token limits"},
		{"another rule", "--truncate middle --model " + dir, "--truncate: "},
		{"another kernel set", "--cpu mmx --model " + dir, "mmx"},
		{"two formats", "--tsv --jsonl --model " + dir, "--jsonl and --tsv: want one of them"},
		{"batches of less than a row", "--batch-tokens 8 --model " + dir, "--batch-tokens: making a batch: 8 tokens have no room for a row of 16"},
		{"no directory", "--model " + filepath.Join(dir, "none"), "no such file or directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := classify(t, strings.NewReader("a\n"), strings.Fields(test.args)...)
			if err == nil || !strings.Contains(err.Error(), test.want) || !errors.As(err, new(usageError)) {
				t.Errorf("got error %v, want a usage error: %s", err, test.want)
			}
		})
	}
	t.Run("a table without texts", func(t *testing.T) {
		_, _, err := classify(t, strings.NewReader("label\nx\n"), "--tsv", "--model", dir)
		if want := `standard input:1: no column is named text or text_a in "label"; the first line names the columns`; err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
	t.Run("the last rung without a ladder is full depth, and is said", func(t *testing.T) {
		lines, talk, err := classify(t, strings.NewReader("a\n"), "--rung", "last", "--model", bare)
		if err != nil || parseLines(t, lines)[0].Exit != 2 || talk != "every text runs at full depth: no ladder: the model directory has no ladder.json\n" {
			t.Errorf("got %q, said %q, error %v", lines, talk, err)
		}
	})
}

// Whoever types a line sees its result before the next.
func TestClassifyAnswersEveryLineAtOnce(t *testing.T) {
	dir := classifyModel(t)
	stdin, typing := io.Pipe()
	showing, stdout := io.Pipe()
	c := newClassifyCommand()
	c.SetArgs([]string{"--model", dir})
	c.SetIn(stdin)
	c.SetOut(stdout)
	done := make(chan error, 1)
	go func() {
		err := c.ExecuteContext(t.Context())
		stdout.Close()
		done <- err
	}()
	results := json.NewDecoder(showing)
	for i := range 3 {
		fmt.Fprint(typing, "a b\nc") // the second line has only begun
		var r lineResult
		if err := results.Decode(&r); err != nil || r.Label == "" {
			t.Fatalf("line %d: got %+v and error %v", i+1, r, err)
		}
	}
	typing.Close()
	if err := results.Decode(new(lineResult)); err != nil {
		t.Errorf("after the last line: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestClassifyStops(t *testing.T) {
	dir := classifyModel(t)
	ctx, cancel := context.WithCancel(t.Context())
	stdin, typing := io.Pipe()
	defer typing.Close()
	c := newClassifyCommand()
	c.SetArgs([]string{"--model", dir})
	c.SetIn(stdin)
	c.SetOut(io.Discard)
	c.SilenceErrors, c.SilenceUsage = true, true
	cancel()
	if err := c.ExecuteContext(ctx); !errors.Is(err, errStopped) {
		t.Errorf("got error %v, want errStopped", err)
	}
}
