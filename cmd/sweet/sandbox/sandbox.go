// Package sandbox runs the two servers that a worker needs, Kafka and NATS with
// JetStream, inside the process: kfake, an in-memory Kafka, and the real
// nats-server. The toolbox uses it for `sweet demo` and `sweet sandbox`, and
// tests use it to have servers without a network or a container.
//
// It knows nothing of the worker beyond the topics, the stream and the
// variables that point a worker at them. It is no place for data that matters:
// Kafka's records live in memory and end with the process.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
)

// The names that a sandbox makes.
const (
	Topic       = "texts"
	DeadLetters = "texts-dead"
	Stream      = "results"
	Group       = "sweet"
)

// Options are the sizes of a sandbox. The zero value is a small one.
type Options struct {
	Partitions int           // of Topic; 6 where it is 0
	Brokers    int           // 1 where it is 0
	MinSession time.Duration // smallest group session time-out Kafka accepts; 1 s where it is 0
	Dir        string        // of JetStream's files; a temporary one where it is empty
	KafkaPort  int           // of the first broker; any free one where it is 0
	NATSPort   int           // any free one where it is 0
	Window     time.Duration // JetStream's duplicate window; 10 min where it is 0

	// Front, where it is set, returns what a broker accepts connections from, given
	// what it listens on. The address of what it returns is the one that the
	// broker tells its clients, as with a proxy before it.
	Front func(net.Listener) (net.Listener, error)
}

// A Sandbox is a running Kafka and a running NATS.
type Sandbox struct {
	Kafka *kfake.Cluster

	opts Options
	nats *server.Server
	port int // NATS keeps it over a restart
	temp bool
}

// Start starts both servers on loopback, with the topics and the stream.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	o.fill()
	s := &Sandbox{opts: o}
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "sweetspot-sandbox-")
		if err != nil {
			return nil, fmt.Errorf("making a folder for JetStream: %w", err)
		}
		s.opts.Dir, s.temp = dir, true
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (o *Options) fill() {
	if o.Partitions == 0 {
		o.Partitions = 6
	}
	if o.Brokers == 0 {
		o.Brokers = 1
	}
	if o.MinSession == 0 {
		o.MinSession = time.Second
	}
	if o.Window == 0 {
		o.Window = 10 * time.Minute
	}
}

func (s *Sandbox) start(ctx context.Context) error {
	kafka, err := kfake.NewCluster(
		kfake.NumBrokers(s.opts.Brokers),
		kfake.SeedTopics(int32(s.opts.Partitions), Topic),
		kfake.SeedTopics(1, DeadLetters),
		kfake.GroupMinSessionTimeout(s.opts.MinSession),
		kfake.ListenFn(s.listen(context.WithoutCancel(ctx))),
	)
	if err != nil {
		return fmt.Errorf("starting the embedded Kafka: %w", err)
	}
	s.Kafka = kafka
	s.port = s.opts.NATSPort
	if err := s.StartNATS(); err != nil {
		return err
	}
	return s.createStream(ctx)
}

// listen returns what opens the brokers' sockets: the first one on the wished
// port, all on loopback.
func (s *Sandbox) listen(ctx context.Context) func(network, address string) (net.Listener, error) {
	port := s.opts.KafkaPort
	return func(string, string) (net.Listener, error) {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		port = 0
		if err != nil || s.opts.Front == nil {
			return l, err
		}
		return s.opts.Front(l)
	}
}

// StartNATS starts the NATS server, or starts it again on its old port and
// files after [Sandbox.StopNATS].
func (s *Sandbox) StartNATS() error {
	port := s.port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: s.opts.Dir, NoSigs: true, NoLog: true,
	})
	if err != nil {
		return fmt.Errorf("starting the embedded NATS: %w", err)
	}
	go srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		srv.Shutdown()
		return fmt.Errorf("the embedded NATS server does not answer on port %d", port)
	}
	s.nats = srv
	if a, ok := srv.Addr().(*net.TCPAddr); ok {
		s.port = a.Port
	}
	return nil
}

// StopNATS stops the NATS server and keeps its files.
func (s *Sandbox) StopNATS() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

func (s *Sandbox) createStream(ctx context.Context) error {
	nc, js, err := s.JetStream()
	if err != nil {
		return err
	}
	defer nc.Close()
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: Stream, Subjects: []string{"sweet.>"}, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, Duplicates: s.opts.Window,
	})
	if err != nil {
		return fmt.Errorf("creating the stream %s: %w", Stream, err)
	}
	return nil
}

// JetStream connects to the sandbox's NATS. The caller closes the connection.
func (s *Sandbox) JetStream() (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect(s.NATSURL(), nats.MaxReconnects(-1))
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to the embedded NATS: %w", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("opening JetStream: %w", err)
	}
	return nc, js, nil
}

// NATSURL is where the NATS server listens.
func (s *Sandbox) NATSURL() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.port) }

// Brokers are the addresses of the Kafka brokers.
func (s *Sandbox) Brokers() []string { return s.Kafka.ListenAddrs() }

// Env is the environment of a worker on this sandbox, as NAME=value lines.
func (s *Sandbox) Env() []string {
	return []string{
		"SWEET_MODEL=bundled",
		"SWEET_KAFKA_BROKERS=" + strings.Join(s.Brokers(), ","),
		"SWEET_KAFKA_TOPICS=" + Topic,
		"SWEET_KAFKA_GROUP=" + Group,
		"SWEET_DLQ=kafka:" + DeadLetters,
		"SWEET_NATS_URL=" + s.NATSURL(),
		"SWEET_NATS_STREAM=" + Stream,
	}
}

// Lag is the number of records of Topic that group has not committed. Offsets
// that were never committed count from the start.
func (s *Sandbox) Lag(group string) int64 {
	var lag int64
	info := s.Kafka.GroupInfo(group)
	for _, p := range s.Kafka.PartitionInfos(Topic) {
		lag += p.HighWatermark
		if info == nil {
			continue
		}
		if c, ok := info.Commits[Topic][p.Partition]; ok {
			lag -= c.Offset
		}
	}
	return lag
}

// Close stops both servers and removes the files of a temporary sandbox.
func (s *Sandbox) Close() error {
	if s.nats != nil {
		s.StopNATS()
	}
	if s.Kafka != nil {
		s.Kafka.Close()
	}
	if s.temp {
		return os.RemoveAll(s.opts.Dir)
	}
	return nil
}

// DeadLettered is the number of dead letters written.
func (s *Sandbox) DeadLettered() int {
	n := 0
	for _, p := range s.Kafka.PartitionInfos(DeadLetters) {
		n += int(p.HighWatermark)
	}
	return n
}
