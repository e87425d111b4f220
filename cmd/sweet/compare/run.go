package compare

import (
	"cmp"
	"fmt"
	"strings"
)

// A Setting is what one run was made with. Two runs of the same setting are the
// same run.
type Setting struct {
	Task      string
	Method    string
	Pool      string // what exits read: cls or mean
	Seed      uint64
	Rows      int // training rows
	Epochs    int
	Batch     int     // rows a step
	Rate      float64 // highest learning rate
	Dropout   float64 // probability that an activation is dropped
	MaxTokens int
	Exits     []int  // layers
	Init      string // digest of the model that it started from, shortened; "random" for none
}

// A Run is what one run showed on the test texts. Lists over exits have one
// entry for each, in the order of depth.
type Run struct {
	Setting

	Test         int       // test texts
	Accuracy     []float64 // share of right answers, by exit
	F1           []float64 // by exit
	MCC          []float64 // Matthews correlation, by exit
	Temperatures []float64 // fitted on the dev texts, by exit
	Layers       []int     // encoder layers run in all by a text that leaves there
	StageMillis  []float64 // milliseconds that a text of mean length takes in each stage, by the fastest batch
	Curve        []Point   // from the lowest threshold to none

	TrainSeconds    float64
	TokensPerSecond float64
	Kernels         string // kernel set, and threads: avx512/2
}

// A Point is what happens where texts leave at one threshold, the same for all
// exits.
type Point struct {
	Threshold float64   // above 1: nobody leaves early
	Accuracy  float64   // share of right answers
	Reach     []float64 // share of texts that run each stage; Reach[0] = 1
}

// Key tells runs apart: it is equal for equal settings.
func (s Setting) Key() string {
	return fmt.Sprintf("%s/%s/%s/%d/%d/%d/%d/%g/%g/%d/%v/%s", s.Task, s.Method, s.Pool, s.Seed, s.Rows, s.Epochs, s.Batch, s.Rate, s.Dropout, s.MaxTokens, s.Exits, s.Init)
}

// A Cell is what runs must share to be compared with each other, seed by seed:
// all of a setting but method and seed.
type Cell struct {
	Task, Pool          string
	Rows, Epochs, Batch int
	Rate, Dropout       float64
	MaxTokens           int
	Exits, Init         string
}

// Cell returns the cell of a setting.
func (s Setting) Cell() Cell {
	return Cell{
		Task: s.Task, Pool: s.Pool, Rows: s.Rows, Epochs: s.Epochs, Batch: s.Batch, Rate: s.Rate, Dropout: s.Dropout,
		MaxTokens: s.MaxTokens, Exits: strings.Trim(fmt.Sprint(s.Exits), "[]"), Init: s.Init,
	}
}

// Compare orders cells by task, pooling and then the rest.
func (c Cell) Compare(d Cell) int {
	return cmp.Or(
		cmp.Compare(c.Task, d.Task), cmp.Compare(c.Pool, d.Pool), cmp.Compare(c.Rows, d.Rows), cmp.Compare(c.Epochs, d.Epochs),
		cmp.Compare(c.Batch, d.Batch), cmp.Compare(c.Rate, d.Rate), cmp.Compare(c.Dropout, d.Dropout), cmp.Compare(c.MaxTokens, d.MaxTokens),
		cmp.Compare(c.Exits, d.Exits), cmp.Compare(c.Init, d.Init),
	)
}
