package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sweetspot/inference"
	"sweetspot/inference/token"
	"sweetspot/inference/train"
)

// prepareModel settles the shape of the model and its tokenizer, and reads the
// weights it starts from.
func (r *trainRun) prepareModel(data *train.Data, talk io.Writer) (*token.Tokenizer, error) {
	o := &r.options
	var (
		tokens *token.Tokenizer
		err    error
	)
	if o.from == "" {
		tokens, r.tokenizer, err = o.vocabulary(data, talk)
		if err != nil {
			return nil, err
		}
		r.config = inference.Config{
			Vocab: tokens.Size(), Width: o.width, Heads: cmp.Or(o.heads, max(1, o.width/32)),
			FeedForward: cmp.Or(o.feedForward, 4*o.width), Positions: o.maxLength, Types: 2, Epsilon: 1e-12,
			Layers: 6,
		}
	} else {
		dir, err := openInitial(o.from)
		if err != nil {
			return nil, err
		}
		if tokens, r.tokenizer, err = readTokenizer(o.from); err != nil {
			return nil, err
		}
		r.config, r.initial = dir.Config, dir.Tensors
		if err := o.fitsInitial(&r.config); err != nil {
			return nil, usageError{err}
		}
	}
	if err := o.shape(&r.config, r.initial, data.Labels); err != nil {
		return nil, err
	}
	return tokens, nil
}

// fitsInitial reports a flag that asks for another size than the model has that
// the run starts from.
func (o *trainOptions) fitsInitial(c *inference.Config) error {
	for _, size := range []struct {
		flag      string
		want, has int
	}{{widthFlag, o.width, c.Width}, {headsFlag, o.heads, c.Heads}, {feedForwardFlag, o.feedForward, c.FeedForward}} {
		if o.recipe.set(size.flag) && size.want != size.has {
			return fmt.Errorf("--%s %d: the model of --init has %d, which cannot change", size.flag, size.want, size.has)
		}
	}
	return nil
}

// shape completes c, and the settings that depend on it, by the flags and the
// labels of the data. Weights of exits go with the layers that they read:
// initial keeps those whose layer has an exit still, under its number now.
func (o *trainOptions) shape(c *inference.Config, initial map[string]inference.Tensor, labels []string) error {
	was := *c
	switch {
	case o.exits != nil:
		c.Exits = o.exits
		c.Layers = cmp.Or(o.layers, o.exits[len(o.exits)-1])
	case o.layers > 0:
		c.Layers = o.layers
		c.Exits = defaultExits(c.Layers)
	case len(was.Exits) < 2:
		c.Exits = defaultExits(c.Layers)
	}
	if _, answers := initial[lastClassifier(was.Exits)]; !answers {
		was.Labels = nil // those in config.json stand for nothing
	}
	moveExits(initial, was.Exits, c.Exits)
	c.Score, c.Labels = inference.Score(o.score), labels
	var err error
	if c.Method, o.settings.Method, err = o.recipe.method(len(c.Exits)); err != nil {
		return usageError{err}
	}
	if c.Pooling, err = perExit(o.pool, len(c.Exits), func(s string) inference.Pooling { return inference.Pooling(s) }); err != nil {
		return usagef("--pool: %w", err)
	}
	weights := o.exitWeights
	if weights == nil {
		weights = []float64{1}
	}
	if o.settings.ExitWeights, err = perExit(weights, len(c.Exits), func(w float64) float32 { return float32(w) }); err != nil {
		return usagef("--exit-weights: %w", err)
	}
	if err := o.freeze(c, &was, labels); err != nil {
		return usageError{err}
	}
	if err := c.Validate(); err != nil {
		return usagef("model shape: %w", err)
	}
	return nil
}

// moveExits renames the tensors of exits that come after other layers now, and
// removes those of exits that are no more. A pooler without a classifier, as
// encoders have from their own training, is no exit and goes too.
func moveExits(tensors map[string]inference.Tensor, from, to []int) {
	moved := map[string]inference.Tensor{}
	whole := make([]bool, len(from))
	for exit := range whole {
		_, whole[exit] = tensors[lastClassifier(from[:exit+1])]
	}
	for name, t := range tensors {
		var exit int
		if _, err := fmt.Sscanf(name, "exits.%d.", &exit); err != nil {
			continue
		}
		delete(tensors, name)
		if exit >= len(from) || !whole[exit] {
			continue
		}
		if now := slices.Index(to, from[exit]); now >= 0 {
			t.Name = fmt.Sprintf("exits.%d.%s", now, strings.SplitN(name, ".", 3)[2])
			moved[t.Name] = t
		}
	}
	maps.Copy(tensors, moved)
}

// lastClassifier names the weights of the last exit's classifier.
func lastClassifier(exits []int) string {
	return fmt.Sprintf("exits.%d.classifier.weight", len(exits)-1)
}

// defaultExits are after one layer, a third, two thirds and all of them.
func defaultExits(layers int) []int {
	return slices.Compact([]int{1, max(1, (layers+2)/3), max(1, (2*layers+2)/3), max(1, layers)})
}

// perExit spreads one value to all exits, or converts one for each.
func perExit[T, U any](values []T, exits int, convert func(T) U) ([]U, error) {
	if len(values) != 1 && len(values) != exits {
		return nil, fmt.Errorf("%d values for %d exits, want one or one each", len(values), exits)
	}
	all := make([]U, exits)
	for i := range all {
		all[i] = convert(values[i*len(values)/exits])
	}
	return all, nil
}

// isExit reports whether a tensor belongs to an exit.
func isExit(tensor string) bool { return strings.HasPrefix(tensor, "exits.") }

// readTokenizer reads a tokenizer from a file or a model directory, and the
// files that keep it.
func readTokenizer(path string) (*token.Tokenizer, []inference.File, error) {
	tokens, err := loadTokenizer(path)
	if err != nil {
		return nil, nil, err
	}
	dir, names := path, []string{tokens.File(), "tokenizer_config.json"}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		dir, names = filepath.Dir(path), []string{filepath.Base(path)}
	}
	var files []inference.File
	for i, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading the vocabulary: %w", err)
		}
		if !strings.HasSuffix(name, ".json") {
			name = "vocab.txt"
		} else if i == 0 {
			name = "tokenizer.json"
		}
		files = append(files, inference.File{Name: name, Data: data})
	}
	return tokens, files, nil
}
