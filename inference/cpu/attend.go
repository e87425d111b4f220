package cpu

import (
	"math"

	"sweetspot/inference"
)

type attentionJob struct {
	out, qkv Matrix
	starts   []int32
	heads    int
	size     int // of a head
	scale    float32
	scratch  []headScratch // per worker
	run      func(worker, lo, hi int)
}

// headScratch is what a thread needs for one head of one row.
type headScratch struct {
	keys, values Packed
	scores       Matrix // (queries, S)
}

// queries is how many queries of a head are worked on at a time, so that their
// scores stay in the cache. It is whole tiles of every kernel set.
const queries = 84

// Attend sets out (T, D) to softmax(q·kᵀ/√(D/H))·v within every row.
func (d *Device) Attend(out, qkv inference.Buffer, starts []int32, heads int) {
	const operation = "Attend"
	tokens, ok := d.rows(operation, starts)
	if !ok {
		return
	}
	found, ok := resolve[*buffer](d, operation, "out", out)
	if !ok {
		return
	}
	width := found.matrix.Cols
	if heads < 1 || width%heads != 0 || width/heads%8 != 0 {
		d.failf("%s: %d heads for width %d, want heads of a multiple of 8 values", operation, heads, width)
		return
	}
	to, ok := d.room(operation, "out", out, tokens, width)
	if !ok {
		return
	}
	from, ok := d.room(operation, "qkv", qkv, tokens, 3*width)
	if !ok {
		return
	}
	job := &d.attention
	job.out, job.qkv, job.starts, job.heads = to, from, starts, heads
	job.size = width / heads
	job.scale = float32(1 / math.Sqrt(float64(job.size)))
	longest, work := 0, 0
	for r := 1; r < len(starts); r++ {
		n := int(starts[r] - starts[r-1])
		longest = max(longest, n)
		work += n * (n + 8) * width * 4
	}
	for i := range job.scratch {
		job.scratch[i].reserve(d.engine.Kernels, longest, job.size)
	}
	d.engine.Run((len(starts)-1)*heads, work, job.run)
}

// reserve makes room for rows of n tokens, so that the work itself allocates
// nothing, whichever thread gets which row.
func (s *headScratch) reserve(k *Kernels, n, size int) {
	s.keys.shape(size, n, k.width)
	s.values.shape(n, size, k.width)
	s.scores = reshape(s.scores, min(n, queries), n)
}

// attendHeads computes heads lo to hi, counted over all rows.
func (d *Device) attendHeads(worker, lo, hi int) {
	job := &d.attention
	for i := lo; i < hi; i++ {
		r, h := i/job.heads, i%job.heads
		if job.starts[r] < job.starts[r+1] {
			d.attendHead(worker, int(job.starts[r]), int(job.starts[r+1]), h)
		}
	}
}

// attendHead computes one head of the row from token lo to token hi.
func (d *Device) attendHead(worker, lo, hi, h int) {
	job, e := &d.attention, d.engine
	s, edge := &job.scratch[worker], e.edges[worker]
	n, size, width := hi-lo, job.size, job.size*job.heads
	row := job.qkv.Part(lo, hi)
	q := row.Columns(h*size, (h+1)*size)
	e.Kernels.PackT(&s.keys, row.Columns(width+h*size, width+(h+1)*size))
	e.Kernels.PackN(&s.values, row.Columns(2*width+h*size, 2*width+(h+1)*size))
	out := job.out.Part(lo, hi).Columns(h*size, (h+1)*size)

	padded := roundUp(n, 8)
	height := ceil(n, ceil(n, queries))
	for first := 0; first < n; first += height {
		last := min(n, first+height)
		scores := reshape(s.scores, last-first, n)
		e.multiply(&product{
			c: scores, a: q.Part(first, last), b: &s.keys, width: roundUp(n, e.width),
		}, 0, scores.Rows, 0, s.keys.panels(), edge)
		for i := range scores.Rows {
			e.Softmax(scores.Data[i*scores.Stride:i*scores.Stride+padded], n, job.scale)
		}
		e.multiply(&product{
			c: out.Part(first, last), a: scores, b: &s.values, width: size,
		}, 0, scores.Rows, 0, s.values.panels(), edge)
	}
}
