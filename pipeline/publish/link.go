package publish

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// A link is what the connection's callbacks have told of it. nats.go holds the
// connection's lock while it looks up a name, dials, shakes hands, or writes to
// a server that does not read, and who asks the connection itself waits that
// long: a probe, a scrape of the metrics just when they are wanted, a worker
// that is to stop. The link answers at once.
type link struct {
	up      atomic.Bool   // a server is reachable
	reached chan struct{} // closed when a server is reached for the first time
	closed  chan struct{} // closed when the connection is closed for good
	first   sync.Once
}

func newLink() *link {
	return &link{reached: make(chan struct{}), closed: make(chan struct{})}
}

func (l *link) connected() {
	l.up.Store(true)
	l.first.Do(func() { close(l.reached) })
}

func (l *link) lost() { l.up.Store(false) }

func (l *link) close() {
	l.lost()
	close(l.closed) // nats.go tells it once
}

// isClosed reports whether nothing will ever be sent again.
func (l *link) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// errNoServer is why a result is not even sent.
var errNoServer = errors.New("no nats server is reachable")

// await returns when a server is reached, and an error when ctx ends before or
// the servers refuse the worker.
func (l *link) await(ctx context.Context, nc *nats.Conn, refused <-chan error, log *slog.Logger) error {
	select {
	case <-l.reached:
		return nil
	case <-time.After(reconnectWait):
		log.WarnContext(ctx, "waiting for a nats server")
	case <-l.closed:
	case err := <-refused:
		return err
	case <-ctx.Done():
	}
	select {
	case <-l.reached:
		return nil
	case err := <-refused:
		return err
	case <-l.closed:
		return nc.LastError()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A dialer connects to a server. It implements [nats.CustomDialer].
type dialer func(network, address string) (net.Conn, error)

// Dial implements [nats.CustomDialer].
func (d dialer) Dial(network, address string) (net.Conn, error) { return d(network, address) }

// dialer returns a dialer that bounds the look-up of a name. nats.go's own
// has no bound but the resolver's: where that does not answer, and tries a name
// with several suffixes as in Kubernetes, it takes most of a minute, in which
// the connection is locked. Like nats.go it tries the addresses of a name in
// random order, so that workers spread over the servers behind it.
//
// ctx ends the first attempts. Later ones go on after it: a worker that drains
// still needs its server.
func (l *link) dialer(ctx context.Context) dialer {
	return func(network, address string) (net.Conn, error) {
		ctx := ctx
		select {
		case <-l.reached:
			ctx = context.WithoutCancel(ctx)
		default:
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		timed, cancel := context.WithTimeout(ctx, lookupTime)
		defer cancel()
		hosts, err := net.DefaultResolver.LookupHost(timed, host)
		if err != nil {
			return nil, err
		}
		rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
		d := net.Dialer{Timeout: connectTime / time.Duration(len(hosts))}
		var faults []error
		for _, h := range hosts {
			c, err := d.DialContext(ctx, network, net.JoinHostPort(h, port))
			if err == nil {
				return c, nil
			}
			faults = append(faults, err)
		}
		return nil, errors.Join(faults...)
	}
}
