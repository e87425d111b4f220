package simulate

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// header is what the first line of a load's CSV file says.
var header = []string{"seconds", "messages_per_second"}

// The bounds of a load: more is a mistake in the file.
const (
	longest  = 366 * 24 * time.Hour
	mostRate = 1e9
)

// ReadLoad reads a load from CSV: a header line `seconds,messages_per_second`,
// then at least two lines of when a rate begins and what it is. A rate holds
// until the next line's, the last for as long as the one before it. Seconds may
// count from anywhere (from 1970, say); the load begins with the first. A byte
// order mark and spaces around fields are let pass. Errors name the line.
func ReadLoad(name string, r io.Reader) (Load, error) {
	l := Load{Name: name}
	lines, err := newLines(r)
	if err != nil {
		return l, fmt.Errorf("%s: %w", name, err)
	}
	first, err := lines.read()
	if errors.Is(err, io.EOF) {
		return l, fmt.Errorf("%s is empty: want the line %s, then one for each rate", name, strings.Join(header, ","))
	}
	if err != nil {
		return l, fmt.Errorf("%s: %w", name, err)
	}
	if !slices.Equal(first, header) {
		return l, fmt.Errorf("%s, line 1: %s, want %s", name, strings.Join(first, ","), strings.Join(header, ","))
	}
	var begin float64
	for {
		fields, err := lines.read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			begin, err = l.addLine(fields, begin)
		}
		if err != nil {
			if _, ok := errors.AsType[*csv.ParseError](err); !ok {
				line, _ := lines.FieldPos(0)
				err = fmt.Errorf("line %d: %w", line, err)
			}
			return l, fmt.Errorf("%s, %w", name, err)
		}
	}
	return l, l.close()
}

// A lineReader reads the lines of a CSV file.
type lineReader struct{ *csv.Reader }

// newLines returns a reader of what comes after a byte order mark.
func newLines(r io.Reader) (lineReader, error) {
	const mark = "\ufeff"
	text := bufio.NewReader(r)
	begin, err := text.Peek(len(mark))
	if err != nil && !errors.Is(err, io.EOF) {
		return lineReader{}, err
	}
	if string(begin) == mark {
		if _, err := text.Discard(len(mark)); err != nil {
			return lineReader{}, err
		}
	}
	lines := csv.NewReader(text)
	lines.TrimLeadingSpace = true
	lines.FieldsPerRecord = len(header)
	return lineReader{lines}, nil
}

// read returns the fields of the next line without spaces around them.
func (r lineReader) read() ([]string, error) {
	fields, err := r.Read()
	for i, f := range fields {
		fields[i] = strings.TrimSpace(f)
	}
	return fields, err
}

// addLine adds the span of a line. Begin is the seconds of the first.
func (l *Load) addLine(fields []string, begin float64) (float64, error) {
	seconds, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || !(seconds >= -1e12 && seconds <= 1e12) {
		return begin, fmt.Errorf("seconds %q is not a number of seconds", fields[0])
	}
	rate, err := strconv.ParseFloat(fields[1], 64)
	if err != nil || !(rate >= 0 && rate <= mostRate) {
		return begin, fmt.Errorf("messages_per_second %q is not a number from 0 to %g", fields[1], mostRate)
	}
	if len(l.Spans) == 0 {
		begin = seconds
	}
	if seconds-begin > longest.Seconds() {
		return begin, fmt.Errorf("seconds %s are more than a year after the first", fields[0])
	}
	from := time.Duration((seconds - begin) * float64(time.Second))
	if n := len(l.Spans); n > 0 && from <= l.Spans[n-1].From {
		return begin, fmt.Errorf("seconds %s do not come after those of the line before", fields[0])
	}
	l.Spans = append(l.Spans, Span{From: from, Rate: rate})
	return begin, nil
}

// close gives the last span of a file its end.
func (l *Load) close() error {
	n := len(l.Spans)
	if n < 2 {
		return fmt.Errorf("%s: want at least two rates, got %d: the second tells how long the first held", l.Name, n)
	}
	l.End = 2*l.Spans[n-1].From - l.Spans[n-2].From
	if l.Peak() == 0 {
		return fmt.Errorf("%s: no message comes at any time", l.Name)
	}
	return nil
}
