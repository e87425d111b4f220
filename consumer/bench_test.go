package consumer

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkConsume reads and settles messages of 200 bytes from six partitions
// of a Kafka in this process, which takes its share of the CPU.
func BenchmarkConsume(b *testing.B) {
	const partitions = 6
	c := newCluster(b, partitions)
	cl := newClient(b, c)
	value := bytes.Repeat([]byte("x"), 200)
	for from := 0; from < b.N; {
		var rs []*kgo.Record
		for ; from < b.N && len(rs) < 30000; from++ {
			rs = append(rs, &kgo.Record{Topic: testTopic, Partition: int32(from % partitions), Value: value})
		}
		produceRecords(b, cl, rs...)
	}
	b.ReportAllocs()
	b.ResetTimer()
	w := startWorker(b, c)
	for read := 0; read < b.N; {
		ms := w.take(b, 1)
		settle(ms...)
		read += len(ms)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
