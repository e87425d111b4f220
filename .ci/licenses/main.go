// Command licenses writes licenses.md beside it: every module that is linked into
// worker and sweet, at its version, with the licenses that its files grant. It
// fails where it does not know a license, so that a person reads it first; it
// judges nothing else.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

// A module is one that is linked into a program.
type module struct {
	Path, Version, Dir string
	Main               bool

	programs []string
}

const head = `# Licenses of what is linked into the programs

Written by ` + "`go run ./.ci/licenses`" + `, for linux/amd64; go.sum pins every version.

| module | version | licenses | linked into |
|---|---|---|---|
`

func run(ctx context.Context) error {
	modules := make(map[string]*module)
	for _, program := range []string{"worker", "sweet"} {
		linked, err := list(ctx, "./cmd/"+program)
		if err != nil {
			return err
		}
		for _, m := range linked {
			if modules[m.Path] == nil {
				modules[m.Path] = m
			}
			modules[m.Path].programs = append(modules[m.Path].programs, program)
		}
	}
	var faults []error
	out := bytes.NewBufferString(head)
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		m := modules[path]
		names, err := licenses(m.Dir)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s %s: %w", m.Path, m.Version, err))
			continue
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", m.Path, m.Version, strings.Join(names, ", "), strings.Join(m.programs, ", "))
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	return os.WriteFile(filepath.Join(".ci", "licenses", "licenses.md"), out.Bytes(), 0o644)
}

// list returns the modules other than ours that a program links.
func list(ctx context.Context, program string) ([]*module, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Module", program)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing what %s links: %w", program, err)
	}
	modules := make(map[string]*module)
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct{ Module *module }
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return slices.Collect(maps.Values(modules)), nil
		}
		if err != nil {
			return nil, err
		}
		if p.Module != nil && !p.Module.Main {
			modules[p.Module.Path] = p.Module
		}
	}
}

// licenseFile matches the files in which modules say what they allow.
var licenseFile = regexp.MustCompile(`(?i)^(un)?licen[sc]e|^copying`)

// licenses names the licenses that the files at the top of a module grant.
func licenses(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() || !licenseFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		found := classify(string(text))
		if len(found) == 0 && len(text) > pointer {
			return nil, fmt.Errorf("%s is of no license that is known here: read it, and add it", e.Name())
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return nil, errors.New("there is no license")
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// pointer is the length of a file that only says where a license is.
const pointer = 300

// known are licenses by their SPDX names, with words of which all stand in the
// text.
var known = []struct {
	name  string
	words []string
}{
	{"Apache-2.0", []string{"Apache License", "Version 2.0"}},
	{"MPL-2.0", []string{"Mozilla Public License", "2.0"}},
	{"OFL-1.1", []string{"SIL OPEN FONT LICENSE", "Version 1.1"}},
	{"CC-BY-4.0", []string{"Creative Commons Attribution 4.0"}},
	{"Unlicense", []string{"free and unencumbered software released into the public domain"}},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "Neither the name"}},
	{"BSD-2-Clause", []string{"Redistribution and use in source and binary forms"}},
	{"MIT", []string{"Permission is hereby granted, free of charge, to any person obtaining a copy"}},
	{"ISC", []string{"Permission to use, copy, modify, and/or distribute this software for any purpose"}},
}

var space = regexp.MustCompile(`\s+`)

// classify returns the names of the licenses in a text. One file may hold those
// of several parts.
func classify(text string) []string {
	text = strings.ToLower(space.ReplaceAllString(text, " "))
	holds := func(word string) bool { return strings.Contains(text, strings.ToLower(word)) }
	if holds("your choice of exactly one") && holds("FreeType License") {
		return []string{"FTL OR GPL-2.0-or-later"}
	}
	var names []string
	for _, l := range known {
		if l.name == "BSD-2-Clause" && slices.Contains(names, "BSD-3-Clause") {
			continue // its words are those of the longer one too
		}
		if !slices.ContainsFunc(l.words, func(w string) bool { return !holds(w) }) {
			names = append(names, l.name)
		}
	}
	return names
}
