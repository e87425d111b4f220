package publish

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Config holds the settings of the way out.
type Config struct {
	URL          string        `env:"URL, required" secret:"userinfo" doc:"NATS servers, separated by commas"`
	Stream       string        `env:"STREAM, required" doc:"JetStream stream that must take the subject"`
	Subject      string        `env:"SUBJECT, default=sweet.{topic}.{label}" doc:"subject of a result: a template of {topic}, {partition}, {label} and {tier}"`
	CreateStream bool          `env:"CREATE_STREAM, default=false" doc:"create the stream if it is missing: file storage, discard new, the window below"`
	Window       time.Duration `env:"WINDOW, default=10m" doc:"duplicate window of a created stream; a shorter existing one is warned of"`
	IDSuffix     string        `env:"ID_SUFFIX" doc:"added to message ids (by the source), to publish a re-scoring on purpose"`
	Pending      int           `env:"PENDING, default=4000" doc:"results under way to the server at most"`
	AckTimeout   time.Duration `env:"ACK_TIMEOUT, default=10s" doc:"a result without an acknowledgement by then is published again"`
	Access
}

// Validate reports every setting that is out of range or does not parse.
func (c *Config) Validate() error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.URL == "" {
		add("SWEET_NATS_URL is required: the servers, such as nats://localhost:4222")
	}
	for server := range strings.SplitSeq(c.URL, ",") {
		if err := checkServer(strings.TrimSpace(server)); err != nil {
			add("SWEET_NATS_URL: %w; want servers such as nats://localhost:4222", err)
		}
	}
	if c.Stream == "" || strings.ContainsFunc(c.Stream, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`.*>/\`, r) }) {
		add("SWEET_NATS_STREAM=%s: want the name of a stream, without white space and any of . * > / \\", c.Stream)
	}
	if _, err := parseTemplate(c.Subject); err != nil {
		add("SWEET_NATS_SUBJECT=%s: %w", c.Subject, err)
	}
	if strings.ContainsFunc(c.IDSuffix, func(r rune) bool { return r <= ' ' || r > '~' }) {
		add("SWEET_NATS_ID_SUFFIX=%q: want visible ASCII", c.IDSuffix)
	}
	if c.Pending < 1 {
		add("SWEET_NATS_PENDING=%d: want at least 1", c.Pending)
	}
	if c.AckTimeout <= 0 {
		add("SWEET_NATS_ACK_TIMEOUT=%v: want more than 0", c.AckTimeout)
	}
	if c.Window < 100*time.Millisecond {
		add("SWEET_NATS_WINDOW=%v: want at least 100ms", c.Window)
	}
	return errors.Join(append(faults, c.Access.Validate(c.URL))...)
}

// checkServer reports what keeps s from being an address, without saying s: it
// may hold a password.
func checkServer(s string) error {
	if !strings.Contains(s, "://") {
		s = "nats://" + s // as nats.go does
	}
	_, err := url.Parse(s)
	return withoutURL(err)
}

// How a lost server is noticed and found again.
const (
	pingEvery     = 10 * time.Second
	missedPings   = 2
	reconnectWait = 250 * time.Millisecond
	lookupTime    = 10 * time.Second // of a server's name
	connectTime   = 2 * time.Second  // to connect, and again to shake hands
	writeTime     = 5 * time.Second  // to send, where the server does not read
	requestTime   = 5 * time.Second  // of one question to the JetStream API
)

// options are how the worker keeps its connection.
func (c *Config) options() []nats.Option {
	return []nats.Option{
		nats.Name("sweetspot"),
		// The default gives up after two minutes and closes for good.
		nats.MaxReconnects(-1),
		// The default closes for good where a server refuses the login twice: the
		// next one may be another, read from a file that was exchanged meanwhile.
		nats.IgnoreAuthErrorAbort(),
		// The default buffers 8 MiB of results while there is no server, which
		// then look as if they were under way.
		nats.ReconnectBufSize(-1),
		nats.RetryOnFailedConnect(true),
		nats.Timeout(connectTime),
		// The default notices a server that is silent after four minutes. Who
		// expects acknowledgements sooner wants to know of a dead connection sooner.
		nats.PingInterval(min(pingEvery, c.AckTimeout)),
		nats.MaxPingsOutstanding(missedPings),
		// By default a server that does not read locks the connection for a minute
		// at a time, pings included, and a write that failed does not end it.
		nats.FlusherTimeout(writeTime),
		nats.ReconnectOnFlusherError(),
	}
}
