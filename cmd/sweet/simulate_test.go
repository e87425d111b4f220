package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/cmd/sweet/simulate"
	"sweetspot/pipeline/control"
)

// costFile writes a cost model that fits the bundled model.
func costFile(t *testing.T) string {
	t.Helper()
	c := simulate.Cost{
		Model: "bundled", Device: "cpu", Precision: "f32", BatchTokens: 2048, Depth: 1,
		Stages: []simulate.StageCost{
			{Base: 40e-6, PerToken: 4.8e-6, Layers: 1, Disagreement: 0.21},
			{Base: 30e-6, PerToken: 4.6e-6, Layers: 2, Disagreement: 0.03},
			{Base: 40e-6, PerToken: 9.3e-6, Layers: 4, Disagreement: 0.02},
			{Base: 30e-6, PerToken: 9.3e-6, Layers: 6},
		},
		Lengths: []simulate.LengthCount{{Tokens: 20, Texts: 1}, {Tokens: 35, Texts: 1}},
	}
	path := filepath.Join(t.TempDir(), "cost.json")
	if err := c.Write(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// file writes a text into a file of the given name.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// said runs a command and returns what it printed on stdout and stderr.
func said(t *testing.T, args ...string) (out, talk string, err error) {
	t.Helper()
	var o, e strings.Builder
	c := newCommand()
	c.SetOut(&o)
	c.SetErr(&e)
	c.SetArgs(args)
	err = c.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

func TestSimulatePrintsTheFieldsThatScriptsRead(t *testing.T) {
	load := file(t, "load.csv", "seconds,messages_per_second\n0,1\n2,3\n4,1\n6,0\n")
	out, _, err := said(t, "simulate", "--load", load, "--cost", costFile(t), "--json")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]float64
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	names := slices.Sorted(maps.Keys(got))
	want := []string{"age_p50_s", "age_p99_s", "agreement_bound", "layers_full", "layers_mean", "messages", "moves", "over_target_share", "replicas_needed", "shed"}
	if !slices.Equal(names, want) {
		t.Errorf("got fields %v, want %v", names, want)
	}
	if got["layers_full"] != 6 || got["layers_mean"] < 1 || got["layers_mean"] > 6 || got["messages"] < 1000 || got["agreement_bound"] < 0.98 || got["replicas_needed"] < 1 {
		t.Errorf("got %s", out)
	}
}

func TestSimulateScalesACSVAsRateSays(t *testing.T) {
	cost := costFile(t)
	load := file(t, "load.csv", "seconds,messages_per_second\n0,100\n10,400\n20,0\n")
	for _, c := range []struct {
		rate     string
		messages float64 // expected
	}{{"file", 5000}, {"80", 1000}} {
		out, _, err := said(t, "simulate", "--load", load, "--rate", c.rate, "--cost", cost, "--replicas", "2", "--json")
		if err != nil {
			t.Fatal(err)
		}
		var got simulate.Summary
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		if short := float64(got.Messages)/c.messages - 1; short < -0.2 || short > 0.2 {
			t.Errorf("--rate %s: got %d messages, want about %v", c.rate, got.Messages, c.messages)
		}
	}
}

func TestSimulateTellsAPersonAndDraws(t *testing.T) {
	load := file(t, "load.csv", "seconds,messages_per_second\n0,1\n2,3\n4,0\n")
	picture := filepath.Join(t.TempDir(), "plot.svg")
	out, _, err := said(t, "simulate", "--load", load, "--cost", costFile(t), "--plot", picture)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2.50 times what one replica carries at full depth", "over the target of 1s", "of 6 a message", "with confidence 95 %", "needed"} {
		if !strings.Contains(out, want) {
			t.Errorf("got no %q in\n%s", want, out)
		}
	}
	if info, err := os.Stat(picture); err != nil || info.Size() == 0 {
		t.Errorf("got no picture: %v", err)
	}
}

func TestSimulateSaysHowManyMessagesWereShed(t *testing.T) {
	args := []string{
		"simulate", "--load", file(t, "load.csv", "seconds,messages_per_second\n0,1\n20,0\n21,0\n"), "--rate", "20000", "--cost", costFile(t),
		"--best-effort", "0.5", "--overload",
	}
	var shed, waited simulate.Summary
	for overload, s := range map[string]*simulate.Summary{"shed": &shed, "wait": &waited} {
		out, _, err := said(t, slices.Concat(args, []string{overload, "--json"})...)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(out), s); err != nil {
			t.Fatal(err)
		}
	}
	if waited.Shed != 0 || shed.Shed < 1000 || float64(shed.Shed) > shed.OverTarget*float64(shed.Messages)+0.5 {
		t.Errorf("got %d shed of %+v, and with wait %d; want some, all of them over the target, and none", shed.Shed, shed, waited.Shed)
	}
	out, _, err := said(t, append(args, "shed")...)
	if want := fmt.Sprintf("shed       %d messages", shed.Shed); err != nil || !strings.Contains(out, want) {
		t.Errorf("got error %v and no %q in\n%s", err, want, out)
	}
}

