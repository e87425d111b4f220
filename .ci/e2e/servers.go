package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

// servers are the broker and the nats-server that the worker stands between.
type servers struct {
	brokers string // host:port
	nats    string // URL
	client  *kafka.Client
	kafka   *child
	natsd   *child

	// What they are started again with.
	dir      string
	script   string // that becomes Kafka
	ports    []int  // of Kafka
	natsPath string
	starts   int
}

var (
	kafkaReady = regexp.MustCompile(`Kafka Server started`)
	natsReady  = regexp.MustCompile(`Listening for client connections on (\S+)`)
)

func startServers(ctx context.Context, dir string, o options) (*servers, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &servers{dir: dir, script: o.kafka, natsPath: filepath.Join(o.bin, "nats-server")}
	if err := s.startKafka(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	if err := s.startNATS(ctx, anyPort, sometimes); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// startKafka tries a few times: Kafka cannot ask the system for a port itself,
// and another program may take the one that was free a moment ago.
func (s *servers) startKafka(ctx context.Context) error {
	var faults error
	for range 3 {
		ports, err := freePorts(ctx, 2)
		if err != nil {
			return err
		}
		s.ports = ports
		if err := s.launchKafka(ctx); err != nil {
			return err
		}
		if _, err = s.kafka.ready(ctx); err == nil {
			s.brokers = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
			s.client = &kafka.Client{Addr: kafka.TCP(s.brokers), Timeout: patience}
			return nil
		}
		faults = errors.Join(faults, err)
		if _, err := s.kafka.terminate(); err != nil {
			return errors.Join(faults, err)
		}
	}
	return faults
}

// launchKafka starts a broker on the ports, with the data that there is.
func (s *servers) launchKafka(ctx context.Context) (err error) {
	s.kafka, err = start(ctx, s.dir, s.log("kafka"), environment(), kafkaReady,
		s.script, filepath.Join(s.dir, "kafka"), strconv.Itoa(s.ports[0]), strconv.Itoa(s.ports[1]))
	return err
}

// againKafka starts the broker again, on its ports and its data.
func (s *servers) againKafka(ctx context.Context) error {
	if err := s.launchKafka(ctx); err != nil {
		return err
	}
	_, err := s.kafka.ready(ctx)
	return err
}

// log names the log of the next server that is started.
func (s *servers) log(server string) string {
	s.starts++
	return fmt.Sprintf("%s-%d", server, s.starts)
}

// freePorts returns n different ports of the loopback address that are free now.
func freePorts(ctx context.Context, n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("asking for a free port: %w", err)
		}
		defer l.Close() // held until all are known, so that they differ
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, err
		}
		ports = append(ports, number)
	}
	return ports, nil
}

// anyPort is where a server listens that asks the system for a port.
const anyPort = "127.0.0.1:-1"

// How often NATS syncs to disk: always has it sync every result before it
// acknowledges it, without which it may lose what it has acknowledged when the
// machine goes down.
const (
	always    = "always"
	sometimes = "2m" // its default
)

// startNATS starts the nats-server at an address, with the data that there is and
// the given sync_interval.
func (s *servers) startNATS(ctx context.Context, listen, sync string) error {
	name := s.log("nats-server")
	config := filepath.Join(s.dir, name+".conf")
	text := fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: %s }\n", listen, filepath.Join(s.dir, "nats"), sync)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	var err error
	if s.natsd, err = start(ctx, s.dir, name, environment(), natsReady, s.natsPath, "-c", config); err != nil {
		return err
	}
	groups, err := s.natsd.ready(ctx)
	if err != nil {
		return err
	}
	s.nats = "nats://" + groups[0]
	return nil
}

// againNATS starts the nats-server again, on its port and its data.
func (s *servers) againNATS(ctx context.Context, sync string) error {
	return s.startNATS(ctx, strings.TrimPrefix(s.nats, "nats://"), sync)
}

// stop ends both servers.
func (s *servers) stop() error {
	var errs []error
	for _, c := range []*child{s.natsd, s.kafka} {
		if c == nil {
			continue
		}
		if _, err := c.terminate(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// deadTopic names the dead-letter topic of a topic.
func deadTopic(topic string) string { return topic + "-dead" }

// createTopics creates a topic and its dead-letter topic.
func (s *servers) createTopics(ctx context.Context, topic string, partitions int) error {
	if err := s.createTopic(ctx, topic, partitions); err != nil {
		return err
	}
	return s.createTopic(ctx, deadTopic(topic), 1)
}

// createTopic creates a topic and waits until every partition has a leader.
func (s *servers) createTopic(ctx context.Context, topic string, partitions int) error {
	resp, err := s.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}},
	})
	if err == nil {
		err = resp.Errors[topic]
	}
	if err != nil {
		return fmt.Errorf("creating topic %s: %w", topic, err)
	}
	return s.awaitLeaders(ctx, topic, partitions)
}

