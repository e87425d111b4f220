package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/cmd/sweet/sandbox"
)

func newSandboxCommand() *cobra.Command {
	var o sandbox.Options
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Run an embedded Kafka and NATS until Ctrl-C and print a worker's environment",
		Long: `Run an embedded Kafka and NATS until Ctrl-C.

The environment for a worker is printed on standard output. In another terminal,
paste it, then run the worker, sweet produce and sweet tail.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runSandbox(c, o) },
	}
	f := c.Flags()
	f.IntVar(&o.Partitions, "partitions", 6, "partitions of the topic")
	f.IntVar(&o.KafkaPort, "kafka-port", 0, "port of Kafka; any free one where it is 0")
	f.IntVar(&o.NATSPort, "nats-port", 0, "port of NATS; any free one where it is 0")
	return c
}

func runSandbox(c *cobra.Command, o sandbox.Options) error {
	if o.Partitions < 1 {
		return usagef("--partitions %d: want at least 1", o.Partitions)
	}
	s, err := sandbox.Start(c.Context(), o)
	if err != nil {
		return err
	}
	for _, kv := range s.Env() {
		name, value, _ := strings.Cut(kv, "=")
		fmt.Fprintf(c.OutOrStdout(), "export %s='%s'\n", name, value)
	}
	fmt.Fprintln(c.ErrOrStderr(), "Kafka and NATS are running; paste the lines above into another terminal. Ctrl-C ends them.")
	<-c.Context().Done()
	return s.Close()
}
