package publish

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

// A buffer takes a logger's lines from any goroutine.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestOpenChecksTheStream(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stream func(*jetstream.StreamConfig)
		config func(*Config)
		stamp  func(*Stamp)
		want   string // in the error; "" is none
		warns  string // in the log
	}{
		{name: "a good stream"},
		{
			name: "another name", config: func(c *Config) { c.Stream = "OTHER" },
			want: "SWEET_NATS_STREAM=OTHER: there is no such stream; create it, or set SWEET_NATS_CREATE_STREAM=true",
		},
		{
			name: "other subjects", stream: func(c *jetstream.StreamConfig) { c.Subjects = []string{"other.>", "sweet.a.*"} },
			want: "does not take subject sweet.*.*, only other.>, sweet.a.*",
		},
		{
			name: "the subjects of the topics and labels there are", stream: func(c *jetstream.StreamConfig) { c.Subjects = []string{"sweet.a.*", "sweet.b.x"} },
			stamp: func(s *Stamp) { s.Topics, s.Labels = []string{"a"}, []string{"x", "y"} },
		},
		{
			name: "one label's subject is missing", stream: func(c *jetstream.StreamConfig) { c.Subjects = []string{"sweet.*.x"} },
			stamp: func(s *Stamp) { s.Topics, s.Labels = []string{"a"}, []string{"x", "y z"} },
			want:  "does not take subject sweet.a.y_z",
		},
		{
			name: "a share of the partitions", stream: func(c *jetstream.StreamConfig) { c.Subjects = []string{"sweet.3.*"} },
			config: func(c *Config) { c.Subject = "sweet.{partition}.{label}" },
		},
		{
			name: "no share of the partitions", stream: func(c *jetstream.StreamConfig) { c.Subjects = []string{"other.3.*"} },
			config: func(c *Config) { c.Subject = "sweet.{partition}.{label}" },
			want:   "does not take subject sweet.*.*",
		},
		{
			name: "a short window", stream: func(c *jetstream.StreamConfig) { c.Duplicates = time.Minute },
			warns: "forgets message ids early",
		},
		{
			name: "no acknowledgements", stream: func(c *jetstream.StreamConfig) { c.NoAck = true },
			want: "does not acknowledge",
		},
		{
			name: "a sealed stream", stream: func(c *jetstream.StreamConfig) { c.Sealed = true },
			want: "sealed",
		},
		{
			name: "settings that do not parse", config: func(c *Config) { c.Subject, c.Pending = "x.{key}", 0 },
			want: "SWEET_NATS_PENDING=0",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// A server of its own: one that has just deleted a stream may not be able
			// to make another of that name yet.
			h := newHost(t, nil)
			_, js := h.admin(t)
			cfg := jetstream.StreamConfig{Name: "RESULTS", Subjects: []string{"sweet.>"}, Duplicates: 10 * time.Minute}
			var seal bool
			if tt.stream != nil {
				tt.stream(&cfg)
				seal, cfg.Sealed = cfg.Sealed, false
			}
			if _, err := js.CreateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			if cfg.Sealed = seal; seal {
				if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
					t.Fatal(err)
				}
			}
			c, st := config(h.url()), stamp
			if tt.config != nil {
				tt.config(&c)
			}
			if tt.stamp != nil {
				tt.stamp(&st)
			}
			var log buffer
			j, err := Open(t.Context(), c, st, NewMetrics(prometheus.NewRegistry()), logTo(&log))
			if j != nil {
				j.nc.Close()
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if got := strings.Contains(log.String(), "level=WARN"); got != (tt.warns != "") || !strings.Contains(log.String(), tt.warns) {
				t.Errorf("logged %s, want %q", log.String(), tt.warns)
			}
		})
	}
}

func TestOpenRefusesAMirror(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, func(c *jetstream.StreamConfig) { c.Name = "ORIGIN" })
	_, js := h.admin(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "RESULTS", Mirror: &jetstream.StreamSource{Name: "ORIGIN"}}); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), config(h.url()), stamp, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "mirrors stream ORIGIN") {
		t.Errorf("got %v", err)
	}
}