func TestSimulateSaysWhereNoReplicasAreEnough(t *testing.T) {
	args := []string{
		"simulate", "--load", file(t, "load.csv", "seconds,messages_per_second\n0,1\n4,0\n"), "--cost", costFile(t),
		"--target-age", "10ms", "--control-every", "10ms", "--publish", "20ms",
	}
	out, _, err := said(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"not even ", " keep 99 % of the messages within 10ms", "takes longer by itself"} {
		if !strings.Contains(out, want) {
			t.Errorf("got no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "needed") {
		t.Errorf("got a number that is needed in\n%s", out)
	}
	if out, _, err = said(t, append(args, "--json")...); err != nil || !strings.Contains(out, `"replicas_needed":null`) {
		t.Errorf("got %s with error %v, want null", out, err)
	}
}

func TestSimulateRefusesWhatMakesNoSense(t *testing.T) {
	cost := costFile(t)
	csv := file(t, "load.csv", "seconds,messages_per_second\n0,1\nx,3\n")
	other := file(t, "cost.json", `{"precision":"f32","digest":"00","batch_tokens":8,"depth":1,"stages":[{"base_seconds":1,"layers":1}],"lengths":[{"tokens":1,"texts":1}]}`)
	fewer := file(t, "cost.json", `{"precision":"f32","batch_tokens":8,"depth":1,"stages":[{"base_seconds":1,"layers":1}],"lengths":[{"tokens":1,"texts":1}]}`)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no load", []string{"--cost", cost}, "--load is missing"},
		{"an unknown load", []string{"--load", "flood", "--cost", cost}, "--load flood: want step, ramp, burst, diurnal"},
		{"no such file", []string{"--load", "none.csv", "--cost", cost}, "none.csv"},
		{"a fault in a line", []string{"--load", csv, "--cost", cost}, "line 3"},
		{"a rate that is none", []string{"--load", "step", "--cost", cost, "--rate", "-1"}, "--rate -1"},
		{"a shape as it is", []string{"--load", "step", "--cost", cost, "--rate", "file"}, "step is no file"},
		{"no replicas", []string{"--load", "step", "--cost", cost, "--replicas", "0"}, "--replicas 0"},
		{"costs of another model", []string{"--load", "step", "--cost", other}, "measured on model"},
		{"costs of other stages", []string{"--load", "step", "--cost", fewer}, "1 stages and the model 4"},
		{"a target that is too short", []string{"--load", "step", "--cost", cost, "--target-age", "1ms"}, "SWEET_TARGET_AGE=1ms"},
		{"a replay of a load", []string{"--replay", "none.jsonl", "--json", "--load", "step"}, "--replay goes with --json alone"},
		{"a replay with a rate", []string{"--replay", "none.jsonl", "--rate", "9"}, "--replay goes with --json alone"},
		{"no trace", []string{"--replay", "none.jsonl"}, "none.jsonl"},
	} {
		_, _, err := said(t, append([]string{"simulate"}, c.args...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, new(usageError)) {
			t.Errorf("%s: got error %v, want a usage error with %q", c.name, err, c.want)
		}
	}
}

// Without a cost model the machine is measured, which takes seconds: not before
// the flags have been read.
func TestSimulateRefusesBeforeItMeasures(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"simulate", "--rate", "fast"}, "--rate fast"},
		{[]string{"simulate", "--rate", "file"}, "step is no file"},
		{[]string{"simulate", "--replicas", "0"}, "--replicas 0"},
		{[]string{"simulate", "--plot", "day.pdf"}, "--plot: day.pdf ends with"},
		{[]string{"bench", "--rate", "0"}, "--rate 0"},
	} {
		_, talk, err := said(t, append(c.args, "--load", "step")...)
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, new(usageError)) || talk != "" {
			t.Errorf("%v: got error %v after %q, want a usage error with %q at once", c.args, err, talk, c.want)
		}
	}
}

