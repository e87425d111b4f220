package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"sweetspot/inference"
	"sweetspot/inference/token"
	"sweetspot/pipeline"
)

// maxWindow bounds the lines that are in memory at once.
const maxWindow = 4096

// A lineClassifier answers lines. It collects as many as have arrived, so that
// the model gets full batches from a file and the single line from a terminal.
type lineClassifier struct {
	model   *inference.Model
	runner  *inference.Runner
	tokens  *token.Tokenizer
	rule    token.Truncation
	rung    int
	options classifyOptions
	out     *bufio.Writer

	window  []windowLine
	rows    []inference.Row // of the lines that can be classified
	of      []int           // by row: its line in window
	scores  []float32
	columns tsvColumns

	lines, refused int
}

// A windowLine is one line that waits for its result. Its memory is used again
// for a later line.
type windowLine struct {
	ids    []int32
	result lineResult
	refusal
}

// A lineResult is what is written for a line that was classified.
type lineResult struct {
	Label     string                `json:"label"`
	Score     float32               `json:"score"`
	Scores    []pipeline.LabelScore `json:"scores,omitempty"`
	Exit      int                   `json:"exit"`
	Layers    int                   `json:"layers"`
	Rung      int                   `json:"rung"`
	Tokens    int                   `json:"tokens"` // that the model read
	Truncated bool                  `json:"truncated"`
}

// A refusal is what is written for a line that the worker would set aside. Its
// reasons are the worker's.
type refusal struct {
	Reason pipeline.Reason `json:"reason"`
	Error  string          `json:"error"`
}

func refused(r pipeline.Reason, format string, args ...any) refusal {
	return refusal{Reason: r, Error: fmt.Sprintf(format, args...)}
}

// readAll answers every line of r.
func (l *lineClassifier) readAll(ctx context.Context, name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<20)
	l.columns = tsvColumns{text: -1, pair: -1}
	var line []byte
	for n := 1; ; n++ {
		if !holdsLine(in) || len(l.window) == maxWindow {
			// Whoever types or sends the next line may wait for these answers.
			if err := l.answer(ctx); err != nil {
				return err
			}
		}
		var err error
		line, err = readLine(in, line[:0])
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if err == nil || len(line) > 0 {
			if err := l.take(bytes.TrimRight(line, "\r\n"), n); err != nil {
				return fmt.Errorf("%s:%d: %w", name, n, err)
			}
		}
		if err != nil {
			return l.answer(ctx)
		}
	}
}

// take puts line number n into the window, but for a line that names columns.
func (l *lineClassifier) take(line []byte, n int) error {
	if l.options.tsv && n == 1 {
		var err error
		l.columns, err = parseColumns(string(line))
		return err
	}
	text, pair, bad := l.texts(line)
	if len(l.window) < cap(l.window) {
		l.window = l.window[:len(l.window)+1]
	} else {
		l.window = append(l.window, windowLine{})
	}
	w := &l.window[len(l.window)-1]
	if w.refusal = bad; bad.Reason != "" {
		return nil
	}
	row, err := l.tokens.Row(w.ids, text, pair, l.model.MaxTokens(), l.rule)
	if errors.Is(err, token.ErrTooLong) {
		w.refusal = refused(pipeline.TooLong, "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	w.ids = row.IDs
	w.result = lineResult{Rung: l.rung, Tokens: len(row.IDs), Truncated: row.Truncated}
	l.of = append(l.of, len(l.window)-1)
	l.rows = append(l.rows, inference.Row{Tokens: row.IDs, Second: row.Second, Rung: uint8(l.rung)})
	return nil
}

// texts reads one line, or says why the worker would set it aside.
func (l *lineClassifier) texts(line []byte) (text, pair string, bad refusal) {
	switch {
	case len(bytes.TrimSpace(line)) == 0:
		return "", "", refused(pipeline.Empty, "the line is empty or blank")
	case !utf8.Valid(line):
		return "", "", refused(pipeline.InvalidUTF8, "the line is not UTF-8")
	case l.options.jsonl:
		text, pair, bad = jsonTexts(line)
	case l.options.tsv:
		text, pair, bad = l.columns.texts(string(line))
	default:
		text = string(line)
	}
	if bad.Reason == "" && strings.TrimSpace(text) == "" {
		bad = refused(pipeline.Empty, "the text is empty or blank")
	}
	return text, pair, bad
}

func jsonTexts(line []byte) (text, pair string, bad refusal) {
	if !json.Valid(line) {
		return "", "", refused(pipeline.InvalidJSON, "the line is not JSON")
	}
	text, pair, err := parseTexts(line)
	if err != nil {
		return "", "", refused(pipeline.MissingText, "%v", err)
	}
	return text, pair, refusal{}
}

func (c tsvColumns) texts(line string) (text, pair string, bad refusal) {
	cells := strings.Split(line, "\t")
	if len(cells) != c.count {
		return "", "", refused(pipeline.MissingText, "%d columns, want %d as the first line has", len(cells), c.count)
	}
	if c.pair >= 0 {
		pair = cells[c.pair]
	}
	return cells[c.text], pair, refusal{}
}

// answer classifies and writes the lines in the window, and empties it.
func (l *lineClassifier) answer(ctx context.Context) error {
	if len(l.window) == 0 {
		return nil
	}
	thresholds := l.model.Ladder.Rungs[l.rung].Thresholds
	err := l.runner.Each(ctx, l.rows, func(row, stage int, e inference.Exit, logits []float32) bool {
		if !thresholds.Leaves(stage, e) {
			return false
		}
		r := &l.window[l.of[row]].result
		r.Label, r.Score, r.Exit, r.Layers = l.model.Labels[e.Label], e.Probability, stage+1, l.model.StageLayers(stage)
		if l.options.scores {
			r.Scores = l.sorted(stage, e, logits)
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("classifying: %w", err)
	}
	for i := range l.window {
		if err := l.write(&l.window[i]); err != nil {
			return fmt.Errorf("writing results: %w", err)
		}
	}
	l.window, l.rows, l.of = l.window[:0], l.rows[:0], l.of[:0]
	if err := l.out.Flush(); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	return nil
}

// sorted returns the probability of every label, best first.
func (l *lineClassifier) sorted(stage int, e inference.Exit, logits []float32) []pipeline.LabelScore {
	l.scores = l.model.Scores(l.scores[:0], stage, e, logits)
	scores := make([]pipeline.LabelScore, len(l.scores))
	for i, s := range l.scores {
		scores[i] = pipeline.LabelScore{Label: l.model.Labels[i], Score: s}
	}
	slices.SortStableFunc(scores, func(a, b pipeline.LabelScore) int { return cmp.Compare(b.Score, a.Score) })
	return scores
}

func (l *lineClassifier) write(w *windowLine) error {
	l.lines++
	var written any = w.result
	if w.Reason != "" {
		l.refused++
		written = w.refusal
	}
	data, err := json.Marshal(written)
	if err != nil {
		return err
	}
	_, err = l.out.Write(append(data, '\n'))
	return err
}
