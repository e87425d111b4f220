package service_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/segmentio/kafka-go"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
	"sweetspot/inference"
	"sweetspot/pipeline/control"
)

// falseModel writes a model whose first exit always says something else than its
// last, and a ladder that claims otherwise. Its rungs are full depth, one at
// which no row leaves early, and one at which every row does.
func falseModel(t *testing.T) string {
	t.Helper()
	dir := sandboxtest.Model(t)
	d, err := inference.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	last := d.Tensors["exits.1.classifier.bias"].Data
	slices.Reverse(last)
	vocab, err := os.ReadFile(dir + "/vocab.txt")
	if err != nil {
		t.Fatal(err)
	}
	pieces := inference.VocabFile(strings.Fields(string(vocab)))
	if err := inference.Save(dir, d.Config, slices.Collect(maps.Values(d.Tensors)), inference.StoreF32, pieces); err != nil {
		t.Fatal(err)
	}
	if d, err = inference.Open(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l := inference.FullDepth(sandboxtest.Layers)
	l.Epsilon, l.Delta, l.Records, l.MaxTokens, l.Truncate, l.Model = 0.02, 0.05, 1000, sandboxtest.MaxTokens, "right", d.Digest
	l.Rungs = append(l.Rungs,
		inference.Rung{Thresholds: inference.Thresholds{2}, Reach: []float64{1, 1}, Cost: 1},
		inference.Rung{Thresholds: inference.Thresholds{0}, Reach: []float64{1, 0}, Cost: 0.5})
	if _, err := inference.SaveLadder(dir, inference.F32, l); err != nil {
		t.Fatal(err)
	}
	return dir
}

// bestEffort sends messages whose rung is the cheapest usable one, whatever the
// load is.
func bestEffort(t *testing.T, s *sandbox.Sandbox, n int) {
	t.Helper()
	ms := make([]kafka.Message, n)
	for i, text := range numbered(n) {
		ms[i] = kafka.Message{Value: []byte(text), Headers: []kafka.Header{{Key: "sweet-tier", Value: []byte("best-effort")}}}
	}
	sandboxtest.NewProducer(t, s).Send(ms...)
}

// rungsFrom returns the rungs that the group's messages from an offset on were
// admitted under, each once.
func rungsFrom(t *testing.T, s *sandbox.Sandbox, group string, offset int) []int {
	t.Helper()
	seen := make(map[int]bool)
	for _, m := range sandboxtest.Results(t, s) {
		var r struct {
			Rung   int
			Source struct{ Offset int }
		}
		if err := json.Unmarshal(m.Data, &r); err != nil {
			t.Fatal(err)
		}
		if strings.Split(m.Header.Get("Nats-Msg-Id"), "/")[1] == group && r.Source.Offset >= offset {
			seen[r.Rung] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// TestAnAlarmBindsAllWorkersUntilItIsCleared has a worker find out that the
// ladder is wrong. Another one, which audits next to nothing, hears of it, and so
// does whoever takes over from the first. An operator then deletes the key.
func TestAnAlarmBindsAllWorkersUntilItIsCleared(t *testing.T) {
	t.Parallel()
	const n = 50 // messages at once
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	env := environment(t, s, "SWEET_MODEL="+falseModel(t), "SWEET_ALARM_EVERY=100", "SWEET_AUDIT_RATE=1e-9")
	other := start(t, append(slices.Clone(env), "SWEET_KAFKA_GROUP=other"))
	settled := func(w *worker) {
		w.awaitSettled(s)
		sandboxtest.AwaitSettled(t, s, "other", other.logs.String)
	}

	bestEffort(t, s, n)
	sandboxtest.AwaitSettled(t, s, "other", other.logs.String)
	if got := rungsFrom(t, s, "other", 0); !slices.Equal(got, []int{2}) {
		t.Errorf("rungs %v before the alarm, want 2", got)
	}

	first := start(t, append(slices.Clone(env), "SWEET_AUDIT_RATE=1"))
	first.logs.Await(t, "the certificate does not hold", `"from_rung":2`)
	first.logs.Await(t, "the alarm is shared")
	other.logs.Await(t, "withdrawn by the shared alarm", `"from_rung":2`)
	bestEffort(t, s, n)
	settled(first)
	first.quit()
	checkAlarm(t, first, 1, 1)
	second := start(t, env)
	bestEffort(t, s, n)
	settled(second)
	for _, group := range []string{sandbox.Group, "other"} {
		if got := rungsFrom(t, s, group, n); !slices.Equal(got, []int{1}) {
			t.Errorf("group %s admits at rungs %v after the alarm, want 1", group, got)
		}
	}
	checkAlarm(t, second, 1, 1)

	_, ladder := digests(t, second)
	clearAlarm(t, s, ladder)
	second.logs.Await(t, "the alarm was cleared")
	other.logs.Await(t, "the alarm was cleared")
	bestEffort(t, s, n)
	settled(second)
	for _, group := range []string{sandbox.Group, "other"} {
		if got := rungsFrom(t, s, group, 3*n); !slices.Equal(got, []int{2}) {
			t.Errorf("group %s admits at rungs %v after the clearing, want 2", group, got)
		}
	}
	checkAlarm(t, second, 0, 2)
	checkDistinct(t, s, 2*4*n)
}

func checkAlarm(t *testing.T, w *worker, alarm, usable float64) {
	t.Helper()
	if a, u, c := w.count("sweet_alarm"), w.count("sweet_rung_usable"), w.count("sweet_rung_certified"); a != alarm || u != usable || c != 2 {
		t.Errorf("alarm %v, rung %v usable of %v, want %v, %v and 2", a, u, c, alarm, usable)
	}
}

// clearAlarm deletes the record as an operator does, once it has checked it.
func clearAlarm(t *testing.T, s *sandbox.Sandbox, ladder string) {
	t.Helper()
	nc, js, err := s.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ctx := sandboxtest.Limited(t)
	kv, err := js.KeyValue(ctx, "sweetspot")
	if err != nil {
		t.Fatal(err)
	}
	entry, err := kv.Get(ctx, ladder)
	if err != nil {
		t.Fatal(err)
	}
	alarm, err := control.DecodeAlarm(entry.Value())
	if host, _ := os.Hostname(); err != nil || alarm.Rung != 2 || alarm.Disagreements == 0 || alarm.Worker != host {
		t.Errorf("the record is %s, error %v, want an alarm of rung 2 by %s", entry.Value(), err, host)
	}
	if err := kv.Delete(ctx, ladder); err != nil {
		t.Fatal(err)
	}
}

// TestAWorkerWithoutABucketKeepsItsAlarmsToItself has a user who may publish
// results and nothing else.
func TestAWorkerWithoutABucketKeepsItsAlarmsToItself(t *testing.T) {
	t.Parallel()
	const n = 50
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	results := resultsOnly(t)
	env := environment(t, s, "SWEET_MODEL="+falseModel(t), "SWEET_ALARM_EVERY=100", "SWEET_AUDIT_RATE=1", "SWEET_NATS_URL="+results)

	first := start(t, env)
	bestEffort(t, s, n)
	first.logs.Await(t, "the certificate does not hold", `"from_rung":2`)
	first.awaitSettled(s)
	first.quit()
	checkAlarm(t, first, 1, 1)
	first.check(sums{read: n, published: n})
	const warning = "alarms are not shared and end with this worker"
	if log := first.logs.String(); strings.Count(log, warning) != 1 || strings.Contains(log, "sharing an alarm again") || strings.Contains(log, "the alarm is shared") {
		t.Errorf("want one warning of %q and no word of sharing:\n%s", warning, log)
	}

	second := start(t, env)
	second.logs.Await(t, warning)
	checkAlarm(t, second, 0, 2)
	second.quit()
}

// resultsOnly starts a NATS server with the sandbox's stream and returns its
// address for a user who may publish results and ask for their stream.
func resultsOnly(t *testing.T) string {
	t.Helper()
	srv, _ := startNATS(t, &server.Permissions{Publish: &server.SubjectPermission{
		Allow: []string{"sweet.>", "$JS.API.STREAM.INFO." + sandbox.Stream, "$JS.API.STREAM.NAMES"},
	}})
	return workerURL(srv)
}

// startNATS starts a NATS server with the sandbox's stream and a user for
// workers. It returns a connection of another user, who may do everything.
func startNATS(t *testing.T, worker *server.Permissions) (*server.Server, *nats.Conn) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		Users: []*server.User{{Username: "admin", Password: "pw"}, {Username: "worker", Password: "pw", Permissions: worker}},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(sandboxtest.Patience) {
		t.Fatal("the NATS server does not start")
	}
	nc, err := nats.Connect("nats://admin:pw@" + srv.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	_, err = js.CreateStream(sandboxtest.Limited(t), jetstream.StreamConfig{Name: sandbox.Stream, Subjects: []string{"sweet.>"}, Discard: jetstream.DiscardNew})
	if err != nil {
		t.Fatal(err)
	}
	return srv, nc
}

func workerURL(srv *server.Server) string { return "nats://worker:pw@" + srv.Addr().String() }

// TestAWorkerThatWaitsForAlarmsIsNotReady holds back the answer to its question
// for the bucket, and then says that it has to be asked again.
func TestAWorkerThatWaitsForAlarmsIsNotReady(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	srv, nc := startNATS(t, nil)
	const question, held = "$JS.API.STREAM.INFO.KV_sweetspot", "held"
	if err := srv.GlobalAccount().AddMapping(question, held); err != nil {
		t.Fatal(err)
	}
	questions, err := nc.SubscribeSync(held)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	w := start(t, environment(t, s, "SWEET_MODEL="+falseModel(t), "SWEET_NATS_URL="+workerURL(srv)))
	asked, err := questions.NextMsgWithContext(sandboxtest.Limited(t))
	if err != nil {
		t.Fatal(err)
	}
	w.logs.Await(t, "partitions assigned")
	if status, body := w.get("/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, "which rungs other workers have withdrawn") || w.count("sweet_ready") != 0 {
		t.Errorf("ready says %d and %s, want 503 and that alarms are waited for", status, body)
	}

	srv.GlobalAccount().RemoveMapping(question)
	if err := asked.Respond([]byte(`{"type":"io.nats.jetstream.api.v1.stream_info_response","error":{"code":503,"err_code":10008,"description":"try again"}}`)); err != nil {
		t.Fatal(err)
	}
	w.logs.Await(t, "taking messages")
	if status, body := w.get("/ready"); status != http.StatusOK {
		t.Errorf("ready says %d and %s once alarms are heard, want 200", status, body)
	}
	w.quit()
}
