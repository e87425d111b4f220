package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

// A network reaches the brokers: everything that connects is made here, so
// that encryption and authentication have one place.
type network struct {
	client  *kafka.Client
	cfg     Config
	dial    dialFunc
	timeout time.Duration // of one request and its answer
	every   time.Duration // at least between two refreshes

	mu sync.Mutex
	// mu protects what follows.
	refreshed time.Time
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// newNetwork returns a network that keeps the metadata of the given topics.
func newNetwork(cfg Config, t tuning, topics []string) *network {
	n := &network{cfg: cfg, dial: cfg.dial(t.dial), timeout: t.request, every: 250 * time.Millisecond}
	n.client = n.newClient(topics)
	return n
}

// newClient returns a client that keeps the metadata of the given topics.
func (n *network) newClient(topics []string) *kafka.Client {
	return &kafka.Client{
		Addr:    kafka.TCP(n.cfg.Brokers...),
		Timeout: n.timeout,
		Transport: &kafka.Transport{
			Dial: n.dial, SASL: n.cfg.login(), ClientID: n.cfg.ClientID, DialTimeout: n.timeout, MetadataTopics: topics,
		},
	}
}

// dialer returns what the consumer group connects with.
func (n *network) dialer(conns *connSet) *kafka.Dialer {
	return &kafka.Dialer{ClientID: n.cfg.ClientID, Timeout: n.timeout, DialFunc: conns.dial(n.dial), SASLMechanism: n.cfg.login()}
}

// close lets go of every idle connection.
func (n *network) close() { closeIdle(n.client) }

func closeIdle(c *kafka.Client) {
	if t, ok := c.Transport.(*kafka.Transport); ok {
		t.CloseIdleConnections()
	}
}

// refresh makes the client ask for the cluster's layout again before its next
// request. By itself it would notice a new leader only after some seconds.
func (n *network) refresh() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := time.Now(); now.Sub(n.refreshed) >= n.every {
		n.refreshed = now
		closeIdle(n.client)
	}
}

// fetch asks the leader of one partition for record batches.
func (n *network) fetch(ctx context.Context, req *fetchRequest) (*fetchResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.FetchWait+n.timeout)
	defer cancel()
	res, err := n.client.Transport.RoundTrip(ctx, n.client.Addr, req)
	if err != nil {
		return nil, err
	}
	answer, ok := res.(*fetchResponse)
	if !ok {
		return nil, fmt.Errorf("a fetch was answered by %T", res)
	}
	return answer, nil
}

// A cluster is what the brokers say about themselves and about some topics.
type cluster struct {
	id      string
	topics  layout
	missing map[string]error // why a topic cannot be read
}

// A layout is the number of partitions of each topic that can be read.
type layout map[string]int

// describe asks for the cluster and the given topics, past any cache. It
// creates no topic.
func (n *network) describe(ctx context.Context, topics []string) (cluster, error) {
	client := n.newClient(topics)
	defer closeIdle(client)
	res, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return cluster{}, fmt.Errorf("asking for the cluster's metadata: %w", n.cfg.Explain(err))
	}
	c := cluster{id: res.ClusterID, topics: make(layout), missing: make(map[string]error)}
	for _, t := range res.Topics {
		if t.Error != nil {
			c.missing[t.Name] = t.Error
		} else {
			c.topics[t.Name] = len(t.Partitions)
		}
	}
	return c, nil
}

// bounds returns the first offset of a partition and the one past its last that
// may be read.
func (n *network) bounds(ctx context.Context, topic string, partition int, isolation Isolation) (first, end int64, err error) {
	res, err := n.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		IsolationLevel: isolation.level(),
		Topics:         map[string][]kafka.OffsetRequest{topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)}},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("asking for the offsets of %s/%d: %w", topic, partition, err)
	}
	parts := res.Topics[topic]
	if len(parts) != 1 {
		return 0, 0, fmt.Errorf("asking for the offsets of %s/%d: an answer for %d partitions", topic, partition, len(parts))
	}
	if err := parts[0].Error; err != nil {
		return 0, 0, fmt.Errorf("asking for the offsets of %s/%d: %w", topic, partition, err)
	}
	return parts[0].FirstOffset, parts[0].LastOffset, nil
}

