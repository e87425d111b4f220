package plumbing_test

import (
	"errors"
	"strings"
	"testing"

	"sweetspot/cmd/sweet/plumbing"
	"sweetspot/inference"
)

func TestAnInstantBatchHoldsAsMuchAsAnyOther(t *testing.T) {
	e := plumbing.Instant(2)
	first, err := e.NewBatch(0, 8)
	if err != nil {
		t.Fatal(err)
	}
	second, err := e.NewBatch(1, 8)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, true, false} {
		if ok, err := first.Add(inference.Row{Tokens: make([]int32, 4)}); ok != want || err != nil {
			t.Errorf("row %d of 4 tokens: got %v and %v, want %v", i, ok, err, want)
		}
	}
	if err := errors.Join(e.Forward(t.Context(), first), first.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	if n := len(first.Exits()); n != 2 {
		t.Errorf("got %d answers, want 2", n)
	}
	if err := second.Take(first, []int{1}); err != nil || len(second.Exits()) != 1 || second.Exits()[0].Confidence != 1 {
		t.Errorf("got %+v and error %v, want the one row that was taken, sure", second.Exits(), err)
	}
	first.Reset()
	if n := len(first.Exits()); n != 0 {
		t.Errorf("got %d answers of an empty batch", n)
	}
}

func TestWatchEndsWithWhatFillsTheStream(t *testing.T) {
	ended := make(chan error, 1)
	ended <- errors.New("no broker")
	if _, err := plumbing.Watch(t.Context(), nil, "none", 1, ended); err == nil || !strings.Contains(err.Error(), "no broker") {
		t.Errorf("got %v, want the reason", err)
	}
}
