package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sweetspot/pipeline"
)

// rawBatch returns a record batch as it lies in a log, with a right checksum.
func rawBatch(b kmsg.RecordBatch) []byte {
	b.Magic = 2
	b.PartitionLeaderEpoch = -1
	return seal(b.AppendTo(nil))
}

// seal sets the length and the checksum of a batch.
func seal(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-batchPrefix))
	binary.BigEndian.PutUint32(raw[batchSumAt:], crc32.Checksum(raw[batchSummed:], castagnoli))
	return raw
}

// rawRecord returns a record with the length that it needs.
func rawRecord(r kmsg.Record) []byte {
	body := r.AppendTo(nil)[1:] // a length of 0 takes one byte
	return append(binary.AppendVarint(nil, int64(len(body))), body...)
}

func textRecord(delta int32, text string) []byte {
	return rawRecord(kmsg.Record{OffsetDelta: delta, TimestampDelta64: int64(delta), Value: []byte(text)})
}

// plainBatch returns a batch of one text a record.
func plainBatch(first int64, attributes int16, producer int64, texts ...string) []byte {
	var records []byte
	for i, text := range texts {
		records = append(records, textRecord(int32(i), text)...)
	}
	return rawBatch(kmsg.RecordBatch{
		FirstOffset: first, Attributes: attributes, LastOffsetDelta: int32(len(texts) - 1), NumRecords: int32(len(texts)),
		FirstTimestamp: 1000, MaxTimestamp: 2000, ProducerID: producer, Records: records,
	})
}

// readAll returns the records of the first batch in raw.
func readAll(raw []byte) ([]record, error) {
	b, _, err := nextBatch(raw)
	if err != nil {
		return nil, err
	}
	var r recordReader
	if err := r.reset(b); err != nil {
		return nil, err
	}
	defer func() { _ = r.close() }()
	var all []record
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, rec)
	}
}

func texts(rs []record) []string {
	var ts []string
	for _, r := range rs {
		ts = append(ts, string(r.value))
	}
	return ts
}

func TestRecordsOfABatch(t *testing.T) {
	got, err := readAll(plainBatch(40, 0, -1, "a", "b", "c"))
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	equal(t, texts(got), []string{"a", "b", "c"})
	if r := got[2]; r.offset != 42 || r.time != 1002 {
		t.Errorf("the third record is at %d, time %d, want 42 and 1002", r.offset, r.time)
	}
}

func TestLogAppendTimeIsTheTimeOfEveryRecord(t *testing.T) {
	got, err := readAll(plainBatch(0, logAppendTime, -1, "a", "b"))
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	if got[0].time != 2000 || got[1].time != 2000 {
		t.Errorf("times %d and %d, want the batch's 2000", got[0].time, got[1].time)
	}
}

