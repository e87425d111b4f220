package pipeline

import (
	"strings"
	"testing"
	"time"

	"sweetspot/inference"
)

func goodConfig() Config {
	return Config{
		MaxTokens: 128, Truncate: "right", BatchTokens: 2048, Mode: Auto,
		Input: Text, InputText: "text", MaxMessageBytes: MiB, Drain: 30 * time.Second,
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string // in the error; "" is none
	}{
		{"the defaults", func(*Config) {}, ""},
		{"the model's own sizes", func(c *Config) { c.MaxTokens, c.BatchTokens = 0, 0 }, ""},
		{"too few tokens", func(c *Config) { c.MaxTokens = 2 }, "SWEET_MAX_TOKENS=2"},
		{"too few tokens for a pair", func(c *Config) { c.MaxTokens, c.Input, c.InputPair = 4, JSON, "b" }, "SWEET_MAX_TOKENS=4"},
		{"a batch that holds no text", func(c *Config) { c.BatchTokens = 127 }, "SWEET_BATCH_TOKENS=127"},
		{"an unknown truncation", func(c *Config) { c.Truncate = "middle" }, "SWEET_TRUNCATE=middle"},
		{"an unknown mode", func(c *Config) { c.Mode = "fast" }, "SWEET_MODE=fast"},
		{"a rung that nobody uses", func(c *Config) { c.Rung = 2 }, "SWEET_RUNG=2"},
		{"a rung below the ladder", func(c *Config) { c.Mode, c.Rung = Fixed, -1 }, "SWEET_RUNG=-1"},
		{"an unknown input", func(c *Config) { c.Input = "avro" }, "SWEET_INPUT=avro"},
		{"a broken path", func(c *Config) { c.Input, c.InputText = JSON, "a..b" }, "SWEET_INPUT_TEXT=a..b"},
		{"a pair of plain texts", func(c *Config) { c.InputPair = "b" }, "SWEET_INPUT_PAIR=b"},
		{"no bytes", func(c *Config) { c.MaxMessageBytes = 0 }, "SWEET_MAX_MESSAGE_BYTES=0"},
		{"no time to drain", func(c *Config) { c.Drain = 0 }, "SWEET_DRAIN=0s"},
		{"a header of the server's", func(c *Config) { c.CopyHeaders = []string{"nats-msg-id"} }, `SWEET_COPY_HEADERS: "nats-msg-id"`},
		{"a header with every mark there may be", func(c *Config) { c.CopyHeaders = []string{"Aa9!#$%&'*+-.^_`|~"} }, ""},
		{"a header that the NATS client refuses", func(c *Config) { c.CopyHeaders = []string{"x(1)"} }, `SWEET_COPY_HEADERS: "x(1)"`},
		{"a header with a slash", func(c *Config) { c.CopyHeaders = []string{"a/b"} }, `SWEET_COPY_HEADERS: "a/b"`},
		{"no header name", func(c *Config) { c.CopyHeaders = []string{"a b"} }, `SWEET_COPY_HEADERS: "a b"`},
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
	c := goodConfig()
	c.Mode, c.Drain, c.Truncate = "fast", 0, "middle"
	err := c.Validate()
	for _, want := range []string{"SWEET_MODE", "SWEET_DRAIN", "SWEET_TRUNCATE"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a word about %s", err, want)
		}
	}
}

func TestAdmit(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mode  Mode
		rung  int
		rungs int
		want  uint8
		ok    bool
	}{
		{"full", Full, 0, 5, 0, true},
		{"auto is the cheapest", Auto, 0, 5, 4, true},
		{"auto without a ladder is full depth", Auto, 0, 0, 0, true},
		{"fixed", Fixed, 3, 5, 3, true},
		{"fixed at the last", Fixed, 4, 5, 4, true},
		{"a rung that is not certified", Fixed, 5, 5, 0, false},
		{"fixed at full depth without a ladder", Fixed, 0, 0, 0, true},
		{"fixed without a ladder", Fixed, 1, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{Mode: tt.mode, Rung: tt.rung}
			got, err := c.Admit(tt.rungs)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("got %d, %v; want %d, ok %v", got, err, tt.want, tt.ok)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config, *Parts)
		want   string
	}{
		{"sizes that nobody filled in", func(c *Config, _ *Parts) { c.MaxTokens = 0 }, "SWEET_MAX_TOKENS=0"},
		{"a batch that holds no text", func(c *Config, _ *Parts) { c.BatchTokens = 10 }, "SWEET_BATCH_TOKENS=10"},
		{"a model without labels", func(_ *Config, p *Parts) { p.Labels = nil }, "0 labels"},
		{"layers of another model", func(_ *Config, p *Parts) { p.Layers = []int{1} }, "layers [1]"},
		{"thresholds of another model", func(_ *Config, p *Parts) {
			p.Rungs = []inference.Rung{{Thresholds: inference.Thresholds{2}}}
		}, "rung 0 has 1 thresholds"},
		{"a rung that is not certified", func(c *Config, _ *Parts) { c.Mode, c.Rung = Fixed, 3 }, "SWEET_RUNG=3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, newShelf(), nil)
			cfg, parts := r.cfg, r.parts
			tt.change(&cfg, &parts)
			if _, err := New(cfg, parts); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
