package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
	"sweetspot/inference/token"
)

// A checker runs sampled texts at full depth, on one thread beside the worker,
// and counts how often the staged answer was the same.
type checker struct {
	layers []int // layers run at each exit

	device inference.Device
	model  *inference.Model
	runner *inference.Runner
	tokens *token.Tokenizer
	text   func(key string) (string, error)

	mu     sync.Mutex
	result agreement
}

// agreement counts compared texts.
type agreement struct{ same, all int }

// share returns the agreement in [0, 1] of at least one compared text.
func (a agreement) share() float64 { return float64(a.same) / float64(a.all) }

// measured returns the share, or nil where nothing was compared.
func (a agreement) measured() *float64 {
	if a.all == 0 {
		return nil
	}
	share := a.share()
	return &share
}

func newChecker(model string, text func(key string) (string, error)) (*checker, error) {
	fsys, err := openModel(model)
	if err != nil {
		return nil, err
	}
	c := &checker{text: text}
	if c.tokens, err = token.Load(fsys); err != nil {
		return nil, err
	}
	d, err := cpu.Open(cpu.Options{Kernels: "auto", Threads: 1})
	if err != nil {
		return nil, err
	}
	c.device = d
	if c.model, err = inference.Load(fsys, d, inference.Options{}); err == nil {
		c.runner, err = inference.NewRunner(c.model, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", model, err)
	}
	for s := range c.model.Stages() {
		c.layers = append(c.layers, c.model.StageLayers(s))
	}
	return c, nil
}

// beside is how many samples are compared in every frame while the worker is
// under load: few, because they take its time.
const beside = 8

// run compares a few samples a frame until ctx ends.
func (c *checker) run(ctx context.Context, samples <-chan sample) error {
	tick := time.NewTicker(frame)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := c.take(context.WithoutCancel(ctx), samples, beside); err != nil {
				return err
			}
		}
	}
}

// finish compares all samples that are left, once the worker is done.
func (c *checker) finish(ctx context.Context, samples <-chan sample) error {
	for len(samples) > 0 {
		if err := c.take(ctx, samples, 64); err != nil {
			return err
		}
	}
	return nil
}

// take compares at most limit of the samples that are there.
func (c *checker) take(ctx context.Context, samples <-chan sample, limit int) error {
	var batch []sample
	for len(samples) > 0 && len(batch) < limit {
		batch = append(batch, <-samples)
	}
	if len(batch) == 0 {
		return nil
	}
	if err := c.compare(ctx, batch); err != nil {
		return fmt.Errorf("comparing with full depth: %w", err)
	}
	return nil
}

func (c *checker) compare(ctx context.Context, batch []sample) error {
	rows := make([]inference.Row, len(batch))
	for i, s := range batch {
		text, err := c.text(s.key)
		if err != nil {
			return err
		}
		r, err := c.tokens.Row(nil, text, "", c.model.MaxTokens(), token.Right)
		if err != nil {
			return err
		}
		rows[i] = inference.Row{Tokens: r.IDs, Second: r.Second}
	}
	answers, err := c.runner.Answers(ctx, rows)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, a := range answers {
		c.result.all++
		if c.model.Labels[a.Exit.Label] == batch[i].label {
			c.result.same++
		}
	}
	return nil
}

func (c *checker) agreement() agreement {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.result
}

func (c *checker) close() error {
	if c.device == nil {
		return nil
	}
	return c.device.Close()
}
