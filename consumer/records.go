package consumer

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/segmentio/kafka-go/compress"

	"sweetspot/pipeline"
)

// A batch is a record batch (format 2, the only one that producers have
// written since Kafka 0.11) as it lies in the log.
type batch struct {
	first, last int64 // the offsets it covers, whether or not records are left there
	attributes  int16
	producer    int64
	count       int32 // records left in it
	firstTime   int64 // Unix ms
	maxTime     int64
	payload     []byte // the records, perhaps compressed
	raw         []byte // the whole of it
}

// A record is one record of a batch.
type record struct {
	offset  int64
	time    int64 // Unix ms; -1 where it has none
	key     []byte
	value   []byte // nil for a tombstone
	headers []pipeline.Header
	defect  *pipeline.Defect // why it is not whole; nil for nearly all
}

const (
	batchHeader  = 61 // bytes before the payload
	batchPrefix  = 12 // first offset and length, which the length does not count
	batchMagicAt = 16
	batchSumAt   = 17
	batchSummed  = 21 // where the summed bytes begin

	compression   = 0x07 // bits of the attributes
	logAppendTime = 0x08
	transactional = 0x10
	control       = 0x20

	abortMarker = 0        // type in a control record's key
	largestBody = 64 << 20 // of one record, unless the byte bound allows more
	headerBytes = 40       // of a header in memory, which may take 2 in the log
)

// errCut says that the broker cut the last batch of a response to fit. The
// next fetch starts with it.
var errCut = errors.New("a batch that the response cuts off")

// tooLarge is the defect of a record that would take more memory than the worker
// may hold. A record is read as a whole, before it counts against the budget, and
// a small compressed batch can hold a huge one, or one of a million headers: a
// worker that tried would run out of memory, and so would the next.
func tooLarge(format string, args ...any) *pipeline.Defect {
	return &pipeline.Defect{Reason: pipeline.TooLarge, Err: fmt.Errorf(format, args...)}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (b *batch) is(bit int16) bool { return b.attributes&bit != 0 }

// nextBatch splits the first batch off b. Where the batch is damaged but its
// header can be read, it is returned with the error.
func nextBatch(b []byte) (batch, []byte, error) {
	if len(b) < batchHeader {
		return batch{}, nil, errCut
	}
	first, length := int64(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[8:]))
	bad := batch{first: first, last: first}
	if magic := b[batchMagicAt]; magic != 2 {
		return bad, nil, fmt.Errorf("message format %d, written before Kafka 0.11, is not supported", magic)
	}
	if length < batchHeader-batchPrefix {
		return bad, nil, fmt.Errorf("a batch that says it has %d bytes", length)
	}
	if int64(length) > int64(len(b)-batchPrefix) {
		return bad, nil, errCut
	}
	whole, rest := b[:batchPrefix+int(length)], b[batchPrefix+int(length):]
	c := cursor{b: whole[batchSummed:]}
	got := batch{first: first, attributes: c.int16()}
	got.last = first + int64(c.int32())
	got.firstTime, got.maxTime = c.int64(), c.int64()
	got.producer = c.int64()
	c.int16() // producer epoch
	c.int32() // first sequence
	got.count = c.int32()
	got.payload, got.raw = c.b, whole
	want := binary.BigEndian.Uint32(whole[batchSumAt:])
	if sum := crc32.Checksum(whole[batchSummed:], castagnoli); sum != want {
		return bad, nil, fmt.Errorf("its checksum is %08x, but its bytes sum to %08x", want, sum)
	}
	if got.count < 0 || got.last < first {
		return bad, nil, fmt.Errorf("a batch of %d records from offset %d to %d", got.count, first, got.last)
	}
	return got, rest, nil
}

// A recordReader reads the records of batches, one by one: a compressed batch
// is never held uncompressed as a whole.
type recordReader struct {
	most     int // bytes of one record; 0 is largestBody
	buffered *bufio.Reader
	batch    batch
	left     int32
	close    func() error
}

