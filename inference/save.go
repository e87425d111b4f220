package inference

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A File is one more file of a model directory.
type File struct {
	Name string
	Data []byte
}

// VocabFile returns the vocab.txt of vocab: one piece a line, by id.
func VocabFile(vocab []string) File {
	var text strings.Builder
	for _, piece := range vocab {
		text.WriteString(piece)
		text.WriteByte('\n')
	}
	return File{Name: vocabName, Data: []byte(text.String())}
}

// Save writes a model directory: config.json, model.safetensors with numbers of
// type d, and the tokenizer's files (vocab.txt or tokenizer.json, and perhaps
// tokenizer_config.json). The directory is made where there is none. A model
// that is already there is replaced; its ladder.json stays, and is refused
// later unless the new model is the same.
//
// All files are written beside their places first. Then config.json goes away,
// the others take their places, and the new config.json comes last: a crash
// leaves the old model, the new one or, for an instant, none, and never a
// mixture of two.
func Save(dir string, c Config, ts []Tensor, d DType, tokenizer ...File) error {
	files, err := modelFiles(c, ts, d, tokenizer)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the model directory: %w", err)
	}
	var staged []string
	defer func() {
		for _, path := range staged {
			_ = os.Remove(path) // gone already where all went well
		}
	}()
	for _, f := range files {
		path, err := writeAside(dir, f.write)
		if err != nil {
			return fmt.Errorf("writing %s: %w", f.name, err)
		}
		staged = append(staged, path)
	}
	for _, name := range []string{configName, tokenizerName, vocabName, tokenizerConfigName} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the old %s: %w", name, err)
		}
	}
	for i, f := range files {
		if err := os.Rename(staged[i], filepath.Join(dir, f.name)); err != nil {
			return fmt.Errorf("placing %s: %w", f.name, err)
		}
	}
	return syncDirectory(dir)
}

// A pending is a file that is still to be written.
type pending struct {
	name  string
	write func(w io.Writer) error
}

// modelFiles returns the files of a model in the order in which they take their
// places.
func modelFiles(c Config, ts []Tensor, d DType, tokenizer []File) ([]pending, error) {
	m := Directory{Config: c, Tensors: make(map[string]Tensor, len(ts))}
	for _, t := range ts {
		m.Tensors[t.Name] = t
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	config, err := c.Encode()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configName, err)
	}
	files := []pending{{weightsName, func(w io.Writer) error { return WriteTensors(w, ts, d) }}}
	for _, f := range tokenizer {
		if !slices.Contains([]string{vocabName, tokenizerName, tokenizerConfigName}, f.Name) {
			return nil, fmt.Errorf("%s is not a tokenizer's file", f.Name)
		}
		files = append(files, pending{f.Name, content(f.Data)})
	}
	if !slices.ContainsFunc(tokenizer, func(f File) bool { return f.Name != tokenizerConfigName }) {
		return nil, errors.New("a model directory needs vocab.txt or tokenizer.json")
	}
	return append(files, pending{configName, content(config)}), nil
}

func content(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// replaceFile writes dir's file of that name in one step: whoever opens it sees
// the old content or the new.
func replaceFile(dir, name string, data []byte) error {
	path, err := writeAside(dir, content(data))
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := os.Rename(path, filepath.Join(dir, name)); err != nil {
		_ = os.Remove(path) // the failed rename is what matters
		return fmt.Errorf("placing %s: %w", name, err)
	}
	return syncDirectory(dir)
}

// writeAside writes a file under a name of its own in dir, down to the disk, and
// returns its path.
func writeAside(dir string, write func(io.Writer) error) (string, error) {
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	for _, step := range []func() error{
		func() error { return write(w) },
		w.Flush,
		func() error { return f.Chmod(0o644) },
		f.Sync,
	} {
		if err = step(); err != nil {
			break
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name()) // the failed write is what matters
		return "", err
	}
	return f.Name(), nil
}

// syncDirectory makes the renames in dir durable.
func syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing the directory: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("syncing the directory: %w", err)
	}
	return nil
}
