package main

import (
	"strings"
	"testing"
)

func TestCompareFindsWhatIsWrong(t *testing.T) {
	messages := map[place]string{{0, 0}: "refund please", {0, 1}: "thank you", {3, 0}: "refund please"}
	refund := answer{Label: "refund", Score: 0.75, Exit: 1, Rung: 2}
	praise := answer{Label: "praise", Score: 0.5, Exit: 4, Rung: 2}
	want := answers{rung: 2, byText: map[string]answer{"refund please": refund, "thank you": praise}}
	at := func(partition int, offset int64, a answer) result {
		r := result{answer: a}
		r.Source.Partition, r.Source.Offset = partition, offset
		return r
	}
	deeper := refund
	deeper.Exit = 2
	for name, test := range map[string]struct {
		results []result
		fault   string // part of the error; empty for none
	}{
		"one result for each, in any order":    {[]result{at(3, 0, refund), at(0, 1, praise), at(0, 0, refund)}, ""},
		"a message without a result":           {[]result{at(3, 0, refund), at(0, 1, praise)}, "1 of 3 messages have no result"},
		"two results for one message":          {[]result{at(0, 0, refund), at(0, 0, refund), at(0, 1, praise)}, "answered before"},
		"a result for no message":              {[]result{at(5, 0, refund)}, "is no message"},
		"another label":                        {[]result{at(0, 1, refund)}, `text "thank you"`},
		"the same label found at another exit": {[]result{at(0, 0, deeper)}, `text "refund please"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := compare(test.results, messages, want)
			if test.fault == "" {
				if err != nil {
					t.Fatalf("got %v, want no error", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.fault) {
				t.Fatalf("got %v, want an error with %q", err, test.fault)
			}
		})
	}
}

func TestTallyCountsEachResultOnce(t *testing.T) {
	all := tally{seen: make(chan struct{}), want: 2, ids: make(map[string]bool)}
	for _, id := range []string{"a", "", "a"} {
		all.add(id)
	}
	select {
	case <-all.seen:
		t.Fatal("got all results seen after one of two")
	default:
	}
	all.add("b")
	all.add("b")
	select {
	case <-all.seen:
	default:
		t.Fatalf("got %d results, want all 2 seen", all.count())
	}
}
