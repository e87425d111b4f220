// Package config reads the worker's environment: every SWEET_ variable, its
// default, its check, and how it is shown.
//
// The packages declare their own settings as structs with env and doc tags;
// this package composes them, so a variable is declared once and the loader,
// the README's table and `worker --print-config` all read that declaration. It
// opens nothing but the files that hold secrets.
package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"github.com/sethvargo/go-envconfig"

	"sweetspot/config/access"
	"sweetspot/consumer"
	"sweetspot/pipeline"
	"sweetspot/pipeline/control"
	"sweetspot/pipeline/publish"
)

// Config is everything the worker can be told.
type Config struct {
	Model     string `env:"MODEL, required" doc:"model directory, or bundled"`
	Device    string `env:"DEVICE, default=auto" doc:"cpu, or auto: the best device that works"`
	CPU       string `env:"CPU, default=auto" doc:"kernel set of the CPU: avx512, avx2, portable, or auto"`
	Threads   int    `env:"THREADS" unset:"cores" doc:"compute threads"`
	Pipeline  pipeline.Config
	Control   control.Config
	Kafka     consumer.Config `env:", prefix=KAFKA_"`
	Intake    consumer.Intake
	NATS      publish.Config `env:", prefix=NATS_"`
	HTTPAddr  string         `env:"HTTP_ADDR, default=:8080" doc:"address of /metrics, /live and /ready"`
	LogLevel  slog.Level     `env:"LOG_LEVEL, default=info" doc:"debug, info, warn or error"`
	LogFormat string         `env:"LOG_FORMAT" unset:"text on a terminal, else json" doc:"text or json"`
}

// Load reads a Config from variables of the form NAME=value, as [os.Environ]
// gives them, and reports every fault at once. Warnings are for the log.
func Load(ctx context.Context, environ []string) (c Config, warnings []string, err error) {
	env := newEnvironment(environ)
	var known []Field
	var faults []error
	var unread []string // variables that could not be read; a check of their zero values says nothing
	for f := range fields(reflect.ValueOf(&c).Elem()) {
		known = append(known, f)
		if err := decode(ctx, env, f); err != nil {
			faults = append(faults, err)
			unread = append(unread, f.Name)
		}
	}
	strangers, links := env.unknown(known)
	faults = append(faults, strangers...)
	for _, l := range links {
		warnings = append(warnings, l+" looks like a Kubernetes service link and is ignored; enableServiceLinks: false in the pod keeps such variables out")
	}
	for _, err := range split(c.Validate()) {
		if !slices.ContainsFunc(unread, func(name string) bool { return strings.Contains(err.Error(), name) }) {
			faults = append(faults, err)
		}
	}
	if c.Control.Overload == control.Shed && c.Intake.DLQ == consumer.Drop {
		warnings = append(warnings, "SWEET_OVERLOAD=shed with SWEET_DLQ=drop: under overload messages of the tier best-effort will be lost; SWEET_DLQ=kafka:TOPIC keeps what is shed")
	}
	if c.Kafka.Exposed() {
		warnings = append(warnings, "SWEET_KAFKA_SASL=plain with SWEET_KAFKA_TLS=false: the password crosses the network as it is")
	}
	return c, warnings, errors.Join(faults...)
}

// split returns the single faults that were joined into err.
func split(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, split(e)...)
	}
	return all
}

// decode sets f's field through go-envconfig, one field at a time, so that one
// bad variable does not hide the next.
func decode(ctx context.Context, env environment, f Field) error {
	if s, is := reflect.TypeAssert[*access.Secret](f.value.Addr()); is {
		var err error
		*s, err = env.secret(f)
		return err
	}
	v, ok := env[f.Name]
	if !ok && f.Required {
		return fmt.Errorf("%s is required: %s", f.Name, f.Doc)
	}
	holder := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Value", Type: f.value.Type(), Tag: reflect.StructTag(fmt.Sprintf("env:%q", f.tag)),
	}}))
	lookup := envconfig.LookuperFunc(func(string) (string, bool) { return v, ok })
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: holder.Interface(), Lookuper: lookup}); err != nil {
		return fmt.Errorf("%s=%s: %w", f.Name, shown(f, v), plain(err))
	}
	f.value.Set(holder.Elem().Field(0))
	return nil
}

// plain drops go-envconfig's own words about struct fields from err.
func plain(err error) error {
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "Value:") {
		return plain(inner)
	}
	return err
}

// Validate reports every setting that is out of range or contradicts another.
func (c *Config) Validate() error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch c.Device {
	case "auto", "cpu":
	default:
		add("SWEET_DEVICE=%s: this worker knows auto and cpu", c.Device)
	}
	switch c.CPU {
	case "auto", "avx512", "avx2", "portable":
	default:
		add("SWEET_CPU=%s: want auto, avx512, avx2 or portable", c.CPU)
	}
	if c.Threads < 0 {
		add("SWEET_THREADS=%d: want at least 1, or unset for all cores", c.Threads)
	}
	switch c.LogFormat {
	case "", "text", "json":
	default:
		add("SWEET_LOG_FORMAT=%s: want text or json", c.LogFormat)
	}
	if limit := max(64*pipeline.MiB, c.Intake.InFlightBytes); c.Pipeline.MaxMessageBytes > limit {
		add("SWEET_MAX_MESSAGE_BYTES=%v: a message of more than %v is never read; raise SWEET_IN_FLIGHT_BYTES with it", c.Pipeline.MaxMessageBytes, limit)
	}
	faults = append(faults, c.Pipeline.Validate(), c.Control.Validate(), c.Kafka.Validate(), c.Intake.Validate(), c.NATS.Validate(),
		c.Kafka.ValidateWith(c.Intake, c.Pipeline.Drain))
	return errors.Join(faults...)
}
