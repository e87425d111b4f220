package inference

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// A Tensor is a named array of numbers, row-major.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32 // as many as the product of Shape
}

// A DType is how the numbers of a safetensors file are stored.
type DType string

// The types of numbers. F16 and F64 are read and never written.
const (
	StoreF32  DType = "F32"
	StoreBF16 DType = "BF16" // rounded to the nearest, ties to even
	storeF16  DType = "F16"
	storeF64  DType = "F64"
)

// notFloats are the other types of the format and the bytes of one number.
// Tensors of these are passed over, because some files carry things that are no
// weights, such as position ids.
var notFloats = map[DType]int{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1,
	"I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8,
}

// maxHeader is the longest header that the reference implementation accepts.
const maxHeader = 100 << 20

// entry is what the header says of one tensor.
type entry struct {
	name       string
	dtype      DType
	shape      []int
	begin, end int // offsets into the data after the header
}

// ReadTensors reads a safetensors file: F32, BF16, F16 and F64 numbers, the last
// rounded to float32. Tensors of other types, such as integers, are left out. The
// numbers must fill the file from the header to its end, without overlap or hole.
// Errors name the tensor and the field.
func ReadTensors(file []byte) (map[string]Tensor, error) {
	tensors, _, err := readTensors(file)
	return tensors, err
}

// readTensors also returns what the header says of all tensors, those that are
// left out too.
func readTensors(file []byte) (map[string]Tensor, []entry, error) {
	header, data, err := splitHeader(file)
	if err != nil {
		return nil, nil, err
	}
	entries, err := parseHeader(header)
	if err != nil {
		return nil, nil, err
	}
	if err := checkLayout(entries, len(data)); err != nil {
		return nil, nil, err
	}
	tensors := make(map[string]Tensor, len(entries))
	for _, e := range entries {
		if notFloats[e.dtype] == 0 {
			tensors[e.name] = Tensor{Name: e.name, Shape: e.shape, Data: decode(data[e.begin:e.end], e.dtype)}
		}
	}
	return tensors, entries, nil
}

// splitHeader cuts the file into its JSON header and the numbers behind it.
func splitHeader(file []byte) (header, data []byte, err error) {
	if len(file) < 8 {
		return nil, nil, fmt.Errorf("header length: the file has %d bytes, want at least 8", len(file))
	}
	n := binary.LittleEndian.Uint64(file)
	switch rest := file[8:]; {
	case n > maxHeader:
		return nil, nil, fmt.Errorf("header length: %d bytes, want at most %d; this is not a safetensors file", n, maxHeader)
	case n > uint64(len(rest)):
		return nil, nil, fmt.Errorf("header length: %d bytes, but only %d follow; the file is truncated", n, len(rest))
	default:
		return rest[:n], rest[n:], nil
	}
}

