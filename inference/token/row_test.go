package token

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestRow(t *testing.T) {
	const (
		five  = "want wa un runn run" // 4 7 8 9 13
		three = "a , !"               // 16 11 19
	)
	for _, test := range []struct {
		name       string
		text, pair string
		limit      int
		rule       Truncation
		want       Row
	}{
		{"fits", five, "", 7, Right, Row{IDs: []int32{2, 4, 7, 8, 9, 13, 3}, Second: 7}},
		{"fits under reject", five, "", 7, Reject, Row{IDs: []int32{2, 4, 7, 8, 9, 13, 3}, Second: 7}},
		{"no text at all", "", "", 3, Right, Row{IDs: []int32{2, 3}, Second: 2}},
		{"right", five, "", 6, Right, Row{IDs: []int32{2, 4, 7, 8, 9, 3}, Second: 6, Truncated: true}},
		{"left", five, "", 6, Left, Row{IDs: []int32{2, 7, 8, 9, 13, 3}, Second: 6, Truncated: true}},
		{"head and tail, even", five, "", 6, HeadTail, Row{IDs: []int32{2, 4, 7, 9, 13, 3}, Second: 6, Truncated: true}},
		{"head and tail, odd", five, "", 5, HeadTail, Row{IDs: []int32{2, 4, 7, 13, 3}, Second: 5, Truncated: true}},
		{"head alone", five, "", 3, HeadTail, Row{IDs: []int32{2, 4, 3}, Second: 3, Truncated: true}},
		{"pair fits", five, three, 11, Right, Row{IDs: []int32{2, 4, 7, 8, 9, 13, 3, 16, 11, 19, 3}, Second: 7}},
		{"pair of nothing but spaces", five, "  ", 8, Right, Row{IDs: []int32{2, 4, 7, 8, 9, 13, 3, 3}, Second: 7}},
		{"only the longer is cut", five, three, 10, Right, Row{IDs: []int32{2, 4, 7, 8, 9, 3, 16, 11, 19, 3}, Second: 6, Truncated: true}},
		{"only the longer is cut, from the left", three, five, 10, Left, Row{IDs: []int32{2, 16, 11, 19, 3, 7, 8, 9, 13, 3}, Second: 5, Truncated: true}},
		{"both are cut, the odd one to the longer", five, three, 8, Right, Row{IDs: []int32{2, 4, 7, 8, 3, 16, 11, 3}, Second: 5, Truncated: true}},
		{"both are cut, the longer one second", three, five, 8, Right, Row{IDs: []int32{2, 16, 11, 3, 4, 7, 8, 3}, Second: 4, Truncated: true}},
		{"both are cut, head and tail", five, three, 8, HeadTail, Row{IDs: []int32{2, 4, 7, 13, 3, 16, 19, 3}, Second: 5, Truncated: true}},
		{"equally long, the odd one to the second", three, three, 6, Right, Row{IDs: []int32{2, 16, 3, 16, 11, 3}, Second: 3, Truncated: true}},
		{"the least for a pair", five, three, 5, Left, Row{IDs: []int32{2, 13, 3, 19, 3}, Second: 3, Truncated: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tokens := newBasic(t, Options{})
			for _, dst := range [][]int32{nil, make([]int32, 4, 5), make([]int32, 0, 64)} {
				got, err := tokens.Row(dst, test.text, test.pair, test.limit, test.rule)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got.IDs, test.want.IDs) || got.Second != test.want.Second || got.Truncated != test.want.Truncated {
					t.Errorf("in memory for %d: got %+v, want %+v", cap(dst), got, test.want)
				}
			}
		})
	}
}

func TestRowRefuses(t *testing.T) {
	tokens := newBasic(t, Options{})
	for _, test := range []struct {
		name       string
		text, pair string
		limit      int
		rule       Truncation
		want       string
		tooLong    bool
	}{
		{"a text that is too long", "a , !", "", 4, Reject, "text is too long: 5 tokens, where 4 are allowed", true},
		{"a pair that is too long", "a ,", "a", 5, Reject, "text is too long: 6 tokens, where 5 are allowed", true},
		{"no room for a text", "a", "", 2, Right, "a limit of 2 tokens is too low, at least 3 are needed", false},
		{"no room for a pair", "a", "a", 4, Right, "a limit of 4 tokens is too low, at least 5 are needed", false},
		{"a limit below zero", "", "", -1, Right, "a limit of -1 tokens is too low, at least 3 are needed", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := tokens.Row(nil, test.text, test.pair, test.limit, test.rule)
			if err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %s", err, test.want)
			}
			if got := errors.Is(err, ErrTooLong); got != test.tooLong {
				t.Errorf("got ErrTooLong %t, want %t", got, test.tooLong)
			}
		})
	}
}

func TestRowUsesTheMemoryItIsGiven(t *testing.T) {
	tokens := newBasic(t, Options{})
	dst := make([]int32, 3, 32)
	row, err := tokens.Row(dst, "want wa un runn run", "", 5, Left)
	if err != nil {
		t.Fatal(err)
	}
	if &row.IDs[0] != &dst[0] {
		t.Error("got new memory, want that of dst, which has room")
	}
}

// A row in flight is accounted for by its length, so it must not keep the
// memory of a long text alive.
func TestTruncatedRowIsSmall(t *testing.T) {
	row, err := newBasic(t, Options{}).Row(nil, strings.Repeat("a ", 100_000), "", 128, HeadTail)
	if err != nil {
		t.Fatal(err)
	}
	if got := cap(row.IDs); len(row.IDs) != 128 || got > 256 {
		t.Errorf("got %d ids in memory for %d, want 128 in at most 256", len(row.IDs), got)
	}
}

// A text that keeps its beginning is read no further than that, however long it
// is: there is room here for what is kept, and for nothing of the rest.
func TestRowReadsNoMoreThanItKeeps(t *testing.T) {
	tokens := newBasic(t, Options{})
	text := strings.Repeat("want wa un runn run, über ", 10_000)
	all := tokens.Append(nil, text)
	for limit := 3; limit < 40; limit++ {
		dst := make([]int32, 0, limit+16)
		row, err := tokens.Row(dst, text, "", limit, Right)
		if err != nil {
			t.Fatal(err)
		}
		want := append(append([]int32{tokens.cls}, all[:limit-2]...), tokens.sep)
		if !slices.Equal(row.IDs, want) || !row.Truncated {
			t.Errorf("limit %d: got %+v, want ids %v, truncated", limit, row, want)
		}
		if &row.IDs[0] != &dst[:1][0] {
			t.Errorf("limit %d: more was read than there is room for", limit)
		}
	}
}

func TestTruncationNames(t *testing.T) {
	for tr, name := range map[Truncation]string{Right: "right", Left: "left", HeadTail: "head_tail", Reject: "reject"} {
		if got := tr.String(); got != name {
			t.Errorf("String: got %q, want %q", got, name)
		}
		got, err := ParseTruncation(name)
		if err != nil || got != tr {
			t.Errorf("ParseTruncation(%q): got %v and error %v, want %v", name, got, err, tr)
		}
		text, err := tr.MarshalText()
		if err != nil || string(text) != name {
			t.Errorf("MarshalText: got %q and error %v, want %q", text, err, name)
		}
		var back Truncation
		if err := back.UnmarshalText(text); err != nil || back != tr {
			t.Errorf("UnmarshalText(%q): got %v and error %v, want %v", text, back, err, tr)
		}
	}
	const want = `truncation is "middle", not right, left, head_tail or reject`
	if _, err := ParseTruncation("middle"); err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if got, want := Truncation(9).String(), "Truncation(9)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
