package consumer

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/pipeline"
)

func goodConfig() (Config, Intake) {
	return Config{
		Brokers: []string{"kafka:9092", "[::1]:9092"}, Topics: []string{"in", "more.topics"}, Group: "g",
		Start: Earliest, Isolation: ReadCommitted,
		SessionTimeout: 10 * time.Second, Heartbeat: 3 * time.Second, RebalanceTimeout: time.Minute,
		FetchBytes: pipeline.MiB, FetchWait: 250 * time.Millisecond, ClientID: "sweetspot",
	}, Intake{InFlight: 20000, InFlightBytes: 64 * pipeline.MiB, DLQ: "kafka:dead"}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Config, *Intake)
		want []string // in the error; none where it is valid
	}{
		{"as it should be", func(*Config, *Intake) {}, nil},
		{"dropping poison", func(_ *Config, in *Intake) { in.DLQ = Drop }, nil},
		{"no brokers", func(c *Config, _ *Intake) { c.Brokers = nil }, []string{"SWEET_KAFKA_BROKERS is empty"}},
		{"a broker without a port", func(c *Config, _ *Intake) { c.Brokers[0] = "kafka" }, []string{"SWEET_KAFKA_BROKERS=kafka: want host:port"}},
		{"a port that is none", func(c *Config, _ *Intake) { c.Brokers[0] = "kafka:70000" }, []string{"SWEET_KAFKA_BROKERS=kafka:70000", "65535"}},
		{"no topics", func(c *Config, _ *Intake) { c.Topics = nil }, []string{"SWEET_KAFKA_TOPICS is empty"}},
		{"a topic with a space", func(c *Config, _ *Intake) { c.Topics[0] = "a b" }, []string{"SWEET_KAFKA_TOPICS=a b", "letters, digits"}},
		{"a topic too long", func(c *Config, _ *Intake) { c.Topics[0] = strings.Repeat("x", 250) }, []string{"249"}},
		{"a topic twice", func(c *Config, _ *Intake) { c.Topics[1] = "in" }, []string{"names in twice"}},
		{"no group", func(c *Config, _ *Intake) { c.Group = "" }, []string{"SWEET_KAFKA_GROUP"}},
		{"a cluster over two lines", func(c *Config, _ *Intake) { c.Cluster = "a\nb" }, []string{"SWEET_KAFKA_CLUSTER"}},
		{"another start", func(c *Config, _ *Intake) { c.Start = "newest" }, []string{"SWEET_KAFKA_START=newest"}},
		{"another isolation", func(c *Config, _ *Intake) { c.Isolation = "none" }, []string{"SWEET_KAFKA_ISOLATION=none"}},
		{"a short session", func(c *Config, _ *Intake) { c.SessionTimeout = time.Millisecond }, []string{"SWEET_KAFKA_SESSION_TIMEOUT=1ms"}},
		{"a slow heartbeat", func(c *Config, _ *Intake) { c.Heartbeat = 6 * time.Second }, []string{"SWEET_KAFKA_HEARTBEAT=6s"}},
		{"a short rebalance", func(c *Config, _ *Intake) { c.RebalanceTimeout = 0 }, []string{"SWEET_KAFKA_REBALANCE_TIMEOUT=0s", "SWEET_DRAIN=30s"}},
		{"a drain as long as the rebalance", func(c *Config, _ *Intake) { c.RebalanceTimeout = 30 * time.Second }, []string{"SWEET_DRAIN=30s"}},
		{"tiny fetches", func(c *Config, _ *Intake) { c.FetchBytes = 1 }, []string{"SWEET_KAFKA_FETCH_BYTES=1"}},
		{"no wait", func(c *Config, _ *Intake) { c.FetchWait = 0 }, []string{"SWEET_KAFKA_FETCH_WAIT=0s"}},
		{"nothing in flight", func(_ *Config, in *Intake) { in.InFlight = 0 }, []string{"SWEET_IN_FLIGHT=0"}},
		{"no bytes in flight", func(_ *Config, in *Intake) { in.InFlightBytes = 0 }, []string{"SWEET_IN_FLIGHT_BYTES=0"}},
		{"dead letters nowhere", func(_ *Config, in *Intake) { in.DLQ = "file:x" }, []string{"SWEET_DLQ=file:x"}},
		{"dead letters to no topic", func(_ *Config, in *Intake) { in.DLQ = "kafka:" }, []string{"SWEET_DLQ=kafka:"}},
		{"dead letters read again", func(_ *Config, in *Intake) { in.DLQ = "kafka:in" }, []string{"its own dead letters"}},
		{"several faults at once", func(c *Config, in *Intake) { c.Group, c.Start, in.InFlight = "", "x", -1 }, []string{"SWEET_KAFKA_GROUP", "SWEET_KAFKA_START", "SWEET_IN_FLIGHT"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, in := goodConfig()
			tt.edit(&cfg, &in)
			_, err := Open(cfg, in, Parts{Drain: 30 * time.Second, Metrics: NewMetrics(prometheus.NewRegistry())})
			if len(tt.want) == 0 && err != nil {
				t.Fatalf("got %v, want no error", err)
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want an error with %q", err, want)
				}
			}
		})
	}
}

func TestFetchBytesShareHalfOfTheBound(t *testing.T) {
	cfg, in := goodConfig()
	for _, tt := range []struct{ partitions, want int }{
		{0, 1 << 20}, {1, 1 << 20}, {32, 1 << 20}, {64, 512 << 10}, {2048, 16 << 10}, {100000, 16 << 10},
	} {
		if got := fetchBytes(cfg, in, tt.partitions); got != tt.want {
			t.Errorf("%d partitions: %d bytes each, want %d", tt.partitions, got, tt.want)
		}
	}
}

func TestDrainEndsBeforeKafkaTakesThePartitions(t *testing.T) {
	for _, tt := range []struct{ drain, rebalance, want time.Duration }{
		{30 * time.Second, time.Minute, 30 * time.Second},
		{58 * time.Second, time.Minute, 55 * time.Second},
		{3900 * time.Millisecond, 4 * time.Second, 3 * time.Second},
	} {
		if got := drainBound(tt.drain, tt.rebalance); got != tt.want {
			t.Errorf("drain %v, rebalance %v: got %v, want %v", tt.drain, tt.rebalance, got, tt.want)
		}
	}
}

func TestIDsOfDifferentGroupsDiffer(t *testing.T) {
	id := func(cluster, group string) string {
		k := &Kafka{cfg: Config{Group: group}}
		k.identify(cluster)
		return k.messageID(pipeline.Origin{Topic: "t", Partition: 1, Offset: 2, Time: time.UnixMilli(3)}, topicID{})
	}
	if got := id("c", "g"); got != "c/g/t/1/2/3" {
		t.Errorf("got %q, want c/g/t/1/2/3", got)
	}
	if a, b := id("c/x", "g"), id("c", "x/g"); a == b {
		t.Errorf("two groups share the id %q", a)
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newThrottle(time.Minute)
		if !l.allow("a") || l.allow("a") || !l.allow("b") {
			t.Error("want one line of each kind")
		}
		time.Sleep(time.Minute) // the bubble's clock
		if !l.allow("a") {
			t.Error("no line after the period")
		}
		l.forget("a")
		if !l.allow("a") {
			t.Error("no line after forgetting")
		}
	})
}
