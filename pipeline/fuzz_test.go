package pipeline

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzDecode takes any value and headers, as a text, as JSON and as a pair, on
// to a row: a text that is one, or a reason.
func FuzzDecode(f *testing.F) {
	for _, value := range []string{
		"a text", "", " \u00a0\n", "caf\xe9", `{"a":{"b":"x"},"c":"y"}`, `{"a":{"b":"x"},"a":{}}`, `{"a":{"b":"\ud800"},"c":"\u0000"}`,
		strings.Repeat("[", 50), `{"a":` + strings.Repeat(`{"a":`, 30), "\ufeff{}", strings.Repeat("9 ", 40), "null", "\x00",
	} {
		f.Add([]byte(value), []byte("strict"), []byte("1777636800000"))
	}
	f.Add([]byte("a text"), []byte(""), []byte("2026-05-01T14:00:00+02:00"))
	tok := newTokenizer(f)
	r := newRig(f, newShelf(), nil)
	var decoders []decoder
	for _, cfg := range []Config{
		{Input: Text, MaxMessageBytes: 500},
		{Input: JSON, InputText: "a.b", MaxMessageBytes: 500},
		{Input: JSON, InputText: "a.b", InputPair: "c", MaxMessageBytes: 500},
	} {
		d, err := newDecoder(&cfg)
		if err != nil {
			f.Fatal(err)
		}
		decoders = append(decoders, d)
	}
	f.Fuzz(func(t *testing.T, value, tier, deadline []byte) {
		m := NewMessage(Message{Value: value, Headers: []Header{{TierHeader, tier}, {deadlineHeader, deadline}}}, nil)
		for _, d := range decoders {
			c, bad := d.decode(m)
			if bad != nil {
				if !bad.reason.Known() || bad.err == nil {
					t.Errorf("%q is poison for the reason %q: %v", value, bad.reason, bad.err)
				}
				continue
			}
			if !c.tier.Known() || !utf8.ValidString(c.text) || strings.TrimSpace(c.text) == "" || (d.pair != nil) != (c.pair != "") {
				t.Errorf("%q is taken for %+v", value, c)
			}
			row, err := tok.Row(nil, c.text, c.pair, 16, r.truncate)
			if err != nil || len(row.IDs) < 2 || len(row.IDs) > 16 || row.Second > len(row.IDs) {
				t.Errorf("%q becomes the row %+v: %v", c.text, row, err)
			}
		}
	})
}

// FuzzHeaders reads any headers: of each name that counts the last one does.
func FuzzHeaders(f *testing.F) {
	f.Add([]byte("sweet-tier\x00strict\x00x\x00\x00sweet-deadline\x00-1"))
	f.Add([]byte("sweet-deadline\x009223372036854775807\x00sweet-tier\x00gold\x00sweet-tier\x00best-effort"))
	f.Add([]byte("sweet-deadline\x00999999-12-31T23:59:60Z"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var headers []Header
		last := map[string][]byte{}
		for parts := bytes.Split(data, []byte{0}); len(parts) > 1; parts = parts[2:] {
			h := Header{Key: string(parts[0]), Value: parts[1]}
			headers, last[h.Key] = append(headers, h), h.Value
		}
		c, bad := readHeaders(headers)
		if bad != nil {
			if bad.reason != BadHeader {
				t.Errorf("got the reason %s", bad.reason)
			}
			return
		}
		want := Standard
		if tier, ok := last[TierHeader]; ok {
			want = Tier(tier)
		}
		if c.tier != want || !c.deadline.Equal(readTime(string(last[deadlineHeader]))) {
			t.Errorf("got %+v of %q", c, headers)
		}
	})
}
