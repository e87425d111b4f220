package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tokenizeVocab has the ids 0 [PAD], 1 [UNK], 2 [CLS], 3 [SEP], 4 a, 5 b, 6 ##b,
// 7 A.
const tokenizeVocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n##b\nA\n"

// tokenizeFiles writes files and returns their folder.
func tokenizeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tokenize runs the command in dir and returns what it wrote.
func tokenize(t *testing.T, dir, stdin string, args ...string) (string, error) {
	t.Helper()
	t.Chdir(dir)
	var out bytes.Buffer
	c := newTokenizeCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(&out)
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

func TestTokenize(t *testing.T) {
	dir := tokenizeFiles(t, map[string]string{
		"vocab.txt":                   tokenizeVocab,
		"model/vocab.txt":             tokenizeVocab,
		"model/tokenizer_config.json": `{"do_lower_case": false}`,
		"one.txt":                     "a\n",
		"two.txt":                     "b\nab",
	})
	for _, test := range []struct {
		name  string
		stdin string
		args  string
		want  string
	}{
		{"lines", "a b\nab x\n", "--vocab vocab.txt", "[2,4,5,3]\n[2,4,6,1,3]\n"},
		{"no line", "", "--vocab vocab.txt", ""},
		{"an empty line is a text", "\na\n", "--vocab vocab.txt", "[2,3]\n[2,4,3]\n"},
		{"a last line without an end", "a\nb", "--vocab vocab.txt", "[2,4,3]\n[2,5,3]\n"},
		{"line ends of Windows", "a\r\nb\r\n", "--vocab vocab.txt", "[2,4,3]\n[2,5,3]\n"},
		{"bytes that are not UTF-8", "a\xff b\n", "--vocab vocab.txt", "[2,4,5,3]\n"},
		{"without special tokens", "a b\n\n", "--vocab vocab.txt --no-special", "[4,5]\n[]\n"},
		{"a model directory", "A a\n", "--vocab model", "[2,7,4,3]\n"},
		{"files", "ignored\n", "--vocab vocab.txt one.txt two.txt", "[2,4,3]\n[2,5,3]\n[2,4,6,3]\n"},
		{"at most so many", "a b a b\n", "--vocab vocab.txt --max-length 4", "[2,4,5,3]\n"},
		{"the end of it", "a ab\n", "--vocab vocab.txt --max-length 4 --truncate left", "[2,4,6,3]\n"},
		{"at most so many without special tokens", "a b a b\n", "--vocab vocab.txt --max-length 3 --no-special", "[4,5,4]\n"},
		{"objects", `{"text": "a", "label": 3}` + "\n\n" + `{"text": "a", "pair": "b"}` + "\n", "--vocab vocab.txt --jsonl", "[2,4,3]\n[2,4,3,5,3]\n"},
		{"an empty pair is none", `{"text": "a", "pair": ""}`, "--vocab vocab.txt --jsonl", "[2,4,3]\n"},
		{"a pair without special tokens", `{"text": "a a", "pair": "b b"}`, "--vocab vocab.txt --jsonl --no-special", "[4,4,5,5]\n"},
		{"a pair of at most so many", `{"text": "a a a", "pair": "b b"}`, "--vocab vocab.txt --jsonl --no-special --max-length 3", "[4,4,5]\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := tokenize(t, dir, test.stdin, strings.Fields(test.args)...)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTokenizeRefuses(t *testing.T) {
	dir := tokenizeFiles(t, map[string]string{
		"vocab.txt":     tokenizeVocab,
		"bad.txt":       "[PAD]\n\n",
		"empty/any.txt": "",
		"texts.jsonl":   "{\"text\": \"a\"}\n{\"text\": \"a\"\n",
	})
	for _, test := range []struct {
		name  string
		stdin string
		args  string
		want  string // a part of the error
		usage bool
		out   string
	}{
		{name: "no vocabulary", args: "", want: "--vocab is missing", usage: true},
		{name: "a vocabulary that is not there", args: "--vocab none.txt", want: "reading the vocabulary: stat none.txt"},
		{name: "a bad vocabulary", args: "--vocab bad.txt", want: "bad.txt: line 2 is empty"},
		{name: "a directory without one", args: "--vocab empty", want: "empty: no tokenizer.json and no vocab.txt"},
		{name: "a rule that is none", args: "--vocab vocab.txt --truncate middle", want: `--truncate: truncation is "middle"`, usage: true},
		{name: "a length below zero", args: "--vocab vocab.txt --max-length -1", want: "--max-length -1: want 0 or more", usage: true},
		{name: "a length without room", stdin: "a\n", args: "--vocab vocab.txt --max-length 2", want: "standard input:1: a limit of 2 tokens is too low"},
		{name: "a file that is not there", args: "--vocab vocab.txt none.txt", want: "open none.txt"},
		{name: "a line that is not JSON", stdin: "{\"text\": \"a\"}\na b\n", args: "--vocab vocab.txt --jsonl", want: "standard input:2: reading JSON: invalid character 'a'", out: "[2,4,3]\n"},
		{name: "a bad line of a file", args: "--vocab vocab.txt --jsonl texts.jsonl", want: "texts.jsonl:2: reading JSON: unexpected end", out: "[2,4,3]\n"},
		{name: "an object without a text", stdin: `{"pair": "a"}`, args: "--vocab vocab.txt --jsonl", want: `standard input:1: no "text" in the object`},
		{name: "a text that is no string", stdin: `{"text": 1}`, args: "--vocab vocab.txt --jsonl", want: "standard input:1: reading JSON: "},
		{name: "a text that is too long", stdin: "a\nb a\n", args: "--vocab vocab.txt --max-length 3 --truncate reject", want: "standard input:2: text is too long: 4 tokens, where 3 are allowed", out: "[2,4,3]\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := tokenize(t, dir, test.stdin, strings.Fields(test.args)...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got error %v, want one with %q", err, test.want)
			}
			if got := errors.As(err, new(usageError)); got != test.usage {
				t.Errorf("got a usage error %t, want %t", got, test.usage)
			}
			if out != test.out {
				t.Errorf("before the error: got %q, want %q", out, test.out)
			}
		})
	}
}

