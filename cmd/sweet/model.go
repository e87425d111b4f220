package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sweetspot/cmd/service"
	"sweetspot/inference"
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

// openInitial opens the model directory of --init.
func openInitial(path string) (*inference.Directory, error) {
	dir, err := inference.OpenEncoder(os.DirFS(path))
	switch {
	case errors.Is(err, inference.ErrSeveralEncoders):
		return nil, usagef("--init %s: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("--init %s: %w", path, err)
	}
	return dir, nil
}

// errMultiLabel is why a model is not measured by texts with one label each.
var errMultiLabel = errors.New("it is a multi-label classifier, with one exit and perhaps several labels a text: nothing to measure by one label each")
