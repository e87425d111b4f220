package train

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// An Example is one labeled text, or pair of texts.
type Example struct {
	Text  string
	Pair  string // empty where there is no second text
	Label string // empty where the file has no labels

	File string // that it was read from, for errors
	Line int    // of that file, from 1
}

// Where is the place of e in its file, as FILE:LINE.
func (e Example) Where() string { return fmt.Sprintf("%s:%d", e.File, e.Line) }

// maxLine bounds the bytes of one line of a data file.
const maxLine = 16 << 20

// ReadExamples reads a data file: UTF-8 lines of fields separated by tabs under
// a header that names them. The fields are text, or text_a and text_b for
// pairs, and label, in any order; others are ignored. A name that ends in .gz
// is unpacked. Errors name the file and the line.
func ReadExamples(path string) ([]Example, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading examples: %w", err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, fmt.Errorf("reading examples from %s: %w", path, err)
		}
		r = z
	}
	examples, err := parseExamples(r, path)
	if err != nil {
		return nil, fmt.Errorf("reading examples: %w", err)
	}
	return examples, nil
}

// columns are the fields of a data file by what they hold; -1 is absent.
type columns struct {
	text, pair, label, count int
}

// parseHeader finds the columns in a data file's first line.
func parseHeader(line string) (columns, error) {
	names := strings.Split(line, "\t")
	c := columns{
		text:  slices.Index(names, "text"),
		pair:  slices.Index(names, "text_b"),
		label: slices.Index(names, "label"),
		count: len(names),
	}
	if c.text < 0 {
		c.text = slices.Index(names, "text_a")
	}
	if c.text < 0 {
		return c, fmt.Errorf("header %q names no column text or text_a; the first line must be like text<TAB>label", line)
	}
	return c, nil
}

// parseExamples reads a data file's content. name stands in errors.
func parseExamples(r io.Reader, name string) ([]Example, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	var (
		examples []Example
		c        columns
	)
	number := 0
	for lines.Scan() {
		number++
		line := strings.TrimSuffix(lines.Text(), "\r")
		if number == 1 {
			var err error
			if c, err = parseHeader(strings.TrimPrefix(line, "\ufeff")); err != nil {
				return nil, fmt.Errorf("%s:1: %w", name, err)
			}
			continue
		}
		e, err := c.parse(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		e.File, e.Line = name, number
		examples = append(examples, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, number+1, err)
	}
	if len(examples) == 0 {
		return nil, fmt.Errorf("%s: no examples", name)
	}
	return examples, nil
}

// parse reads one line.
func (c columns) parse(line string) (Example, error) {
	if !utf8.ValidString(line) {
		return Example{}, errors.New("not valid UTF-8")
	}
	fields := strings.Split(line, "\t")
	if len(fields) != c.count {
		return Example{}, fmt.Errorf("%d fields, want the header's %d", len(fields), c.count)
	}
	e := Example{Text: fields[c.text]}
	if strings.TrimSpace(e.Text) == "" {
		return Example{}, errors.New("the text is empty")
	}
	if c.pair >= 0 {
		e.Pair = fields[c.pair]
	}
	if c.label >= 0 {
		if e.Label = fields[c.label]; e.Label == "" {
			return Example{}, errors.New("the label is empty")
		}
	}
	return e, nil
}

// Data are the parts of a data set. Dev and Test are empty where their files
// are missing.
type Data struct {
	Train, Dev, Test []Example
	Labels           []string // of Train, sorted
}

// ReadData reads train, dev and test of a directory, each from NAME.tsv or
// NAME.tsv.gz. Train must be there and every example must have a label that
// occurs in it.
func ReadData(dir string) (*Data, error) {
	d := &Data{}
	for _, part := range []struct {
		name     string
		examples *[]Example
	}{
		{"train", &d.Train},
		{"dev", &d.Dev},
		{"test", &d.Test},
	} {
		path, err := find(dir, part.name)
		if errors.Is(err, fs.ErrNotExist) && part.name != "train" {
			continue
		}
		if err != nil {
			return nil, err
		}
		if *part.examples, err = ReadExamples(path); err != nil {
			return nil, err
		}
		if part.name == "train" {
			d.Labels = labelsOf(d.Train)
		}
		for _, e := range *part.examples {
			if _, ok := slices.BinarySearch(d.Labels, e.Label); !ok || e.Label == "" {
				return nil, fmt.Errorf("%s: label %q is not one of the %d of the training examples", e.Where(), e.Label, len(d.Labels))
			}
		}
	}
	if len(d.Labels) < 2 {
		return nil, fmt.Errorf("%s: the training examples have %d label, want at least 2", dir, len(d.Labels))
	}
	return d, nil
}

// find returns the path of a part of a data set.
func find(dir, part string) (string, error) {
	for _, suffix := range []string{".tsv", ".tsv.gz"} {
		path := filepath.Join(dir, part+suffix)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("looking for data: %w", err)
		}
	}
	return "", fmt.Errorf("looking for data: %s holds neither %s.tsv nor %s.tsv.gz: %w", dir, part, part, fs.ErrNotExist)
}

// labelsOf returns the labels of examples, sorted, each once.
func labelsOf(examples []Example) []string {
	labels := make([]string, 0, 64)
	seen := map[string]bool{}
	for _, e := range examples {
		if !seen[e.Label] {
			seen[e.Label] = true
			labels = append(labels, e.Label)
		}
	}
	slices.Sort(labels)
	return labels
}

// Sample returns count examples chosen at random by the seed, in the order in
// which they came; all of them where there are not more, or count is 0.
func Sample(examples []Example, count int, seed uint64) []Example {
	if count == 0 || count >= len(examples) {
		return examples
	}
	chosen := source(seed, uint64(placeSample)).Perm(len(examples))[:count]
	slices.Sort(chosen)
	sample := make([]Example, count)
	for i, c := range chosen {
		sample[i] = examples[c]
	}
	return sample
}
