// Package pipeline carries messages from a source, through the model, to a
// publisher, and settles them.
package pipeline
