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
	id        topicID // of the log to read; zero for whatever log has that name
	partition int32
	offset    int64
	maxBytes  int32
	waitMS    int32
	isolation int8   // 0 read_uncommitted, 1 read_committed
	buffer    []byte // reused for the response

	versions map[protocol.ApiKey]int16 // of the connection
	version  int16                     // settled per connection
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
	newestByName  = 11 // the last one with fixed fields; the next says no more
	fetchByID     = 13 // that names a topic by its id, from Kafka 3.1
	correlationID = 1  // one request at a time per connection
	maxResponse   = 512 << 20
)

var errTooOld = errors.New("the broker is older than Kafka 0.11")

// errShort is a response that promises more than it has.
var errShort = errors.New("a response that ends too early")

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

// Required notes what the connection speaks, and asks for RawExchange.
func (r *fetchRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.versions = versions
	return true
}

// settle takes the newest version that the broker takes too. A topic that has an
// id is asked for by it where the broker allows: between two fetches it may have
// been deleted, made again under its name and filled beyond our offset, and
// asked by name the broker would go on there, as if nothing were missing.
func (r *fetchRequest) settle(rw io.ReadWriter) error {
	newest, err := offered(rw, r.versions, protocol.Fetch)
	if err != nil {
		return err
	}
	r.version = min(newest, newestByName)
	if newest >= fetchByID && r.id != (topicID{}) {
		r.version = fetchByID
	}
	if r.version < oldestFetch {
		return fmt.Errorf("%w: it offers version %d of Fetch, the worker needs %d", errTooOld, newest, oldestFetch)
	}
	return nil
}

// RawExchange sends the request and reads the answer. After an error the
// connection is of no more use.
func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if err := r.settle(rw); err != nil {
		return nil, err
	}
	if _, err := rw.Write(framed(r.encode())); err != nil {
		return nil, err
	}
	body, err := readFrame(rw, r.buffer)
	if err != nil {
		return nil, err
	}
	return parseFetch(body, r.version)
}

// readFrame returns a response without its length, in buffer where it has room.
func readFrame(rd io.Reader, buffer []byte) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(rd, length[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(length[:]))
	if n < 4 || n > maxResponse {
		return nil, fmt.Errorf("a response of %d bytes", n)
	}
	if cap(buffer) < int(n) {
		return readBody(rd, int(n))
	}
	_, err := io.ReadFull(rd, buffer[:n])
	return buffer[:n], err
}

// encode returns the request with its header, which has tags from the first
// version with fields of variable size on.
func (r *fetchRequest) encode() []byte {
	be, compact := binary.BigEndian, r.version >= fetchByID
	one := func(b []byte) []byte { // the length of an array
		if compact {
			return append(b, 2)
		}
		return be.AppendUint32(b, 1)
	}
	tags := func(b []byte) []byte { // that there are none
		if compact {
			return append(b, 0)
		}
		return b
	}
	b := tags(appendHeader(make([]byte, 0, 128+len(r.topic)+len(r.clientID)), protocol.Fetch, r.version, r.clientID))

	b = be.AppendUint32(b, ^uint32(0)) // no replica
	b = be.AppendUint32(b, uint32(r.waitMS))
	b = be.AppendUint32(b, 1) // answer as soon as there is anything
	b = be.AppendUint32(b, uint32(r.maxBytes))
	b = append(b, byte(r.isolation))
	if r.version >= 7 {
		b = be.AppendUint32(b, 0)          // no session
		b = be.AppendUint32(b, ^uint32(0)) // and none wanted
	}
	b = one(b)
	if compact {
		b = append(b, r.id[:]...)
	} else {
		b = appendString(b, r.topic)
	}
	b = one(b)
	b = be.AppendUint32(b, uint32(r.partition))
	if r.version >= 9 {
		b = be.AppendUint32(b, ^uint32(0)) // whatever the leader's epoch
	}
	b = be.AppendUint64(b, uint64(r.offset))
	if compact {
		b = be.AppendUint32(b, ^uint32(0)) // and whatever that of the last record
	}
	if r.version >= 5 {
		b = be.AppendUint64(b, ^uint64(0)) // the log start, for followers only
	}
	b = be.AppendUint32(b, uint32(r.maxBytes))
	b = tags(tags(b)) // of the partition, and of the topic
	switch {
	case compact:
		return append(b, 1, 1, 0) // nothing to forget, no rack: always the leader; no tags
	case r.version >= 7:
		b = be.AppendUint32(b, 0) // nothing to forget
	}
	if r.version >= 11 {
		b = appendString(b, "") // no rack
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// parseFetch reads the answer to a request for one partition.
func parseFetch(body []byte, version int16) (*fetchResponse, error) {
	c := cursor{b: body}
	if err := c.answers(); err != nil {
		return nil, err
	}
	if version >= fetchByID {
		return parseFetchByID(c, body)
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
	res.bounds(&c, version)
	for range c.count(16) {
		res.aborted = append(res.aborted, abortedTransaction{producer: c.int64(), first: c.int64()})
	}
	if version >= 11 {
		c.int32() // preferred replica
	}
	if n := c.int32(); n > 0 {
		res.batches = c.take(int(n))
	}
	return res.whole(c)
}

// parseFetchByID reads, after the header, a version with fields of variable size.
func parseFetchByID(c cursor, body []byte) (*fetchResponse, error) {
	c.tags()
	res := &fetchResponse{buffer: body, throttleMS: c.int32()}
	res.code = c.int16()
	c.int32() // session
	if topics := c.compactCount(1); topics != 1 {
		return res.partial(c, "topics", int32(topics))
	}
	c.take(len(topicID{}))
	if partitions := c.compactCount(1); partitions != 1 {
		return res.partial(c, "partitions", int32(partitions))
	}
	c.int32() // partition
	res.bounds(&c, fetchByID)
	for range c.compactCount(17) {
		res.aborted = append(res.aborted, abortedTransaction{producer: c.int64(), first: c.int64()})
		c.tags()
	}
	c.int32() // preferred replica
	res.batches = c.compact()
	c.tags()
	return res.whole(c)
}

// bounds reads a partition's code and where its log ends.
func (r *fetchResponse) bounds(c *cursor, version int16) {
	if code := c.int16(); code != 0 {
		r.code = code
	}
	r.end, r.stable = c.int64(), c.int64()
	if version >= 5 {
		c.int64() // log start
	}
}

func (r *fetchResponse) whole(c cursor) (*fetchResponse, error) {
	if c.short {
		return nil, errShort
	}
	return r, nil
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

// answers reads the header of a response, version 0.
func (c *cursor) answers() error {
	if id := c.int32(); id != correlationID && !c.short {
		return fmt.Errorf("the answer to another request (%d)", id)
	}
	return nil
}

// uvarint reads a number.
func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || c.short {
		c.short = true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// compactCount is count where the length stands with one added.
func (c *cursor) compactCount(size int) int {
	n := c.uvarint()
	if n > uint64(len(c.b)/size)+1 {
		c.short = true
	}
	if c.short || n == 0 {
		return 0
	}
	return int(n) - 1
}

// compact reads as many bytes as a compactCount says; 0 is null.
func (c *cursor) compact() []byte {
	n := c.compactCount(1)
	if n == 0 {
		return nil
	}
	return c.take(n)
}

// tags reads fields that older readers do not know, and that are not needed here.
func (c *cursor) tags() {
	for n := c.uvarint(); n > 0 && !c.short; n-- {
		c.uvarint()
		c.take(int(min(c.uvarint(), maxResponse)))
	}
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
