package train

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestExamplesAreParsed(t *testing.T) {
	cases := []struct {
		name, file string
		want       []Example
	}{
		{"text and label", "text\tlabel\nhi there\tgreeting\n", []Example{{Text: "hi there", Label: "greeting", Line: 2}}},
		{"pairs", "text_a\ttext_b\tlabel\na\tb\tyes\n", []Example{{Text: "a", Pair: "b", Label: "yes", Line: 2}}},
		{"label first, a column that is not known", "label\tid\ttext\nx\t7\thello\n", []Example{{Text: "hello", Label: "x", Line: 2}}},
		{"no labels", "text\none\ntwo\n", []Example{{Text: "one", Line: 2}, {Text: "two", Line: 3}}},
		{"byte order mark, carriage returns, no newline at the end", "\ufefftext\tlabel\r\na\tb\r\nc\td", []Example{{Text: "a", Label: "b", Line: 2}, {Text: "c", Label: "d", Line: 3}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.want {
				c.want[i].File = "f.tsv"
			}
			got, err := parseExamples(strings.NewReader(c.file), "f.tsv")
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestBadExamplesAreRefusedByLine(t *testing.T) {
	cases := []struct{ name, file, want string }{
		{"empty file", "", "f.tsv: no examples"},
		{"header alone", "text\tlabel\n", "f.tsv: no examples"},
		{"no header", "hi there\tgreeting\n", "f.tsv:1: header"},
		{"too few fields", "text\tlabel\na\tb\nc\n", "f.tsv:3: 1 fields, want the header's 2"},
		{"too many fields", "text\tlabel\na\tb\tc\n", "f.tsv:2: 3 fields"},
		{"blank text", "text\tlabel\n  \tb\n", "f.tsv:2: the text is empty"},
		{"no label", "text\tlabel\na\t\n", "f.tsv:2: the label is empty"},
		{"not UTF-8", "text\tlabel\na\tb\n\xff\tb\n", "f.tsv:3: not valid UTF-8"},
		{"a line without end", "text\tlabel\na\tb\n" + strings.Repeat("x", maxLine+1), "f.tsv:3:"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseExamples(strings.NewReader(c.file), "f.tsv")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func FuzzExamples(f *testing.F) {
	f.Add("text\tlabel\na\tb\n")
	f.Add("text_a\ttext_b\tlabel\na\tb\tc\r\n")
	f.Fuzz(func(t *testing.T, file string) {
		examples, err := parseExamples(strings.NewReader(file), "f.tsv")
		if err == nil && len(examples) == 0 {
			t.Error("got neither examples nor an error")
		}
		for _, e := range examples {
			if strings.TrimSpace(e.Text) == "" {
				t.Errorf("got an example without text: %v", e)
			}
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if strings.HasSuffix(path, ".gz") {
		z := gzip.NewWriter(f)
		defer z.Close()
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestDataIsReadPlainAndGzipped(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "train.tsv.gz"), "text\tlabel\na\ty\nb\tx\nc\ty\n")
	write(t, filepath.Join(dir, "test.tsv"), "text\tlabel\nd\tx\n")
	d, err := ReadData(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Train) != 3 || len(d.Dev) != 0 || len(d.Test) != 1 || !slices.Equal(d.Labels, []string{"x", "y"}) {
		t.Errorf("got %+v, want 3, 0 and 1 examples of the labels x and y", d)
	}
}

func TestBadDataIsRefused(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no training examples", nil, "neither train.tsv nor train.tsv.gz"},
		{"one label", map[string]string{"train.tsv": "text\tlabel\na\tx\n"}, "1 label"},
		{"no column label", map[string]string{"train.tsv": "text\na\n"}, "train.tsv:2: label \"\""},
		{"a label only in dev", map[string]string{"train.tsv": "text\tlabel\na\tx\nb\ty\n", "dev.tsv": "text\tlabel\na\tx\nb\tz\n"}, "dev.tsv:3: label \"z\""},
		{"not gzip", map[string]string{"train.tsv": "text\tlabel\na\tx\nb\ty\n", "test.tsv.gz": ""}, "test.tsv.gz"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := ReadData(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestOrderCoversEveryRowOnceAnEpoch(t *testing.T) {
	c := smallConfig()
	rows := exampleRows(c, 1003)
	var all []int32
	mixed := 0
	for _, b := range order(rows, 8, 1, 0) {
		all = append(all, b...)
		lengths := map[int]bool{}
		for _, i := range b {
			lengths[len(rows[i].Tokens)] = true
		}
		if len(lengths) > 2 {
			mixed++
		}
	}
	slices.Sort(all)
	if len(all) != len(rows) || !slices.Equal(all, slices.Compact(slices.Clone(all))) {
		t.Errorf("got %d indices, want each of %d once", len(all), len(rows))
	}
	if mixed > 30 {
		t.Errorf("%d of 126 batches hold rows of more than two lengths", mixed)
	}
	if slices.EqualFunc(order(rows, 8, 1, 0), order(rows, 8, 1, 1), slices.Equal[[]int32]) {
		t.Error("two epochs have the same order")
	}
}

func TestForgetLeavesSpecialTokens(t *testing.T) {
	var b batch
	b.fill([]Row{{Tokens: []int32{2, 10, 3, 10, 3}, Second: 3}}, []int32{0})
	b.forget(0.9, Words{Unknown: 1, Separator: 3}, 1, 0)
	b.forget(0.9, Words{Unknown: 1, Separator: 3}, 1, 1)
	if want := []int32{2, 1, 3, 1, 3}; !slices.Equal(b.IDs, want) {
		t.Errorf("got %v, want %v", b.IDs, want)
	}
}

func TestDropoutKeepsTheMean(t *testing.T) {
	d := newDropout(plainRows(), 0.3, 1, 2, 3, placeOutput)
	const n = 100_000
	x := slices.Repeat([]float32{1}, n)
	d.row(x, x, 7)
	var sum float64
	zeros := 0
	for _, v := range x {
		sum += float64(v)
		if v == 0 {
			zeros++
		}
	}
	if share := float64(zeros) / n; share < 0.29 || share > 0.31 {
		t.Errorf("dropped a share of %v, want 0.3", share)
	}
	if mean := sum / n; mean < 0.98 || mean > 1.02 {
		t.Errorf("mean %v, want 1", mean)
	}
}

func TestRateRisesAndFalls(t *testing.T) {
	o := Options{Rate: 2, Warmup: 0.2}
	var got []float64
	for step := range 10 {
		got = append(got, o.rate(step, 10))
	}
	if want := []float64{1, 2, 2, 1.75, 1.5, 1.25, 1, 0.75, 0.5, 0.25}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
