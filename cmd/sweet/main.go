// Command sweet is the toolbox beside the worker: a demonstration, embedded
// servers to try the worker on, and everything that makes and measures models.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "dev"

// Exit codes, the worker's.
const (
	exitFault = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err == nil || errors.Is(err, errStopped) && !errors.Is(err, errUnfinished) {
		return
	}
	fmt.Fprintln(os.Stderr, "sweet:", err)
	if errors.As(err, new(usageError)) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFault)
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "sweet",
		Short:         "The toolbox of sweetspot: try it, train models for it, measure it",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	root.AddCommand(
		newDemoCommand(), newSandboxCommand(), newProduceCommand(), newTailCommand(),
		newTokenizeCommand(), newGenerateCommand(),
		newTrainCommand(), newCompareCommand(), newCalibrateCommand(), newEvaluateCommand(), newClassifyCommand(), newVerifyCommand(), newBenchCommand(),
		newSimulateCommand(),
	)
	return root
}

// errStopped is returned by a command that the user stopped with Ctrl-C after
// it had put everything in order. It is not a fault.
var errStopped = errors.New("stopped")

// errUnfinished is returned by a command that was stopped before it had a
// result, so that what a script would do next with the result is not done.
var errUnfinished = fmt.Errorf("%w before the end", errStopped)

// A usageError is a mistake in how a command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usagef returns a usageError.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}
