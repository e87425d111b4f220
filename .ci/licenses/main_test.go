package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	bsd2 = "Redistribution and use in source and binary\n   forms, with or without modification, are permitted"
	bsd3 = bsd2 + "\n * Neither the name of Google Inc. nor the names of its contributors"
	mit  = "Permission is hereby granted, free of charge, to any person obtaining a\ncopy of this software"
)

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"two clauses", bsd2, []string{"BSD-2-Clause"}},
		{"three clauses", bsd3, []string{"BSD-3-Clause"}},
		{"MIT", mit, []string{"MIT"}},
		{"several parts", bsd3 + "\n----\n" + mit + "\n----\nApache License\nVersion 2.0, January 2004", []string{"Apache-2.0", "BSD-3-Clause", "MIT"}},
		{"a choice", "subject to your choice of exactly one of the following two licenses:\nThe FreeType License\nthe GNU General Public License", []string{"FTL OR GPL-2.0-or-later"}},
		{"nothing that is known", "All rights reserved.", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := classify(tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAnUnknownLicenseIsNotPassedOver(t *testing.T) {
	dir := t.TempDir()
	if _, err := licenses(dir); err == nil {
		t.Error("no error of a module without a license")
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte(strings.Repeat("All rights reserved. ", 50)), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := licenses(dir); err == nil || !strings.Contains(err.Error(), "LICENSE is of no license") {
		t.Errorf("got %q, %v", got, err)
	}
}
