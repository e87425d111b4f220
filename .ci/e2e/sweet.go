package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// sweet is the built toolbox, with settings in its environment.
type sweet struct {
	path string
	env  []string
}

// output runs one command to its end and returns its standard output.
func (s sweet) output(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.path, args...)
	cmd.Env = environment(s.env...)
	cmd.Stdin = stdin
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	out, err := cmd.Output()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("running sweet %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// produce writes the texts of a load into its topic, a line each.
func (s sweet) produce(ctx context.Context, dir, brokers string, l load) error {
	file := filepath.Join(dir, l.name+".txt")
	if err := os.WriteFile(file, []byte(strings.Join(l.texts, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	say("%s: producing %d texts", l.name, len(l.texts))
	_, err := s.output(ctx, nil, "produce", "--brokers", brokers, "--topic", l.name, file)
	return err
}

// sameTexts returns an error unless the topic holds exactly the texts.
func sameTexts(messages map[place]string, texts []string) error {
	stored := slices.Sorted(maps.Values(messages))
	if sent := slices.Sorted(slices.Values(texts)); !slices.Equal(stored, sent) {
		return fmt.Errorf("the topic holds %d messages that are not the %d texts produced", len(stored), len(sent))
	}
	return nil
}

// answers are what `sweet classify` says of each text at one rung.
type answers struct {
	rung   int
	byText map[string]answer
}

// An answer is what a result and `sweet classify` must agree on.
type answer struct {
	Label string  `json:"label"`
	Score float64 `json:"score"`
	Exit  int     `json:"exit"`
	Rung  int     `json:"rung"`
}

// classify answers each different text of a load once.
func (s sweet) classify(ctx context.Context, l load, rung string) (answers, error) {
	texts := slices.Compact(slices.Sorted(slices.Values(l.texts)))
	out, err := s.output(ctx, strings.NewReader(strings.Join(texts, "\n")+"\n"), "classify", "--model", l.model, "--rung", rung)
	if err != nil {
		return answers{}, err
	}
	all := answers{byText: make(map[string]answer, len(texts))}
	lines := json.NewDecoder(bytes.NewReader(out))
	for _, text := range texts {
		var a answer
		if err := lines.Decode(&a); err != nil {
			return answers{}, fmt.Errorf("reading what sweet classify says of %q: %w", text, err)
		}
		all.byText[text] = a
		all.rung = a.Rung
	}
	if err := lines.Decode(&answer{}); !errors.Is(err, io.EOF) {
		return answers{}, fmt.Errorf("sweet classify wrote more than one line for each of %d texts", len(texts))
	}
	say("%s: sweet classify --rung %s answered %d different texts at rung %d", l.name, rung, len(texts), all.rung)
	return all, nil
}
