package inference_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"sweetspot/inference"
)

// tensorFile returns a safetensors file of this header and so many bytes.
func tensorFile(header string, size int) []byte {
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(file, header...), make([]byte, size)...)
}

func TestReadTensorsRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"an empty file", nil, "header length: the file has 0 bytes, want at least 8"},
		{"seven bytes", make([]byte, 7), "header length: the file has 7 bytes, want at least 8"},
		{"a huge header", binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "header length: 18446744073709551615 bytes, want at most 104857600; this is not a safetensors file"},
		{"a header cut short", tensorFile(`{}`, 0)[:9], "header length: 2 bytes, but only 1 follow; the file is truncated"},
		{"an empty header", tensorFile("", 0), "header: does not begin with {; this is not a safetensors file"},
		{"a header that is a list", tensorFile("[]", 0), "header: does not begin with {; this is not a safetensors file"},
		{"a header that does not end", tensorFile(`{"a":`, 0), "header: the JSON ends early"},
		{"a tensor without a name", tensorFile(`{"":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0), "header: a tensor without a name"},
		{"two headers", tensorFile(`{}{}`, 0), "header: something follows the closing brace"},
		{"the same tensor twice", tensorFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), `header: "a" comes twice`},
		{"metadata of numbers", tensorFile(`{"__metadata__":{"a":1}}`, 0), "header: __metadata__: want an object of strings: json: cannot unmarshal number into Go value of type string"},
		{"an entry that is a list", tensorFile(`{"a":[]}`, 0), `tensor "a": want a JSON object`},
		{"no dtype", tensorFile(`{"a":{"shape":[1],"data_offsets":[0,4]}}`, 4), `tensor "a": dtype: missing`},
		{"no shape", tensorFile(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4), `tensor "a": shape: missing`},
		{"no offsets", tensorFile(`{"a":{"dtype":"F32","shape":[1]}}`, 4), `tensor "a": data_offsets: missing`},
		{"a field twice", tensorFile(`{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), `tensor "a": "dtype" comes twice`},
		{"a field too many", tensorFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"order":"C"}}`, 4), `tensor "a": order: unknown field`},
		{"a dtype that is not read", tensorFile(`{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}`, 1), `tensor "a": dtype: "F4" is not read, want F32, BF16 or F16`},
		{"a shape of null", tensorFile(`{"a":{"dtype":"F32","shape":[null],"data_offsets":[0,0]}}`, 0), `tensor "a": shape: [null] holds null`},
		{"a negative shape", tensorFile(`{"a":{"dtype":"F32","shape":[-1,-4],"data_offsets":[0,16]}}`, 16), `tensor "a": shape: [-1 -4] holds a negative size`},
		{"a shape of halves", tensorFile(`{"a":{"dtype":"F32","shape":[0.5],"data_offsets":[0,4]}}`, 4), `tensor "a": shape: json: cannot unmarshal number 0.5 into Go value of type int`},
		{"a product that overflows", tensorFile(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, 4), `tensor "a": shape: the product of [4294967296 4294967296] overflows`},
		{"a product that overflows in its last byte", tensorFile(`{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}`, 0), `tensor "a": shape: the product of [4611686018427387904] overflows`},
		{"another size than its shape", tensorFile(`{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,20]}}`, 20), `tensor "a": data_offsets: 20 bytes from 0 to 20, but shape [2 3] of F32 takes 24`},
		{"one offset", tensorFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}`, 4), `tensor "a": data_offsets: 1 numbers, want 2`},
		{"offsets that go back", tensorFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4), `tensor "a": data_offsets: ends at 0 before it begins at 4`},
		{"offsets beyond an int", tensorFile(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[9223372036854775808,9223372036854775808]}}`, 0), `tensor "a": data_offsets: 9223372036854775808 is out of range`},
		{"data cut short", tensorFile(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 7), `tensor "a": data_offsets: ends at 8, but the file has 7 bytes of data; it is truncated`},
		{"tensors that overlap", tensorFile(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), `tensor "b": data_offsets: begins at 4 and overlaps tensor "a", which ends at 8`},
		{"two tensors at one place", tensorFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), `tensor "b": data_offsets: begins at 0 and overlaps tensor "a", which ends at 4`},
		{"a hole", tensorFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12), `tensor "b": data_offsets: begins at 8 and leaves a hole after tensor "a", which ends at 4`},
		{"bytes behind the last tensor", tensorFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 5), `data: 1 bytes follow tensor "a", which ends at 4`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := inference.ReadTensors(test.file)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v and error %v, want %s", got, err, test.want)
			}
		})
	}
}

func TestReadTensors(t *testing.T) {
	t.Run("tensors out of order, position ids, padding and metadata", func(t *testing.T) {
		file := tensorFile(`{"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]},"__metadata__":{"format":"pt"},`+
			`"embeddings.position_ids":{"dtype":"I64","shape":[1,1],"data_offsets":[4,12]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   `, 0)
		file = binary.LittleEndian.AppendUint32(file, math.Float32bits(1.5))
		file = binary.LittleEndian.AppendUint64(file, 3)
		file = binary.LittleEndian.AppendUint32(file, math.Float32bits(-2))
		file = binary.LittleEndian.AppendUint32(file, math.Float32bits(0.25))
		got, err := inference.ReadTensors(file)
		want := map[string]inference.Tensor{
			"a": {Name: "a", Shape: []int{}, Data: []float32{1.5}},
			"b": {Name: "b", Shape: []int{2}, Data: []float32{-2, 0.25}},
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v and error %v, want %v", got, err, want)
		}
	})
	t.Run("numbers that are no floats are passed over", func(t *testing.T) {
		file := tensorFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"BOOL","shape":[3],"data_offsets":[4,7]},`+
			`"c":{"dtype":"I16","shape":[2],"data_offsets":[7,11]},"d":{"dtype":"I32","shape":[1],"data_offsets":[11,15]},`+
			`"e":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[15,17]}}`, 17)
		if got, err := inference.ReadTensors(file); err != nil || len(got) != 1 || got["a"].Name != "a" {
			t.Errorf("got %v and error %v, want tensor a alone", got, err)
		}
	})
	t.Run("F64 is rounded", func(t *testing.T) {
		file := tensorFile(`{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`, 0)
		file = binary.LittleEndian.AppendUint64(file, math.Float64bits(0.1))
		if got, err := inference.ReadTensors(file); err != nil || got["a"].Data[0] != 0.1 {
			t.Errorf("got %v and error %v, want 0.1", got, err)
		}
	})
	t.Run("every F16", func(t *testing.T) {
		file := tensorFile(`{"a":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]}}`, 0)
		for i := range 1 << 16 {
			file = binary.LittleEndian.AppendUint16(file, uint16(i))
		}
		got, err := inference.ReadTensors(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got["a"].Data {
			if want := half(uint16(i)); float64(v) != want && !(math.IsNaN(want) && math.IsNaN(float64(v))) || math.Signbit(float64(v)) != (i>>15 == 1) {
				t.Fatalf("%#04x: got %v, want %v", i, v, want)
			}
		}
	})
}

// half is the definition of binary16.
func half(h uint16) float64 {
	sign, exponent, fraction := 1-2*float64(h>>15), int(h>>10&31), float64(h&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	default:
		return sign * math.Ldexp(1024+fraction, exponent-25)
	}
}

func TestWriteTensors(t *testing.T) {
	large := inference.Tensor{Name: `b "quoted" <é>`, Shape: []int{100, 300}, Data: make([]float32, 30000)}
	for i := range large.Data {
		large.Data[i] = float32(i) / 7
	}
	ts := []inference.Tensor{large, {Name: "a", Shape: []int{}, Data: []float32{1}}, {Name: "c", Shape: []int{0, 4}}}
	write := func(t *testing.T, ts []inference.Tensor, d inference.DType) []byte {
		t.Helper()
		var file bytes.Buffer
		if err := inference.WriteTensors(&file, ts, d); err != nil {
			t.Fatal(err)
		}
		return file.Bytes()
	}
	t.Run("F32 comes back bit by bit", func(t *testing.T) {
		got, err := inference.ReadTensors(write(t, ts, inference.StoreF32))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range ts {
			if g := got[want.Name]; fmt.Sprint(g) != fmt.Sprint(want) {
				t.Errorf("got %.60v, want %.60v", g, want)
			}
		}
	})
	t.Run("the order given does not matter, and the numbers are aligned", func(t *testing.T) {
		file := write(t, ts, inference.StoreBF16)
		if other := write(t, []inference.Tensor{ts[2], ts[1], ts[0]}, inference.StoreBF16); !bytes.Equal(file, other) {
			t.Error("got other bytes for another order")
		}
		if n := binary.LittleEndian.Uint64(file); n%8 != 0 {
			t.Errorf("got a header of %d bytes, want a multiple of 8", n)
		}
		if !strings.HasPrefix(string(file[8:]), `{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},`) {
			t.Errorf("got header %.120q", file[8:])
		}
	})
	t.Run("BF16 is the nearest, ties to even", func(t *testing.T) {
		bits := map[uint32]uint32{ // float32 → the float32 that comes back
			0x3f800000: 0x3f800000, 0x3f807fff: 0x3f800000, 0x3f808000: 0x3f800000, 0x3f808001: 0x3f810000,
			0x3f818000: 0x3f820000, 0xbf818000: 0xbf820000, 0x7f7fffff: 0x7f800000, 0x00000001: 0, 0x80000000: 0x80000000,
			0x7f800000: 0x7f800000, 0x7f800001: 0x7fc00000, 0xff8fffff: 0xffcf0000,
		}
		for in, want := range bits {
			file := write(t, []inference.Tensor{{Name: "a", Shape: []int{1}, Data: []float32{math.Float32frombits(in)}}}, inference.StoreBF16)
			got, err := inference.ReadTensors(file)
			if err != nil {
				t.Fatal(err)
			}
			if g := math.Float32bits(got["a"].Data[0]); g != want {
				t.Errorf("%#08x: got %#08x, want %#08x", in, g, want)
			}
		}
	})
	for _, test := range []struct {
		name string
		ts   []inference.Tensor
		d    inference.DType
		want string
	}{
		{"a shape that does not fit", []inference.Tensor{{Name: "a", Shape: []int{2}, Data: make([]float32, 3)}}, inference.StoreF32, `tensor "a": shape: [2] takes 2 numbers, got 3`},
		{"a name twice", []inference.Tensor{{Name: "a", Shape: []int{0}}, {Name: "a", Shape: []int{0}}}, inference.StoreF32, `tensor "a": given twice`},
		{"no name", []inference.Tensor{{Shape: []int{0}}}, inference.StoreF32, `tensor "": not a name for a tensor`},
		{"a type that is not written", nil, "F16", `dtype: "F16" is not written, want F32 or BF16`},
	} {
		t.Run("refuses "+test.name, func(t *testing.T) {
			if err := inference.WriteTensors(io.Discard, test.ts, test.d); err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %s", err, test.want)
			}
		})
	}
}

func FuzzReader(f *testing.F) {
	f.Add(tensorFile(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[1,1],"data_offsets":[8,10]}}`, 10))
	f.Add(tensorFile(`{"__metadata__":{"format":"pt"},"p":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}`, 8))
	f.Add(tensorFile(`{"a":{"dtype":"F16","shape":[0,9223372036854775807],"data_offsets":[0,0]}}`, 0))
	f.Fuzz(func(t *testing.T, file []byte) {
		tensors, err := inference.ReadTensors(file)
		if err != nil {
			return
		}
		var ts []inference.Tensor
		for name, tensor := range tensors {
			size := 1
			for _, n := range tensor.Shape {
				size *= n
			}
			if tensor.Name != name || len(tensor.Data) != size {
				t.Errorf("got tensor %q of shape %v with %d numbers under the name %q", tensor.Name, tensor.Shape, len(tensor.Data), name)
			}
			ts = append(ts, tensor)
		}
		var again bytes.Buffer
		if err := inference.WriteTensors(&again, ts, inference.StoreF32); err != nil {
			t.Fatalf("writing what was read: %v", err)
		}
		if _, err := inference.ReadTensors(again.Bytes()); err != nil {
			t.Errorf("reading what was written: %v", err)
		}
	})
}
