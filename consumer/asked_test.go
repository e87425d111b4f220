package consumer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/compress/snappy"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// zstdOf is a frame with the given header, after its magic number, and one raw
// block of one byte.
func zstdOf(header ...byte) []byte {
	return slices.Concat([]byte{0x28, 0xb5, 0x2f, 0xfd}, header, []byte{1 | 1<<3, 0, 0, 'x'})
}

// framedSnappy is a block of Snappy behind the header of Java's producers.
func framedSnappy(size uint32, block []byte) []byte {
	return slices.Concat(xerial, make([]byte, 8), binary.BigEndian.AppendUint32(nil, size), block)
}

// TestBombsOfCompression ask for gigabytes with a few bytes. They are errors,
// and take no memory to speak of.
func TestBombsOfCompression(t *testing.T) {
	huge := binary.AppendUvarint(nil, 4<<30-1)
	for _, tt := range []struct {
		name    string
		kind    compress.Compression
		payload []byte
		want    string
	}{
		{"a block of Snappy", compress.Snappy, append(huge, 0, 'x'), "4294967295 bytes at once"},
		{"a block of Snappy in a frame", compress.Snappy, framedSnappy(7, append(huge, 0, 'x')), "4294967295 bytes at once"},
		{"a second one", compress.Snappy, append(framedSnappy(3, []byte{1, 0, 'x'}), framedSnappy(7, append(huge, 0, 'x'))[16:]...), "4294967295 bytes at once"},
		{"a frame of Snappy that is not there", compress.Snappy, framedSnappy(3<<30, []byte{1, 0, 'x'}), "more bytes than there are"},
		{"a window of Zstandard", compress.Zstd, zstdOf(0, 19<<3), "536870912 bytes at once"},
		{"a window of one segment", compress.Zstd, zstdOf(2<<6|1<<5, 0, 0, 0, 0x70), "1879048192 bytes at once"},
		{"a second frame of Zstandard", compress.Zstd, append(zstdOf(0, 0), zstdOf(0, 19<<3+1)...), "603979776 bytes at once"},
		{"one after a frame to be skipped", compress.Zstd, append([]byte{0x5a, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9}, zstdOf(0, 21<<3)...), "2147483648 bytes at once"},
		{"a frame to be skipped that is not there", compress.Zstd, []byte{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0x7f, 9}, "more bytes than there are"},
		{"a block of Zstandard that is not there", compress.Zstd, zstdOf(0, 0)[:8], "more bytes than there are"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := readAll(rawBatch(kmsg.RecordBatch{Attributes: int16(tt.kind), NumRecords: 1, Records: tt.payload}))
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), "asks for too much: "+tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 32<<20 {
				t.Errorf("%d bytes of memory were taken", took)
			}
		})
	}
}

// TestWhatIsCompressedByOthersAsksForLittle reads payloads of many sizes, as
// encoders write them: nothing of them is refused. What is put behind them, as a
// second frame, is none of ours.
func TestWhatIsCompressedByOthersAsksForLittle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, codec := range []compress.Codec{
		compress.Gzip.Codec(), compress.Snappy.Codec(), &snappy.Codec{Framing: snappy.Unframed}, compress.Lz4.Codec(), compress.Zstd.Codec(),
	} {
		for _, size := range []int{1, 10, 255, 256, 1000, 70_000, 300_000, 3 << 20} {
			t.Run(fmt.Sprintf("%s of %d bytes", codec.Name(), size), func(t *testing.T) {
				text := make([]byte, size)
				for i := range text {
					text[i] = "how do I return my order?"[r.IntN(25)]
				}
				var packed bytes.Buffer
				w := codec.NewWriter(&packed)
				if _, err := w.Write(textRecord(0, string(text))); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				payloads := [][]byte{packed.Bytes()}
				if codec.Name() != "snappy" { // has one header for all frames
					payloads = append(payloads, bytes.Repeat(packed.Bytes(), 2))
				}
				for _, payload := range payloads {
					got, err := readAll(rawBatch(kmsg.RecordBatch{Attributes: int16(codec.Code()), NumRecords: 1, Records: payload}))
					if err != nil || len(got) != 1 || !bytes.Equal(got[0].value, text) {
						t.Errorf("got %d records and %v, want the text", len(got), err)
					}
				}
			})
		}
	}
}
