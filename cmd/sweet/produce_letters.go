package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"sweetspot/consumer"
	"sweetspot/pipeline"
)

// lettersOptions say which dead letters `sweet produce --from-dlq` puts back.
type lettersOptions struct {
	from    string // topic of dead letters; dlqOfWorker is that of $SWEET_DLQ
	to      string // "" is the topic where each was read
	reasons []string
	after   string // partition:offset by comma: where an earlier run ended
	dryRun  bool
	json    bool
}

// dlqOfWorker is what --from-dlq stands for without a topic.
const dlqOfWorker = "$SWEET_DLQ"

// What becomes of a letter that is not put back.
const (
	otherReason = "other reasons"
	notWhole    = "not whole" // a part was too large for a letter, or for a worker
	twice       = "written twice"
	noLetter    = "no dead letters"
)

// A restoration puts the messages of dead letters back.
type restoration struct {
	opts     lettersOptions
	producer *producer
	limit    int
	seen     map[consumer.Source]bool
	next     map[int]int64 // by partition: everything before it was seen to
	put      map[string]int
	left     map[string]int
	pending  map[string]int // put back by the batch that is being collected
	at       map[int]int64  // next, once that batch is written
}

// restored is what a restoration has done, as --json prints it.
type restored struct {
	From  string         `json:"from"`
	Put   map[string]int `json:"put_back"` // by topic
	Left  map[string]int `json:"left"`     // by why
	After string         `json:"after"`
}

// checkLetterFlags refuses flags that mean nothing together.
func checkLetterFlags(c *cobra.Command, l lettersOptions, files []string) error {
	with, without := []string{"topic", "tsv", "tier"}, []string{"to", "reason", "after", "dry-run", "json"}
	for _, name := range with {
		if l.from != "" && c.Flags().Changed(name) {
			return usagef("--%s means nothing with --from-dlq", name)
		}
	}
	for _, name := range without {
		if l.from == "" && c.Flags().Changed(name) {
			return usagef("--%s is for --from-dlq", name)
		}
	}
	for _, reason := range l.reasons {
		if !pipeline.Reason(reason).Known() {
			return usagef("--reason %s: dead letters have no such reason", reason)
		}
	}
	if l.from != "" && len(files) > 0 {
		return usagef("%s: --from-dlq reads no files; to name a topic write --from-dlq=%s", files[0], files[0])
	}
	return nil
}

func runLetters(c *cobra.Command, o produceOptions) error {
	l := o.letters
	if l.from == dlqOfWorker {
		topic, ok := strings.CutPrefix(os.Getenv("SWEET_DLQ"), "kafka:")
		if !ok {
			return usagef("--from-dlq without a topic is that of SWEET_DLQ=kafka:TOPIC; name it: --from-dlq=TOPIC")
		}
		l.from = topic
	}
	if l.to == l.from {
		return usagef("--to %s: that is where the dead letters are", l.to)
	}
	after, err := parseAfter(l.after)
	if err != nil {
		return usagef("--after %s: %w", l.after, err)
	}
	o.topic = "" // each message names its own
	r := &restoration{
		opts: l, limit: o.limit, producer: newProducer(strings.Split(o.brokers, ","), &o.access, o),
		seen: make(map[consumer.Source]bool), next: after, at: maps.Clone(after),
		put: make(map[string]int), left: make(map[string]int), pending: make(map[string]int),
	}
	r.producer.writer.Balancer = kafka.Murmur2Balancer{} // as Java's producers: equal keys stay together
	transport := o.access.Transport()
	transport.MetadataTopics = []string{l.from}
	defer transport.CloseIdleConnections()
	err = r.run(c.Context(), &kafka.Client{Addr: r.producer.writer.Addr, Transport: transport})
	if errors.Is(err, errLimit) {
		err = nil
	}
	if err == nil {
		err = r.flush(c.Context())
	}
	err = errors.Join(err, r.producer.writer.Close(), r.report(c.OutOrStdout(), c.ErrOrStderr()))
	if c.Context().Err() != nil {
		return errStopped
	}
	return err
}

// parseAfter reads partition:offset pairs.
func parseAfter(s string) (map[int]int64, error) {
	after := make(map[int]int64)
	if s == "" {
		return after, nil
	}
	for pair := range strings.SplitSeq(s, ",") {
		partition, offset, _ := strings.Cut(pair, ":")
		p, err := strconv.Atoi(partition)
		o, err2 := strconv.ParseInt(offset, 10, 64)
		if err != nil || err2 != nil || p < 0 || o < 0 {
			return nil, errors.New("want partition:offset by comma, as the last run has printed it")
		}
		after[p] = o
	}
	return after, nil
}

