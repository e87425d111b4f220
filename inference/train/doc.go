// Package train fits a staged encoder to labeled examples, on the CPU.
//
// A network is cut after some of its layers; the layers between two cuts are a
// group, and every group ends in an exit with a classifier of its own. A [Method]
// says how the exits share what is trained; the settings go together freely:
//
//	Pass        the share a of the gradient that goes from a group to the one
//	            below it: h_i = a·H_i + (1−a)·stopgrad(H_i). 1 is Early-Exit,
//	            0 is SWEET, where each group learns from its own exit alone.
//	Scale       of the gradient that each exit sends into the layers.
//	Distill     the exits learn from the last one's answers, beside the labels.
//	Gate        rows that an exit answers well are not taught from behind it.
//	Opening     the first steps are those of another method.
//	SharedPooler, GlobalClip
//	            what the published code of SWEET does and strict SWEET does not.
//
// A [Recipe] is a name for such settings. Beyond them all methods train alike:
// AdamW, a learning rate that rises from 0 over the warm-up and falls to 0 on a
// straight line, decoupled weight decay of all but biases and layer norms, and
// dropout after the embeddings, in the attention, after both halves of a layer
// and after the pooler. Gradients are clipped by the norm of each group where
// nothing passes between groups, else by that of all.
//
// Groups between which gradients pass form a chain. The backward pass of a chain
// runs right after its forward pass, so that the activations of one chain at a
// time are in memory: all layers with Early-Exit, the largest group with SWEET.
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
