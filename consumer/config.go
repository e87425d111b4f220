package consumer

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	kafka "github.com/segmentio/kafka-go"

	"sweetspot/pipeline"
)

// Config is how the worker reaches Kafka and what it reads there: the
// variables that start with SWEET_KAFKA_.
type Config struct {
	Brokers          []string      `env:"BROKERS, required" doc:"Kafka brokers to start from, host:port"`
	Topics           []string      `env:"TOPICS, required" doc:"topics to read"`
	Group            string        `env:"GROUP, required" doc:"consumer group"`
	Cluster          string        `env:"CLUSTER" unset:"the cluster id that the broker gives" doc:"first part of message ids"`
	Start            Start         `env:"START, default=earliest" doc:"where to start where the group has no offset: earliest or latest"`
	Isolation        Isolation     `env:"ISOLATION, default=read_committed" doc:"read_committed (no message of an open or aborted transaction) or read_uncommitted"`
	SessionTimeout   time.Duration `env:"SESSION_TIMEOUT, default=10s" doc:"a worker silent for this long loses its partitions"`
	Heartbeat        time.Duration `env:"HEARTBEAT, default=3s" doc:"time between signs of life, at most half the session timeout"`
	RebalanceTimeout time.Duration `env:"REBALANCE_TIMEOUT, default=60s" doc:"time a worker has to settle and commit when partitions move; more than SWEET_DRAIN"`
	FetchBytes       pipeline.Size `env:"FETCH_BYTES, default=1MiB" doc:"most bytes fetched at once per partition; less where SWEET_IN_FLIGHT_BYTES asks for it"`
	FetchWait        time.Duration `env:"FETCH_WAIT, default=250ms" doc:"time a broker waits for new messages before it answers a fetch"`
	ClientID         string        `env:"CLIENT_ID, default=sweetspot" doc:"name shown in the brokers' logs and quotas"`
	Rack             string        `env:"RACK" doc:"rack of this worker; partitions whose leader stands there are preferred"`
	Access
}

// Intake is how much the worker takes in, and where dead letters go.
type Intake struct {
	InFlight      int           `env:"IN_FLIGHT, default=20000" doc:"unsettled messages held; beyond it intake pauses"`
	InFlightBytes pipeline.Size `env:"IN_FLIGHT_BYTES, default=64MiB" doc:"bytes of unsettled messages held, with what is fetched ahead; beyond it intake pauses"`
	DLQ           DLQ           `env:"DLQ, required" doc:"where poison, and what is shed, goes: kafka:TOPIC, or drop (counted and lost)"`
}

// A Start says where a partition starts that the group has no offset for.
type Start string

// The starts.
const (
	Earliest Start = "earliest"
	Latest   Start = "latest"
)

// An Isolation says which transactional messages are read.
type Isolation string

// The isolation levels.
const (
	ReadCommitted   Isolation = "read_committed"
	ReadUncommitted Isolation = "read_uncommitted"
)

// level is i as Kafka's requests have it.
func (i Isolation) level() kafka.IsolationLevel {
	if i == ReadCommitted {
		return kafka.ReadCommitted
	}
	return kafka.ReadUncommitted
}

// DLQ says where dead letters go: "kafka:TOPIC", or Drop.
type DLQ string

// Drop counts dead letters and loses them.
const Drop DLQ = "drop"

// Topics returns the topic that dead letters go to, and none where they are
// dropped.
func (d DLQ) Topics() []string {
	if d == Drop {
		return nil
	}
	return []string{strings.TrimPrefix(string(d), "kafka:")}
}

const (
	minFetchBytes = 16 << 10 // per partition, however many there are
	maxFetchBytes = 256 << 20
	maxFetchWait  = 30 * time.Second
	maxTopicName  = 249 // Kafka's own limit
)

// Validate reports every setting that is out of range or contradicts another.
func (c *Config) Validate() error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(c.Brokers) == 0 {
		add("SWEET_KAFKA_BROKERS is empty: want host:port, several by comma")
	}
	for _, b := range c.Brokers {
		if err := checkBroker(b); err != nil {
			add("SWEET_KAFKA_BROKERS=%s: %w", b, err)
		}
	}
	if len(c.Topics) == 0 {
		add("SWEET_KAFKA_TOPICS is empty: want at least one topic")
	}
	for i, t := range c.Topics {
		if err := checkTopic(t); err != nil {
			add("SWEET_KAFKA_TOPICS=%s: %w", t, err)
		}
		if slices.Contains(c.Topics[:i], t) {
			add("SWEET_KAFKA_TOPICS names %s twice", t)
		}
	}
	if c.Group == "" || strings.ContainsFunc(c.Group, unicode.IsControl) {
		add("SWEET_KAFKA_GROUP=%q: want the name of a consumer group", c.Group)
	}
	if strings.ContainsFunc(c.Cluster, unicode.IsControl) {
		add("SWEET_KAFKA_CLUSTER=%q: want a name without control characters", c.Cluster)
	}
	switch c.Start {
	case Earliest, Latest:
	default:
		add("SWEET_KAFKA_START=%s: want earliest or latest", c.Start)
	}
	switch c.Isolation {
	case ReadCommitted, ReadUncommitted:
	default:
		add("SWEET_KAFKA_ISOLATION=%s: want read_committed or read_uncommitted", c.Isolation)
	}
	return errors.Join(append(append(faults, c.validateTimes()...), c.Access.Validate())...)
}

