package simulate

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCostModelIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cost.json")
	c := bundled().Cost
	if err := c.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadCost(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Capacity() != c.Capacity() || got.FullLayers() != 6 || got.Stages[0] != c.Stages[0] {
		t.Errorf("got %+v, want %+v", got, c)
	}
}

func TestCapacityIsTheReciprocalOfAllStages(t *testing.T) {
	c := Cost{
		BatchTokens: 100, Depth: 1,
		Stages:  []StageCost{{Base: 0.010, PerToken: 0.001, Layers: 1}, {Base: 0.020, PerToken: 0.003, Layers: 2}},
		Lengths: []LengthCount{{10, 3}, {30, 1}},
	}
	// 15 tokens a message; a token takes 1.1 ms and 3.2 ms.
	if got := c.MeanTokens(); got != 15 {
		t.Errorf("got %v tokens a message, want 15", got)
	}
	if got, want := c.Capacity(), 1/(15*(0.0011+0.0032)); math.Abs(got/want-1) > 1e-12 {
		t.Errorf("got %v messages/s, want %v", got, want)
	}
	if got, want := c.Message([]float64{1, 0.5}), 15*(0.0011+0.0016); math.Abs(got/want-1) > 1e-12 {
		t.Errorf("got %v s a message, want %v", got, want)
	}
}

func TestCostModelIsChecked(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *Cost)
		want   string
	}{
		{"no precision", func(c *Cost) { c.Precision = "" }, "precision: missing"},
		{"no depth", func(c *Cost) { c.Depth = 0 }, "depth: 0"},
		{"no stages", func(c *Cost) { c.Stages = nil }, "stages: none"},
		{"layers that do not grow", func(c *Cost) { c.Stages[2].Layers = 2 }, "stages[2].layers: 2, want more than 2"},
		{"negative time", func(c *Cost) { c.Stages[1].Base = -1 }, "stages[1].base_seconds: -1"},
		{"no time", func(c *Cost) { c.Stages[1].Base, c.Stages[1].PerToken = 0, 0 }, "takes no time"},
		{"no number", func(c *Cost) { c.Stages[1].PerToken = math.NaN() }, "stages[1].seconds_per_token"},
		{"a share that is none", func(c *Cost) { c.Stages[0].Disagreement = 2 }, "stages[0].disagreement: 2"},
		{"a text that is no row", func(c *Cost) { c.Lengths[0].Tokens = 3000 }, "lengths[0].tokens: 3000"},
		{"no texts", func(c *Cost) { c.Lengths = nil }, "lengths: 0 texts"},
	} {
		cost := bundled().Cost
		c.change(&cost)
		if err := cost.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %q in it", c.name, err, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "cost.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadCost(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got error %v, want one that names the file", err)
	}
}
