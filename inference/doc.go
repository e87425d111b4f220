// Package inference runs a transformer encoder that may stop early.
//
// A model is a stack of stages. Each stage is a few encoder layers and a small
// classifier, so after any stage every row of a batch has an answer and a
// measure of how far to trust it. Rows that are sure enough leave; the rest
// are packed onto the next stage's batch, together with the survivors of
// other batches:
//
//	tokens ─► stage 1 ─► Exits ─┬─► leave
//	                            └─► Take ─► stage 2 ─► Exits ─┬─► leave
//	                                                          └─► …
//
// The package holds the model directory (config.json, model.safetensors,
// ladder.json), the forward pass written once over the [Device] contract, and
// the ladder of thresholds that calibration certified. It knows nothing of
// messages, queues, load or training: who leaves, and when a stage runs, is
// the caller's choice.
//
// Sizes in comments: R rows, T tokens, D width, H heads, F feed-forward width,
// C classes, V vocabulary, P positions. Matrices are row-major.
package inference