func (c *Config) validateTimes() []error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.SessionTimeout < time.Second {
		add("SWEET_KAFKA_SESSION_TIMEOUT=%v: want at least 1s", c.SessionTimeout)
	}
	if c.Heartbeat <= 0 || 2*c.Heartbeat > c.SessionTimeout {
		add("SWEET_KAFKA_HEARTBEAT=%v: want at most half of SWEET_KAFKA_SESSION_TIMEOUT=%v", c.Heartbeat, c.SessionTimeout)
	}
	if c.RebalanceTimeout < time.Second {
		add("SWEET_KAFKA_REBALANCE_TIMEOUT=%v: want at least 1s", c.RebalanceTimeout)
	}
	if c.FetchBytes < minFetchBytes || c.FetchBytes > maxFetchBytes {
		add("SWEET_KAFKA_FETCH_BYTES=%v: want %v to %v", c.FetchBytes, pipeline.Size(minFetchBytes), pipeline.Size(maxFetchBytes))
	}
	if c.FetchWait < time.Millisecond || c.FetchWait > maxFetchWait {
		add("SWEET_KAFKA_FETCH_WAIT=%v: want 1ms to %v", c.FetchWait, maxFetchWait)
	}
	return faults
}

// ValidateWith reports what in, and the time to drain, contradict in c.
func (c *Config) ValidateWith(in Intake, drain time.Duration) error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, t := range in.DLQ.Topics() {
		if slices.Contains(c.Topics, t) {
			add("SWEET_DLQ=%s is one of SWEET_KAFKA_TOPICS: the worker would read its own dead letters for ever", in.DLQ)
		}
	}
	if drain >= c.RebalanceTimeout {
		add("SWEET_DRAIN=%v: want less than SWEET_KAFKA_REBALANCE_TIMEOUT=%v, after which Kafka gives the partitions away", drain, c.RebalanceTimeout)
	}
	return errors.Join(faults...)
}

// Validate reports every setting that is out of range.
func (in *Intake) Validate() error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if in.InFlight < 1 {
		add("SWEET_IN_FLIGHT=%d: want at least 1", in.InFlight)
	}
	if in.InFlightBytes < 2*minFetchBytes {
		add("SWEET_IN_FLIGHT_BYTES=%v: want at least %v", in.InFlightBytes, pipeline.Size(2*minFetchBytes))
	}
	if in.DLQ != Drop {
		topic, ok := strings.CutPrefix(string(in.DLQ), "kafka:")
		if !ok {
			add("SWEET_DLQ=%s: want kafka:TOPIC, or drop to lose poison messages", in.DLQ)
		} else if err := checkTopic(topic); err != nil {
			add("SWEET_DLQ=%s: %w", in.DLQ, err)
		}
	}
	return errors.Join(faults...)
}

func checkBroker(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New("want host:port")
	}
	if n, err := strconv.Atoi(port); host == "" || err != nil || n < 1 || n > 65535 {
		return errors.New("want host:port, with a port from 1 to 65535")
	}
	return nil
}

func checkTopic(s string) error {
	legal := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
	}
	switch {
	case s == "", s == ".", s == "..":
		return errors.New("want the name of a topic")
	case len(s) > maxTopicName:
		return fmt.Errorf("a topic's name has at most %d characters", maxTopicName)
	case strings.ContainsFunc(s, func(r rune) bool { return !legal(r) }):
		return errors.New("a topic's name consists of letters, digits, dot, underscore and hyphen")
	}
	return nil
}

// fetchBytes returns how many bytes each of n partition readers may fetch at
// once, so that all of them together hold at most half of the byte bound.
func fetchBytes(c Config, in Intake, n int) int {
	share := int64(in.InFlightBytes) / 2 / int64(max(n, 1))
	return int(min(int64(c.FetchBytes), max(share, minFetchBytes)))
}

// drainBound returns how long a revoke may wait for what is in flight. Kafka
// takes the partitions away after the rebalance timeout, so the final commit
// must be made a little earlier.
func drainBound(drain, rebalance time.Duration) time.Duration {
	margin := min(5*time.Second, rebalance/4)
	return min(drain, rebalance-margin)
}
