package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sweetspot/cmd/sweet/sandboxtest"
	"sweetspot/config/access/accesstest"
)

// TestTailLogsInAsTheWorkerDoes reads from a NATS that wants a login.
func TestTailLogsInAsTheWorkerDoes(t *testing.T) {
	const password = "wonderland-7"
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		JetStreamDomain: "hub", Username: "alice", Password: password,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer srv.Shutdown()
	nc, err := nats.Connect(srv.ClientURL(), nats.UserInfo("alice", password))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "RESULTS", Subjects: []string{"sweet.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "sweet.a.b", []byte("a result")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SWEET_NATS_URL", srv.ClientURL())
	t.Setenv("SWEET_NATS_STREAM", "RESULTS")
	t.Setenv("SWEET_NATS_DOMAIN", "hub")
	t.Setenv("SWEET_NATS_USER", "alice")
	kit := accesstest.NewKit(t, "unused")
	t.Setenv("SWEET_NATS_PASSWORD_FILE", kit.File("password", password+"\n"))
	var out strings.Builder
	if err := sweet(sandboxtest.Limited(t), "", &out, "tail", "--all", "--count", "1", "--json"); err != nil || out.String() != "a result\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	kit.File("password", "guess-1")
	err = sweet(sandboxtest.Limited(t), "", io.Discard, "tail")
	if err == nil || !strings.Contains(err.Error(), "SWEET_NATS_USER=alice") || strings.Contains(err.Error(), "guess-1") {
		t.Errorf("with a wrong password: got %v", err)
	}
	t.Setenv("SWEET_NATS_NKEY", "seed")
	if err := sweet(sandboxtest.Limited(t), "", io.Discard, "tail"); !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), "SWEET_NATS_NKEY") {
		t.Errorf("with two logins: got %v, want a usage error", err)
	}
}