// reset starts on b.
func (r *recordReader) reset(b batch) error {
	r.batch, r.left = b, b.count
	var source io.Reader = bytes.NewReader(b.payload)
	r.close = func() error { return nil }
	if kind := compress.Compression(b.attributes & compression); kind != 0 {
		if kind > compress.Zstd {
			return fmt.Errorf("unknown compression %d", kind)
		}
		if err := asked(kind, b.payload, r.limit()); err != nil {
			return err
		}
		codec := kind.Codec().NewReader(source)
		source, r.close = codec, codec.Close
	}
	if r.buffered == nil {
		r.buffered = bufio.NewReader(source)
	}
	r.buffered.Reset(source)
	return nil
}

// next returns the next record, and [io.EOF] after the last. The record keeps
// nothing of the batch in memory.
func (r *recordReader) next() (record, error) {
	if r.left == 0 {
		return record{}, io.EOF
	}
	n, err := binary.ReadVarint(r.buffered)
	if err != nil {
		return record{}, fmt.Errorf("reading a record's length: %w", unexpected(err))
	}
	if n < 0 || n > math.MaxInt32 {
		return record{}, fmt.Errorf("a record of %d bytes", n)
	}
	r.left--
	if int(n) > r.limit() {
		return r.passOver(int(n))
	}
	body, err := readBody(r.buffered, int(n))
	if err != nil {
		return record{}, fmt.Errorf("reading a record: %w", unexpected(err))
	}
	return r.parse(body)
}

// limit is how much memory a record may take.
func (r *recordReader) limit() int { return cmp.Or(r.most, largestBody) }

// passOver reads over the body, of n bytes, of a record that is too large. Only
// where it stands is kept of it.
func (r *recordReader) passOver(n int) (record, error) {
	const start = 1 + 2*binary.MaxVarintLen64 // attributes, time and offset
	head, err := r.buffered.Peek(min(n, start))
	if err == nil {
		head = bytes.Clone(head)
		_, err = r.buffered.Discard(n)
	}
	if err != nil {
		return record{}, fmt.Errorf("reading over a record of %d bytes: %w", n, unexpected(err))
	}
	c := cursor{b: head}
	rec := r.place(&c)
	rec.defect = tooLarge("the record takes %d bytes, the most that is held is %d: its key, its value and its headers are "+leftOut, n, r.limit())
	return rec, r.check(rec, c)
}

// readBody reads n bytes. It believes a large n only as the bytes come.
func readBody(r io.Reader, n int) ([]byte, error) {
	const trusted = 64 << 10
	body := make([]byte, min(n, trusted))
	for read := 0; ; {
		m, err := io.ReadFull(r, body[read:])
		if read += m; err != nil || read == n {
			return body, err
		}
		more := make([]byte, min(n, 2*read))
		copy(more, body)
		body = more
	}
}

func (r *recordReader) parse(body []byte) (record, error) {
	c := cursor{b: body}
	rec := r.place(&c)
	rec.key, rec.value = c.bytes(), c.bytes()
	n := c.varint()
	if n < 0 || n > int64(len(c.b)) {
		return record{}, fmt.Errorf("the record at offset %d has %d headers", rec.offset, n)
	}
	if size := len(body) + int(n)*headerBytes; size > r.limit() {
		rec.defect = tooLarge("the record takes %d bytes, the most that is held is %d: its %d headers are "+leftOut, size, r.limit(), n)
		return rec, r.check(rec, c)
	}
	if n > 0 {
		rec.headers = make([]pipeline.Header, n)
	}
	for i := range rec.headers {
		rec.headers[i] = pipeline.Header{Key: string(c.bytes()), Value: c.bytes()}
	}
	return rec, r.check(rec, c)
}

// place reads the start of a record: when and where it was written.
func (r *recordReader) place(c *cursor) record {
	c.int8() // attributes, unused
	rec := record{time: r.batch.firstTime + c.varint()}
	rec.offset = r.batch.first + c.varint()
	if r.batch.is(logAppendTime) {
		rec.time = r.batch.maxTime
	}
	return rec
}

// check returns an error where rec, which c has read, cannot be.
func (r *recordReader) check(rec record, c cursor) error {
	if c.short || rec.offset < r.batch.first || rec.offset > r.batch.last {
		return fmt.Errorf("the record at offset %d does not add up", rec.offset)
	}
	return nil
}

// unexpected turns the end of the input into an error: more was promised.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
