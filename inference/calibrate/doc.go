// Package calibrate makes ladders: it measures a model on held-out records,
// fits one temperature per exit, chooses ever cheaper vectors of thresholds, and
// certifies how far down that path a worker may go.
//
// The held-out records are split in two halves. On the tuning half the
// temperatures are fitted and a path of ever cheaper thresholds is chosen. On
// the certification half, which played no part in that choice, the path is
// walked from the first rung on, and the walk ends at the first rung that might
// lose more than a share ε of messages:
//
//	records ─┬─ tuning half ──────► temperatures ─► path of rungs
//	         └─ certification half ──────────────► walk: p₁, p₂, … ≤ δ ─► ladder
//
// Because the walk's order was fixed beforehand and it stops at the first
// failure, the chance that any kept rung breaks ε is at most δ, so a controller
// may pick among them by any rule (fixed-sequence testing; Angelopoulos et al.,
// "Learn then Test", 2021).
//
// What a rung loses depends on the kind of floor. A floor on agreement needs no
// labels: a record is lost where the answer differs from the model's own full
// depth. A floor on accuracy needs them: a record is lost where full depth is
// right and the rung wrong. The package runs a model on a device that it is
// given, and writes no file.
package calibrate
