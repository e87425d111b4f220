// Package compare keeps and sums up a comparison of training methods: what each
// run showed, in a CSV file with one row a run, and from all of them tables,
// plots and paired tests.
//
//	runs ─► runs.csv ─► curves ─► tables (Markdown), plots (SVG, PNG)
//
// A run is one model, or Multi-Model set, trained on one task with one method,
// pooling and seed. Everything that is drawn or tabled comes from its row, so a
// comparison can be stopped, gone on with, and drawn again without a model.
//
// The package trains nothing and measures nothing; the command does.
package compare
