package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// eachInput calls f with every file in turn, or with stdin where there is none.
func eachInput(stdin io.Reader, files []string, f func(name string, r io.Reader) error) error {
	if len(files) == 0 {
		return f("standard input", stdin)
	}
	for _, name := range files {
		if err := withFile(name, f); err != nil {
			return err
		}
	}
	return nil
}

func withFile(name string, f func(name string, r io.Reader) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return f(name, file)
}

// stoppable returns a reader of r that gives up waiting when the context ends.
// After that, nobody must read from r: the last read may still be under way.
func stoppable(ctx context.Context, r io.Reader) io.Reader {
	type result struct {
		n   int
		err error
	}
	return readerFunc(func(p []byte) (int, error) {
		done := make(chan result, 1)
		go func() {
			n, err := r.Read(p)
			done <- result{n, err}
		}()
		select {
		case got := <-done:
			return got.n, got.err
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	})
}

// A readerFunc is a function that reads.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// readLine appends the next line, of any length and with its end, to line.
func readLine(r *bufio.Reader, line []byte) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// holdsLine reports whether a whole line can be read without waiting.
func holdsLine(r *bufio.Reader) bool {
	here, err := r.Peek(r.Buffered())
	return err == nil && bytes.IndexByte(here, '\n') >= 0
}

// tsvColumns are the columns that texts are in; -1 is none.
type tsvColumns struct {
	text, pair, count int
}

func parseColumns(header string) (tsvColumns, error) {
	names := strings.Split(strings.TrimPrefix(header, "\ufeff"), "\t")
	c := tsvColumns{text: slices.Index(names, "text"), pair: slices.Index(names, "text_b"), count: len(names)}
	if c.text < 0 {
		c.text = slices.Index(names, "text_a")
	}
	if c.text < 0 {
		return c, fmt.Errorf("no column is named text or text_a in %.80q; the first line names the columns", header)
	}
	return c, nil
}
