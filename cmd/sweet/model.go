package main

import (
	"errors"
	"io/fs"

	"sweetspot/cmd/service"
)

// openModel opens the model directory at path, or the model that comes with the
// program for "bundled", as the worker does.
func openModel(path string) (fs.FS, error) {
	fsys, _, err := service.Directory(path)
	if err != nil {
		return nil, usagef("model %s: %w", path, err)
	}
	return fsys, nil
}

// errMultiLabel is why a model is not measured by texts with one label each.
var errMultiLabel = errors.New("it is a multi-label classifier, with one exit and perhaps several labels a text: nothing to measure by one label each")
