// Package bundled holds the model that comes with the program, so that it
// answers before anything was downloaded or trained. It labels messages to the
// support desk of a shop.
//
// The directory model is an ordinary model directory, made by the commands that
// README.md beside it names, from texts of package cmd/sweet/desk and with the
// trainer and the calibration of this module. This package only embeds it.
package bundled

import (
	"embed"
	"io/fs"
)

//go:embed model
var files embed.FS

// FS returns the model directory.
func FS() fs.FS {
	sub, err := fs.Sub(files, "model")
	if err != nil {
		panic(err) // the path is a constant; embedding it failed to build otherwise
	}
	return sub
}
