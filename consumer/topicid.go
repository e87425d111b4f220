package consumer

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// A topicID is what Kafka, from version 2.8 on, gives a topic beside its name: a
// topic that is deleted and made again under the same name has another one. The
// zero topicID is that of brokers that have none.
type topicID [16]byte

// String writes t as Kafka's own tools do.
func (t topicID) String() string { return base64.RawURLEncoding.EncodeToString(t[:]) }

// A metadataRequest asks any broker for the id of one topic. It goes through
// kafka-go's Transport, like a fetchRequest; kafka-go itself stops one version
// before ids.
type metadataRequest struct {
	clientID string
	topic    string

	versions map[protocol.ApiKey]int16 // of the connection
}

// A metadataResponse is the answer.
type metadataResponse struct {
	code int16 // Kafka's error code of the topic; 0 is none
	id   topicID
}

// metadataWithIDs is the oldest version with ids that Kafka 4 takes, and the
// first in which brokers answer them for a topic that is asked for by its name.
const metadataWithIDs = 10

// ApiKey says which of Kafka's requests this is.
func (r *metadataRequest) ApiKey() protocol.ApiKey { return protocol.Metadata } //nolint:revive,staticcheck // the interface's spelling

// ApiKey says which of Kafka's requests this answers.
func (r *metadataResponse) ApiKey() protocol.ApiKey { return protocol.Metadata } //nolint:revive,staticcheck // the interface's spelling

// Required notes what the connection speaks, and asks for RawExchange.
func (r *metadataRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.versions = versions
	return true
}

// RawExchange sends the request and reads the answer, which has no id where the
// broker is too old for ids. After an error the connection is of no more use.
func (r *metadataRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	newest, err := offered(rw, r.versions, protocol.Metadata)
	if err != nil {
		return nil, err
	}
	if newest < metadataWithIDs {
		return &metadataResponse{}, nil
	}
	if _, err := rw.Write(framed(r.encode())); err != nil {
		return nil, err
	}
	body, err := readFrame(rw, nil)
	if err != nil {
		return nil, err
	}
	return parseMetadata(body)
}

// encode returns the request, version 10. It creates no topic.
func (r *metadataRequest) encode() []byte {
	b := appendHeader(make([]byte, 0, 64+len(r.topic)), protocol.Metadata, metadataWithIDs, r.clientID)
	b = append(b, 0) // no tags in the header
	b = append(b, 2) // one topic
	b = append(b, make([]byte, len(topicID{}))...)
	b = appendCompact(b, r.topic)
	b = append(b, 0)             // no tags
	return append(b, 0, 0, 0, 0) // create nothing, and no operations that are allowed; no tags
}

// parseMetadata reads the answer to a request, version 10, for one topic, as far
// as its id.
func parseMetadata(body []byte) (*metadataResponse, error) {
	c := cursor{b: body}
	if err := c.answers(); err != nil {
		return nil, err
	}
	c.tags()
	c.int32() // throttle
	for range c.compactCount(9) {
		c.int32() // node
		c.compact()
		c.int32() // port
		c.compact()
		c.tags()
	}
	c.compact() // cluster
	c.int32()   // controller
	if n := c.compactCount(20); n != 1 && !c.short {
		return nil, fmt.Errorf("a metadata response with %d topics instead of 1", n)
	}
	res := &metadataResponse{code: c.int16()}
	c.compact() // name
	copy(res.id[:], c.take(len(res.id)))
	if c.short {
		return nil, errShort
	}
	return res, nil
}

// topicID asks for the id of a topic.
func (n *network) topicID(ctx context.Context, topic string) (topicID, error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	res, err := n.client.Transport.RoundTrip(ctx, n.client.Addr, &metadataRequest{clientID: n.cfg.ClientID, topic: topic})
	answer, ok := res.(*metadataResponse)
	switch {
	case err != nil:
	case !ok:
		err = fmt.Errorf("metadata was answered by %T", res)
	case answer.code != 0:
		err = kafka.Error(answer.code)
	default:
		return answer.id, nil
	}
	return topicID{}, fmt.Errorf("asking for the id of topic %s: %w", topic, err)
}

// topicIDs are the ids of the topics of one assignment, each asked for once for
// all of its partitions.
type topicIDs struct {
	net *network

	mu sync.Mutex
	// mu protects what follows, and lets one ask while the others wait for it.
	known map[string]topicID
}

func newTopicIDs(n *network) *topicIDs { return &topicIDs{net: n, known: make(map[string]topicID)} }

// get returns the id of a topic.
func (t *topicIDs) get(ctx context.Context, topic string) (topicID, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.known[topic]; ok {
		return id, nil
	}
	id, err := t.net.topicID(ctx, topic)
	if err == nil {
		t.known[topic] = id
	}
	return id, err
}

// doubt forgets an id that a broker does not know.
func (t *topicIDs) doubt(topic string, id topicID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[topic] == id {
		delete(t.known, topic)
	}
}

// appendCompact appends a string behind its length and one.
func appendCompact(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)+1))
	return append(b, s...)
}
