package publish

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

// appendJSON appends r as encoding/json writes it without escapes for HTML, which
// takes nearly twice as long (BenchmarkEncode): at full speed that was a sixth of
// what the worker does besides running its model. Strings that need escapes are
// left to it.
func (r *Record) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"label":`...), r.Label)
	b = appendFloat(append(b, `,"score":`...), float64(r.Score), 32)
	for i, s := range r.Scores {
		b = append(b, separator(i, `,"scores":[`)...)
		b = appendString(append(b, `{"label":`...), s.Label)
		b = append(appendFloat(append(b, `,"score":`...), float64(s.Score), 32), '}')
	}
	if len(r.Scores) > 0 {
		b = append(b, ']')
	}
	b = strconv.AppendInt(append(b, `,"exit":`...), int64(r.Exit), 10)
	b = strconv.AppendInt(append(b, `,"layers":`...), int64(r.Layers), 10)
	b = strconv.AppendInt(append(b, `,"rung":`...), int64(r.Rung), 10)
	b = appendString(append(b, `,"tier":`...), string(r.Tier))
	b = strconv.AppendBool(append(b, `,"audited":`...), r.Audited)
	b = strconv.AppendBool(append(b, `,"truncated":`...), r.Truncated)
	b = strconv.AppendInt(append(b, `,"tokens":`...), int64(r.Tokens), 10)
	b = appendString(append(b, `,"model":{"name":`...), r.Model.Name)
	b = appendString(append(b, `,"digest":`...), r.Model.Digest)
	b = appendNullable(append(b, `},"ladder":`...), r.Ladder)
	b = r.Source.appendJSON(append(b, `,"source":`...))
	b = appendFloat(append(b, `,"timing":{"queue_ms":`...), r.Timing.Queue, 64)
	b = appendFloat(append(b, `,"compute_ms":`...), r.Timing.Compute, 64)
	b = appendFloat(append(b, `,"total_ms":`...), r.Timing.Total, 64)
	return append(b, `}}`...)
}

func (s *RecordSource) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"cluster":`...), s.Cluster)
	b = appendString(append(b, `,"topic":`...), s.Topic)
	b = strconv.AppendInt(append(b, `,"partition":`...), int64(s.Partition), 10)
	b = strconv.AppendInt(append(b, `,"offset":`...), s.Offset, 10)
	b = appendNullable(append(b, `,"key":`...), s.Key)
	if s.KeyEncoding != "" {
		b = appendString(append(b, `,"key_encoding":`...), s.KeyEncoding)
	}
	return append(appendString(append(b, `,"timestamp":`...), s.Timestamp), '}')
}

// separator is what goes before place i of a list.
func separator(i int, first string) string {
	if i == 0 {
		return first
	}
	return ","
}

func appendNullable(b []byte, s *string) []byte {
	if s == nil {
		return append(b, "null"...)
	}
	return appendString(b, *s)
}

// appendString appends s in quotes.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == 0x7f {
			return appendEscaped(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	var quoted bytes.Buffer
	e := json.NewEncoder(&quoted)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // every string can be written
	return append(b, bytes.TrimRight(quoted.Bytes(), "\n")...)
}

// appendFloat appends a number as encoding/json does, which is as ECMAScript does:
// the shortest digits that are it, with an exponent where it is very small or very
// large.
func appendFloat(b []byte, f float64, bits int) []byte {
	abs := math.Abs(f)
	small, large := 1e-6, 1e21
	if bits == 32 {
		abs, small, large = float64(float32(abs)), float64(float32(1e-6)), float64(float32(1e21))
	}
	if abs == 0 || abs >= small && abs < large {
		return strconv.AppendFloat(b, f, 'f', -1, bits)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, bits)
	if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-09 is e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}
