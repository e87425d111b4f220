package publish

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/pipeline"
)

// BenchmarkPublish publishes results to a stream on disk, by as many calls at
// once as the pipeline makes. Client and server share the machine.
func BenchmarkPublish(b *testing.B) {
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: b.TempDir(), NoSigs: true, NoLog: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	srv.Start()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(patience) {
		b.Fatal("the server does not start")
	}
	cfg := config(srv.ClientURL())
	cfg.CreateStream = true
	j, err := Open(b.Context(), cfg, stamp, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer j.nc.Close()
	const calls, size = 8, 100
	batches := make(chan int)
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range calls {
		wg.Go(func() {
			for from := range batches {
				rs := results(min(size, b.N-from))
				for i := range rs {
					rs[i].Message = pipeline.NewMessage(pipeline.Message{ID: fmt.Sprintf("%d/%d", b.N, from+i), Origin: rs[i].Message.Origin}, nil)
				}
				if err := j.Publish(b.Context(), rs); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for from := 0; from < b.N; from += size {
		batches <- from
	}
	close(batches)
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "results/s")
	if info, err := j.js.Stream(b.Context(), cfg.Stream); err != nil || info.CachedInfo().Config.Storage != jetstream.FileStorage {
		b.Errorf("the stream is not what was measured: %v", err)
	}
}
