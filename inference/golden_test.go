package inference_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
	"sweetspot/inference/devicetest"
)

// golden is what the float64 program that wrote testdata/golden computed.
type golden struct {
	Config  map[string]any
	Batches []struct {
		IDs   [][]int32 `json:"input_ids"`
		Types [][]uint8 `json:"token_type_ids"`
		Mask  [][]uint8 `json:"attention_mask"`
	}
	Modes map[string]struct {
		Logits map[string][][]float64 // by exit, of batch 0
	}
}

func readGolden(t *testing.T) golden {
	t.Helper()
	var g golden
	if err := json.Unmarshal(readFile(t, "testdata/golden/golden.json"), &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// directory returns the golden model.
func (g golden) directory(t *testing.T) *inference.Directory {
	t.Helper()
	g.Config["hidden_act"] = "gelu"
	data, err := json.Marshal(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	c, err := inference.ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	tensors, err := inference.ReadTensors(readFile(t, "testdata/golden/weights.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return &inference.Directory{Config: c, Tensors: tensors}
}

// rows returns the rows of batch 0 without their padding.
func (g golden) rows() []inference.Row {
	var rows []inference.Row
	for i, ids := range g.Batches[0].IDs {
		n := len(slices.DeleteFunc(slices.Clone(g.Batches[0].Mask[i]), func(m uint8) bool { return m == 0 }))
		second := slices.Index(g.Batches[0].Types[i][:n], 1)
		if second < 0 {
			second = n
		}
		rows = append(rows, inference.Row{Tokens: ids[:n], Second: second})
	}
	return rows
}

// goldenDevices opens the plain device and every kernel set that this processor
// can run.
func goldenDevices(t *testing.T) map[string]inference.Device {
	t.Helper()
	devices := map[string]inference.Device{"reference": devicetest.Reference()}
	for _, kernels := range []string{"portable", "avx2", "avx512"} {
		d, err := cpu.Open(cpu.Options{Kernels: kernels, Threads: 2})
		if err != nil {
			t.Logf("passing over %s: %v", kernels, err)
			continue
		}
		t.Cleanup(func() { _ = d.Close() })
		devices[kernels] = d
	}
	return devices
}

func TestLogitsAreThoseOfPyTorch(t *testing.T) {
	g := readGolden(t)
	dir, rows := g.directory(t), g.rows()
	for name, d := range goldenDevices(t) {
		t.Run(name, func(t *testing.T) {
			m, err := inference.New(dir, d, inference.Options{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := inference.NewRunner(m, 0)
			if err != nil {
				t.Fatal(err)
			}
			tolerance := 1e-4
			if name == "reference" {
				tolerance = 1e-7 // of the float32 that logits are given in
			}
			answers := 0
			err = r.Each(t.Context(), rows, func(row, stage int, _ inference.Exit, logits []float32) bool {
				answers++
				want, scale := g.Modes["ee"].Logits[strconv.Itoa(stage)][row], 1.0
				for _, z := range want {
					scale = max(scale, math.Abs(z))
				}
				for i, z := range want {
					if !(math.Abs(float64(logits[i])-z) <= tolerance*scale) {
						t.Errorf("row %d, exit %d: got logits %v, want %v", row, stage+1, logits, want)
						break
					}
				}
				return false
			})
			if want := len(rows) * m.Stages(); err != nil || answers != want {
				t.Errorf("got %d answers and error %v, want %d and none", answers, err, want)
			}
		})
	}
}

// A spy is the plain device, and keeps the activations that exits read.
type spy struct {
	inference.Device

	seen [][]float64
}

func (s *spy) Answer(exits []inference.Exit, logits []float32, x inference.Buffer, starts []int32, h inference.Head) {
	_, width := x.Shape()
	s.seen = append(s.seen, slices.Clone(devicetest.Values(x)[:int(starts[len(starts)-1])*width]))
	s.Device.Answer(exits, logits, x, starts, h)
}

func TestActivationsAreThoseOfPyTorch(t *testing.T) {
	g := readGolden(t)
	dir, rows := g.directory(t), g.rows()
	stored, err := inference.ReadTensors(readFile(t, "testdata/golden/activations_batch0.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	s := &spy{Device: devicetest.Reference()}
	m, err := inference.New(dir, s, inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := inference.NewRunner(m, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Each(t.Context(), rows, func(int, int, inference.Exit, []float32) bool { return false }); err != nil {
		t.Fatal(err)
	}
	for stage, got := range s.seen {
		hidden := stored[fmt.Sprintf("hidden.%d", stage+1)] // (rows, longest, D), padded
		longest, width := hidden.Shape[1], hidden.Shape[2]
		for row := range rows {
			n := len(rows[row].Tokens) * width
			for i, want := range hidden.Data[row*longest*width:][:n] {
				if math.Abs(got[i]-float64(want)) > 1e-6 {
					t.Fatalf("row %d after layer %d: got %v at %d, want %v", row, stage+1, got[i], i, want)
				}
			}
			got = got[n:]
		}
	}
	if got, want := len(s.seen), len(dir.Config.Exits); got != want {
		t.Errorf("got activations of %d exits, want %d", got, want)
	}
}

func TestPlainBERTIsAModelWithOneExit(t *testing.T) {
	g := readGolden(t)
	dir := g.directory(t)
	var plain []inference.Tensor
	for name, tensor := range dir.Tensors {
		switch {
		case strings.HasPrefix(name, "exits.0."):
			continue
		case strings.HasPrefix(name, "exits.1.classifier"):
			tensor.Name = strings.TrimPrefix(name, "exits.1.")
		case strings.HasPrefix(name, "exits.1."):
			tensor.Name = "bert." + strings.TrimPrefix(name, "exits.1.")
		default:
			tensor.Name = "bert." + strings.NewReplacer("LayerNorm.weight", "LayerNorm.gamma", "LayerNorm.bias", "LayerNorm.beta").Replace(name)
		}
		plain = append(plain, tensor)
	}
	delete(g.Config, "exits")
	g.Config["architectures"], g.Config["model_type"] = []string{"BertForSequenceClassification"}, "bert"
	m, err := inference.Load(modelFS(t, g.Config, plain), devicetest.Reference(), inference.Options{Name: "plain"})
	if err != nil {
		t.Fatal(err)
	}
	if got := []int{m.Stages(), m.StageLayers(0)}; !slices.Equal(got, []int{1, 2}) {
		t.Errorf("got stages and layers %v, want [1 2]", got)
	}
	if got, want := m.Labels, []string{"LABEL_0", "LABEL_1", "LABEL_2"}; !slices.Equal(got, want) {
		t.Errorf("got labels %v, want %v", got, want)
	}
	r, err := inference.NewRunner(m, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Each(t.Context(), g.rows(), func(row, _ int, _ inference.Exit, logits []float32) bool {
		for i, want := range g.Modes["ee"].Logits["1"][row] {
			if math.Abs(float64(logits[i])-want) > 1e-6 {
				t.Errorf("row %d: got logits %v, want %v", row, logits, g.Modes["ee"].Logits["1"][row])
				break
			}
		}
		return false
	})
	if err != nil {
		t.Error(err)
	}
}
