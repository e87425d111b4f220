package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// endpoints serve /metrics, /live and /ready. They listen from the moment the
// worker is put together, so that a probe gets an answer while servers are
// waited for.
type endpoints struct {
	listener net.Listener
	server   *http.Server
	ended    chan error
}

// The bounds on one request. Everything served is small and read-only.
const (
	requestTime   = 10 * time.Second
	idleTime      = time.Minute
	maxHeaderSize = 16 << 10
)

// listen opens addr and starts to serve. notReady returns what keeps the worker
// from being ready.
func listen(ctx context.Context, addr string, r *prometheus.Registry, notReady func() []string) (*endpoints, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("SWEET_HTTP_ADDR=%s: %w", addr, err)
	}
	ready := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "sweet", Name: "ready", Help: "1 while the worker takes messages: in its group, with a NATS server, and aware of alarms.",
	}, func() float64 {
		if len(notReady()) > 0 {
			return 0
		}
		return 1
	})
	r.MustRegister(ready)
	e := &endpoints{listener: l, server: newServer(r, notReady), ended: make(chan error, 1)}
	go func() { e.ended <- e.server.Serve(l) }()
	return e, nil
}

// newServer returns a server of the pages, which takes GET and HEAD only and
// waits for nobody longer than the bounds above.
func newServer(r *prometheus.Registry, notReady func() []string) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { answer(w, notReady()) })
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: requestTime, ReadTimeout: requestTime, WriteTimeout: requestTime,
		IdleTimeout: idleTime, MaxHeaderBytes: maxHeaderSize,
	}
}

// answer writes 200 where nothing is missing, else 503 with what is.
func answer(w http.ResponseWriter, missing []string) {
	w.Header().Set("Content-Type", "application/json")
	status, code := "ok", http.StatusOK
	if len(missing) > 0 {
		status, code = "not ready", http.StatusServiceUnavailable
	}
	body, err := json.Marshal(map[string]any{"status": status, "missing": missing})
	if err != nil {
		code = http.StatusInternalServerError
	}
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // the caller hung up; there is nobody to tell
}

func (e *endpoints) addr() string { return e.listener.Addr().String() }

// serve returns when ctx ends, or earlier with what ended the server.
func (e *endpoints) serve(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-e.ended:
		e.ended <- http.ErrServerClosed
		return fmt.Errorf("serving HTTP: %w", err)
	}
}

// close ends the server; probes that are under way get their answer.
func (e *endpoints) close(ctx context.Context) error {
	err := e.server.Shutdown(ctx)
	if served := <-e.ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
