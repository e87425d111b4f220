// Package calibrate makes the ladder of thresholds that a worker may choose
// from, and the certificate that covers every rung of it.
//
// The held-out records are split in two halves. On the tuning half the
// temperatures are fitted and a path of ever cheaper thresholds is chosen. On
// the certification half, which played no part in that choice, the path is
// walked from the first rung on, and the walk ends at the first rung that might
// disagree with full depth on more than a share ε of messages:
//
//	records ─┬─ tuning half ──────► temperatures ─► path of rungs
//	         └─ certification half ──────────────► walk: p₁, p₂, … ≤ δ ─► ladder
//
// Because the walk's order was fixed beforehand and it stops at the first
// failure, the chance that any kept rung breaks ε is at most δ, so a controller
// may pick among them by any rule (fixed-sequence testing; Angelopoulos et al.,
// "Learn then Test", 2021).
//
// The package needs no labels: what counts is agreement with the model's own
// full depth. It runs a model on a device that it is given, and writes no file.
package calibrate
