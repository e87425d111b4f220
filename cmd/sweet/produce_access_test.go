package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sweetspot/config/access/accesstest"
)

// TestProduceLogsInAsTheWorkerDoes sends to a Kafka that wants TLS and a login.
func TestProduceLogsInAsTheWorkerDoes(t *testing.T) {
	const topic, password = "texts", "wonderland-7"
	kit := accesstest.NewKit(t, "authority")
	cert, err := kit.Server().TLS()
	if err != nil {
		t.Fatal(err)
	}
	write := kfake.ACL{
		Resource: kmsg.ACLResourceTypeTopic, Name: topic, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationWrite, Allow: true,
	}
	read := write
	read.Operation = kmsg.ACLOperationRead
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.SeedTopics(1, topic), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}),
		kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.User("SCRAM-SHA-512", "writer", password, write), kfake.User("SCRAM-SHA-512", "reader", password, read),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	t.Setenv("SWEET_KAFKA_BROKERS", strings.Join(cluster.ListenAddrs(), ","))
	t.Setenv("SWEET_KAFKA_TOPICS", topic)
	t.Setenv("SWEET_KAFKA_TLS", "true")
	t.Setenv("SWEET_KAFKA_TLS_CA", kit.CA())
	t.Setenv("SWEET_KAFKA_SASL", "scram-sha-512")
	t.Setenv("SWEET_KAFKA_PASSWORD_FILE", kit.File("password", password+"\n"))

	t.Setenv("SWEET_KAFKA_USER", "writer")
	if err := sweet(t.Context(), "one\ntwo\n", io.Discard, "produce"); err != nil {
		t.Errorf("as a user who may write: %v", err)
	}
	if got := cluster.PartitionInfo(topic, 0).HighWatermark; got != 2 {
		t.Errorf("the topic holds %d messages, want 2", got)
	}
	t.Setenv("SWEET_KAFKA_USER", "reader")
	if err := sweet(t.Context(), "three\n", io.Discard, "produce"); err == nil || !strings.Contains(err.Error(), "user reader may not WRITE topic texts") {
		t.Errorf("as a user who may not write: got %v", err)
	}
	t.Setenv("SWEET_KAFKA_USER", "")
	if err := sweet(t.Context(), "four\n", io.Discard, "produce"); !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), "SWEET_KAFKA_USER") {
		t.Errorf("as nobody: got %v, want a usage error that names SWEET_KAFKA_USER", err)
	}
}
