package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A child is a process that runs beside this one, with its output in a file.
type child struct {
	name  string
	cmd   *exec.Cmd
	out   *output
	ended chan struct{} // closed when the process has ended; err is valid then
	err   error
}

// start starts a program. Its log is dir/name.log; ready matches the line by
// which it says that it is up, and may be nil.
func start(ctx context.Context, dir, name string, env []string, ready *regexp.Regexp, path string, args ...string) (*child, error) {
	file, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	c := &child{
		name:  name,
		cmd:   exec.CommandContext(ctx, path, args...),
		out:   &output{file: file, ready: ready, found: make(chan []string, 1)},
		ended: make(chan struct{}),
	}
	c.cmd.Env = env
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.out
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = patience
	if err := c.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", name, err), file.Close())
	}
	go func() {
		defer close(c.ended)
		c.err = errors.Join(c.cmd.Wait(), file.Close())
	}()
	return c, nil
}

// patience is how long a process may take to start or to stop on a busy machine.
const patience = time.Minute

// ready waits for the line by which the child says that it is up, and returns
// what the groups of the expression matched.
func (c *child) ready(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s was not ready within %v", c.name, patience))
	defer cancel()
	select {
	case groups := <-c.out.found:
		return groups, nil
	case <-c.ended:
		return nil, fmt.Errorf("%s ended before it was ready: %w%s", c.name, c.err, c.out.tail())
	case <-ctx.Done():
		return nil, fmt.Errorf("%w%s", context.Cause(ctx), c.out.tail())
	}
}

// terminate sends SIGTERM, waits, and returns the exit code. A child that does
// not stop is killed, which is an error.
func (c *child) terminate() (int, error) {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, fmt.Errorf("stopping %s: %w", c.name, err)
	}
	select {
	case <-c.ended:
		return c.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		err := c.cmd.Process.Kill()
		<-c.ended
		return 0, errors.Join(fmt.Errorf("%s did not stop within %v of SIGTERM%s", c.name, patience, c.out.tail()), err)
	}
}

// kill ends a child that is still running when nothing more is expected of it.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.ended
}

// An output is the log of a child: a file, its last lines, and an eye for the
// line that says ready.
type output struct {
	ready *regexp.Regexp
	found chan []string // receives once

	mu    sync.Mutex
	file  *os.File
	line  []byte   // the line not yet ended
	last  []string // the last few lines
	isset bool     // found has been sent to
}

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := p
	for {
		part, after, whole := bytes.Cut(rest, []byte("\n"))
		o.line = append(o.line, part...)
		if !whole {
			return o.file.Write(p)
		}
		o.see(string(o.line))
		o.line, rest = o.line[:0], after
	}
}

// see takes note of one line. The caller holds mu.
func (o *output) see(line string) {
	const kept, width = 30, 400
	o.last = append(o.last, line[:min(width, len(line))])
	o.last = o.last[max(0, len(o.last)-kept):]
	if o.ready == nil || o.isset {
		return
	}
	if groups := o.ready.FindStringSubmatch(line); groups != nil {
		o.isset = true
		o.found <- groups[1:]
	}
}

// tail returns the last lines, to be put after an error.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.last) == 0 {
		return " (it wrote nothing)"
	}
	return "; its last lines:\n    " + strings.Join(o.last, "\n    ")
}

// environment is this process's without SWEET_ variables, which would reach the
// programs under test, and with more.
func environment(more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SWEET_") {
			env = append(env, v)
		}
	}
	return append(env, more...)
}

// every yields, again and again, until ctx ends.
func every(ctx context.Context, d time.Duration) func(yield func() bool) {
	return func(yield func() bool) {
		again := time.NewTicker(d)
		defer again.Stop()
		for yield() {
			select {
			case <-again.C:
			case <-ctx.Done():
				return
			}
		}
	}
}
