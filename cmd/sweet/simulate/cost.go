package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"sweetspot/pipeline/schedule"
)

// A Cost is what a model costs on a device, and the lengths of the texts that it
// was measured on. `sweet bench --cost` writes one as JSON.
type Cost struct {
	Model  string `json:"model"`            // what it is called
	Digest string `json:"digest,omitempty"` // of the model; "" fits every model

	Device    string `json:"device"`
	Precision string `json:"precision"` // whose ladder counts
	Kernels   string `json:"kernels,omitempty"`
	Threads   int    `json:"threads,omitempty"`

	BatchTokens int           `json:"batch_tokens"` // of one run at most
	Depth       int           `json:"depth"`        // batches that the device keeps in flight
	Stages      []StageCost   `json:"stages"`
	Lengths     []LengthCount `json:"lengths"`
}

// A StageCost is what a run of one stage takes: Base + PerToken·T seconds over T
// tokens.
type StageCost struct {
	Base     float64 `json:"base_seconds"`
	PerToken float64 `json:"seconds_per_token"`
	Layers   int     `json:"layers"` // encoder layers that a message has run when it leaves after this stage

	// Disagreement is the share of texts on which the exit behind this stage
	// answers otherwise than full depth, if all of them leave there. Calibration
	// measures only those that do leave there; this is for models used whole.
	Disagreement float64 `json:"disagreement"`
}

// A LengthCount says how many of the texts had so many tokens.
type LengthCount struct {
	Tokens int `json:"tokens"`
	Texts  int `json:"texts"`
}

// ReadCost reads a cost model and checks it.
func ReadCost(path string) (Cost, error) {
	var c Cost
	data, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Write writes c as JSON.
func (c *Cost) Write(path string) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// mostTexts bounds the texts of a cost model, so that their lengths can be
// listed.
const mostTexts = 1 << 24

// Validate reports what is wrong with c, by the names of the file's fields.
func (c *Cost) Validate() error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Precision == "" {
		add("precision: missing")
	}
	if c.Depth < 1 {
		add("depth: %d, want at least 1", c.Depth)
	}
	if len(c.Stages) == 0 {
		add("stages: none")
	}
	layers := 0
	for i, s := range c.Stages {
		if err := s.validate(); err != nil {
			add("stages[%d].%w", i, err)
		}
		if s.Layers <= layers {
			add("stages[%d].layers: %d, want more than %d", i, s.Layers, layers)
		}
		layers = s.Layers
	}
	texts := 0
	for i, l := range c.Lengths {
		if l.Tokens < 1 || l.Tokens > c.BatchTokens {
			add("lengths[%d].tokens: %d, want 1 to batch_tokens, %d", i, l.Tokens, c.BatchTokens)
		}
		if l.Texts < 0 || l.Texts > mostTexts {
			add("lengths[%d].texts: %d, want 0 to %d", i, l.Texts, mostTexts)
			continue
		}
		texts += l.Texts
	}
	if texts < 1 || texts > mostTexts {
		add("lengths: %d texts, want 1 to %d", texts, mostTexts)
	}
	return errors.Join(faults...)
}

// mostSeconds is what a run may take: more is a mistake in the file.
const mostSeconds = 3600

func (s *StageCost) validate() error {
	plausible := func(v float64) bool { return v >= 0 && v <= mostSeconds }
	switch {
	case !plausible(s.Base):
		return fmt.Errorf("base_seconds: %v, want 0 to %d", s.Base, mostSeconds)
	case !plausible(s.PerToken):
		return fmt.Errorf("seconds_per_token: %v, want 0 to %d", s.PerToken, mostSeconds)
	case s.Base+s.PerToken <= 0:
		return errors.New("base_seconds: a run takes no time")
	case !(s.Disagreement >= 0 && s.Disagreement <= 1):
		return fmt.Errorf("disagreement: %v is not from 0 to 1", s.Disagreement)
	}
	return nil
}

// lines returns the lines of the stages, as package schedule has them.
func (c *Cost) lines() []schedule.Line {
	lines := make([]schedule.Line, len(c.Stages))
	for i, s := range c.Stages {
		lines[i] = schedule.Line{Base: s.Base, PerToken: s.PerToken}
	}
	return lines
}

// FullLayers returns the layers of a message at full depth.
func (c *Cost) FullLayers() int { return c.Stages[len(c.Stages)-1].Layers }

// MeanTokens returns the mean length of a message.
func (c *Cost) MeanTokens() float64 {
	var tokens, texts float64
	for _, l := range c.Lengths {
		tokens += float64(l.Tokens) * float64(l.Texts)
		texts += float64(l.Texts)
	}
	return tokens / texts
}

// Message returns what a message of mean length costs in full runs, in seconds,
// where reach (stages) is the share of messages that run each stage.
func (c *Cost) Message(reach []float64) float64 {
	var seconds float64
	for i, line := range c.lines() {
		seconds += reach[i] * line.Token(float64(c.BatchTokens))
	}
	return seconds * c.MeanTokens()
}

// Capacity returns the messages a second that one replica carries at full depth.
func (c *Cost) Capacity() float64 {
	all := make([]float64, len(c.Stages))
	for i := range all {
		all[i] = 1
	}
	return 1 / c.Message(all)
}

// lengths lists the length of every text, so that one drawn at random is one of
// the texts.
func (c *Cost) lengths() []int32 {
	var all []int32
	for _, l := range c.Lengths {
		for range l.Texts {
			all = append(all, int32(min(l.Tokens, math.MaxInt32)))
		}
	}
	return all
}