func TestCompressedRecords(t *testing.T) {
	long := strings.Repeat("how do I return my order? ", 20000) // 520 kB: more than is trusted at once
	for _, kind := range []compress.Compression{compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd} {
		t.Run(kind.String(), func(t *testing.T) {
			var packed bytes.Buffer
			w := kind.Codec().NewWriter(&packed)
			for i, text := range []string{"short", long} {
				if _, err := w.Write(textRecord(int32(i), text)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got, err := readAll(rawBatch(kmsg.RecordBatch{
				Attributes: int16(kind), LastOffsetDelta: 1, NumRecords: 2, Records: packed.Bytes(),
			}))
			if err != nil {
				t.Fatalf("reading: %v", err)
			}
			equal(t, texts(got), []string{"short", long})
		})
	}
}

// TestRecordsTooLargeToHold has one such record between two others: one of many
// headers, which take twenty times their bytes in the log, and one of a long
// value.
func TestRecordsTooLargeToHold(t *testing.T) {
	key, text := []byte("k"), []byte("text")
	for _, tt := range []struct {
		name   string
		record kmsg.Record
		most   int
		defect string
		value  []byte
	}{
		{"headers that fit", kmsg.Record{Key: key, Value: text, Headers: make([]kmsg.Header, 100)}, 4500, "", text},
		{"headers that do not", kmsg.Record{Key: key, Value: text, Headers: make([]kmsg.Header, 100)}, 4000, "its 100 headers are left out", text},
		{"a value that does not", kmsg.Record{Key: key, Value: make([]byte, 8000)}, 4000, "its key, its value and its headers are left out", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.record.OffsetDelta, tt.record.TimestampDelta64 = 1, 1
			payload := bytes.Join([][]byte{textRecord(0, "a"), rawRecord(tt.record), textRecord(2, "c")}, nil)
			b, _, err := nextBatch(rawBatch(kmsg.RecordBatch{FirstOffset: 40, FirstTimestamp: 1000, NumRecords: 3, LastOffsetDelta: 2, Records: payload}))
			if err != nil {
				t.Fatal(err)
			}
			r := recordReader{most: tt.most}
			if err := r.reset(b); err != nil {
				t.Fatal(err)
			}
			var got [3]record
			for i := range got {
				if got[i], err = r.next(); err != nil {
					t.Fatalf("record %d: %v", i, err)
				}
			}
			if _, err := r.next(); !errors.Is(err, io.EOF) {
				t.Errorf("got %v after the last, want EOF", err)
			}
			equal(t, []string{string(got[0].value), string(got[1].value), string(got[2].value)}, []string{"a", string(tt.value), "c"})
			large := got[1]
			if large.offset != 41 || large.time != 1001 {
				t.Errorf("it stands at %d, time %d, want 41 and 1001", large.offset, large.time)
			}
			if tt.defect == "" {
				if large.defect != nil || len(large.headers) != 100 {
					t.Errorf("got defect %+v and %d headers, want none and 100", large.defect, len(large.headers))
				}
				return
			}
			if d := large.defect; d == nil || d.Reason != pipeline.TooLarge || !strings.Contains(d.Err.Error(), tt.defect) || len(large.headers) != 0 {
				t.Errorf("got defect %+v and %d headers, want %s", d, len(large.headers), tt.defect)
			}
		})
	}
}

func TestDamagedBatches(t *testing.T) {
	good := plainBatch(7, 0, -1, "a", "b")
	change := func(at int, b byte) []byte {
		raw := bytes.Clone(good)
		raw[at] = b
		return raw
	}
	short := func(records []byte) []byte {
		return rawBatch(kmsg.RecordBatch{FirstOffset: 7, NumRecords: 1, Records: records})
	}
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"an old format", change(batchMagicAt, 1), "message format 1"},
		{"another byte in a record", change(len(good)-2, 'x'), "checksum"},
		{"a length below the header", change(11, 3), "says it has"},
		{"fewer records than promised", rawBatch(kmsg.RecordBatch{NumRecords: 2, LastOffsetDelta: 1, Records: textRecord(0, "a")}), "unexpected EOF"},
		{"a negative count", rawBatch(kmsg.RecordBatch{NumRecords: -1}), "-1 records"},
		{"a last offset before the first", rawBatch(kmsg.RecordBatch{LastOffsetDelta: -5}), "to -5"},
		{"an unknown compression", rawBatch(kmsg.RecordBatch{Attributes: 5, NumRecords: 1}), "unknown compression 5"},
		{"gzip that is none", rawBatch(kmsg.RecordBatch{Attributes: 1, NumRecords: 1, Records: []byte("not gzip")}), "record"},
		{"a record longer than the batch", short(binary.AppendVarint(nil, 1<<20)), "unexpected EOF"},
		{"a record of negative length", short(binary.AppendVarint(nil, -4)), "-4 bytes"},
		{"a record of absurd length", short(binary.AppendVarint(nil, 1<<40)), "a record of 1099511627776 bytes"},
		{"a record too large to hold, which is not there", short(binary.AppendVarint(nil, largestBody+1)), "unexpected EOF"},
		{"an offset outside its batch", short(textRecord(9, "a")), "does not add up"},
		{"more headers than bytes", short(append(binary.AppendVarint(nil, 7), 0, 0, 0, 1, 1, 0x80, 0x10)), "headers"},
		{"a value longer than its record", short([]byte{2 * 6, 0, 0, 0, 1, 100, 0}), "does not add up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readAll(tt.raw)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestCutBatches(t *testing.T) {
	good := plainBatch(7, 0, -1, "a", "b")
	for n := 1; n < len(good); n++ {
		if _, _, err := nextBatch(good[:n]); !errors.Is(err, errCut) {
			t.Fatalf("%d of %d bytes: got %v, want errCut", n, len(good), err)
		}
	}
}

func TestAbortedTransactions(t *testing.T) {
	const data, marker = transactional, transactional | control
	markerOf := func(first, producer int64, kind byte) []byte {
		return rawBatch(kmsg.RecordBatch{
			FirstOffset: first, Attributes: marker, ProducerID: producer, NumRecords: 1,
			Records: rawRecord(kmsg.Record{Key: []byte{0, 0, 0, kind}, Value: []byte{0, 0, 0, 0, 0, 0}}),
		})
	}
	abort := func(first, producer int64) []byte { return markerOf(first, producer, 0) }
	commit := func(first, producer int64) []byte { return markerOf(first, producer, 1) }
	log := bytes.Join([][]byte{
		plainBatch(0, data, 1, "a0", "a1"), // aborted
		plainBatch(2, data, 2, "b0"),       // committed, in between
		abort(3, 1),
		plainBatch(4, data, 1, "c0"), // the same producer, committed
		plainBatch(5, 0, 1, "d0"),    // not in a transaction
		commit(6, 2),
		commit(7, 1),
		plainBatch(8, data, 1, "e0"), // aborted
		abort(9, 1),
	}, nil)
	for _, tt := range []struct {
		name    string
		aborted []abortedTransaction
		want    []string
	}{
		{"as listed", []abortedTransaction{{1, 0}, {1, 8}}, []string{"b0", "c0", "d0"}},
		{"not in order", []abortedTransaction{{1, 8}, {1, 0}}, []string{"b0", "c0", "d0"}},
		{"none listed", nil, []string{"a0", "a1", "b0", "c0", "d0", "e0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newAbortFilter(tt.aborted)
			var got []string
			var records recordReader
			for rest := log; len(rest) > 0; {
				b, tail, err := nextBatch(rest)
				if err != nil {
					t.Fatal(err)
				}
				hidden, err := f.hides(&b, &records)
				if err != nil {
					t.Fatal(err)
				}
				if !hidden && !b.is(control) {
					rs, err := readAll(rest)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, texts(rs)...)
				}
				rest = tail
			}
			equal(t, got, tt.want)
		})
	}
}

