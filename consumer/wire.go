package consumer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// A fetchRequest asks the leader of one partition for record batches. It goes
// through kafka-go's Transport, which finds the leader, connects and
// authenticates; the bytes on the wire are written and read here, because
// kafka-go's own decoding drops what a consumer that must not lose its place
// has to know: the last offset of each batch, the aborted transactions, and
// which batch it is that does not decode.
type fetchRequest struct {
	clientID  string
	topic     string
	partition int32
	offset    int64
	maxBytes  int32
	waitMS    int32
	isolation int8   // 0 read_uncommitted, 1 read_committed
	buffer    []byte // reused for the response

	version int16 // settled per connection
}

// A fetchResponse is the answer. Its batches lie in buffer.
type fetchResponse struct {
	throttleMS int32
	code       int16 // Kafka's error code; 0 is none
	end        int64 // the high watermark: one past the last offset
	stable     int64 // the last stable offset: where open transactions begin; negative where the broker has none
	aborted    []abortedTransaction
	batches    []byte
	buffer     []byte
}

// readable returns where the log ends for a reader of the given isolation: with
// read_committed at the last stable offset, as far as the broker knows of such.
func (r *fetchResponse) readable(i Isolation) int64 {
	if i == ReadCommitted && r.stable >= 0 {
		return r.stable
	}
	return r.end
}

type abortedTransaction struct {
	producer int64
	first    int64 // offset
}

const (
	oldestFetch   = 4  // with record batches, from Kafka 0.11
	newestFetch   = 11 // the last one with fixed fields
	correlationID = 1  // one request at a time per connection
	maxResponse   = 512 << 20
)

var errTooOld = errors.New("the broker is older than Kafka 0.11")

// ApiKey says which of Kafka's requests this is.
func (r *fetchRequest) ApiKey() protocol.ApiKey { return protocol.Fetch } //nolint:revive,staticcheck // the interface's spelling

// ApiKey says which of Kafka's requests this answers.
func (r *fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch } //nolint:revive,staticcheck // the interface's spelling

// Broker picks the partition's leader.
func (r *fetchRequest) Broker(c protocol.Cluster) (protocol.Broker, error) {
	none := protocol.Broker{ID: -1}
	topic, ok := c.Topics[r.topic]
	if !ok {
		return none, protocol.NewErrNoTopic(r.topic)
	}
	part, ok := topic.Partitions[r.partition]
	if !ok {
		return none, protocol.NewErrNoPartition(r.topic, r.partition)
	}
	leader, ok := c.Brokers[part.Leader]
	if !ok {
		return none, protocol.NewErrNoLeader(r.topic, r.partition)
	}
	return leader, nil
}

// Required takes the version that the connection speaks, and asks for
// RawExchange.
func (r *fetchRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = min(versions[protocol.Fetch], newestFetch)
	return true
}

// RawExchange sends the request and reads the answer. After an error the
// connection is of no more use.
func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < oldestFetch {
		return nil, fmt.Errorf("%w: it offers version %d of Fetch, the worker needs %d", errTooOld, r.version, oldestFetch)
	}
	if _, err := rw.Write(r.encode()); err != nil {
		return nil, err
	}
	body, err := r.read(rw)
	if err != nil {
		return nil, err
	}
	return parseFetch(body, r.version)
}

