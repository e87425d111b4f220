package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
)

// asWorker makes this test binary the worker: its main and nothing else.
const asWorker = "SWEETSPOT_TEST_AS_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) == "" {
		os.Exit(m.Run())
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends when the test does, however it ends
		os.Exit(exitFault)
	}()
	main()
}

// A child is a worker in a process of its own.
type child struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	log   sandboxtest.Log
	ended chan struct{} // closed when the process is gone
}

// startChild starts the worker with the given environment and no other
// settings. Its log is shown if the test fails.
func startChild(t *testing.T, name string, environ ...string) *child {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, name: name, cmd: exec.Command(path), ended: make(chan struct{})}
	c.cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "SWEET_") }), environ...)
	c.cmd.Env = append(c.cmd.Env, asWorker+"=1")
	c.cmd.Stdout, c.cmd.Stderr = &c.log, &c.log
	if _, err := c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatalf("starting worker %s: %v", name, err)
	}
	go func() {
		defer close(c.ended)
		_ = c.cmd.Wait() // its state is looked at by whoever waits for it
	}()
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("log of worker %s, which ended with %v:\n%s", name, c.cmd.ProcessState, &c.log)
		}
	})
	return c
}

// kill ends the child as a machine that goes away does.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.ended
}

// terminate asks the child to stop and returns its exit code, -1 where a
// signal ended it.
func (c *child) terminate() int {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.t.Fatalf("stopping worker %s: %v", c.name, err)
	}
	select {
	case <-c.ended:
	case <-time.After(sandboxtest.Patience):
		c.kill()
		c.t.Fatalf("worker %s did not stop within %v of SIGTERM", c.name, sandboxtest.Patience)
	}
	return c.cmd.ProcessState.ExitCode()
}

// over reports whether the child has ended.
func (c *child) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// environment is that of a worker on s with the tests' model; what comes later
// overrides what comes before.
func environment(t *testing.T, s *sandbox.Sandbox, more ...string) []string {
	t.Helper()
	return slices.Concat(s.Env(), []string{
		"SWEET_MODEL=" + sandboxtest.Model(t), "SWEET_THREADS=1", "SWEET_HTTP_ADDR=127.0.0.1:0", "SWEET_LOG_FORMAT=json",
		"SWEET_KAFKA_HEARTBEAT=200ms", "SWEET_KAFKA_FETCH_WAIT=50ms",
	}, more)
}
