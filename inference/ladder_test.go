package inference_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"sweetspot/inference"
)

// twoRungs is a ladder for a model of three stages.
func twoRungs() inference.Ladder {
	return inference.Ladder{
		Rungs: []inference.Rung{
			{Thresholds: inference.Thresholds{2, 2}, Reach: []float64{1, 1, 1}, Cost: 1},
			{Thresholds: inference.Thresholds{0.9, 0.8}, Reach: []float64{1, 0.5, 0.25}, Cost: 0.5, Disagreement: 0.01, Bound: 0.015, Risk: []float64{0.01, 0.01, 0}},
		},
		Temperatures: []float32{1.5, 1.25, 1}, Epsilon: 0.02, Delta: 0.05, Records: 1000,
		MaxTokens: 64, Truncate: "right", Model: "abc", Date: "2026-01-02T03:04:05Z",
	}
}

func ladderFS(data string) fstest.MapFS {
	return fstest.MapFS{"ladder.json": {Data: []byte(data)}}
}

func TestSaveLadder(t *testing.T) {
	dir := t.TempDir()
	l := twoRungs()
	digest, err := inference.SaveLadder(dir, inference.F32, l)
	if err != nil {
		t.Fatal(err)
	}
	got, gotDigest, err := inference.LoadLadder(os.DirFS(dir), inference.F32, "abc", 3)
	if err != nil || gotDigest != digest || !reflect.DeepEqual(got, l) {
		t.Errorf("got ladder %+v, digest %s and error %v, want %+v and %s", got, gotDigest, err, l, digest)
	}

	l.Epsilon = 0.03
	if other, err := inference.SaveLadder(dir, inference.BF16, l); err != nil || other == digest {
		t.Errorf("got digest %s and error %v for another ladder, want another digest", other, err)
	}
	if got, _, err := inference.LoadLadder(os.DirFS(dir), inference.F32, "abc", 3); err != nil || got.Epsilon != 0.02 {
		t.Errorf("got epsilon %v and error %v, want the first precision's entry as it was", got.Epsilon, err)
	}
	if got, _, err := inference.LoadLadder(os.DirFS(dir), inference.BF16, "abc", 3); err != nil || got.Epsilon != 0.03 {
		t.Errorf("got epsilon %v and error %v, want 0.03", got.Epsilon, err)
	}
	if got, want := names(t, dir), []string{"ladder.json"}; !slices.Equal(got, want) {
		t.Errorf("got files %v, want %v", got, want)
	}

	for _, dir := range []string{dir, t.TempDir()} {
		if err := inference.CheckLadderFile(dir); err != nil {
			t.Errorf("CheckLadderFile: got error %v where nothing is in the way", err)
		}
	}

	l.Rungs[1].Cost = 2
	if _, err := inference.SaveLadder(dir, inference.F32, l); err == nil || err.Error() != "ladder.json: f32: rungs[1].cost: 2 is not above 0 and at most 1" {
		t.Errorf("got error %v, want one about the cost", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ladder.json"), []byte("rubble"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = inference.SaveLadder(dir, inference.F32, twoRungs())
	for what, err := range map[string]error{"SaveLadder": err, "CheckLadderFile": inference.CheckLadderFile(dir)} {
		if err == nil || !strings.Contains(err.Error(), "ladder.json that is there, delete it or repair it") {
			t.Errorf("%s: got error %v where the ladder.json that is there cannot be kept", what, err)
		}
	}
}

func TestLadderDigestIsOfTheMeaning(t *testing.T) {
	compact, err := json.Marshal(map[string]any{"f32": twoRungs()})
	if err != nil {
		t.Fatal(err)
	}
	load := func(t *testing.T, data string) string {
		t.Helper()
		_, digest, err := inference.LoadLadder(ladderFS(data), inference.F32, "abc", 3)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	digest := load(t, string(compact))
	var spread map[string]map[string]any
	if err := json.Unmarshal(compact, &spread); err != nil {
		t.Fatal(err)
	}
	spread["f32"]["date"] = "2030-01-01T00:00:00Z"
	indented, err := json.MarshalIndent(spread, " ", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if got := load(t, string(indented)); got != digest {
		t.Errorf("got digest %s for another layout and date, want %s", got, digest)
	}
	delete(spread["f32"], "date")
	canonical, err := json.Marshal(spread["f32"])
	if err != nil {
		t.Fatal(err)
	}
	if want := digestOf(canonical); digest != want {
		t.Errorf("got digest %s, want that of the compact entry with sorted keys, %s", digest, want)
	}
	for _, change := range []string{`"records":1000`, `"model":"abc"`} {
		changed := strings.Replace(string(compact), change, change+`,"note":"x"`, 1)
		if got := load(t, changed); got == digest {
			t.Errorf("got the same digest with a field beside %s", change)
		}
	}
}

// TestLadderDigestsAreStable holds the digest of an agreement ladder
// that was written before floors had kinds, and that of one on accuracy, to what
// alarms may be filed under.
func TestLadderDigestsAreStable(t *testing.T) {
	accuracy := twoRungs()
	accuracy.Floor, accuracy.DisagreementLimit = inference.AccuracyFloor, 0.03
	accuracy.Rungs[1].Loss, accuracy.Rungs[1].LossBound = 0.005, 0.0125
	for _, tt := range []struct {
		name   string
		ladder inference.Ladder
		want   string
	}{
		{"agreement", twoRungs(), "2e5812936972afe81c530616d34d6a9ac78d6139307302e9d4f10b715daa1142"},
		{"accuracy", accuracy, "1f19c5d99c3777c999ea043db04190e10c738d5d2d3f012b5e9e069ba4f452f4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			digest, err := inference.SaveLadder(dir, inference.F32, tt.ladder)
			if err != nil || digest != tt.want {
				t.Errorf("got digest %s and error %v, want %s", digest, err, tt.want)
			}
			got, loaded, err := inference.LoadLadder(os.DirFS(dir), inference.F32, "abc", 3)
			if err != nil || loaded != tt.want || !reflect.DeepEqual(got, tt.ladder) {
				t.Errorf("got ladder %+v, digest %s and error %v, want what was saved", got, loaded, err)
			}
		})
	}
}

// TestTheBundledLadderKeepsItsDigest reads the entry that comes with the program,
// which names no kind of floor.
func TestTheBundledLadderKeepsItsDigest(t *testing.T) {
	l, digest, err := inference.LoadLadder(os.DirFS("bundled/model"), inference.F32, "b2339da525a98dc5e5dd2cb084fe404ba58afd87a306aa432f71e9ee3b54f9eb", 4)
	if want := "8bc77eec9d47fe915d2b0e94e1c59e7d2c0d059de74daf9b57f0ecd172a3dbf6"; err != nil || digest != want {
		t.Errorf("got digest %s and error %v, want %s", digest, err, want)
	}
	if l.Floor != "" || l.DisagreementLimit != 0 {
		t.Errorf("got floor %q with limit %v, want neither", l.Floor, l.DisagreementLimit)
	}
}

// TestAgreementMayBeSaid takes the kind of floor that every ladder has had for
// what it is, whether the entry names it or not.
func TestAgreementMayBeSaid(t *testing.T) {
	l := twoRungs()
	for _, floor := range []inference.Floor{"", inference.AgreementFloor} {
		l.Floor = floor
		if err := l.Validate(3); err != nil {
			t.Errorf("floor %q: %v", floor, err)
		}
	}
	l.Floor, l.Rungs = inference.AccuracyFloor, l.Rungs[:1]
	if err := l.Validate(3); err != nil {
		t.Errorf("full depth alone, which has no limit to watch: %v", err)
	}
}

func TestLoadLadderSaysWhyNot(t *testing.T) {
	entry := func(change func(l *inference.Ladder)) fstest.MapFS {
		l := twoRungs()
		change(&l)
		data, err := json.Marshal(map[string]any{"f32": l})
		if err != nil {
			t.Fatal(err)
		}
		return ladderFS(string(data))
	}
	for _, test := range []struct {
		name string
		fsys fstest.MapFS
		is   error
		want string
	}{
		{"no file", fstest.MapFS{}, inference.ErrNoLadder, "no ladder: the model directory has no ladder.json"},
		{"an empty file of entries", ladderFS(`{}`), inference.ErrNoLadder, "no ladder: ladder.json has none for f32, only for: nothing"},
		{"another precision", ladderFS(`{"bf16":{},"int8":{}}`), inference.ErrNoLadder, "no ladder: ladder.json has none for f32, only for: bf16, int8"},
		{"another model", entry(func(l *inference.Ladder) { l.Model = "def" }), inference.ErrOtherModel, "ladder is for another model: ladder.json was measured on model def, this is abc"},
		{"no JSON", ladderFS(`{`), inference.ErrUnreadableLadder, "ladder cannot be read: ladder.json: the JSON ends early"},
		{"an entry that is a list", ladderFS(`{"f32":[]}`), inference.ErrUnreadableLadder, "ladder cannot be read: ladder.json: f32: got a JSON array, want an object"},
		{"a field of the wrong type", ladderFS(`{"f32":{"records":"many"}}`), inference.ErrUnreadableLadder, "ladder cannot be read: ladder.json: f32: records: got a JSON string, want int"},
		{"nothing in it", ladderFS(`{"f32":{}}`), inference.ErrUnreadableLadder, "rungs: 0 rungs, want 1 to 256"},
		{"too many rungs", entry(func(l *inference.Ladder) { l.Rungs = slices.Repeat(l.Rungs[:1], 257) }), inference.ErrUnreadableLadder, "rungs: 257 rungs, want 1 to 256"},
		{"another number of stages", entry(func(l *inference.Ladder) { l.Rungs[1].Thresholds = l.Rungs[1].Thresholds[:1] }), inference.ErrUnreadableLadder, "rungs[1].thresholds: 1, want one per stage but the last, 2"},
		{"a negative threshold", entry(func(l *inference.Ladder) { l.Rungs[1].Thresholds[1] = -0.5 }), inference.ErrUnreadableLadder, "rungs[1].thresholds[1]: -0.5 is negative or not finite"},
		{"a first rung that lets rows leave", entry(func(l *inference.Ladder) { l.Rungs[0].Thresholds[1] = 1 }), inference.ErrUnreadableLadder, "rungs[0].thresholds[1]: 1 lets rows leave, but rung 0 is full depth: want more than 1"},
		{"a rung that costs more than the one before", entry(func(l *inference.Ladder) { l.Rungs[0].Cost = 0.4 }), inference.ErrUnreadableLadder, "rungs[1].cost: 0.5 is above the rung before, 0.4"},
		{"too few stages reached", entry(func(l *inference.Ladder) { l.Rungs[0].Reach = l.Rungs[0].Reach[:2] }), inference.ErrUnreadableLadder, "rungs[0].reach: 2, want one per stage, 3"},
		{"reach that rises", entry(func(l *inference.Ladder) { l.Rungs[1].Reach = []float64{1, 0.2, 0.3} }), inference.ErrUnreadableLadder, "rungs[1].reach: [1 0.2 0.3] must begin at 1 and never rise"},
		{"rows that skip the first stage", entry(func(l *inference.Ladder) { l.Rungs[1].Reach = []float64{0.9, 0.2, 0.1} }), inference.ErrUnreadableLadder, "rungs[1].reach: [0.9 0.2 0.1] must begin at 1 and never rise"},
		{"more disagreement than there is", entry(func(l *inference.Ladder) { l.Rungs[1].Disagreement = 1.5 }), inference.ErrUnreadableLadder, "rungs[1].disagreement: 1.5 is not from 0 to 1"},
		{"a bound below 0", entry(func(l *inference.Ladder) { l.Rungs[1].Bound = -1 }), inference.ErrUnreadableLadder, "rungs[1].bound: -1 is not from 0 to 1"},
		{"a temperature too few", entry(func(l *inference.Ladder) { l.Temperatures = l.Temperatures[:2] }), inference.ErrUnreadableLadder, "temperatures: 2, want one per exit, 3"},
		{"a temperature of zero", entry(func(l *inference.Ladder) { l.Temperatures[1] = 0 }), inference.ErrUnreadableLadder, "temperatures[1]: 0 is not positive and finite"},
		{"a floor on something else", entry(func(l *inference.Ladder) { l.Floor = "speed" }), inference.ErrUnreadableLadder, `floor: "speed", want agreement or accuracy`},
		{"a limit beside a floor on agreement", entry(func(l *inference.Ladder) { l.DisagreementLimit = 0.03 }), inference.ErrUnreadableLadder, "disagreement_limit: 0.03, but the floor is on agreement, where epsilon is the limit"},
		{"a limit beside a floor on agreement that says so", entry(func(l *inference.Ladder) { l.Floor, l.DisagreementLimit = "agreement", 0.03 }), inference.ErrUnreadableLadder, "disagreement_limit: 0.03, but the floor is on agreement, where epsilon is the limit"},
		{"a floor on accuracy without a limit", entry(func(l *inference.Ladder) { l.Floor = "accuracy" }), inference.ErrUnreadableLadder, "disagreement_limit: 0 is not above 0 and at most 1"},
		{"a limit above 1", entry(func(l *inference.Ladder) { l.Floor, l.DisagreementLimit = "accuracy", 1.5 }), inference.ErrUnreadableLadder, "disagreement_limit: 1.5 is not above 0 and at most 1"},
		{"a limit that was passed", entry(func(l *inference.Ladder) { l.Floor, l.DisagreementLimit = "accuracy", 0.005 }), inference.ErrUnreadableLadder, "disagreement_limit: 0.005 is below the disagreement of rungs[1], 0.01"},
		{"a loss without a difference", entry(func(l *inference.Ladder) { l.Rungs[1].Loss = 0.02 }), inference.ErrUnreadableLadder, "rungs[1].loss: 0.02 is not from 0 to the disagreement, 0.01"},
		{"a bound on the loss above 1", entry(func(l *inference.Ladder) { l.Rungs[1].LossBound = 2 }), inference.ErrUnreadableLadder, "rungs[1].loss_bound: 2 is not from 0 to 1"},
		{"risks of some exits", entry(func(l *inference.Ladder) { l.Rungs[1].Risk = []float64{0} }), inference.ErrUnreadableLadder, "rungs[1].risk: 1, want one per exit, 3, or none"},
		{"a risk above 1", entry(func(l *inference.Ladder) { l.Rungs[1].Risk = []float64{0, 2, 0} }), inference.ErrUnreadableLadder, "rungs[1].risk[1]: 2 is not from 0 to 1"},
		{"no epsilon", entry(func(l *inference.Ladder) { l.Epsilon = 0 }), inference.ErrUnreadableLadder, "epsilon: 0 is not between 0 and 1"},
		{"no delta", entry(func(l *inference.Ladder) { l.Delta = 1 }), inference.ErrUnreadableLadder, "delta: 1 is not between 0 and 1"},
		{"no records", entry(func(l *inference.Ladder) { l.Records = 0 }), inference.ErrUnreadableLadder, "records: 0, want at least 1"},
		{"no limit of tokens", entry(func(l *inference.Ladder) { l.MaxTokens = 0 }), inference.ErrUnreadableLadder, "max_tokens: 0, want at least 1"},
		{"no rule of truncation", entry(func(l *inference.Ladder) { l.Truncate = "" }), inference.ErrUnreadableLadder, "truncate: missing"},
		{"no model", entry(func(l *inference.Ladder) { l.Model = "" }), inference.ErrUnreadableLadder, "model: missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, digest, err := inference.LoadLadder(test.fsys, inference.F32, "abc", 3)
			if !errors.Is(err, test.is) || !strings.HasSuffix(err.Error(), test.want) || digest != "" {
				t.Errorf("got digest %q and error %v, want %s", digest, err, test.want)
			}
			for _, other := range []error{inference.ErrNoLadder, inference.ErrOtherModel, inference.ErrUnreadableLadder} {
				if !errors.Is(other, test.is) && errors.Is(err, other) {
					t.Errorf("got an error that is %v as well", other)
				}
			}
		})
	}
}

func TestFullDepth(t *testing.T) {
	l := inference.FullDepth(3)
	// What only a measurement gives.
	l.Epsilon, l.Delta, l.Records, l.MaxTokens, l.Truncate, l.Model = 0.1, 0.1, 1, 1, "right", "abc"
	if err := l.Validate(3); err != nil {
		t.Error(err)
	}
	certain := inference.Exit{Confidence: 1}
	for stage, want := range []bool{false, false, true} {
		if got := l.Rungs[0].Thresholds.Leaves(stage, certain); got != want {
			t.Errorf("a certain row after stage %d: got %v, want %v", stage, got, want)
		}
	}
}

func FuzzLoadLadder(f *testing.F) {
	data, err := json.Marshal(map[string]any{"f32": twoRungs()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, 3)
	f.Add([]byte(`{"f32":{"rungs":[{"thresholds":[]}]}}`), 1)
	f.Fuzz(func(t *testing.T, data []byte, stages int) {
		if stages < 1 || stages > 10 {
			return
		}
		l, digest, err := inference.LoadLadder(ladderFS(string(data)), inference.F32, "abc", stages)
		if (err == nil) != (digest != "") {
			t.Errorf("got digest %q with error %v", digest, err)
		}
		if err == nil && fmt.Sprint(l.Validate(stages), len(l.Rungs) > 0) != "<nil> true" {
			t.Errorf("got a ladder that is not valid: %+v", l)
		}
	})
}
