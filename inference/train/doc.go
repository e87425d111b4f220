// Package train fits a staged encoder to labeled examples, on the CPU.
//
// A network is cut after some of its layers; the layers between two cuts are a
// group, and every group ends in an exit with a classifier of its own. Two
// settings of [Method] span the ways of training it:
//
//	Pass        the share a of the gradient that goes from a group to the one
//	            below it: h_i = a·H_i + (1−a)·stopgrad(H_i). 1 is Early-Exit,
//	            0 is SWEET, where each group learns from its own exit alone.
//	SharedPooler, GlobalClip
//	            what the published code of SWEET does and strict SWEET does not.
//
// With a = 0 the backward pass of a group runs right after its forward pass, so
// that the activations of one group at a time are in memory.
//
// Arithmetic is float32 with the kernels of package cpu. Every sum has an order
// that depends on sizes alone, so the same data, seed and kernel set give the
// same bytes with any number of threads. Random numbers are drawn by what they
// are for, (seed, tensor name) and (seed, step, layer, place), not in the order
// of use: a network trained alone starts and drops out like the same layers
// inside a larger one.
//
// The package knows nothing of how a model is served or calibrated. It is told
// neither the time nor where its words go: progress is reported to the caller.
package train