// FuzzRecords reads records out of any bytes: an error, or as many records as
// the batch says, all within its offsets. Never a panic, never more memory
// than the bytes account for.
func FuzzRecords(f *testing.F) {
	f.Add(int16(0), int32(2), int32(1), append(textRecord(0, "a"), textRecord(1, "b")...))
	f.Add(int16(1), int32(1), int32(0), []byte("\x1f\x8b not gzip"))
	f.Add(int16(2), int32(1), int32(0), framedSnappy(3, []byte{1, 0, 'x'}))
	f.Add(int16(4), int32(1), int32(0), zstdOf(2<<6|1<<5, 1, 0, 0, 0))
	f.Add(int16(0), int32(1), int32(0), rawRecord(kmsg.Record{Key: []byte("k"), Headers: []kmsg.Header{{Key: "h", Value: []byte("v")}}}))
	f.Fuzz(func(t *testing.T, attributes int16, count, last int32, payload []byte) {
		got, err := readAll(rawBatch(kmsg.RecordBatch{
			FirstOffset: 5, Attributes: attributes, NumRecords: count, LastOffsetDelta: last, Records: payload,
		}))
		if err != nil {
			return
		}
		if len(got) != int(count) {
			t.Errorf("%d records, want %d", len(got), count)
		}
		for _, r := range got {
			if r.offset < 5 || r.offset > 5+int64(last) {
				t.Errorf("offset %d outside 5 to %d", r.offset, 5+int64(last))
			}
		}
	})
}

// FuzzBatches splits any bytes into batches.
func FuzzBatches(f *testing.F) {
	f.Add(append(plainBatch(0, 0, -1, "a"), plainBatch(1, 0, -1, "b")...))
	f.Add(plainBatch(0, 0, -1, "a")[:40])
	f.Fuzz(func(t *testing.T, raw []byte) {
		for rest := raw; len(rest) > 0; {
			b, tail, err := nextBatch(rest)
			if err != nil {
				return
			}
			if len(tail) >= len(rest) || b.last < b.first || len(b.payload) > len(rest) {
				t.Fatalf("batch %d to %d of %d bytes leaves %d of %d", b.first, b.last, len(b.payload), len(tail), len(rest))
			}
			rest = tail
		}
	})
}
