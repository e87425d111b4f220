package train

import (
	"slices"

	"sweetspot/inference"
)

// A batch is a set of rows packed end to end, with no padding.
type batch struct {
	inference.Tokens
	labels  []int32 // (R)
	indices []int32 // (R) which of the training rows they are
}

func (b *batch) rows() int   { return len(b.labels) }
func (b *batch) tokens() int { return len(b.IDs) }

// fill makes b hold the rows whose indices are given.
func (b *batch) fill(rows []Row, indices []int32) {
	b.IDs, b.Types, b.labels = b.IDs[:0], b.Types[:0], b.labels[:0]
	b.Starts = append(b.Starts[:0], 0)
	b.indices = append(b.indices[:0], indices...)
	for _, i := range indices {
		r := &rows[i]
		b.IDs = append(b.IDs, r.Tokens...)
		for t := range r.Tokens {
			var second uint8
			if t >= r.Second {
				second = 1
			}
			b.Types = append(b.Types, second)
		}
		b.Starts = append(b.Starts, int32(len(b.IDs)))
		b.labels = append(b.labels, r.Label)
	}
}

// forget replaces tokens by [UNK] with probability rate, so that the network
// meets [UNK] in training and does not lean on single words. The first and the
// last token of a row, and separators stay.
func (b *batch) forget(rate float64, w Words, seed uint64, step int) {
	if rate == 0 {
		return
	}
	r := source(seed, uint64(placeUnknown), uint64(step))
	for row := range b.labels {
		for t := b.Starts[row] + 1; t < b.Starts[row+1]-1; t++ {
			if r.Float64() < rate && b.IDs[t] != w.Separator {
				b.IDs[t] = w.Unknown
			}
		}
	}
}

// window is the number of batches among whose rows lengths are sorted: enough
// that a batch holds rows of nearly one length, few enough that its rows are
// still a random choice.
const window = 50

// order returns the batches of one epoch, as indices of rows: the rows in
// random order, sorted by length inside windows, cut into batches, and the
// batches in random order.
func order(rows []Row, size int, seed uint64, epoch int) [][]int32 {
	r := source(seed, uint64(placeOrder), uint64(epoch))
	indices := make([]int32, len(rows))
	for i := range indices {
		indices[i] = int32(i)
	}
	r.Shuffle(len(indices), func(i, j int) { indices[i], indices[j] = indices[j], indices[i] })
	var batches [][]int32
	for w := range slices.Chunk(indices, size*window) {
		slices.SortStableFunc(w, func(a, b int32) int { return len(rows[a].Tokens) - len(rows[b].Tokens) })
		batches = slices.AppendSeq(batches, slices.Chunk(w, size))
	}
	r.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
	return batches
}