// awaitLeaders waits until every partition of a topic has a leader.
func (s *servers) awaitLeaders(ctx context.Context, topic string, partitions int) error {
	for range every(ctx, 100*time.Millisecond) { // the broker tells nobody when a leader is chosen
		m, err := s.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil {
			return fmt.Errorf("asking for the leaders of %s: %w", topic, err)
		}
		if led(m.Topics) == partitions {
			return nil
		}
	}
	return fmt.Errorf("waiting for the leaders of %s: %w", topic, context.Cause(ctx))
}

// led counts the partitions that have a leader.
func led(topics []kafka.Topic) int {
	n := 0
	for _, t := range topics {
		for _, p := range t.Partitions {
			if t.Error == nil && p.Error == nil && p.Leader.Port != 0 {
				n++
			}
		}
	}
	return n
}

// A place is where in a topic a message stands.
type place struct {
	partition int
	offset    int64
}

// readTopic returns the text of every message of a topic.
func (s *servers) readTopic(ctx context.Context, topic string, partitions int) (map[place]string, error) {
	ends, err := s.ends(ctx, topic, partitions)
	if err != nil {
		return nil, err
	}
	parts := make([][]string, partitions) // by offset
	g, ctx := errgroup.WithContext(ctx)
	for p, end := range ends {
		g.Go(func() (err error) {
			if parts[p], err = s.readPartition(ctx, topic, p, end); err != nil {
				return fmt.Errorf("reading back %s, partition %d: %w", topic, p, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	texts := make(map[place]string)
	for p, part := range parts {
		for offset, text := range part {
			texts[place{p, int64(offset)}] = text
		}
	}
	return texts, nil
}

// readPartition returns the text of every message of a partition, by offset. It
// asks for nothing behind the end, where a broker would let it wait.
func (s *servers) readPartition(ctx context.Context, topic string, partition int, end int64) ([]string, error) {
	if end == 0 {
		return nil, nil
	}
	conn, err := kafka.DialLeader(ctx, "tcp", s.brokers, topic, partition)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	var texts []string
	for int64(len(texts)) < end {
		batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: 4 << 20, MaxWait: 5 * time.Second})
		texts, err = readBatch(batch, texts, end)
		if err = errors.Join(err, batch.Close()); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// readBatch adds the texts of a batch, which may go on behind the end.
func readBatch(batch *kafka.Batch, texts []string, end int64) ([]string, error) {
	for int64(len(texts)) < end {
		m, err := batch.ReadMessage()
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return texts, err
		}
		if m.Offset != int64(len(texts)) {
			return texts, fmt.Errorf("after %d messages comes offset %d", len(texts), m.Offset)
		}
		texts = append(texts, string(m.Value))
	}
	return texts, nil
}

// ends returns the end offset of each partition.
func (s *servers) ends(ctx context.Context, topic string, partitions int) ([]int64, error) {
	var ask []kafka.OffsetRequest
	for p := range partitions {
		ask = append(ask, kafka.LastOffsetOf(p))
	}
	resp, err := s.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: ask}})
	if err != nil {
		return nil, fmt.Errorf("asking for the end of %s: %w", topic, err)
	}
	ends := make([]int64, partitions)
	for _, p := range resp.Topics[topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("asking for the end of %s, partition %d: %w", topic, p.Partition, p.Error)
		}
		ends[p.Partition] = p.LastOffset
	}
	return ends, nil
}

// committed returns the offset that a group has committed in each partition, 0
// where it has none.
func (s *servers) committed(ctx context.Context, group, topic string, partitions int) ([]int64, error) {
	var ask []int
	for p := range partitions {
		ask = append(ask, p)
	}
	resp, err := s.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: ask}})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		return nil, fmt.Errorf("asking for the offsets of group %s: %w", group, err)
	}
	committed := make([]int64, partitions)
	for _, p := range resp.Topics[topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("asking for the offset of group %s, partition %d: %w", group, p.Partition, p.Error)
		}
		committed[p.Partition] = max(0, p.CommittedOffset) // -1: nothing committed
	}
	return committed, nil
}

// checkCommitted returns an error unless the group has committed the end of
// every partition.
func (s *servers) checkCommitted(ctx context.Context, group, topic string, partitions int) error {
	ends, err := s.ends(ctx, topic, partitions)
	if err != nil {
		return err
	}
	committed, err := s.committed(ctx, group, topic, partitions)
	if err != nil {
		return err
	}
	if !slices.Equal(committed, ends) {
		return fmt.Errorf("group %s has committed %v, want the ends %v", group, committed, ends)
	}
	return nil
}

// checkEmpty returns an error if a topic of one partition holds a message.
func (s *servers) checkEmpty(ctx context.Context, topic string) error {
	texts, err := s.readTopic(ctx, topic, 1)
	if err != nil {
		return err
	}
	for _, text := range texts {
		return fmt.Errorf("topic %s holds %d messages, want none; one is %q", topic, len(texts), text)
	}
	return nil
}
