package service_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/segmentio/kafka-go"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
)

// metrics are all that the worker exports, by the kind of metric and its
// labels. A name is here or it does not exist.
var metrics = map[dto.MetricType]map[string][]string{
	dto.MetricType_COUNTER: {
		"messages_read_total":     {"topic"},
		"results_published_total": {"topic"},
		"results_duplicate_total": nil,
		"publish_errors_total":    {"cause"},
		"dead_letters_total":      {"reason", "topic"},
		"tombstones_total":        {"topic"},
		"shed_total":              nil,
		"model_panics_total":      nil,
		"abandoned_total":         nil,
		"exits_total":             {"exit"},
		"layers_run_total":        nil,
		"layers_saved_total":      nil,
		"predictions_total":       {"label"},
		"truncated_total":         nil,
		"tokens_total":            nil,
		"rebalances_total":        nil,
		"offset_gaps_total":       nil,
		"commits_total":           nil,
		"commit_errors_total":     nil,
		"decisions_total":         {"reason"},
		"audits_total":            {"agree"},
	},
	dto.MetricType_GAUGE: {
		"build_info":          {"version"},
		"model_info":          {"device", "digest", "ladder", "name", "precision"},
		"in_flight_messages":  nil,
		"in_flight_bytes":     nil,
		"publish_pending":     nil,
		"oldest_age_seconds":  nil,
		"lag_messages":        {"partition", "topic"},
		"assigned_partitions": nil,
		"stuck_partitions":    nil,
		"kafka_connected":     nil,
		"nats_connected":      nil,
		"ready":               nil,

		"rung":                  nil,
		"rung_usable":           nil,
		"rung_certified":        nil,
		"saturated":             nil,
		"utilisation_ratio":     nil,
		"arrival_rate":          nil,
		"agreement_ratio":       nil,
		"agreement_ratio_lower": nil,
		"agreement_ratio_upper": nil,
		"evidence":              nil,
		"alarm":                 nil,
	},
	dto.MetricType_HISTOGRAM: {
		"message_age_seconds": nil,
		"stage_seconds":       {"stage"},
		"tokenize_seconds":    nil,
		"publish_seconds":     nil,
		"batch_tokens":        {"stage"},
		"batch_rows":          {"stage"},
		"exit_confidence":     {"exit"},
	},
}

func TestMetricsAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	w := start(t, environment(t, s))
	sandboxtest.NewProducer(t, s).Send(
		kafka.Message{Value: []byte("where is my parcel")}, kafka.Message{Value: []byte(" ")}, kafka.Message{Value: nil})
	w.awaitSettled(s)

	got := w.families()
	_, page := w.get("/metrics")
	for kind, byName := range metrics {
		for name, labels := range byName {
			name = "sweet_" + name
			f, ok := got[name]
			if !ok {
				t.Errorf("%s is missing", name)
				continue
			}
			delete(got, name)
			checkFamily(t, f, kind, labels)
			if !strings.Contains(page, "# TYPE "+name+" ") {
				t.Errorf("%s is not on the page", name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if strings.HasPrefix(name, "sweet_") {
			t.Errorf("%s is not in the contract", name)
		}
	}
}

func checkFamily(t *testing.T, f *dto.MetricFamily, kind dto.MetricType, labels []string) {
	t.Helper()
	if f.GetType() != kind {
		t.Errorf("%s is a %v, want a %v", f.GetName(), f.GetType(), kind)
	}
	if f.GetHelp() == "" {
		t.Errorf("%s has no help", f.GetName())
	}
	for _, m := range f.GetMetric() {
		var names []string
		for _, l := range m.GetLabel() {
			names = append(names, l.GetName())
		}
		if !slices.Equal(names, labels) {
			t.Errorf("%s has labels %v, want %v", f.GetName(), names, labels)
		}
		if h := m.GetHistogram(); h != nil && (len(h.GetBucket()) == 0 || h.Schema == nil) {
			t.Errorf("%s has %d classic buckets and schema %v; want classic and native ones", f.GetName(), len(h.GetBucket()), h.Schema)
		}
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	w := start(t, environment(t, s))
	w.logs.Await(t, "partitions assigned")
	w.logs.Await(t, "taking messages")
	for _, tt := range []struct {
		name, method, path string
		status             int
		holds              string
	}{
		{"live", http.MethodGet, "/live", http.StatusOK, `"status":"ok"`},
		{"ready as a member of the group", http.MethodGet, "/ready", http.StatusOK, `"status":"ok"`},
		{"metrics, with those of the process", http.MethodGet, "/metrics", http.StatusOK, "sweet_ready 1"},
		{"a page that is not there", http.MethodGet, "/", http.StatusNotFound, ""},
		{"the head of a page", http.MethodHead, "/live", http.StatusOK, ""},
		{"a probe that asks for more than a page", http.MethodPost, "/ready", http.StatusMethodNotAllowed, ""},
		{"one that writes", http.MethodPut, "/metrics", http.StatusMethodNotAllowed, ""},
		{"one that deletes", http.MethodDelete, "/live", http.StatusMethodNotAllowed, ""},
		{"one that traces", http.MethodTrace, "/metrics", http.StatusMethodNotAllowed, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := w.ask(tt.method, tt.path)
			if status != tt.status || !strings.Contains(body, tt.holds) {
				t.Errorf("got %d and %q, want %d and %q in it", status, body, tt.status, tt.holds)
			}
		})
	}
}