// The defaults of the flags are those of the worker's settings.
func TestSimulateHasTheWorkersDefaults(t *testing.T) {
	flags := newSimulateCommand().Flags()
	for name, flag := range map[string]string{"TargetAge": "target-age", "ControlEvery": "control-every", "Overload": "overload", "AuditRate": "audit-rate"} {
		field, ok := reflect.TypeFor[control.Config]().FieldByName(name)
		if !ok {
			t.Fatalf("control.Config has no field %s", name)
		}
		variable, want, _ := strings.Cut(field.Tag.Get("env"), ", default=")
		f := flags.Lookup(flag)
		if f.DefValue != want || !strings.Contains(f.Usage, "SWEET_"+variable) {
			t.Errorf("--%s: got default %q and usage %q, want %q and SWEET_%s", flag, f.DefValue, f.Usage, want, variable)
		}
	}
}

// trace records what a controller decides over a rising load.
func trace(t *testing.T) string {
	t.Helper()
	cfg := control.Config{TargetAge: time.Second, ControlEvery: 250 * time.Millisecond, Overload: control.Wait}
	reach := [][]float64{{1, 1}, {1, 0.2}}
	c, err := control.New(cfg, reach)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	rec, err := control.NewRecorder(&text, control.Header{Config: cfg, Reach: reach})
	if err != nil {
		t.Fatal(err)
	}
	arrived := int64(0)
	for i := range int64(40) {
		at := time.Duration(i) * cfg.ControlEvery
		arrived += 10 * i
		r := control.Reading{At: at, Heard: at, Arrived: arrived, Settled: arrived, Costs: []float64{0.001, 0.001}, Usable: 1}
		if err := rec.Record(r, c.Step(r)); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

func TestReplayComparesEveryDecision(t *testing.T) {
	text := trace(t)
	out, _, err := said(t, "simulate", "--replay", file(t, "trace.jsonl", text))
	if err != nil || out != "40 decisions, all the same bit for bit\n" {
		t.Errorf("got %q and error %v", out, err)
	}

	lines := strings.SplitAfter(text, "\n")
	const changed = 21 // decisions before it
	lines[1+changed] = strings.Replace(lines[1+changed], `"correction":0`, `"correction":0.5`, 1)
	path := file(t, "trace.jsonl", strings.Join(lines, ""))
	out, _, err = said(t, "simulate", "--replay", path)
	if !errors.Is(err, errReplay) || errors.As(err, new(usageError)) || !strings.Contains(err.Error(), fmt.Sprintf("line %d", changed+2)) {
		t.Errorf("got error %v, want one that names line %d", err, changed+2)
	}
	if want := "21 decisions the same; the next differs\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	out, _, _ = said(t, "simulate", "--replay", path, "--json")
	if want := `{"same":21,"differs_at_line":23}` + "\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestReplayOfWhatIsNoTrace(t *testing.T) {
	if _, _, err := said(t, "simulate", "--replay", file(t, "notes.txt", "nothing\n")); err == nil || errors.Is(err, errReplay) {
		t.Errorf("got error %v, want one about the file", err)
	}
}
