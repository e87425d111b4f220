package sandbox

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/segmentio/kafka-go"
)

func TestSandboxServes(t *testing.T) {
	s, err := Start(t.Context(), Options{Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &kafka.Writer{Addr: kafka.TCP(s.Brokers()...), Topic: Topic, RequiredAcks: kafka.RequireAll, BatchSize: 1}
	defer w.Close()
	if err := w.WriteMessages(t.Context(), kafka.Message{Value: []byte("where is my parcel")}); err != nil {
		t.Fatal(err)
	}
	if got := s.Lag(Group); got != 1 {
		t.Errorf("lag = %d, want 1", got)
	}

	publish := func(id string) *jetstream.PubAck {
		nc, js, err := s.JetStream()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		ack, err := js.Publish(t.Context(), "sweet.texts.late", []byte("{}"), jetstream.WithMsgID(id))
		if err != nil {
			t.Fatal(err)
		}
		return ack
	}
	publish("a")
	s.StopNATS()
	if err := s.StartNATS(); err != nil {
		t.Fatal(err)
	}
	if ack := publish("a"); !ack.Duplicate {
		t.Error("the stream forgot a message id over a restart of NATS")
	}
}
