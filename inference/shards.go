package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// indexName is the file that says which shard holds which tensor, where the
// weights are cut into several safetensors files.
const indexName = "model.safetensors.index.json"

// weights are the tensors of a directory under the names they are stored by.
type weights struct {
	tensors map[string]Tensor
	sources map[string]source // of every tensor, those that are passed over too
}

// A source is where a tensor was found and how it is stored there.
type source struct {
	file  string
	dtype DType
}

// readWeights reads model.safetensors or, where there is none, the shards that
// the index lists, in the order of their names.
func readWeights(fsys fs.FS, read func(name string) ([]byte, error)) (weights, error) {
	w := weights{tensors: map[string]Tensor{}, sources: map[string]source{}}
	data, err := read(weightsName)
	if !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return w, fmt.Errorf("reading the weights: %w", err)
		}
		return w, w.add(weightsName, data)
	}
	index, indexErr := fs.ReadFile(fsys, indexName)
	if errors.Is(indexErr, fs.ErrNotExist) {
		return w, fmt.Errorf("reading the weights: %w", err)
	}
	if indexErr != nil {
		return w, fmt.Errorf("reading the weights: %w", indexErr)
	}
	shards, err := parseIndex(index)
	if err != nil {
		return w, fmt.Errorf("%s: %w", indexName, err)
	}
	for _, shard := range slices.Sorted(maps.Keys(shards)) {
		data, err := read(shard)
		if err != nil {
			return w, fmt.Errorf("reading the weights, a shard that %s names: %w", indexName, err)
		}
		if err := w.add(shard, data); err != nil {
			return w, err
		}
	}
	return w, w.fit(shards)
}

// add reads one file of tensors.
func (w weights) add(file string, data []byte) error {
	tensors, entries, err := readTensors(data)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, e := range entries {
		if other, twice := w.sources[e.name]; twice {
			return fmt.Errorf("%s: tensor %q: is in %s too", file, e.name, other.file)
		}
		w.sources[e.name] = source{file, e.dtype}
	}
	maps.Copy(w.tensors, tensors)
	return nil
}

// fit checks that the shards hold what the index says, no less and no more: so
// their bytes are all that the model depends on.
func (w weights) fit(shards map[string][]string) error {
	listed := 0
	for _, shard := range slices.Sorted(maps.Keys(shards)) {
		for _, name := range shards[shard] {
			if found, ok := w.sources[name]; !ok || found.file != shard {
				return fmt.Errorf("%s: tensor %q: missing, though %s says it is there", shard, name, indexName)
			}
			listed++
		}
	}
	if listed == len(w.sources) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(w.sources)) {
		if file := w.sources[name].file; !slices.Contains(shards[file], name) {
			return fmt.Errorf("%s: tensor %q: not listed in %s", file, name, indexName)
		}
	}
	return nil
}

// parseIndex reads the index and returns the tensors of every shard, in the
// order of their names. A shard is a safetensors file beside the index.
func parseIndex(data []byte) (map[string][]string, error) {
	fields, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(fields, func(m member) bool { return m.key == "weight_map" })
	if i < 0 {
		return nil, errors.New("weight_map: missing")
	}
	entries, err := parseObject(fields[i].value)
	if err != nil {
		return nil, fmt.Errorf("weight_map: %w", err)
	}
	if len(entries) == 0 {
		return nil, errors.New("weight_map: no tensors")
	}
	shards := map[string][]string{}
	for _, e := range entries {
		var shard string
		if err := json.Unmarshal(e.value, &shard); err != nil {
			return nil, fmt.Errorf("weight_map: %q: want the name of a file, got %s", e.key, e.value)
		}
		if err := checkShard(shard); err != nil {
			return nil, fmt.Errorf("weight_map: %q: %w", e.key, err)
		}
		shards[shard] = append(shards[shard], e.key)
	}
	for _, names := range shards {
		slices.Sort(names)
	}
	return shards, nil
}

// checkShard refuses names that lead out of the directory, and files of another
// format.
func checkShard(name string) error {
	switch {
	case !fs.ValidPath(name) || strings.ContainsAny(name, `/\:`):
		return fmt.Errorf("%q is not the name of a file in the model directory", name)
	case !strings.HasSuffix(name, ".safetensors"):
		return fmt.Errorf("%q is not a safetensors file", name)
	default:
		return nil
	}
}
