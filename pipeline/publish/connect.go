package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// connect returns when a server is reachable. The connection then looks after
// itself: it is closed for good only by Close, or where a server refuses the
// worker's credentials again and again.
func (j *JetStream) connect(ctx context.Context, log *slog.Logger) error {
	opts := append(j.cfg.options(), j.watch(ctx, log)...)
	opts = append(opts, nats.SetCustomDialer(j.link.dialer(ctx)), nats.SkipHostLookup())
	nc, err := nats.Connect(j.cfg.URL, opts...)
	if err != nil {
		return fmt.Errorf("SWEET_NATS_URL: %w", withoutURL(err))
	}
	if err := j.link.await(ctx, nc, log); err != nil {
		nc.Close()
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	js, err := jetstream.New(nc,
		jetstream.WithPublishAsyncMaxPending(j.cfg.Pending),
		// Without it an acknowledgement that is lost holds its message for ever.
		jetstream.WithPublishAsyncTimeout(j.cfg.AckTimeout),
		jetstream.WithDefaultTimeout(requestTime),
	)
	if err != nil {
		nc.Close()
		return fmt.Errorf("opening JetStream: %w", err)
	}
	j.nc, j.js = nc, js
	return nil
}

// withoutURL drops the address from an error about it: it may hold a password.
func withoutURL(err error) error {
	if bad, ok := errors.AsType[*url.Error](err); ok {
		return bad.Err
	}
	return err
}

// tellEvery is the time between two log lines about attempts to connect.
const tellEvery = 30 * time.Second

// watch returns the options that log and count what becomes of the connection.
func (j *JetStream) watch(ctx context.Context, log *slog.Logger) []nats.Option {
	up := func(what string) nats.ConnHandler {
		return func(nc *nats.Conn) {
			j.link.connected()
			j.metrics.connected.Set(1)
			log.InfoContext(ctx, "nats connection", slog.String("state", what), slog.String("server", nc.ConnectedUrlRedacted()))
		}
	}
	var told atomic.Int64 // when an attempt that failed was last logged, in Unix ns
	return []nats.Option{
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			now := time.Now().UnixNano()
			if before := told.Load(); now-before >= int64(tellEvery) && told.CompareAndSwap(before, now) {
				log.WarnContext(ctx, "no nats server is reachable; trying again", slog.Any("error", err))
			}
		}),
		nats.ConnectHandler(up("connected")),
		nats.ReconnectHandler(up("reconnected")),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			j.link.lost()
			j.metrics.connected.Set(0)
			if err != nil { // nil where we closed it ourselves
				log.WarnContext(ctx, "nats connection", slog.String("state", "lost"), slog.Any("error", err))
			}
		}),
		nats.ClosedHandler(func(*nats.Conn) { j.link.close() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.WarnContext(ctx, "nats reports a problem", slog.Any("error", err))
			j.refusals.hear(err)
		}),
	}
}

// Connected reports whether a server is reachable now.
func (j *JetStream) Connected() bool { return j.link.up.Load() }

// Close waits until what is under way is acknowledged, or ctx ends, and closes
// the connection.
func (j *JetStream) Close(ctx context.Context) error {
	var err error
	select {
	case <-j.js.PublishAsyncComplete():
	case <-ctx.Done():
		err = fmt.Errorf("closing with %d results not acknowledged: %w", j.js.PublishAsyncPending(), context.Cause(ctx))
	}
	go j.nc.Close() // while nats.go dials it waits, longer than we may
	select {
	case <-j.link.closed:
	case <-ctx.Done():
	}
	return err
}
