package train

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"

	"sweetspot/inference"
)

// A checkpoint is a line of JSON, then a safetensors file of three arrays: the
// weights and the optimizer's moments, without those that stay as they are.

// checkpointHeader is the line: all that the rest of the run depends on.
type checkpointHeader struct {
	Format  int             `json:"format"`
	Step    int             `json:"step"`
	Model   json.RawMessage `json:"model"` // its config.json
	Options Options         `json:"options"`
	Rows    string          `json:"rows"`           // SHA-256
	Kept    string          `json:"kept,omitempty"` // SHA-256 of the weights that stay; "" where none do
}

const checkpointFormat = 1

func (t *Trainer) header() (checkpointHeader, error) {
	h, err := headerOf(t.config, t.options, t.rows, t.done)
	h.Kept = t.network.layout.fingerprint(t.network.weights)
	return h, err
}

func headerOf(c inference.Config, o Options, rows []Row, step int) (checkpointHeader, error) {
	model, err := c.Encode()
	if err != nil {
		return checkpointHeader{}, err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, model); err != nil {
		return checkpointHeader{}, err
	}
	return checkpointHeader{
		Format: checkpointFormat, Step: step, Model: line.Bytes(), Options: o, Rows: fingerprint(rows),
	}, nil
}

// arenas are the arrays of a checkpoint, whole.
func (t *Trainer) arenas() map[string][]float32 {
	t.network.settle()
	return map[string][]float32{"weights": t.network.weights, "mean": t.optimizer.mean, "square": t.optimizer.square}
}

// Save writes a checkpoint. A trainer of the same model, options and rows that
// resumes from it goes on as this one would have, bit for bit, on the same
// kernel set.
func (t *Trainer) Save(w io.Writer) error {
	h, err := t.header()
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	line, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	arenas, parts := t.arenas(), t.network.layout.trained()
	var tensors []inference.Tensor
	for _, name := range slices.Sorted(maps.Keys(arenas)) {
		data := gather(arenas[name], parts)
		tensors = append(tensors, inference.Tensor{Name: name, Shape: []int{len(data)}, Data: data})
	}
	if err := inference.WriteTensors(w, tensors, inference.StoreF32); err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	return nil
}

// length is how many values parts have.
func length(parts []span) int {
	n := 0
	for _, p := range parts {
		n += p.to - p.from
	}
	return n
}

// gather returns parts of an arena side by side. One part is not copied.
func gather(arena []float32, parts []span) []float32 {
	if len(parts) == 1 {
		return arena[parts[0].from:parts[0].to]
	}
	all := make([]float32, 0, length(parts))
	for _, p := range parts {
		all = append(all, arena[p.from:p.to]...)
	}
	return all
}

// scatter puts back what gather returned.
func scatter(arena []float32, parts []span, all []float32) {
	for _, p := range parts {
		all = all[copy(arena[p.from:p.to], all):]
	}
}

// Resume puts t where the trainer was that wrote the checkpoint. The model, the
// options, the rows and the weights that stay as they are must be the same; the
// error names what is not.
func (t *Trainer) Resume(r io.Reader) error {
	in := bufio.NewReader(r)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the checkpoint: its first line: %w", noEOF(err))
	}
	var got checkpointHeader
	if err := json.Unmarshal(line, &got); err != nil {
		return fmt.Errorf("reading the checkpoint: its first line: %w", err)
	}
	if err := t.matches(&got); err != nil {
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	data, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	tensors, err := inference.ReadTensors(data)
	if err != nil {
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	arenas, parts := t.arenas(), t.network.layout.trained()
	for name := range arenas {
		if n, want := len(tensors[name].Data), length(parts); n != want {
			return fmt.Errorf("reading the checkpoint: %s has %d values, want %d", name, n, want)
		}
	}
	t.network.keepFeatures(len(t.rows))
	for name, arena := range arenas {
		scatter(arena, parts, tensors[name].Data)
	}
	t.done, t.epoch = got.Step, -1
	t.optimizer.revive()
	return nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// matches reports the first thing in which the run that wrote a checkpoint is
// not t's.
func (t *Trainer) matches(got *checkpointHeader) error {
	want, err := t.header()
	if err != nil {
		return err
	}
	return want.accepts(got, t.Steps())
}

// accepts reports the first thing in which a run that wrote another header is
// not the one of h, which has so many steps.
func (h *checkpointHeader) accepts(got *checkpointHeader, steps int) error {
	switch {
	case got.Format != checkpointFormat:
		return fmt.Errorf("format %d, want %d", got.Format, checkpointFormat)
	case !bytes.Equal(got.Model, h.Model):
		return fmt.Errorf("it is of another model%s", firstChange(got.Model, h.Model))
	case got.Rows != h.Rows:
		return errors.New("it was made with other training rows or another vocabulary")
	case got.Step < 0 || got.Step > steps:
		return fmt.Errorf("step %d of %d", got.Step, steps)
	}
	was, now := reflect.ValueOf(got.Options), reflect.ValueOf(h.Options)
	for i := range was.NumField() {
		if a, b := was.Field(i).Interface(), now.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			return fmt.Errorf("it was made with %s %v, now %v", was.Type().Field(i).Tag.Get("json"), a, b)
		}
	}
	if got.Kept != h.Kept {
		return errors.New("the weights that stay as they are were others: start from the same model")
	}
	return nil
}

// firstChange names the first field, by name, in which two objects of JSON
// differ, and both its values, as the end of a sentence; nothing where there is
// none, or where one is no object.
func firstChange(was, now json.RawMessage) string {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(was, &a) != nil || json.Unmarshal(now, &b) != nil {
		return ""
	}
	names := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(names)
	for _, name := range names {
		if !bytes.Equal(a[name], b[name]) {
			return fmt.Sprintf(": %s was %s and is %s", name, orNothing(a[name]), orNothing(b[name]))
		}
	}
	return ""
}

// orNothing shows a value that may be missing.
func orNothing(value json.RawMessage) string {
	return cmp.Or(string(value), "not given")
}

// revive finds the words that were met before the checkpoint: their moments are
// not 0.
func (o *optimizer) revive() {
	n := o.network
	clear(n.late.taken)
	n.late.steps = n.late.steps[:0]
	width := n.config.Width
	moved := func(v float32) bool { return v != 0 }
	for word := range n.touched.alive {
		lo, hi := word*width, (word+1)*width
		n.touched.alive[word] = slices.ContainsFunc(o.mean[lo:hi], moved) || slices.ContainsFunc(o.square[lo:hi], moved)
	}
}
