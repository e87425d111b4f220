package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/config"
	"sweetspot/consumer"
	"sweetspot/pipeline"
)

// produceOptions say what `sweet produce` sends and where.
type produceOptions struct {
	brokers string
	topic   string
	tsv     bool
	rate    float64       // messages a second; 0 is as fast as Kafka takes them
	limit   int           // 0 is all
	tier    pipeline.Tier // "" is none said, which the worker takes for standard
	letters lettersOptions
	access  consumer.Access
}

func newProduceCommand() *cobra.Command {
	var o produceOptions
	c := &cobra.Command{
		Use:   "produce [FILE...]",
		Short: "Send lines, or the texts of TSV files, into a Kafka topic",
		Long: `Send every line of the files, or of standard input, into a Kafka topic as one
message. Empty lines are sent too: the worker sets them aside as dead letters.
With --tsv the first line names the columns, and the column text (or text_a) is sent.
With --tier the messages carry the header sweet-tier: strict ones are always run to
full depth, best-effort ones at the cheapest usable rung, and shed first.

With --from-dlq the messages are those of dead letters, once what was wrong with them
has been put right: each goes back to the topic where it was read, or to --to, with its
key, its value and its own headers. Letters without their value, and those of batches
that could not be read, are left out. The letters themselves stay where they are, so a
second run would put the same messages back again: the command says which --after keeps
it from that.

TLS and login at Kafka are those of the worker's variables (SWEET_KAFKA_TLS,
SWEET_KAFKA_SASL ...).`,
		RunE: func(c *cobra.Command, files []string) error { return runProduce(c, o, files) },
	}
	f := c.Flags()
	f.StringVar(&o.brokers, "brokers", "", "Kafka brokers, host:port by comma (default $SWEET_KAFKA_BROKERS)")
	f.StringVar(&o.topic, "topic", "", "topic (default the first of $SWEET_KAFKA_TOPICS)")
	f.BoolVar(&o.tsv, "tsv", false, "the files are TSV with a column text")
	f.Float64Var(&o.rate, "rate", 0, "messages a second; 0 is as fast as Kafka takes them")
	f.IntVar(&o.limit, "limit", 0, "stop after so many messages; 0 is all")
	f.StringVar((*string)(&o.tier), "tier", "", "tier of the messages: strict, standard or best-effort (default none said, which is standard)")
	l := &o.letters
	f.StringVar(&l.from, "from-dlq", "", "put the messages of the dead letters in this topic back (without =TOPIC: in that of $SWEET_DLQ)")
	f.Lookup("from-dlq").NoOptDefVal = dlqOfWorker
	f.StringVar(&l.to, "to", "", "topic to put them back to (default where each was read)")
	f.StringSliceVar(&l.reasons, "reason", nil, "only letters with one of these reasons, by comma")
	f.StringVar(&l.after, "after", "", "only letters from these on, partition:offset by comma, as the last run printed it")
	f.BoolVar(&l.dryRun, "dry-run", false, "only say what would be put back")
	f.BoolVar(&l.json, "json", false, "say what was put back in JSON")
	return c
}

// firstOf returns the first element of a list by commas.
func firstOf(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return first
}

func runProduce(c *cobra.Command, o produceOptions, files []string) error {
	o.brokers = cmp.Or(o.brokers, os.Getenv("SWEET_KAFKA_BROKERS"))
	o.topic = cmp.Or(o.topic, firstOf(os.Getenv("SWEET_KAFKA_TOPICS")))
	if err := checkLetterFlags(c, o.letters, files); err != nil {
		return err
	}
	switch {
	case o.brokers == "":
		return usagef("--brokers is missing: name the Kafka brokers, or set SWEET_KAFKA_BROKERS")
	case o.rate < 0:
		return usagef("--rate %v: want 0 or more", o.rate)
	case o.letters.from == "" && o.topic == "":
		return usagef("--topic is missing: name the topic, or set SWEET_KAFKA_TOPICS")
	case o.tier != "" && !o.tier.Known():
		return usagef("--tier %s: want strict, standard or best-effort", o.tier)
	}
	var err error
	if o.access, err = config.KafkaAccess(c.Context(), os.Environ()); err != nil {
		return usagef("%w", err)
	}
	if o.letters.from != "" {
		return runLetters(c, o)
	}
	p := newProducer(strings.Split(o.brokers, ","), &o.access, o)
	err = eachInput(stoppable(c.Context(), c.InOrStdin()), files, func(name string, r io.Reader) error {
		return p.sendAll(c.Context(), name, r, o)
	})
	if errors.Is(err, errLimit) {
		err = nil
	}
	err = errors.Join(err, p.close(c.Context()))
	fmt.Fprintf(c.ErrOrStderr(), "sent %d messages to %s\n", p.sent, o.topic)
	if c.Context().Err() != nil {
		return errStopped
	}
	return err
}

// errLimit ends the reading of input once --limit messages were sent.
var errLimit = errors.New("limit reached")

// sendAll sends the lines of r. What was read is sent before it waits for more,
// so that a line typed, or written by another program, goes out at once.
func (p *producer) sendAll(ctx context.Context, name string, r io.Reader, o produceOptions) error {
	in := bufio.NewReaderSize(r, 1<<16)
	columns := tsvColumns{text: -1}
	for n := 1; ; n++ {
		if !holdsLine(in) {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
		line, err := readLine(in, nil)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if err != nil && len(line) == 0 {
			return nil
		}
		line = bytes.TrimRight(line, "\r\n")
		if o.tsv && n == 1 {
			if columns, err = parseColumns(string(line)); err != nil {
				return fmt.Errorf("%s:1: %w", name, err)
			}
			continue
		}
		if o.tsv {
			text, _, bad := columns.texts(string(line))
			if bad.Reason != "" {
				return fmt.Errorf("%s:%d: %s", name, n, bad.Error)
			}
			line = []byte(text)
		}
		if o.limit > 0 && p.sent+len(p.batch) >= o.limit {
			return errLimit
		}
		if err := p.send(ctx, line); err != nil {
			return err
		}
	}
}
