package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// An endless source hands out the same messages until n are settled.
type endless struct {
	values [][]byte
	slots  chan struct{} // one for each message in flight
	left   int           // to hand out
	done   chan struct{} // one for each settled message
}

func (e *endless) Fetch(ctx context.Context) ([]*Message, error) {
	if e.left == 0 {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	var ms []*Message
	for ; e.left > 0 && len(ms) < 500; e.left-- {
		e.slots <- struct{}{}
		m := Message{ID: "x", Value: e.values[e.left%len(e.values)], Origin: Origin{Topic: "texts", Time: time.Now()}}
		ms = append(ms, NewMessage(m, func() bool {
			<-e.slots
			e.done <- struct{}{}
			return true
		}))
	}
	return ms, nil
}

func (e *endless) Backlog() Backlog { return Backlog{} }

type nowhere struct{}

func (nowhere) Publish(context.Context, []Result) error { return nil }

func (nowhere) Write(context.Context, []DeadLetter) error { return nil }

// BenchmarkPipeline is what everything but the model costs a message: a text of
// 14 words, a model that takes no time, a publisher that takes none.
func BenchmarkPipeline(b *testing.B) {
	text := "7 the quick brown fox jumps over 13 lazy dogs and then it sleeps"
	for name, value := range map[string]string{"text": text, "json": fmt.Sprintf(`{"id":12,"user":"u","text":%q,"at":1777636800}`, text)} {
		b.Run(name, func(b *testing.B) {
			source := &endless{values: [][]byte{[]byte(value)}, slots: make(chan struct{}, 20_000), left: b.N, done: make(chan struct{}, 1000)}
			cfg := Config{
				MaxTokens: 128, Truncate: "right", BatchTokens: 2048, Mode: Auto,
				Input: Input(name), InputText: "text", MaxMessageBytes: MiB, Drain: time.Minute,
			}
			p, err := New(cfg, Parts{
				Source: source, DeadLetters: nowhere{}, Tokenizer: newTokenizer(b), Encoder: &script{stages: 3}, Publisher: nowhere{},
				Labels: []string{"no", "yes"}, Layers: []int{1, 2, 4}, Rungs: rungs,
				Metrics: NewMetrics(prometheus.NewRegistry(), 3), Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(b.Context())
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				for range b.N {
					<-source.done
				}
				stop()
			}()
			if err := p.Run(ctx); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
