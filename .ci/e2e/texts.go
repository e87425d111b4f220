package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sweetspot/cmd/sweet/desk"
)

// seed makes the generated texts, and all of training, the same in every run.
const seed = 1

// training says how the model on real text is made: small enough for a few
// minutes on two cores, good enough for the floor.
var training = []string{
	"--method", "sweet", "--pool", "mean", "--epochs", "8", "--max-length", "64", "--seed", strconv.Itoa(seed),
}

// accuracyFloor is what the last exit must reach on trec6's test set: naive
// Bayes reaches 80.6 %, less two points.
const accuracyFloor = 0.786

// trainedLoad trains and calibrates a model on real text, unless one is given,
// checks its accuracy, and returns it with the texts of all three sets, again
// and again until there are enough.
func trainedLoad(ctx context.Context, sweet sweet, dir string, o options) (load, error) {
	l := load{name: "trained", model: o.model}
	if l.model == "" {
		l.model = filepath.Join(dir, "model")
		say("training on %s", o.data)
		args := append([]string{"train", "--data", o.data, "--out", l.model}, training...)
		if _, err := sweet.output(ctx, nil, args...); err != nil {
			return load{}, err
		}
		say("calibrating")
		if _, err := sweet.output(ctx, nil, "calibrate", "--model", l.model, "--data", filepath.Join(o.data, "dev.tsv.gz"),
			"--floor", "0.95", "--confidence", "0.95"); err != nil {
			return load{}, err
		}
	}
	if err := checkAccuracy(ctx, sweet, l.model, filepath.Join(o.data, "test.tsv.gz")); err != nil {
		return load{}, err
	}
	var pool []string
	for _, set := range []string{"train", "dev", "test"} {
		texts, err := readTexts(filepath.Join(o.data, set+".tsv.gz"))
		if err != nil {
			return load{}, err
		}
		pool = append(pool, texts...)
	}
	for i := range o.messages {
		l.texts = append(l.texts, pool[i%len(pool)])
	}
	return l, nil
}

// checkAccuracy returns an error if the last exit is below the floor.
func checkAccuracy(ctx context.Context, sweet sweet, model, data string) error {
	out, err := sweet.output(ctx, nil, "evaluate", "--model", model, "--data", data, "--json")
	if err != nil {
		return err
	}
	var report struct {
		Exits []struct {
			Layer    int     `json:"layer"`
			Accuracy float64 `json:"accuracy"`
		} `json:"exits"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return fmt.Errorf("reading the report of sweet evaluate: %w", err)
	}
	if len(report.Exits) == 0 {
		return fmt.Errorf("the report of sweet evaluate has no exits: %s", out)
	}
	last := report.Exits[len(report.Exits)-1]
	say("accuracy on %s: %.1f %% at layer %d, the last", filepath.Base(data), 100*last.Accuracy, last.Layer)
	if last.Accuracy < accuracyFloor || last.Accuracy > 1 {
		return fmt.Errorf("the accuracy is %v, want at least %v and at most 1", last.Accuracy, accuracyFloor)
	}
	return nil
}

// readTexts returns the column text of a gzipped TSV file with a header line.
func readTexts(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	lines := bufio.NewScanner(plain)
	lines.Scan()
	if !strings.HasPrefix(lines.Text(), "text\t") {
		return nil, fmt.Errorf("reading %s: the first column is not text but %q", path, lines.Text())
	}
	var texts []string
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "\t")
		texts = append(texts, text)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return texts, nil
}

// supportTexts returns n messages to the support desk, as the demo produces them
// but with wording of the test pool, which no training saw.
func supportTexts(n int) []string {
	g := desk.New(seed, desk.Test, desk.DemoMix)
	texts := make([]string, n)
	for i := range texts {
		texts[i] = g.Next().Text
	}
	return texts
}
