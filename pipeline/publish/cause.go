package publish

import (
	"errors"
	"net"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A cause is why an attempt to publish a result failed, as the metric has it.
type cause string

// The causes.
const (
	overdue      cause = "timeout"    // no acknowledgement in time
	disconnected cause = "connection" // there is none, or it was lost
	unwilling    cause = "server"     // it says no, for now
	refused      cause = "refused"    // it will never be taken
)

// causeOf returns why a result is to be tried again.
func causeOf(err error) cause {
	_, broken := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		return overdue
	case broken, errors.Is(err, errNoServer), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrReconnectBufExceeded),
		errors.Is(err, nats.ErrConnectionClosed):
		return disconnected
	}
	return unwilling
}
