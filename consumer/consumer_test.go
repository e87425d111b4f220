package consumer

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestMessagesComeAsTheyWereWritten(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produceRecords(t, cl,
		&kgo.Record{Topic: testTopic, Key: []byte("k"), Value: []byte("text"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}, {Key: "null"}}},
		&kgo.Record{Topic: testTopic, Value: nil},
		&kgo.Record{Topic: testTopic, Value: []byte{}},
	)
	w := startWorker(t, c, func(_ *Config, _ *Intake, p *Parts, _ *tuning) { p.IDSuffix = "-again" })
	ms := w.take(t, 3)
	m := ms[0]
	if string(m.Key) != "k" || string(m.Value) != "text" || len(m.Headers) != 2 || m.Headers[0].Key != "h" || string(m.Headers[0].Value) != "v" || m.Headers[1].Value != nil {
		t.Errorf("got %+v, want key k, value text, header h=v and a null header", m)
	}
	if ms[1].Value != nil || ms[1].Key != nil {
		t.Errorf("a tombstone came with value %q and key %q, want nil", ms[1].Value, ms[1].Key)
	}
	if ms[2].Value == nil || len(ms[2].Value) != 0 {
		t.Errorf("an empty value came as %v, want empty and not nil", ms[2].Value)
	}
	o := ms[2].Origin
	if o.Cluster != "cluster" || o.Topic != testTopic || o.Partition != 0 || o.Offset != 2 || o.Time.IsZero() {
		t.Errorf("origin %+v, want cluster, topic, partition 0, offset 2 and a time", o)
	}
	topic := "in:" + topicID(c.TopicInfo(testTopic).TopicID).String()
	if want := "cluster/g/" + topic + "/0/2/" + itoa(o.Time.UnixMilli()) + "-again"; ms[2].ID != want {
		t.Errorf("id %q, want %q", ms[2].ID, want)
	}
}

func TestCommitsFollowTheLowestUnsettledMessage(t *testing.T) {
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 10)
	w := startWorker(t, c)
	ms := w.take(t, 10)
	settle(ms[5:]...)
	settle(ms[:3]...)
	awaitCommit(t, c, 0, 3)
	settle(ms[3:5]...)
	awaitCommit(t, c, 0, 10)
}

func TestStopSettlesCommitsAndLeaves(t *testing.T) {
	c := newCluster(t, 3)
	cl := newClient(t, c)
	for p := range 3 {
		produce(t, cl, p, 100)
	}
	w := startWorker(t, c)
	ms := w.take(t, 300)
	w.stop()
	if _, err := w.Fetch(context.Background()); !errors.Is(err, ErrStopped) {
		t.Errorf("Fetch after the stop: got %v, want ErrStopped", err)
	}
	slices.Reverse(ms)
	settle(ms...)
	w.quit(t)
	for p := range 3 {
		if got := committed(c, p); got != 100 {
			t.Errorf("partition %d is committed at %d, want 100", p, got)
		}
	}
	if g := c.GroupInfo(testGroup); len(g.Members) != 0 {
		t.Errorf("%d members are left, want none", len(g.Members))
	}
	if got := value(t, w.metrics.abandoned); got != 0 {
		t.Errorf("abandoned %v, want 0", got)
	}
}
