package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"sweetspot/inference/token"
)

// tokenizeOptions say what `sweet tokenize` reads and writes.
type tokenizeOptions struct {
	vocab     string
	jsonl     bool
	noSpecial bool
	maxLength int // ids on a line of output; 0 is all
	truncate  string
}

func newTokenizeCommand() *cobra.Command {
	var o tokenizeOptions
	c := &cobra.Command{
		Use:   "tokenize --vocab FILE [FILE...]",
		Short: "Write the token ids of texts",
		Long: `Read the files, or standard input, and write one JSON array of token ids for
every line, with [CLS] and [SEP]. With --jsonl every line is an object with
"text" and perhaps "pair", the second text of a pair; blank lines are left out.

A line that is not UTF-8 loses the bytes that are not. Special tokens written in
a text, such as [MASK], are plain text.`,
		RunE: func(c *cobra.Command, files []string) error { return runTokenize(c, o, files) },
	}
	f := c.Flags()
	f.StringVar(&o.vocab, "vocab", "", "vocab.txt, tokenizer.json, or a model directory that has one")
	f.BoolVar(&o.jsonl, "jsonl", false, `lines are JSON objects with "text" and perhaps "pair"`)
	f.BoolVar(&o.noSpecial, "no-special", false, "leave out [CLS] and [SEP]")
	f.IntVar(&o.maxLength, "max-length", 0, "most ids a line, [CLS] and [SEP] among them where they are written; 0 is all")
	f.StringVar(&o.truncate, "truncate", token.Right.String(), "what longer texts keep: right (their beginning), left, head_tail; or reject")
	return c
}

func runTokenize(c *cobra.Command, o tokenizeOptions, files []string) error {
	if o.vocab == "" {
		return usagef("--vocab is missing: name a vocab.txt, a tokenizer.json or a model directory")
	}
	if o.maxLength < 0 {
		return usagef("--max-length %d: want 0 or more", o.maxLength)
	}
	rule, err := token.ParseTruncation(o.truncate)
	if err != nil {
		return usagef("--truncate: %w", err)
	}
	tokens, err := loadTokenizer(o.vocab)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(c.OutOrStdout(), 1<<16)
	w := idWriter{tokens: tokens, rule: rule, options: o, out: out}
	err = eachInput(stoppable(c.Context(), c.InOrStdin()), files, func(name string, r io.Reader) error {
		return w.writeAll(c.Context(), name, r)
	})
	if flushed := out.Flush(); err == nil && flushed != nil {
		err = fmt.Errorf("writing ids: %w", flushed)
	}
	if c.Context().Err() != nil {
		return errStopped
	}
	return err
}

// loadTokenizer reads a tokenizer from a file or from a model directory.
func loadTokenizer(path string) (*token.Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the vocabulary: %w", err)
	}
	if !info.IsDir() {
		return token.LoadVocab(path)
	}
	t, err := token.Load(os.DirFS(path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// An idWriter writes the ids of one line after the other.
type idWriter struct {
	tokens  *token.Tokenizer
	rule    token.Truncation
	options tokenizeOptions
	out     *bufio.Writer

	ids  []int32 // memory of the last row
	json []byte  // and of its array
}

func (w *idWriter) writeAll(ctx context.Context, name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<16)
	var line []byte
	for n := 1; ctx.Err() == nil; n++ {
		if in.Buffered() == 0 {
			// The reader may wait for whoever types the next line.
			if err := w.out.Flush(); err != nil {
				return fmt.Errorf("writing ids: %w", err)
			}
		}
		var err error
		line, err = readLine(in, line[:0])
		last := errors.Is(err, io.EOF)
		switch {
		case err != nil && !last:
			return fmt.Errorf("reading %s: %w", name, err)
		case last && len(line) == 0:
			return nil
		}
		if err := w.writeLine(bytes.TrimRight(line, "\r\n")); err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if last {
			return nil
		}
	}
	return ctx.Err()
}

func (w *idWriter) writeLine(line []byte) error {
	var text, pair string
	switch {
	case !w.options.jsonl:
		text = string(line)
	case len(bytes.TrimSpace(line)) == 0:
		return nil
	default:
		var err error
		if text, pair, err = parseTexts(line); err != nil {
			return err
		}
	}
	ids, err := w.row(text, pair)
	if err != nil {
		return err
	}
	w.json = append(w.json[:0], '[')
	for i, id := range ids {
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.json = strconv.AppendInt(w.json, int64(id), 10)
	}
	w.json = append(w.json, ']', '\n')
	if _, err := w.out.Write(w.json); err != nil {
		return fmt.Errorf("writing ids: %w", err)
	}
	return nil
}

// parseTexts reads an object with "text" and perhaps "pair". Other fields are
// the user's own.
func parseTexts(line []byte) (text, pair string, err error) {
	var texts struct {
		Text *string `json:"text"`
		Pair string  `json:"pair"`
	}
	if err := json.Unmarshal(line, &texts); err != nil {
		return "", "", fmt.Errorf("reading JSON: %w", err)
	}
	if texts.Text == nil {
		return "", "", errors.New(`no "text" in the object`)
	}
	return *texts.Text, texts.Pair, nil
}

// row returns the ids to write.
func (w *idWriter) row(text, pair string) ([]int32, error) {
	limit := w.options.maxLength
	switch {
	case limit == 0:
		limit = math.MaxInt
	case w.options.noSpecial && pair == "":
		limit += 2
	case w.options.noSpecial:
		limit += 3
	}
	row, err := w.tokens.Row(w.ids, text, pair, limit, w.rule)
	if err != nil {
		return nil, err
	}
	w.ids = row.IDs
	if !w.options.noSpecial {
		return row.IDs, nil
	}
	if pair == "" {
		return row.IDs[1 : len(row.IDs)-1], nil
	}
	ids := slices.Delete(row.IDs[:len(row.IDs)-1], row.Second-1, row.Second)
	return ids[1:], nil
}