// run sees to every letter that is there when it starts: one that is written
// meanwhile may be of a message that was just put back.
func (r *restoration) run(ctx context.Context, c *kafka.Client) error {
	meta, err := c.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{r.opts.from}})
	if err != nil {
		return fmt.Errorf("asking for topic %s: %w", r.opts.from, err)
	}
	var requests []kafka.OffsetRequest
	for _, t := range meta.Topics {
		if t.Error != nil {
			return fmt.Errorf("asking for topic %s: %w", t.Name, t.Error)
		}
		for _, p := range t.Partitions {
			requests = append(requests, kafka.FirstOffsetOf(p.ID), kafka.LastOffsetOf(p.ID))
		}
	}
	res, err := c.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{r.opts.from: requests}})
	if err != nil {
		return fmt.Errorf("asking where topic %s ends: %w", r.opts.from, err)
	}
	parts := res.Topics[r.opts.from]
	slices.SortFunc(parts, func(a, b kafka.PartitionOffsets) int { return cmp.Compare(a.Partition, b.Partition) })
	for _, p := range parts {
		if p.Error != nil {
			return fmt.Errorf("asking where partition %d of topic %s ends: %w", p.Partition, r.opts.from, p.Error)
		}
		r.at[p.Partition] = max(r.at[p.Partition], p.FirstOffset)
		r.next[p.Partition] = r.at[p.Partition]
	}
	for _, p := range parts {
		if err := r.partition(ctx, c, p.Partition, p.LastOffset); err != nil {
			return err
		}
	}
	return nil
}

// fetchWait is how long a broker waits for letters, which are there already.
const fetchWait = time.Second

// partition sees to the letters of one partition up to end.
func (r *restoration) partition(ctx context.Context, c *kafka.Client, partition int, end int64) error {
	for r.at[partition] < end {
		before := r.at[partition]
		res, err := c.Fetch(ctx, &kafka.FetchRequest{
			Topic: r.opts.from, Partition: partition, Offset: before, MinBytes: 1, MaxBytes: 16 << 20, MaxWait: fetchWait,
		})
		if err == nil {
			err = res.Error
		}
		for err == nil && r.at[partition] < end {
			err = r.record(ctx, res.Records, partition)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading partition %d of topic %s at offset %d: %w", partition, r.opts.from, r.at[partition], err)
		}
		if r.at[partition] == before {
			return fmt.Errorf("reading partition %d of topic %s: there is nothing at offset %d, and it ends at %d", partition, r.opts.from, before, end)
		}
	}
	return nil
}

// record sees to the next record of a fetch.
func (r *restoration) record(ctx context.Context, records kafka.RecordReader, partition int) error {
	rec, err := records.ReadRecord()
	if err != nil {
		return err
	}
	if rec.Offset < r.at[partition] {
		return nil // a batch comes whole
	}
	m := kafka.Message{}
	if m.Key, err = kafka.ReadAll(rec.Key); err != nil {
		return err
	}
	if m.Value, err = kafka.ReadAll(rec.Value); err != nil {
		return err
	}
	if rec.Value != nil && m.Value == nil {
		m.Value = []byte{} // an empty text is not a tombstone
	}
	l, err := consumer.ReadLetter(rec.Headers)
	switch why := r.refuse(l, err); {
	case why != "":
		r.left[why]++
	case r.limit > 0 && r.total() >= r.limit:
		return errLimit
	default:
		m.Topic, m.Headers = cmp.Or(r.opts.to, l.Source.Topic), l.Headers
		r.seen[l.Source] = true
		r.pending[m.Topic]++
		r.producer.add(m)
	}
	r.at[partition] = rec.Offset + 1
	if r.producer.full() {
		return r.flush(ctx)
	}
	return nil
}

// refuse returns why a letter is not put back, and nothing where it is.
func (r *restoration) refuse(l consumer.Letter, err error) string {
	switch {
	case err != nil:
		return noLetter
	case len(r.opts.reasons) > 0 && !slices.Contains(r.opts.reasons, string(l.Reason)):
		return otherReason
	case !l.Whole:
		return notWhole
	case r.seen[l.Source]:
		return twice
	}
	return ""
}

// total is how many messages are put back, or about to be.
func (r *restoration) total() int {
	return len(r.producer.batch) + sumOf(r.put)
}

// flush writes the batch, and only then notes how far it has come.
func (r *restoration) flush(ctx context.Context) error {
	if r.opts.dryRun {
		r.producer.drop()
	}
	if err := r.producer.flush(ctx); err != nil {
		return err
	}
	for topic, n := range r.pending {
		r.put[topic] += n
	}
	clear(r.pending)
	maps.Copy(r.next, r.at)
	return nil
}

// report says what was done, and how to go on without doing it again.
func (r *restoration) report(out, talk io.Writer) error {
	sum := restored{From: r.opts.from, Put: r.put, Left: r.left}
	var after []string
	for _, p := range slices.Sorted(maps.Keys(r.next)) {
		after = append(after, fmt.Sprintf("%d:%d", p, r.next[p]))
	}
	sum.After = strings.Join(after, ",")
	if r.opts.json {
		return json.NewEncoder(out).Encode(sum)
	}
	verb := "put back"
	if r.opts.dryRun {
		verb = "would put back"
	}
	fmt.Fprintf(talk, "%s %d messages of the dead letters in %s\n", verb, sumOf(sum.Put), sum.From)
	for _, topic := range slices.Sorted(maps.Keys(sum.Put)) {
		fmt.Fprintf(talk, "  %d to %s\n", sum.Put[topic], topic)
	}
	for _, why := range slices.Sorted(maps.Keys(sum.Left)) {
		fmt.Fprintf(talk, "  %d left where they are: %s\n", sum.Left[why], why)
	}
	if !r.opts.dryRun && sum.After != "" {
		fmt.Fprintf(talk, "the letters stay in the topic; to put back only what comes after them:\n  --after %s\n", sum.After)
	}
	return nil
}

func sumOf(counts map[string]int) int {
	n := 0
	for _, k := range counts {
		n += k
	}
	return n
}