func TestTokenizeReadsLongLines(t *testing.T) {
	dir := tokenizeFiles(t, map[string]string{"vocab.txt": tokenizeVocab})
	const n = 4 << 20
	got, err := tokenize(t, dir, strings.Repeat("a ", n)+"\nb\n", "--vocab", "vocab.txt")
	if err != nil {
		t.Fatal(err)
	}
	if want := "[2," + strings.Repeat("4,", n) + "3]\n[2,5,3]\n"; got != want {
		t.Errorf("got %d bytes, want %d ids of a and a second line", len(got), n)
	}
}

// Whoever types line after line sees the answer to one before typing the next.
func TestTokenizeAnswersLineByLine(t *testing.T) {
	t.Chdir(tokenizeFiles(t, map[string]string{"vocab.txt": tokenizeVocab}))
	in, typing := io.Pipe()
	answers, out := io.Pipe()
	c := newTokenizeCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs([]string{"--vocab", "vocab.txt"})
	c.SetIn(in)
	c.SetOut(out)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(ctx) }()
	answer := make([]byte, 100)
	for range 3 {
		if _, err := io.WriteString(typing, "a b\n"); err != nil {
			t.Fatal(err)
		}
		n, err := answers.Read(answer)
		if got, want := string(answer[:n]), "[2,4,5,3]\n"; err != nil || got != want {
			t.Fatalf("got %q and error %v, want %q", got, err, want)
		}
	}
	// It waits for a line that does not come; Ctrl-C ends it all the same.
	stop()
	if err := <-ended; !errors.Is(err, errStopped) {
		t.Errorf("got error %v, want %v", err, errStopped)
	}
	typing.Close()
}
