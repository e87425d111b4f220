package main

import (
	"strings"
	"testing"
)

func TestFallenFindsWhatWentBack(t *testing.T) {
	for _, tt := range []struct {
		name        string
		before, now []int64
		want        string
	}{
		{"nothing yet", nil, []int64{0, 0}, ""},
		{"what stands still or grows", []int64{3, 4}, []int64{3, 9}, ""},
		{"more partitions", []int64{3}, []int64{3, 0}, ""},
		{"one that goes back", []int64{3, 4}, []int64{3, 2}, "partition 1: offset 2 is committed, and 4 was before"},
	} {
		err := fallen("churn", tt.before, tt.now)
		if got := err != nil; got != (tt.want != "") || got && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
