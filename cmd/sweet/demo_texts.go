package main

import (
	"bufio"
	"fmt"
	"os"

	"sweetspot/cmd/sweet/desk"
)

// texts is an endless supply of texts by number: the lines of a file over and
// over, or messages to a support desk. The goroutine that sends them makes them.
type texts struct {
	lines []string
	desk  *desk.Generator
}

// poisonEvery is how often a support-desk message is one that no worker can
// classify, so that the demo has dead letters to show.
const poisonEvery = 5000

func openTexts(path string, seed uint64) (*texts, error) {
	if path == "" {
		return &texts{desk: desk.New(seed, desk.Demo, desk.DemoMix)}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := &texts{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		t.lines = append(t.lines, lines.Text())
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(t.lines) == 0 {
		return nil, fmt.Errorf("%s has no lines", path)
	}
	return t, nil
}

// at returns text number n.
func (t *texts) at(n int) string {
	if t.desk == nil {
		return t.lines[n%len(t.lines)]
	}
	if n%poisonEvery == poisonEvery-1 {
		return " \xff" // blank but for a byte that is not UTF-8
	}
	return t.desk.Next().Text
}
