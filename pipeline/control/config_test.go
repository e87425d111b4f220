package control_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"sweetspot/pipeline/control"
)

func goodConfig() control.Config {
	return control.Config{
		TargetAge: time.Second, ControlEvery: 250 * time.Millisecond, Overload: control.Wait,
		AuditRate: 0.01, AlarmEvery: 10000, StateBucket: "sweetspot",
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*control.Config)
		want   string // in the error; "" is none
	}{
		{"the defaults", func(*control.Config) {}, ""},
		{"a long target", func(c *control.Config) { c.TargetAge = time.Hour }, ""},
		{"a short target with a short period", func(c *control.Config) {
			c.TargetAge, c.ControlEvery = 50*time.Millisecond, 20*time.Millisecond
		}, ""},
		{"audits of everything", func(c *control.Config) { c.AuditRate = 1 }, ""},
		{"no target", func(c *control.Config) { c.TargetAge = 0 }, "SWEET_TARGET_AGE=0s"},
		{"a target of a week", func(c *control.Config) { c.TargetAge = 7 * 24 * time.Hour }, "SWEET_TARGET_AGE=168h"},
		{"a target below the period", func(c *control.Config) { c.TargetAge = 200 * time.Millisecond }, "SWEET_CONTROL_EVERY=250ms"},
		{"no period", func(c *control.Config) { c.ControlEvery = 0 }, "SWEET_CONTROL_EVERY=0s"},
		{"a period of a minute", func(c *control.Config) { c.TargetAge, c.ControlEvery = time.Hour, time.Minute }, "SWEET_CONTROL_EVERY=1m"},
		{"an unknown policy", func(c *control.Config) { c.Overload = "drop" }, "SWEET_OVERLOAD=drop"},
		{"no audits", func(c *control.Config) { c.AuditRate = 0 }, "SWEET_AUDIT_RATE=0"},
		{"a percentage", func(c *control.Config) { c.AuditRate = 5 }, "SWEET_AUDIT_RATE=5"},
		{"no number", func(c *control.Config) { c.AuditRate = math.NaN() }, "SWEET_AUDIT_RATE=NaN"},
		{"alarms all the time", func(c *control.Config) { c.AlarmEvery = 1 }, "SWEET_ALARM_EVERY=1"},
		{"no bucket", func(c *control.Config) { c.StateBucket = "" }, "SWEET_STATE_BUCKET="},
		{"a bucket with a dot", func(c *control.Config) { c.StateBucket = "sweet.spot" }, "SWEET_STATE_BUCKET=sweet.spot"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := goodConfig()
			tt.change(&c)
			err := c.Validate()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestValidateReportsEveryFault(t *testing.T) {
	err := (&control.Config{}).Validate()
	for _, want := range []string{
		"SWEET_TARGET_AGE", "SWEET_CONTROL_EVERY", "SWEET_OVERLOAD", "SWEET_AUDIT_RATE", "SWEET_ALARM_EVERY", "SWEET_STATE_BUCKET",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a word about %s", err, want)
		}
	}
}