func parseHeader(header []byte) ([]entry, error) {
	if len(header) == 0 || header[0] != '{' {
		return nil, errors.New("header: does not begin with {; this is not a safetensors file")
	}
	fields, err := parseObject(header)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var entries []entry
	for _, f := range fields {
		if f.key == "__metadata__" {
			if err := json.Unmarshal(f.value, new(map[string]string)); err != nil {
				return nil, fmt.Errorf("header: __metadata__: want an object of strings: %w", err)
			}
			continue
		}
		if f.key == "" {
			return nil, errors.New("header: a tensor without a name")
		}
		e, err := parseEntry(f)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", f.key, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func parseEntry(f member) (entry, error) {
	e := entry{name: f.key}
	fields, err := parseObject(f.value)
	if err != nil {
		return e, err
	}
	var offsets []uint64
	want := map[string]any{"dtype": &e.dtype, "shape": &e.shape, "data_offsets": &offsets}
	for _, f := range fields {
		target, known := want[f.key]
		if !known {
			return e, fmt.Errorf("%s: unknown field", f.key)
		}
		if bytes.Contains(f.value, []byte("null")) { // json would read it as "leave as it is"
			return e, fmt.Errorf("%s: %s holds null", f.key, f.value)
		}
		if err := json.Unmarshal(f.value, target); err != nil {
			return e, fmt.Errorf("%s: %w", f.key, err)
		}
		delete(want, f.key)
	}
	for _, name := range []string{"dtype", "shape", "data_offsets"} {
		if _, missing := want[name]; missing {
			return e, fmt.Errorf("%s: missing", name)
		}
	}
	size, err := byteSize(e.dtype, e.shape)
	if err != nil {
		return e, err
	}
	switch {
	case len(offsets) != 2:
		return e, fmt.Errorf("data_offsets: %d numbers, want 2", len(offsets))
	case offsets[0] > offsets[1]:
		return e, fmt.Errorf("data_offsets: ends at %d before it begins at %d", offsets[1], offsets[0])
	case offsets[1]-offsets[0] != uint64(size):
		return e, fmt.Errorf("data_offsets: %d bytes from %d to %d, but shape %v of %s takes %d",
			offsets[1]-offsets[0], offsets[0], offsets[1], e.shape, e.dtype, size)
	case offsets[1] > math.MaxInt:
		return e, fmt.Errorf("data_offsets: %d is out of range", offsets[1])
	}
	e.begin, e.end = int(offsets[0]), int(offsets[1])
	return e, nil
}

// bytes returns the size of one number, or 0 for a type that is not known.
func (d DType) bytes() int {
	switch d {
	case StoreF32:
		return 4
	case StoreBF16, storeF16:
		return 2
	case storeF64:
		return 8
	default:
		return notFloats[d]
	}
}

// byteSize returns the bytes that numbers of type d in this shape take.
func byteSize(d DType, shape []int) (int, error) {
	size := d.bytes()
	if size == 0 {
		return 0, fmt.Errorf("dtype: %q is not read, want F32, BF16 or F16", d)
	}
	for _, n := range shape {
		if n < 0 {
			return 0, fmt.Errorf("shape: %v holds a negative size", shape)
		}
	}
	if slices.Contains(shape, 0) {
		return 0, nil
	}
	for _, n := range shape {
		if size > math.MaxInt/n {
			return 0, fmt.Errorf("shape: the product of %v overflows", shape)
		}
		size *= n
	}
	return size, nil
}

// checkLayout checks that the tensors fill data exactly, each byte once.
func checkLayout(entries []entry, size int) error {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), cmp.Compare(a.name, b.name))
	})
	end, last := 0, "the header"
	for _, e := range sorted {
		switch {
		case e.end > size:
			return fmt.Errorf("tensor %q: data_offsets: ends at %d, but the file has %d bytes of data; it is truncated", e.name, e.end, size)
		case e.begin < end:
			return fmt.Errorf("tensor %q: data_offsets: begins at %d and overlaps %s, which ends at %d", e.name, e.begin, last, end)
		case e.begin > end:
			return fmt.Errorf("tensor %q: data_offsets: begins at %d and leaves a hole after %s, which ends at %d", e.name, e.begin, last, end)
		}
		end, last = e.end, fmt.Sprintf("tensor %q", e.name)
	}
	if end != size {
		return fmt.Errorf("data: %d bytes follow %s, which ends at %d", size-end, last, end)
	}
	return nil
}

// decode turns stored numbers into float32. d is one of the floats.
func decode(data []byte, d DType) []float32 {
	size := d.bytes()
	out := make([]float32, len(data)/size)
	for i := range out {
		number := data[i*size:]
		switch d {
		case StoreF32:
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(number))
		case StoreBF16:
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(number)) << 16)
		case storeF16:
			out[i] = halfToFloat(binary.LittleEndian.Uint16(number))
		case storeF64:
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(number)))
		}
	}
	return out
}

// halfToFloat widens an IEEE 754 binary16 number; every one has an exact float32.
func halfToFloat(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero or subnormal: fraction · 2⁻²⁴
		value := float32(fraction) * 0x1p-24
		return math.Float32frombits(sign | math.Float32bits(value))
	case 0x1f: // infinity or not a number
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	default:
		return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
	}
}

