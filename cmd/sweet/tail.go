package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"sweetspot/config"
)

// tailOptions say which results `sweet tail` shows and how.
type tailOptions struct {
	url, stream, subject string
	json, all            bool
	count                int
}

func newTailCommand() *cobra.Command {
	var o tailOptions
	c := &cobra.Command{
		Use:   "tail",
		Short: "Show results as they arrive in the stream",
		Long: `Show results as they arrive in the stream. TLS and login at NATS are those of the
worker's variables (SWEET_NATS_CREDS, SWEET_NATS_TLS_CA ...).`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runTail(c, o) },
	}
	f := c.Flags()
	f.StringVar(&o.url, "nats", "", "NATS servers (default $SWEET_NATS_URL)")
	f.StringVar(&o.stream, "stream", "", "stream (default $SWEET_NATS_STREAM)")
	f.StringVar(&o.subject, "subject", "", "only results on this subject; wildcards as in NATS")
	f.BoolVar(&o.json, "json", false, "print every result as it is, one JSON object a line")
	f.BoolVar(&o.all, "all", false, "start with the oldest result of the stream, not with the next one")
	f.IntVar(&o.count, "count", 0, "end after so many results; 0 is never")
	return c
}

func runTail(c *cobra.Command, o tailOptions) error {
	o.url = cmp.Or(o.url, os.Getenv("SWEET_NATS_URL"))
	o.stream = cmp.Or(o.stream, os.Getenv("SWEET_NATS_STREAM"))
	switch {
	case o.url == "":
		return usagef("--nats is missing: name the NATS server, or set SWEET_NATS_URL")
	case o.stream == "":
		return usagef("--stream is missing: name the stream, or set SWEET_NATS_STREAM")
	}
	access, err := config.NATSAccess(c.Context(), os.Environ(), o.url)
	if err != nil {
		return usagef("%w", err)
	}
	nc, err := access.Connect(o.url, slog.New(slog.DiscardHandler))
	if err != nil {
		// Neither the address nor an error about it is shown: both may hold a password.
		if _, bad := errors.AsType[*url.Error](err); bad {
			return usagef("--nats: want addresses such as nats://host:4222, by comma")
		}
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	defer nc.Close()
	js, err := access.JetStream(nc)
	if err != nil {
		return fmt.Errorf("opening JetStream: %w", err)
	}
	messages, err := openTail(c, js, o)
	if err != nil {
		return err
	}
	defer messages.Stop()
	stopAtEnd := make(chan struct{})
	defer close(stopAtEnd)
	go func() {
		select {
		case <-c.Context().Done():
			messages.Stop()
		case <-stopAtEnd:
		}
	}()
	return printResults(c.OutOrStdout(), messages, o)
}

func openTail(c *cobra.Command, js jetstream.JetStream, o tailOptions) (jetstream.MessagesContext, error) {
	cfg := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy}
	if o.all {
		cfg.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	if o.subject != "" {
		cfg.FilterSubjects = []string{o.subject}
	}
	consumer, err := js.OrderedConsumer(c.Context(), o.stream, cfg)
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", o.stream, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", o.stream, err)
	}
	return messages, nil
}

func printResults(w io.Writer, messages jetstream.MessagesContext, o tailOptions) error {
	for n := 0; o.count == 0 || n < o.count; n++ {
		m, err := messages.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return errStopped
		}
		if err != nil {
			return fmt.Errorf("reading results: %w", err)
		}
		line := string(m.Data())
		if !o.json {
			line = human(m.Data())
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// human renders a result for people; what is no result is shown as it is.
func human(data []byte) string {
	var r struct {
		Label  string  `json:"label"`
		Score  float64 `json:"score"`
		Exit   int     `json:"exit"`
		Layers int     `json:"layers"`
		Tokens int     `json:"tokens"`
		Source struct {
			Topic     string    `json:"topic"`
			Partition int       `json:"partition"`
			Offset    int64     `json:"offset"`
			Timestamp time.Time `json:"timestamp"`
		} `json:"source"`
		Timing struct {
			Total float64 `json:"total_ms"`
		} `json:"timing"`
	}
	if err := json.Unmarshal(data, &r); err != nil || r.Label == "" {
		return string(data)
	}
	return fmt.Sprintf("%-24s %3.0f %%  exit %d (layers %d)  %3d tokens  %8.1f ms  %s/%d@%d",
		r.Label, 100*r.Score, r.Exit, r.Layers, r.Tokens, r.Timing.Total, r.Source.Topic, r.Source.Partition, r.Source.Offset)
}
