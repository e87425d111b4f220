// Command worker classifies the texts of Kafka topics and publishes the answers
// to NATS JetStream. Its settings are environment variables that start with
// SWEET_; --print-config shows them. It ends with code 0 when everything in
// flight was settled after a stop, 1 after a fault, and 2 when its settings
// cannot work.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/term"

	"sweetspot/cmd/service"
	"sweetspot/config"
)

// version is set by the linker.
var version = "dev"

// Exit codes.
const (
	exitFault  = 1
	exitConfig = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with everything it touches as an argument.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	printConfig := flags.Bool("print-config", false, "print the effective settings, secrets masked, and exit")
	printVersion := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitConfig
	}
	if *printVersion {
		fmt.Fprintln(stdout, version)
		return 0
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "worker: %q is no flag; settings are environment variables, see worker --print-config\n", flags.Arg(0))
		return exitConfig
	}
	cfg, warnings, err := config.Load(ctx, environ)
	if err != nil {
		fmt.Fprintf(stderr, "worker: the settings cannot work:\n%v\n", err)
		return exitConfig
	}
	if *printConfig {
		return report(cfg.Print(stdout), stderr)
	}
	log := logger(cfg, stderr)
	for _, w := range warnings {
		log.WarnContext(ctx, "environment", slog.String("warning", w))
	}
	return report(serve(ctx, cfg, log), stderr)
}

func report(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "worker: %v\n", err)
	if errors.As(err, new(service.ConfigError)) {
		return exitConfig
	}
	return exitFault
}

func serve(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	w, err := service.Open(ctx, cfg, service.Options{Version: version, Logger: log, Registry: registry})
	if err != nil {
		if ctx.Err() != nil {
			log.InfoContext(ctx, "stopped while waiting for servers; nothing was read")
			return nil //nolint:nilerr // the error is that of the stop itself
		}
		return err
	}
	log.InfoContext(ctx, "serving", slog.String("version", version), slog.String("http", w.Addr()))
	if err := w.Run(ctx); err != nil {
		return err
	}
	log.InfoContext(ctx, "stopped; everything in flight was settled")
	return nil
}

// logger returns the log of the process: text for people at a terminal, JSON
// elsewhere, unless it is told which.
func logger(cfg config.Config, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.LogLevel}
	f, ok := w.(*os.File)
	if cfg.LogFormat == "text" || cfg.LogFormat == "" && ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