// committed returns the group's offset of a partition, and -1 where it has none.
func (n *network) committed(ctx context.Context, topic string, partition int) (int64, error) {
	res, err := n.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
		GroupID: n.cfg.Group, Topics: map[string][]int{topic: {partition}},
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return 0, fmt.Errorf("asking for the group's offset of %s/%d: %w", topic, partition, err)
	}
	parts := res.Topics[topic]
	if len(parts) != 1 {
		return 0, fmt.Errorf("asking for the group's offset of %s/%d: an answer for %d partitions", topic, partition, len(parts))
	}
	if err := parts[0].Error; err != nil {
		return 0, fmt.Errorf("asking for the group's offset of %s/%d: %w", topic, partition, err)
	}
	return parts[0].CommittedOffset, nil
}

// ends returns the end offsets of what may be read of the given partitions, those
// that could be had.
func (n *network) ends(ctx context.Context, parts []*partition) (map[*partition]int64, error) {
	req := &kafka.ListOffsetsRequest{IsolationLevel: n.cfg.Isolation.level(), Topics: make(map[string][]kafka.OffsetRequest)}
	for _, p := range parts {
		req.Topics[p.topic] = append(req.Topics[p.topic], kafka.LastOffsetOf(p.id))
	}
	res, err := n.client.ListOffsets(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("asking for end offsets: %w", err)
	}
	ends := make(map[*partition]int64, len(parts))
	for _, p := range parts {
		for _, got := range res.Topics[p.topic] {
			if got.Partition == p.id && got.Error == nil {
				ends[p] = got.LastOffset
			}
		}
	}
	return ends, nil
}

// A connSet remembers open connections, and those in the making, to cut them
// all at once. kafka-go waits for the answer to a JoinGroup for as long as the
// slowest member takes, and for a broker that cannot be reached as long as a
// request may take, once per broker and try; a worker that stops must not.
type connSet struct {
	mu sync.Mutex
	// mu protects what follows.
	open map[io.Closer]struct{}
	cut  bool
}

var errCutOff = errors.New("the consumer is stopping")

// A dialing is a connection in the making. Closing it ends the dial.
type dialing struct{ cancel context.CancelCauseFunc }

// Close implements [io.Closer].
func (d *dialing) Close() error {
	d.cancel(errCutOff)
	return nil
}

func (s *connSet) dial(dial dialFunc) dialFunc {
	return func(ctx context.Context, nw, addr string) (net.Conn, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		d := &dialing{cancel: cancel}
		if !s.add(d) {
			return nil, errCutOff
		}
		defer s.remove(d)
		c, err := dial(ctx, nw, addr)
		if err != nil {
			return nil, err
		}
		if !s.add(c) {
			return nil, errors.Join(errCutOff, c.Close())
		}
		return &setConn{Conn: c, set: s}, nil
	}
}

// add reports false, and adds nothing, after cutAll.
func (s *connSet) add(c io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut {
		return false
	}
	if s.open == nil {
		s.open = make(map[io.Closer]struct{})
	}
	s.open[c] = struct{}{}
	return true
}

func (s *connSet) remove(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// cutAll closes every connection, ends every dial, and allows no later one.
func (s *connSet) cutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	for c := range s.open {
		_ = c.Close() // whoever uses it sees the error
	}
	clear(s.open)
}

type setConn struct {
	net.Conn

	set *connSet
}

// Close closes the connection and forgets it.
func (c *setConn) Close() error {
	c.set.remove(c.Conn)
	return c.Conn.Close()
}