// read returns the response without its length.
func (r *fetchRequest) read(rd io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(rd, length[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(length[:]))
	if n < 4 || n > maxResponse {
		return nil, fmt.Errorf("a fetch response of %d bytes", n)
	}
	if cap(r.buffer) < int(n) {
		return readBody(rd, int(n))
	}
	_, err := io.ReadFull(rd, r.buffer[:n])
	return r.buffer[:n], err
}

// encode returns the request with its length and header (version 1, which has
// no tags up to version 11 of Fetch).
func (r *fetchRequest) encode() []byte {
	be := binary.BigEndian
	b := make([]byte, 4, 128+len(r.topic)+len(r.clientID))
	b = be.AppendUint16(b, uint16(protocol.Fetch))
	b = be.AppendUint16(b, uint16(r.version))
	b = be.AppendUint32(b, correlationID)
	b = appendString(b, r.clientID)

	b = be.AppendUint32(b, ^uint32(0)) // no replica
	b = be.AppendUint32(b, uint32(r.waitMS))
	b = be.AppendUint32(b, 1) // answer as soon as there is anything
	b = be.AppendUint32(b, uint32(r.maxBytes))
	b = append(b, byte(r.isolation))
	if r.version >= 7 {
		b = be.AppendUint32(b, 0)          // no session
		b = be.AppendUint32(b, ^uint32(0)) // and none wanted
	}
	b = be.AppendUint32(b, 1)
	b = appendString(b, r.topic)
	b = be.AppendUint32(b, 1)
	b = be.AppendUint32(b, uint32(r.partition))
	if r.version >= 9 {
		b = be.AppendUint32(b, ^uint32(0)) // whatever the leader's epoch
	}
	b = be.AppendUint64(b, uint64(r.offset))
	if r.version >= 5 {
		b = be.AppendUint64(b, ^uint64(0)) // the log start, for followers only
	}
	b = be.AppendUint32(b, uint32(r.maxBytes))
	if r.version >= 7 {
		b = be.AppendUint32(b, 0) // nothing to forget
	}
	if r.version >= 11 {
		b = appendString(b, "") // no rack: always the leader
	}
	be.PutUint32(b, uint32(len(b)-4))
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// parseFetch reads the answer to a request for one partition.
func parseFetch(body []byte, version int16) (*fetchResponse, error) {
	c := cursor{b: body}
	if id := c.int32(); id != correlationID && !c.short {
		return nil, fmt.Errorf("the answer to another request (%d)", id)
	}
	res := &fetchResponse{buffer: body, throttleMS: c.int32()}
	if version >= 7 {
		res.code = c.int16()
		c.int32() // session
	}
	if topics := c.int32(); topics != 1 {
		return res.partial(c, "topics", topics)
	}
	c.string()
	if partitions := c.int32(); partitions != 1 {
		return res.partial(c, "partitions", partitions)
	}
	c.int32() // partition
	if code := c.int16(); code != 0 {
		res.code = code
	}
	res.end, res.stable = c.int64(), c.int64()
	if version >= 5 {
		c.int64() // log start
	}
	for range c.count(16) {
		res.aborted = append(res.aborted, abortedTransaction{producer: c.int64(), first: c.int64()})
	}
	if version >= 11 {
		c.int32() // preferred replica
	}
	if n := c.int32(); n > 0 {
		res.batches = c.take(int(n))
	}
	if c.short {
		return nil, errors.New("a fetch response that ends too early")
	}
	return res, nil
}

// partial is what a response without our partition means: an error code that
// concerns the whole request, or nonsense.
func (r *fetchResponse) partial(c cursor, what string, n int32) (*fetchResponse, error) {
	if r.code != 0 && !c.short {
		return r, nil
	}
	return nil, fmt.Errorf("a fetch response with %d %s instead of 1", n, what)
}

// A cursor reads big-endian fields. Once something does not fit it stays
// short, and every further read gives zero.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if c.short || n < 0 || n > len(c.b) {
		c.short = true
		return nil
	}
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) int8() int8 {
	if b := c.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (c *cursor) int16() int16 {
	if b := c.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (c *cursor) int32() int32 {
	if b := c.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (c *cursor) int64() int64 {
	if b := c.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (c *cursor) string() string {
	return string(c.take(int(c.int16())))
}

// count reads the length of an array whose elements have at least size bytes.
// A null array is empty.
func (c *cursor) count(size int) int {
	n := int(c.int32())
	if n > len(c.b)/size {
		c.short = true
	}
	if c.short {
		return 0
	}
	return max(n, 0)
}

// varint reads a zigzag-encoded number.
func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.short = true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// bytes reads a length and as many bytes; -1 is null.
func (c *cursor) bytes() []byte {
	n := c.varint()
	if n == -1 || c.short {
		return nil
	}
	if n < 0 || n > int64(len(c.b)) {
		c.short = true
		return nil
	}
	return c.take(int(n))
}
