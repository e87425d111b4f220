package inference_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"testing/fstest"

	"sweetspot/inference"
)

// modelFS returns a model directory with a vocabulary of nothing in particular.
func modelFS(t *testing.T, config map[string]any, ts []inference.Tensor) fstest.MapFS {
	t.Helper()
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	var weights bytes.Buffer
	if err := inference.WriteTensors(&weights, ts, inference.StoreF32); err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{
		"config.json":       {Data: data},
		"model.safetensors": {Data: weights.Bytes()},
		"vocab.txt":         {Data: []byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n")},
	}
}