// WriteTensors writes ts as a safetensors file, sorted by name, so that equal
// tensors give equal bytes. Names must differ and shapes must fit the data.
func WriteTensors(w io.Writer, ts []Tensor, d DType) error {
	sorted := slices.Clone(ts)
	slices.SortFunc(sorted, func(a, b Tensor) int { return cmp.Compare(a.Name, b.Name) })
	header, err := encodeHeader(sorted, d)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("writing the header: %w", err)
	}
	buffer := make([]byte, 0, 1<<16)
	for _, t := range sorted {
		for chunk := range slices.Chunk(t.Data, cap(buffer)/4) {
			buffer = encode(buffer[:0], chunk, d)
			if _, err := w.Write(buffer); err != nil {
				return fmt.Errorf("writing tensor %q: %w", t.Name, err)
			}
		}
	}
	return nil
}

// encodeHeader returns the header of tensors that follow each other in this
// order, with its length before it and spaces behind it up to 8 bytes, so that
// the numbers are aligned.
func encodeHeader(ts []Tensor, d DType) ([]byte, error) {
	if d != StoreF32 && d != StoreBF16 {
		return nil, fmt.Errorf("dtype: %q is not written, want F32 or BF16", d)
	}
	header := []byte(`        {"__metadata__":{"format":"pt"}`)
	offset := 0
	for i, t := range ts {
		if t.Name == "" || t.Name == "__metadata__" {
			return nil, fmt.Errorf("tensor %q: not a name for a tensor", t.Name)
		}
		if i > 0 && ts[i-1].Name == t.Name {
			return nil, fmt.Errorf("tensor %q: given twice", t.Name)
		}
		size, err := byteSize(d, t.Shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if want := size / d.bytes(); want != len(t.Data) {
			return nil, fmt.Errorf("tensor %q: shape: %v takes %d numbers, got %d", t.Name, t.Shape, want, len(t.Data))
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		shape, err := json.Marshal(append([]int{}, t.Shape...))
		if err != nil {
			return nil, fmt.Errorf("tensor %q: shape: %w", t.Name, err)
		}
		header = fmt.Appendf(header, `,%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, d, shape, offset, offset+size)
		offset += size
	}
	header = append(header, '}')
	for len(header)%8 != 0 {
		header = append(header, ' ')
	}
	binary.LittleEndian.PutUint64(header, uint64(len(header)-8))
	return header, nil
}

// encode appends values to dst as numbers of type d.
func encode(dst []byte, values []float32, d DType) []byte {
	for _, v := range values {
		if d == StoreBF16 {
			dst = binary.LittleEndian.AppendUint16(dst, roundToBF16(v))
		} else {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
		}
	}
	return dst
}

// roundToBF16 keeps the upper half of v, rounded to the nearest, ties to even.
// Not-a-numbers stay such, which plain rounding could turn into infinity.
func roundToBF16(v float32) uint16 {
	bits := math.Float32bits(v)
	if v != v {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// A member is one key of a JSON object with its value as written.
type member struct {
	key   string
	value json.RawMessage
}

// parseObject reads one JSON object, in order. Unlike [json.Unmarshal] it refuses
// a key that comes twice, where two readers could see two different files.
func parseObject(data []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	members, err := decodeObject(d)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("the JSON ends early")
	}
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the closing brace")
	}
	return members, nil
}

func decodeObject(d *json.Decoder) ([]member, error) {
	if t, err := d.Token(); err != nil {
		return nil, err
	} else if t != json.Delim('{') {
		return nil, errors.New("want a JSON object")
	}
	var members []member
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("want a key, got %v", t)
		}
		if seen[key] {
			return nil, fmt.Errorf("%q comes twice", key)
		}
		seen[key] = true
		m := member{key: key}
		if err := d.Decode(&m.value); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		members = append(members, m)
	}
	_, err := d.Token()
	return members, err
}
