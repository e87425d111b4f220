package control

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Config holds the settings of the controller and the evidence.
type Config struct {
	// TargetAge is the age that the oldest unsettled message should stay under.
	// Raise it where answers may be late: of a target beyond 15 s a third less 5 s
	// is spent before a peak costs any depth, so that with a minute peaks of some
	// ten seconds cost none. Lower it for dashboards and alerts. Below about three
	// times what a message takes through an idle worker (timing.total_ms of its
	// results) the worker is always behind and stays on its cheapest rung.
	TargetAge time.Duration `env:"TARGET_AGE, default=1s" json:"target_age" doc:"age of the oldest unsettled message to hold: raise it where answers may be late and should be deep, lower it where they must be fresh"`

	// ControlEvery is the time between two decisions. Lower it together with a
	// target age below its default of a second. There is little reason to raise
	// it: a decision costs microseconds.
	ControlEvery time.Duration `env:"CONTROL_EVERY, default=250ms" json:"control_every" doc:"time between two decisions, at most the target age: lower it for a target far below a second"`

	// Overload says what happens when the cheapest rung that the evidence allows
	// is still too slow. Leave it at wait where every message matters and more
	// replicas are coming. Choose shed where producers mark what may be lost with
	// the tier best-effort and the rest must stay fresh.
	Overload Overload `env:"OVERLOAD, default=wait" json:"overload" doc:"at the cheapest rung and still late: wait, or shed (best-effort messages become dead letters): shed where some messages may be lost so that others are fresh"`

	// AuditRate is the share of messages, of those that are not strict, that run
	// to full depth after their answer is out. Raise it where the topic is small:
	// a change is noticed after some hundred audits, so 0.01 of ten messages a
	// second needs hours. Lower it on large topics, where it is compute that buys
	// little.
	AuditRate float64 `env:"AUDIT_RATE, default=0.01" json:"-" doc:"share of messages audited at full depth, above 0: raise it on small topics, where evidence comes slowly, lower it on large ones"`

	// AlarmEvery is the number of audits between two false alarms, at least, on
	// average. Raise it where an alarm wakes somebody and the topic is large;
	// twice as many audits between false alarms delay a true one by little.
	AlarmEvery int `env:"ALARM_EVERY, default=10000" json:"-" doc:"audits between false alarms, at least, on average: raise it where false alarms cost more than late ones"`

	// StateBucket is the NATS key-value bucket in which alarms outlive the worker
	// and reach the others. Change it where several deployments share a NATS
	// account and the name is taken; workers of one model should share one.
	StateBucket string `env:"STATE_BUCKET, default=sweetspot" json:"-" doc:"NATS key-value bucket of alarms, shared by all workers of a model: change it where the name is taken"`

	// Trace names a file that gets every reading and decision, about 2 kB a
	// second. Set it while a decision is to be understood: sweet simulate --replay
	// plays it again.
	Trace string `env:"TRACE" json:"-" doc:"file that records readings and decisions for sweet simulate --replay: set it to find out why a rung was chosen"`
}

// An Overload says what happens at the highest usable rung when that is still
// too slow.
type Overload string

// The policies for overload. Neither goes beyond the evidence.
const (
	Wait Overload = "wait" // messages get old, and the worker says so
	Shed Overload = "shed" // best-effort messages become dead letters, counted
)

// The ranges of the settings.
const (
	leastAge   = 10 * time.Millisecond
	mostAge    = 24 * time.Hour
	leastEvery = 10 * time.Millisecond
	mostEvery  = 10 * time.Second
	leastAlarm = 100
)

// Validate reports every setting that is out of range or contradicts another.
func (c *Config) Validate() error {
	faults := c.validateController()
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !(c.AuditRate > 0 && c.AuditRate <= 1) {
		add("SWEET_AUDIT_RATE=%v: want a share above 0, at most 1", c.AuditRate)
	}
	if c.AlarmEvery < leastAlarm {
		add("SWEET_ALARM_EVERY=%d: want at least %d audits", c.AlarmEvery, leastAlarm)
	}
	if !bucketName(c.StateBucket) {
		add("SWEET_STATE_BUCKET=%s: want letters, digits, - and _", c.StateBucket)
	}
	return errors.Join(faults...)
}

// validateController checks what the controller uses, which is all that a trace
// carries.
func (c *Config) validateController() []error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.TargetAge < leastAge || c.TargetAge > mostAge {
		add("SWEET_TARGET_AGE=%v: want %v to %v", c.TargetAge, leastAge, mostAge)
	}
	switch {
	case c.ControlEvery < leastEvery || c.ControlEvery > mostEvery:
		add("SWEET_CONTROL_EVERY=%v: want %v to %v", c.ControlEvery, leastEvery, mostEvery)
	case c.ControlEvery > c.TargetAge:
		add("SWEET_CONTROL_EVERY=%v: want at most SWEET_TARGET_AGE=%v, which it is there to hold", c.ControlEvery, c.TargetAge)
	}
	switch c.Overload {
	case Wait, Shed:
	default:
		add("SWEET_OVERLOAD=%s: want wait or shed", c.Overload)
	}
	return faults
}

// bucketName reports whether NATS takes s as the name of a key-value bucket.
func bucketName(s string) bool {
	strange := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	return s != "" && !strings.ContainsFunc(s, strange)
}
