package main

import (
	"strings"
	"testing"
	"time"
)

func TestCompareFindsWhatIsWrong(t *testing.T) {
	messages := map[place]string{{0, 0}: "refund please", {0, 1}: "thank you", {3, 0}: "refund please"}
	refund := answer{Label: "refund", Score: 0.75, Exit: 1, Rung: 2}
	praise := answer{Label: "praise", Score: 0.5, Exit: 4, Rung: 2}
	want := map[int]answers{2: {rung: 2, byText: map[string]answer{"refund please": refund, "thank you": praise}}}
	at := func(partition int, offset int64, a answer) result {
		r := result{answer: a}
		r.Source.Partition, r.Source.Offset = partition, offset
		return r
	}
	deeper, elsewhere := refund, praise
	deeper.Exit, elsewhere.Rung = 2, 3
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
		"the same answer at another rung":      {[]result{at(0, 1, elsewhere)}, "at rung 3, want one of [2]"},
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
	all, begin := newTally(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, id := range []string{"a", "", "a"} {
		all.add(id, []byte(`{"audited":true}`), begin)
	}
	seen := all.expect(3)
	all.add("b", []byte(`{"audited":false}`), begin.Add(time.Second))
	select {
	case <-seen:
		t.Fatal("got all results seen after two of three")
	default:
	}
	all.add("c", []byte(`{"audited":false}`), begin.Add(4*time.Second))
	all.add("c", []byte(`{"audited":false}`), begin.Add(8*time.Second))
	select {
	case <-seen:
	default:
		t.Fatalf("got %d results, want all 3 seen", all.count())
	}
	if got := all.audits(); got != 1 {
		t.Errorf("got %d audited results, want 1", got)
	}
	if got, want := all.perSecond(), 0.5; got != want {
		t.Errorf("got %v results a second, want %v", got, want)
	}
}

func TestTallyMayHaveSeenAllBeforeItIsAsked(t *testing.T) {
	all := newTally()
	for _, id := range []string{"a", "b"} {
		all.add(id, nil, time.Time{})
	}
	select {
	case <-all.expect(2):
	default:
		t.Fatal("got not all results seen, want both")
	}
}
