package compare

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// A column is one field of a row of runs.csv.
type column struct {
	name string
	get  func(*Run) string
	set  func(*Run, string) error
}

// columns are those of runs.csv, in order. Lists are separated by spaces; a
// point of the curve is threshold:accuracy:reach:reach:….
var columns = []column{
	{"task", func(r *Run) string { return r.Task }, func(r *Run, s string) error { r.Task = s; return nil }},
	{"method", func(r *Run) string { return r.Method }, func(r *Run, s string) error { r.Method = s; return nil }},
	{"pool", func(r *Run) string { return r.Pool }, func(r *Run, s string) error { r.Pool = s; return nil }},
	{"seed", func(r *Run) string { return strconv.FormatUint(r.Seed, 10) }, func(r *Run, s string) (err error) {
		r.Seed, err = strconv.ParseUint(s, 10, 64)
		return err
	}},
	whole("rows", func(r *Run) *int { return &r.Rows }),
	whole("epochs", func(r *Run) *int { return &r.Epochs }),
	whole("batch", func(r *Run) *int { return &r.Batch }),
	number("rate", func(r *Run) *float64 { return &r.Rate }),
	number("dropout", func(r *Run) *float64 { return &r.Dropout }),
	whole("max_tokens", func(r *Run) *int { return &r.MaxTokens }),
	wholes("exits", func(r *Run) *[]int { return &r.Exits }),
	{"init", func(r *Run) string { return r.Init }, func(r *Run, s string) error { r.Init = s; return nil }},
	whole("test", func(r *Run) *int { return &r.Test }),
	numbers("accuracy", func(r *Run) *[]float64 { return &r.Accuracy }),
	numbers("f1", func(r *Run) *[]float64 { return &r.F1 }),
	numbers("mcc", func(r *Run) *[]float64 { return &r.MCC }),
	numbers("temperatures", func(r *Run) *[]float64 { return &r.Temperatures }),
	wholes("layers", func(r *Run) *[]int { return &r.Layers }),
	numbers("stage_ms", func(r *Run) *[]float64 { return &r.StageMillis }),
	{"curve", func(r *Run) string { return formatCurve(r.Curve) }, func(r *Run, s string) (err error) {
		r.Curve, err = parseCurve(s)
		return err
	}},
	number("train_seconds", func(r *Run) *float64 { return &r.TrainSeconds }),
	number("tokens_per_second", func(r *Run) *float64 { return &r.TokensPerSecond }),
	{"kernels", func(r *Run) string { return r.Kernels }, func(r *Run, s string) error { r.Kernels = s; return nil }},
}

func whole(name string, field func(*Run) *int) column {
	return column{name, func(r *Run) string { return strconv.Itoa(*field(r)) }, func(r *Run, s string) (err error) {
		*field(r), err = strconv.Atoi(s)
		return err
	}}
}

func number(name string, field func(*Run) *float64) column {
	return column{name, func(r *Run) string { return format(*field(r)) }, func(r *Run, s string) (err error) {
		*field(r), err = strconv.ParseFloat(s, 64)
		return err
	}}
}

func wholes(name string, field func(*Run) *[]int) column {
	return column{name, func(r *Run) string { return join(*field(r), strconv.Itoa) }, func(r *Run, s string) (err error) {
		*field(r), err = split(strings.Split(s, " "), strconv.Atoi)
		return err
	}}
}

func numbers(name string, field func(*Run) *[]float64) column {
	return column{name, func(r *Run) string { return join(*field(r), format) }, func(r *Run, s string) (err error) {
		*field(r), err = split(strings.Split(s, " "), parse)
		return err
	}}
}

// format writes a number with six digits, which is more than any of them means.
func format(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

func parse(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

func join[T any](values []T, text func(T) string) string {
	fields := make([]string, len(values))
	for i, v := range values {
		fields[i] = text(v)
	}
	return strings.Join(fields, " ")
}

func split[T any](fields []string, value func(string) (T, error)) ([]T, error) {
	values := make([]T, len(fields))
	for i, f := range fields {
		var err error
		if values[i], err = value(f); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func formatCurve(curve []Point) string {
	return join(curve, func(p Point) string {
		fields := []string{format(p.Threshold), format(p.Accuracy)}
		for _, r := range p.Reach {
			fields = append(fields, format(r))
		}
		return strings.Join(fields, ":")
	})
}

func parseCurve(s string) ([]Point, error) {
	return split(strings.Split(s, " "), func(s string) (Point, error) {
		v, err := split(strings.Split(s, ":"), parse)
		if err == nil && len(v) < 3 {
			err = fmt.Errorf("point %q: want threshold:accuracy:reach", s)
		}
		if err != nil {
			return Point{}, err
		}
		return Point{Threshold: v[0], Accuracy: v[1], Reach: v[2:]}, nil
	})
}

// ReadRuns reads runs.csv. A file that is not there holds no runs.
func ReadRuns(path string) ([]Run, error) { return readFile(path, "runs", parseRuns) }

// readFile reads what parse makes of a file; nothing of one that is not there.
func readFile[T any](path, what string, parse func(io.Reader) ([]T, error)) ([]T, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	defer f.Close()
	values, err := parse(f)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %s: %w", what, path, err)
	}
	return values, nil
}

func parseRuns(r io.Reader) ([]Run, error) {
	rows := csv.NewReader(r)
	head, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if want := header(); strings.Join(head, ",") != strings.Join(want, ",") {
		return nil, fmt.Errorf("its columns are %v, want %v: it is another version's; name another --out", head, want)
	}
	var runs []Run
	for {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return runs, nil
		}
		if err != nil {
			return nil, err
		}
		var run Run
		for i, c := range columns {
			if err := c.set(&run, fields[i]); err != nil {
				return nil, fmt.Errorf("run %d: %s: %w", len(runs)+1, c.name, err)
			}
		}
		if err := run.check(); err != nil {
			return nil, fmt.Errorf("run %d: %w", len(runs)+1, err)
		}
		runs = append(runs, run)
	}
}

// check reports lists that are not as long as there are exits.
func (r *Run) check() error {
	n := len(r.Exits)
	for _, l := range []struct {
		name string
		len  int
	}{
		{"accuracy", len(r.Accuracy)},
		{"f1", len(r.F1)},
		{"mcc", len(r.MCC)},
		{"temperatures", len(r.Temperatures)},
		{"layers", len(r.Layers)},
		{"stage_ms", len(r.StageMillis)},
	} {
		if l.len != n {
			return fmt.Errorf("%s: %d entries for %d exits", l.name, l.len, n)
		}
	}
	for _, p := range r.Curve {
		if len(p.Reach) != n {
			return fmt.Errorf("curve: %d shares for %d exits", len(p.Reach), n)
		}
	}
	return nil
}

func header() []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}

// Append adds a run to runs.csv, with a header where the file is new, and brings
// it to the disk.
func Append(path string, r Run) error {
	fields := make([]string, len(columns))
	for i, c := range columns {
		fields[i] = c.get(&r)
	}
	if err := appendRows(path, header(), [][]string{fields}); err != nil {
		return fmt.Errorf("adding a run to %s: %w", path, err)
	}
	return nil
}

// appendRows adds rows to a CSV file, with a header where it is new, in one
// write, so that a crash leaves all or none of them on most systems.
func appendRows(path string, header []string, rows [][]string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		rows = append([][]string{header}, rows...)
	}
	var text strings.Builder
	if err == nil {
		err = csv.NewWriter(&text).WriteAll(rows)
	}
	if err == nil {
		_, err = f.WriteString(text.String())
	}
	return errors.Join(err, f.Sync(), f.Close())
}