func TestOpenCreatesTheStreamWhereAsked(t *testing.T) {
	h := newHost(t, nil)
	cfg := config(h.url())
	cfg.CreateStream, cfg.Window = true, 3*time.Minute
	cfg.Subject = "sweet.{topic}.{tier}.{label}"
	var wg sync.WaitGroup
	for range 4 { // workers start together
		wg.Go(func() {
			j, err := Open(t.Context(), cfg, stamp, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Error(err)
				return
			}
			j.nc.Close()
		})
	}
	wg.Wait()
	_, js := h.admin(t)
	s, err := js.Stream(t.Context(), "RESULTS")
	if err != nil {
		t.Fatal(err)
	}
	got := s.CachedInfo().Config
	if got.Storage != jetstream.FileStorage || got.Discard != jetstream.DiscardNew || got.Duplicates != cfg.Window ||
		len(got.Subjects) != 1 || got.Subjects[0] != "sweet.*.*.*" {
		t.Errorf("got %+v", got)
	}
}

func TestOpenSaysThatTheServerHasNoJetStream(t *testing.T) {
	h := newHost(t, func(o *server.Options) { o.JetStream = false })
	_, err := Open(t.Context(), config(h.url()), stamp, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "there is no JetStream") {
		t.Errorf("got %v", err)
	}
}

func TestOpenSaysThatTheServerRefusesTheWorker(t *testing.T) {
	h := newHost(t, func(o *server.Options) { o.Username, o.Password = "u", "p" })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := Open(ctx, config(h.url()), stamp, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	if err == nil || ctx.Err() != nil || !strings.Contains(strings.ToLower(err.Error()), "authorization") {
		t.Errorf("got %v, want a word about authorization", err)
	}
}

func TestOpenDoesNotShowPasswords(t *testing.T) {
	_, err := Open(t.Context(), config("nats://u:hunter2@bad host:x"), stamp, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestOpenWaitsForAServer(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	h.stop()
	waits := make(notify, 1)
	opened := make(chan error, 1)
	go func() {
		j, err := Open(t.Context(), config(h.url()), stamp, NewMetrics(prometheus.NewRegistry()), logTo(waits))
		if j != nil {
			j.nc.Close()
		}
		opened <- err
	}()
	<-waits
	h.start(t)
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestOpenGivesUpWithItsContext(t *testing.T) {
	h := newHost(t, nil)
	h.stop()
	defer h.start(t)
	waits := make(notify, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-waits
		cancel()
	}()
	if _, err := Open(ctx, config(h.url()), stamp, NewMetrics(prometheus.NewRegistry()), logTo(waits)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
}

// notify is told that something was logged.
type notify chan struct{}

func (n notify) Write(p []byte) (int, error) {
	select {
	case n <- struct{}{}:
	default:
	}
	return len(p), nil
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"all right", func(*Config) {}, ""},
		{"no server", func(c *Config) { c.URL = "" }, "SWEET_NATS_URL"},
		{"no stream", func(c *Config) { c.Stream = "" }, "SWEET_NATS_STREAM"},
		{"no name of a stream", func(c *Config) { c.Stream = "a.b" }, "SWEET_NATS_STREAM=a.b"},
		{"a subject that does not parse", func(c *Config) { c.Subject = "{x}" }, "SWEET_NATS_SUBJECT={x}"},
		{"a suffix that is no part of an id", func(c *Config) { c.IDSuffix = "a b" }, "SWEET_NATS_ID_SUFFIX"},
		{"nothing under way", func(c *Config) { c.Pending = 0 }, "SWEET_NATS_PENDING=0"},
		{"no time for acknowledgements", func(c *Config) { c.AckTimeout = 0 }, "SWEET_NATS_ACK_TIMEOUT=0s"},
		{"no window", func(c *Config) { c.Window = 0 }, "SWEET_NATS_WINDOW=0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config("nats://127.0.0.1:4222")
			tt.change(&c)
			if err := c.Validate(); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// logTo returns a logger that writes to w.
func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
