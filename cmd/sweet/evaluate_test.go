package main

import (
	"io"
	"strings"
	"testing"
)

func TestEvaluateNamesTheLineOfALabelThatTheModelLacks(t *testing.T) {
	data := file(t, "test.tsv", "text\tlabel\nwhere is my parcel\tmissing_parcel\nwhere is it\tmars\n")
	_, err := runSweet(t.Context(), newCommand(), io.Discard, "evaluate", "--model", "bundled", "--data", data)
	if want := data + `:3: the model has no label "mars"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
}
