package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// connect returns when a server is reachable and lets the worker in. The
// connection then looks after itself: it is closed for good only by Close.
func (j *JetStream) connect(ctx context.Context, log *slog.Logger) error {
	tries := newAttempts(ctx, &j.cfg.Access, log)
	opts := append(j.cfg.options(), j.watch(ctx, tries, log)...)
	opts = append(opts, nats.SkipHostLookup())
	nc, err := j.cfg.connect(j.cfg.URL, log, j.link.dialer(ctx), append(opts, tries.options()...)...)
	if err != nil {
		return fmt.Errorf("SWEET_NATS_URL: %w", withoutURL(err))
	}
	tries.conn.Store(nc)
	if err := j.link.await(ctx, nc, tries.refused, log); err != nil {
		nc.Close()
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	if _, err := nc.TLSConnectionState(); err != nil && (j.cfg.Password.IsSet() || j.cfg.Token.IsSet()) {
		log.WarnContext(ctx, "the connection to NATS is not encrypted: SWEET_NATS_PASSWORD or SWEET_NATS_TOKEN crosses the network as it is")
	}
	js, err := j.cfg.JetStream(nc,
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

// watch returns the options that log and count what becomes of the connection.
func (j *JetStream) watch(ctx context.Context, tries *attempts, log *slog.Logger) []nats.Option {
	up := func(what string) nats.ConnHandler {
		return func(nc *nats.Conn) {
			j.link.connected()
			j.metrics.connected.Set(1)
			log.InfoContext(ctx, "nats connection", slog.String("state", what), slog.String("server", nc.ConnectedUrlRedacted()))
		}
	}
	return []nats.Option{
		nats.ConnectHandler(up("connected")),
		nats.ReconnectHandler(up("reconnected")),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			j.link.lost()
			j.metrics.connected.Set(0)
			if err != nil { // nil where we closed it ourselves
				log.WarnContext(ctx, "nats connection", slog.String("state", "lost"), slog.Any("error", j.cfg.Explain(err)))
			}
		}),
		nats.ClosedHandler(func(*nats.Conn) { j.link.close() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			j.refusals.hear(err)
			if err = j.cfg.Explain(explainViolation(err)); tries.sayNow(err) {
				log.WarnContext(ctx, "nats reports a problem", slog.Any("error", err))
			}
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
