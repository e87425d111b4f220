package cpu

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"sweetspot/inference"
)

// Options say how a [Device] computes.
type Options struct {
	Kernels string // avx512, avx2 or portable; auto or nothing for the fastest
	Threads int    // 0 for as many as the process may use
}

// batchTokens is the token budget of a stage run: beyond it nothing is gained,
// and below about a quarter of it threads begin to wait for each other.
const batchTokens = 2048

// A Device is an [inference.Device] on the processor. It computes each
// operation before the call returns.
type Device struct {
	engine *Engine
	err    error // the first failure
	ticket inference.Ticket

	// What the operation under way works on. Closures over these are made once,
	// when the device opens, so that operations allocate nothing.
	embedding embeddingJob
	norming   normJob
	attention attentionJob
	pooling   poolingJob

	pooled, hidden, logits Matrix // of Answer, as large as the largest so far
}

var _ inference.Device = (*Device)(nil)

// Open starts a device. It fails where the kernel set is unknown or this CPU
// cannot run it, or the number of threads is negative.
func Open(o Options) (*Device, error) {
	if o.Kernels == "" {
		o.Kernels = "auto"
	}
	k, err := Select(o.Kernels)
	if err != nil {
		return nil, fmt.Errorf("opening the CPU device: %w", err)
	}
	if o.Threads < 0 {
		return nil, fmt.Errorf("opening the CPU device: %d threads, want 1 or more, or 0 for all", o.Threads)
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	d := &Device{engine: NewEngine(k, o.Threads)}
	d.embedding.run = d.embedRows
	d.norming.run = d.normRows
	d.attention.run = d.attendHeads
	d.attention.scratch = make([]headScratch, o.Threads)
	d.pooling.run = d.poolRows
	return d, nil
}

// Describe says which kernels and how many threads compute.
func (d *Device) Describe() inference.DeviceInfo {
	return inference.DeviceInfo{
		Name: "cpu", Kernels: d.engine.Name(), Threads: d.engine.Threads(),
		Precision: inference.F32, BatchTokens: batchTokens,
	}
}

// Submit returns a ticket for everything called so far.
func (d *Device) Submit() inference.Ticket {
	d.ticket++
	return d.ticket
}

// Wait reports the first failure. It never waits: the work of every ticket was
// done before it was given out.
func (d *Device) Wait(_ context.Context, t inference.Ticket) error {
	if d.err == nil && t > d.ticket {
		return fmt.Errorf("waiting for ticket %d: only %d were given out", t, d.ticket)
	}
	return d.err
}

// errClosed is the failure of every operation after Close.
var errClosed = errors.New("the device is closed")

// Close ends the threads. What was placed on the device is of no use after.
func (d *Device) Close() error {
	if !errors.Is(d.err, errClosed) {
		d.engine.Close()
		d.err = errClosed
	}
	return nil
}

// failf keeps the first failure and reports false, for checks to return.
func (d *Device) failf(format string, a ...any) bool {
	if d.err == nil {
		d.err = fmt.Errorf(format, a...)
	}
	return false
}
