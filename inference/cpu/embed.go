package cpu

import "sweetspot/inference"

type embeddingJob struct {
	out    Matrix
	tokens inference.Tokens
	from   *embedding
	run    func(worker, lo, hi int)
}

// Embed sets out (T, D) to the layer norm of word + position + token type.
func (d *Device) Embed(out inference.Buffer, tokens inference.Tokens, e inference.Embedding) {
	const operation = "Embed"
	from, ok := resolve[*embedding](d, operation, "the embedding", e)
	if !ok || !d.readable(tokens, from) {
		return
	}
	m, ok := d.room(operation, "out", out, len(tokens.IDs), from.norm.Width())
	if !ok {
		return
	}
	job := &d.embedding
	job.out, job.tokens, job.from = m, tokens, from
	d.engine.Run(len(tokens.Starts)-1, m.Rows*m.Cols*normWork, job.run)
}

// readable checks that every token has its place in the tables.
func (d *Device) readable(tokens inference.Tokens, from *embedding) bool {
	const operation = "Embed"
	total, ok := d.rows(operation, tokens.Starts)
	if !ok {
		return false
	}
	if len(tokens.IDs) != total || len(tokens.Types) != total {
		return d.failf("%s: %d ids and %d types for %d tokens", operation, len(tokens.IDs), len(tokens.Types), total)
	}
	vocabulary, positions, _ := from.Shape()
	for t, id := range tokens.IDs {
		if id < 0 || int(id) >= vocabulary {
			return d.failf("%s: token %d has id %d, outside the vocabulary of %d", operation, t, id, vocabulary)
		}
		if tokens.Types[t] > 1 {
			return d.failf("%s: token %d has type %d, want 0 or 1", operation, t, tokens.Types[t])
		}
	}
	for r := 1; r < len(tokens.Starts); r++ {
		if n := int(tokens.Starts[r] - tokens.Starts[r-1]); n > positions {
			return d.failf("%s: row %d has %d tokens, more than the %d positions", operation, r-1, n, positions)
		}
	}
	return true
}

// embedRows embeds rows lo to hi.
func (d *Device) embedRows(_, lo, hi int) {
	job := &d.embedding
	from := job.from
	for r := lo; r < hi; r++ {
		first := int(job.tokens.Starts[r])
		for t := first; t < int(job.tokens.Starts[r+1]); t++ {
			row := job.out.Row(t)
			copy(row, from.word.Row(int(job.tokens.IDs[t])))
			d.engine.AddBias(row, from.position.Row(t-first))
			d.engine.AddNorm(row, row, from.kind.Row(int(job.tokens.Types[t])), from.norm.gain, from.norm.bias, from.norm.epsilon)
		}
	}
}
