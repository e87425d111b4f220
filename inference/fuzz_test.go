package inference_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
	"sweetspot/inference/devicetest"
)

// FuzzModel loads any four files as a model directory on the processor. What
// loads also runs: a row gets an answer that is one, or the device says what is
// wrong.
func FuzzModel(f *testing.F) {
	for _, method := range []inference.Method{inference.EarlyExit, inference.MultiModel} {
		c := small()
		c.Method = method
		dir := f.TempDir()
		var ts []inference.Tensor
		for _, t := range devicetest.Random(c, 1).Tensors {
			ts = append(ts, t)
		}
		if err := inference.Save(dir, c, ts, inference.StoreBF16, vocab); err != nil {
			f.Fatal(err)
		}
		file := func(name string) []byte {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				f.Fatal(err)
			}
			return data
		}
		opened, err := inference.Open(os.DirFS(dir))
		if err != nil {
			f.Fatal(err)
		}
		l := inference.FullDepth(len(c.Exits))
		l.Model, l.MaxTokens, l.Truncate, l.Epsilon, l.Delta, l.Records = opened.Digest, c.Positions, "right", 0.02, 0.05, 1000
		ladder, err := json.Marshal(map[string]any{"f32": l})
		if err != nil {
			f.Fatal(err)
		}
		m, err := inference.Load(fstest.MapFS{
			"config.json": {Data: file("config.json")}, "model.safetensors": {Data: file("model.safetensors")},
			"vocab.txt": {Data: file("vocab.txt")}, "ladder.json": {Data: ladder},
		}, devicetest.Reference(), inference.Options{})
		if err != nil || m.LadderProblem != nil {
			f.Fatal(err, m.LadderProblem)
		}
		f.Add(file("config.json"), file("model.safetensors"), file("vocab.txt"), ladder)
	}
	f.Fuzz(func(t *testing.T, config, weights, vocab, ladder []byte) {
		d, err := cpu.Open(cpu.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		m, err := inference.Load(fstest.MapFS{
			"config.json": {Data: config}, "model.safetensors": {Data: weights}, "vocab.txt": {Data: vocab}, "ladder.json": {Data: ladder},
		}, d, inference.Options{})
		if err != nil || m.MaxTokens() > 1<<12 {
			return
		}
		r, err := inference.NewRunner(m, m.MaxTokens())
		if err != nil {
			t.Fatalf("what was loaded has no runner: %v", err)
		}
		answers, err := r.Answers(t.Context(), []inference.Row{{Tokens: []int32{0}, Second: 1}})
		if err != nil {
			return
		}
		e := answers[0].Exit
		if e.Label < 0 || e.Label >= len(m.Labels) || !(e.Probability >= 0 && e.Probability <= 1.001) || !(e.Confidence >= 0 && e.Confidence <= 1.001) {
			t.Errorf("got the answer %+v of %d labels", e, len(m.Labels))
		}
	})
}
