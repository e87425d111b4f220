package pipeline

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDecode(t *testing.T) {
	nested := Config{Input: JSON, InputText: "body.text", MaxMessageBytes: 100}
	pair := Config{Input: JSON, InputText: "a", InputPair: "b", MaxMessageBytes: 100}
	plain := Config{Input: Text, MaxMessageBytes: 20}
	for _, tt := range []struct {
		name       string
		cfg        Config
		value      string
		text, pair string
		reason     Reason
	}{
		{"a text", plain, "some text", "some text", "", ""},
		{"spaces stay", plain, " x\n", " x\n", "", ""},
		{"the largest text", plain, strings.Repeat("x", 20), strings.Repeat("x", 20), "", ""},
		{"one byte more", plain, strings.Repeat("x", 21), "", "", TooLarge},
		{"no text", plain, "", "", "", Empty},
		{"a blank text", plain, " \t\n\u00a0", "", "", Empty},
		{"broken UTF-8", plain, "caf\xe9", "", "", InvalidUTF8},
		{"JSON is text where text is asked for", plain, `{"text":"x"}`, `{"text":"x"}`, "", ""},
		{"a nested field", nested, `{"id":7,"body":{"text":"x \u00e9","more":[1,{}]}}`, "x é", "", ""},
		{"white space around it", nested, "\n{ \"body\" : {\"text\" : \"x\"} } ", "x", "", ""},
		{"the last of two fields", nested, `{"body":{"text":"x","text":"y"}}`, "y", "", ""},
		{"names of fields are exact", nested, `{"body":{"Text":"x"}}`, "", "", MissingText},
		{"an empty value", nested, "", "", "", Empty},
		{"no JSON", nested, "some text", "", "", InvalidJSON},
		{"JSON that is cut off", nested, `{"body":{"text":"x"}`, "", "", InvalidJSON},
		{"two values", nested, `{"body":{"text":"x"}} {}`, "", "", InvalidJSON},
		{"JSON that is not UTF-8", nested, "{\"body\":{\"text\":\"\xff\"}}", "", "", InvalidUTF8},
		{"an array", nested, `["x"]`, "", "", MissingText},
		{"null", nested, `null`, "", "", MissingText},
		{"no such object", nested, `{"text":"x"}`, "", "", MissingText},
		{"no object where one is needed", nested, `{"body":"x"}`, "", "", MissingText},
		{"no such field", nested, `{"body":{}}`, "", "", MissingText},
		{"a number as text", nested, `{"body":{"text":3}}`, "", "", MissingText},
		{"null as text", nested, `{"body":{"text":null}}`, "", "", MissingText},
		{"an empty field", nested, `{"body":{"text":""}}`, "", "", Empty},
		{"a blank field", nested, `{"body":{"text":"\u2003 "}}`, "", "", Empty},
		{"a pair", pair, `{"a":"x","b":"y"}`, "x", "y", ""},
		{"a pair without its second", pair, `{"a":"x"}`, "", "", MissingText},
		{"a pair with a blank second", pair, `{"a":"x","b":" "}`, "", "", Empty},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := newDecoder(&tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			c, bad := d.decode(&Message{Value: []byte(tt.value)})
			switch {
			case bad == nil && tt.reason != "":
				t.Errorf("got %+v, want %s", c, tt.reason)
			case bad != nil && bad.reason != tt.reason:
				t.Errorf("got %s (%v), want %q", bad.reason, bad.err, tt.reason)
			case bad == nil && (c.text != tt.text || c.pair != tt.pair || c.tier != Standard):
				t.Errorf("got %+v, want %q and %q", c, tt.text, tt.pair)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		headers  []Header
		tier     Tier
		deadline time.Time
		bad      bool
	}{
		{"none", nil, Standard, time.Time{}, false},
		{"others", []Header{{"traceparent", []byte("00-1-2-01")}}, Standard, time.Time{}, false},
		{"strict", []Header{{"sweet-tier", []byte("strict")}}, Strict, time.Time{}, false},
		{"the last of two", []Header{{"sweet-tier", []byte("strict")}, {"sweet-tier", []byte("best-effort")}}, BestEffort, time.Time{}, false},
		{"an unknown tier", []Header{{"sweet-tier", []byte("Strict")}}, "", time.Time{}, true},
		{"an empty tier", []Header{{"sweet-tier", nil}}, "", time.Time{}, true},
		{"a deadline in words", []Header{{"sweet-deadline", []byte("2026-05-01T14:00:00+02:00")}}, Standard, noon, false},
		{"a deadline in milliseconds", []Header{{"sweet-deadline", []byte("1777636800000")}}, Standard, noon, false},
		{"a deadline that does not parse is none", []Header{{"sweet-deadline", []byte("tomorrow")}}, Standard, time.Time{}, false},
		{"an empty deadline is none", []Header{{"sweet-deadline", nil}}, Standard, time.Time{}, false},
		{"the last of two deadlines is none", []Header{{"sweet-deadline", []byte("1777636800000")}, {"sweet-deadline", []byte("x")}}, Standard, time.Time{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, bad := readHeaders(tt.headers)
			if (bad != nil) != tt.bad || bad != nil && bad.reason != BadHeader {
				t.Fatalf("got %+v", bad)
			}
			if bad == nil && (c.tier != tt.tier || !c.deadline.Equal(tt.deadline)) {
				t.Errorf("got %v, %v; want %v, %v", c.tier, c.deadline, tt.tier, tt.deadline)
			}
		})
	}
}

// FuzzFind compares the text found at a path with what encoding/json makes of
// the whole value.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{`{"a":{"b":"x"}}`, `{"a":{"b":"\ud83d\ude00"}}`, `{"a":{"b":1},"a":{"b":"y"}}`, `{"a":null}`, `[]`, `{"a":{"b":"x"}`, " null ", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if !utf8.Valid(value) {
			t.Skip("decode refuses it before")
		}
		got, bad := path{"a", "b"}.find(value)
		if !json.Valid(value) {
			if bad == nil || bad.reason != InvalidJSON {
				t.Fatalf("got %q, %+v for a value that is not JSON", got, bad)
			}
			return
		}
		var whole any
		numbers := json.NewDecoder(bytes.NewReader(value))
		numbers.UseNumber() // some are too large for any number of Go's, and JSON all the same
		if err := numbers.Decode(&whole); err != nil {
			t.Fatal(err)
		}
		object, _ := whole.(map[string]any)
		inner, _ := object["a"].(map[string]any)
		want, ok := inner["b"].(string)
		switch {
		case ok && (bad != nil || got != want):
			t.Errorf("got %q, %+v; want %q", got, bad, want)
		case !ok && (bad == nil || bad.reason != MissingText):
			t.Errorf("got %q, %+v; want %s", got, bad, MissingText)
		}
	})
}
