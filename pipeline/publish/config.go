package publish

import (
	"errors"
	"fmt"
	"time"
)

// Config holds the settings of the way out.
type Config struct {
	URL          string        `env:"URL, required" doc:"NATS servers, separated by commas"`
	Stream       string        `env:"STREAM, required" doc:"JetStream stream that must take the subject"`
	Subject      string        `env:"SUBJECT, default=sweet.{topic}.{label}" doc:"subject of a result: a template of {topic}, {partition}, {label} and {tier}"`
	CreateStream bool          `env:"CREATE_STREAM, default=false" doc:"create the stream if it is missing: file storage, discard new, the window below"`
	Window       time.Duration `env:"WINDOW, default=10m" doc:"duplicate window of a created stream; a shorter existing one is warned of"`
	IDSuffix     string        `env:"ID_SUFFIX" doc:"added to message ids, to publish a re-scoring on purpose"`
	Pending      int           `env:"PENDING, default=4000" doc:"results under way to the server at most"`
	AckTimeout   time.Duration `env:"ACK_TIMEOUT, default=10s" doc:"a result without an acknowledgement by then is published again"`
}

// Validate reports every setting that is out of range or does not parse.
func (c *Config) Validate() error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Pending < 1 {
		add("SWEET_NATS_PENDING=%d: want at least 1", c.Pending)
	}
	if c.AckTimeout <= 0 {
		add("SWEET_NATS_ACK_TIMEOUT=%v: want more than 0", c.AckTimeout)
	}
	if c.Window <= 0 {
		add("SWEET_NATS_WINDOW=%v: want more than 0", c.Window)
	}
	return errors.Join(faults...)
}
