package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMetricsReadsSeriesByName(t *testing.T) {
	const page = `# HELP sweet_alarm 1 while an alarm has withdrawn rungs.
# TYPE sweet_alarm gauge
sweet_alarm 0
# TYPE sweet_alarms counter
sweet_alarms 9
sweet_audits_total{agree="false"} 3
sweet_audits_total{agree="true"} 1.25e+03
`
	got, err := metrics(page, "sweet_alarm", `sweet_audits_total{agree="true"}`)
	if want := []float64{0, 1250}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v and error %v, want %v", got, err, want)
	}
	if got, err := metrics(page, "sweet_rung"); err == nil {
		t.Errorf("got %v for a series that is missing, want an error", got)
	}
}

func TestCheckReplayWantsEveryDecision(t *testing.T) {
	dir := t.TempDir()
	tr := openTraced(t, dir)
	for name, test := range map[string]struct {
		script string // stands for sweet
		want   string // in the error; "" is none
	}{
		"all the same":       {`echo '{"same":4}'`, ""},
		"one is left out":    {`echo '{"same":3}'`, "finds 3 decisions the same; the trace holds 4"},
		"one differs":        {`echo '{"same":1,"differs_at_line":3}'; echo 'line 3: recorded rung 1' >&2; exit 1`, "line 3: recorded rung 1"},
		"it says no figures": {`echo 4 decisions`, "4 decisions"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sweet")
			script := "#!/bin/sh\n[ \"$*\" = \"simulate --replay " + filepath.Join(dir, "trace") + " --json\" ] || exit 9\n" + test.script + "\n"
			if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			err := (&stepTest{sweet: sweet{path: path}, trace: tr}).checkReplay(t.Context())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
}

func TestAgreeCountsWhatDiffersFromFullDepth(t *testing.T) {
	messages := map[place]string{{0, 0}: "a", {0, 1}: "a", {0, 2}: "b", {0, 3}: "c", {0, 4}: "c"}
	full := answers{byText: map[string]answer{"a": {Label: "x"}, "b": {Label: "y"}, "c": {Label: "z"}}}
	var results []result
	for offset, r := range []result{
		{answer: answer{Label: "x", Rung: 2}, Audited: true},
		{answer: answer{Label: "x", Rung: 1}},
		{answer: answer{Label: "z", Rung: 2}, Audited: true}, // differs
		{answer: answer{Label: "z", Rung: 0}, Audited: true},
		{answer: answer{Label: "x", Rung: 1}}, // differs
	} {
		r.Source.Offset = int64(offset)
		results = append(results, r)
	}
	a, audited := agree(results, messages, full, 0.02)
	if want := (agreement{answers: 4, different: 2, texts: 3, epsilon: 0.02}); a != want {
		t.Errorf("got %+v, want %+v", a, want)
	}
	if want := (audits{same: 2, different: 1}); audited != want {
		t.Errorf("got %+v, want %+v", audited, want)
	}
}

func TestAgreementAllowsForChance(t *testing.T) {
	few, many := agreement{texts: 100, epsilon: 0.02}, agreement{texts: 10_000, epsilon: 0.02}
	// Four standard deviations: 4·√(0.02·0.98/n).
	if got := few.most(); got < 0.0759 || got > 0.0761 {
		t.Errorf("got at most %v of 100 texts, want 0.076", got)
	}
	if got := many.most(); got < 0.0255 || got > 0.0257 {
		t.Errorf("got at most %v of 10,000 texts, want 0.0256", got)
	}
}

func TestReadLadderKnowsTheLadder(t *testing.T) {
	l, err := readLadder("../../inference/bundled/model/ladder.json")
	if got := l.F32.Epsilon; err != nil || got < 0.0199 || got > 0.0201 || len(l.F32.Rungs) != 8 {
		t.Errorf("got epsilon %v, %d rungs and error %v, want 0.02, 8 and none", got, len(l.F32.Rungs), err)
	}
	other := filepath.Join(t.TempDir(), "ladder.json")
	if err := os.WriteFile(other, []byte(`{"bf16":{"epsilon":0.02}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := readLadder(other); err == nil {
		t.Errorf("got %v from a ladder without f32, want an error", got)
	}
}
