// Package devicetest holds the suite that every [inference.Device] passes, and
// a plain device in float64 that it compares them with.
//
// Activations cannot be written or read back directly: a device has no more
// operations than an encoder needs. So every check is a small program of
// operations that begins with embeddings and ends with an answer. It runs on
// the device and on the plain one, and the two answers are compared.
//
// The package knows nothing of any device but the plain one: the device under
// test is what the caller opens.
package devicetest
