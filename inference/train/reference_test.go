package train

import (
	"math"
	"slices"
	"sync"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// reference is the forward pass in float64, written plainly: one row at a time,
// one value after the other. Gradients are checked against its differences.
type reference struct {
	config  *inference.Config
	options *Options
	layout  *layout
	weights []float64
	step    int
}

func newReference(n *network, step int) *reference {
	r := &reference{config: n.config, options: n.options, layout: n.layout, step: step, weights: make([]float64, len(n.weights))}
	for i, w := range n.weights {
		r.weights[i] = float64(w)
	}
	return r
}

func (r *reference) of(name string) []float64 {
	t := r.layout.tensors[r.layout.index[r.layout.owner(name)]]
	return r.weights[t.from : t.from+t.size]
}

// linear returns x·Wᵀ + b for every token.
func (r *reference) linear(x [][]float64, name string) [][]float64 {
	w, b := r.of(name+".weight"), r.of(name+".bias")
	out := make([][]float64, len(x))
	for t, row := range x {
		out[t] = make([]float64, len(b))
		for n := range b {
			out[t][n] = b[n]
			for k, v := range row {
				out[t][n] += v * w[n*len(row)+k]
			}
		}
	}
	return out
}

// norm returns the layer norm of x + y.
func (r *reference) norm(x, y []float64, name string) []float64 {
	gain, bias := r.of(name+".weight"), r.of(name+".bias")
	var mean, variance float64
	for i := range x {
		mean += (x[i] + y[i]) / float64(len(x))
	}
	for i := range x {
		variance += (x[i] + y[i] - mean) * (x[i] + y[i] - mean) / float64(len(x))
	}
	out := make([]float64, len(x))
	for i := range x {
		out[i] = (x[i]+y[i]-mean)/math.Sqrt(variance+r.config.Epsilon)*gain[i] + bias[i]
	}
	return out
}

// plainRows are the row kernels as plain loops.
var plainRows = sync.OnceValue(func() *cpu.Gradients {
	k, err := cpu.Select("portable")
	if err != nil {
		panic(err) // it runs anywhere
	}
	return k.Gradients()
})

// drop applies the dropout of a place to row number of it.
func (r *reference) drop(x []float64, layer int, p place, number int, more ...uint64) {
	d := newDropout(plainRows(), r.options.Dropout, r.options.Seed, r.step, layer, p)
	for _, word := range more {
		d.key = key(d.key, word)
	}
	factors := make([]float32, len(x))
	for i := range factors {
		factors[i] = 1
	}
	d.row(factors, factors, number)
	for i := range x {
		x[i] *= float64(factors[i])
	}
}

// answers returns every exit's logits of every row of b.
func (r *reference) answers(b *batch) [][][]float64 {
	answers := make([][][]float64, len(r.config.Exits))
	for row := range b.labels {
		lo, hi := int(b.Starts[row]), int(b.Starts[row+1])
		x := r.embed(b, lo, hi)
		exit := 0
		for l := range r.config.Layers {
			x = r.layer(l, x, row, lo)
			if r.config.Exits[exit] != l+1 {
				continue
			}
			answers[exit] = append(answers[exit], r.logits(exit, x, row))
			exit++
		}
	}
	return answers
}

// losses returns every exit's mean loss over b on the labels.
func (r *reference) losses(b *batch) []float64 {
	losses := make([]float64, len(r.config.Exits))
	for exit, rows := range r.answers(b) {
		for row, logits := range rows {
			losses[exit] -= math.Log(softmax(logits, 1)[b.labels[row]]) / float64(len(rows))
		}
	}
	return losses
}

// objectives returns what every exit is to make small for every row: its loss on
// the label, and how far it is from the teacher's answers, the last exit's.
func (r *reference) objectives(b *batch, teacher [][]float64) [][]float64 {
	d := r.options.Method.Distill
	objectives := make([][]float64, len(r.config.Exits))
	for exit, rows := range r.answers(b) {
		for row, logits := range rows {
			sum := -math.Log(softmax(logits, 1)[b.labels[row]])
			if d.Weight > 0 && exit < len(objectives)-1 {
				t := float64(d.Temperature)
				p, q := softmax(logits, t), softmax(teacher[row], t)
				for c := range q {
					sum += float64(d.Weight) * t * t * q[c] * math.Log(q[c]/p[c])
				}
			}
			objectives[exit] = append(objectives[exit], sum)
		}
	}
	return objectives
}

// gates returns for every exit and row the share of the deeper exits' gradient
// that the gate lets through.
func (r *reference) gates(answers [][][]float64, labels []int32) [][]float64 {
	gate := r.options.Method.Gate
	gates := make([][]float64, len(answers))
	for exit, rows := range answers {
		for row, logits := range rows {
			p := softmax(logits, 1)
			right := p[labels[row]]
			share := 1.0
			switch {
			case gate.Kind == SoftGate:
				share = 1 - right
			case gate.Kind == HardGate && right >= float64(gate.Confidence) && right == slices.Max(p):
				share = 0
			}
			gates[exit] = append(gates[exit], share)
		}
	}
	return gates
}

func softmax(logits []float64, temperature float64) []float64 {
	p := make([]float64, len(logits))
	var sum float64
	for c, z := range logits {
		p[c] = math.Exp(z / temperature)
		sum += p[c]
	}
	for c := range p {
		p[c] /= sum
	}
	return p
}

func (r *reference) embed(b *batch, lo, hi int) [][]float64 {
	width := r.config.Width
	word, position, types := r.of("embeddings.word_embeddings.weight"), r.of("embeddings.position_embeddings.weight"), r.of("embeddings.token_type_embeddings.weight")
	zero := make([]float64, width)
	var x [][]float64
	for t := lo; t < hi; t++ {
		sum := make([]float64, width)
		for i := range sum {
			sum[i] = word[int(b.IDs[t])*width+i] + position[(t-lo)*width+i] + types[int(b.Types[t])*width+i]
		}
		out := r.norm(sum, zero, "embeddings.LayerNorm")
		r.drop(out, 0, placeEmbedding, t)
		x = append(x, out)
	}
	return x
}

func (r *reference) layer(l int, x [][]float64, row, lo int) [][]float64 {
	p := layerPrefix(l)
	context := r.attention(l, x, row)
	attended := r.linear(context, p+"attention.output.dense")
	middle := make([][]float64, len(x))
	for t := range x {
		r.drop(attended[t], l, placeAttentionOutput, lo+t)
		middle[t] = r.norm(attended[t], x[t], p+"attention.output.LayerNorm")
	}
	inner := r.linear(middle, p+"intermediate.dense")
	for _, row := range inner {
		for i, v := range row {
			row[i] = 0.5 * v * (1 + math.Erf(v/math.Sqrt2))
		}
	}
	outer := r.linear(inner, p+"output.dense")
	for t := range x {
		r.drop(outer[t], l, placeOutput, lo+t)
		outer[t] = r.norm(outer[t], middle[t], p+"output.LayerNorm")
	}
	return outer
}

func (r *reference) attention(l int, x [][]float64, row int) [][]float64 {
	p := layerPrefix(l) + "attention.self."
	q, k, v := r.linear(x, p+"query"), r.linear(x, p+"key"), r.linear(x, p+"value")
	heads, width := r.config.Heads, r.config.Width
	h := width / heads
	out := make([][]float64, len(x))
	for t := range x {
		out[t] = make([]float64, width)
		for head := range heads {
			weights := make([]float64, len(x))
			var sum float64
			for s := range x {
				for i := head * h; i < (head+1)*h; i++ {
					weights[s] += q[t][i] * k[s][i] / math.Sqrt(float64(h))
				}
				weights[s] = math.Exp(weights[s])
				sum += weights[s]
			}
			for s := range weights {
				weights[s] /= sum
			}
			r.drop(weights, l, placeAttention, t*heads+head, uint64(row))
			for s := range x {
				for i := head * h; i < (head+1)*h; i++ {
					out[t][i] += weights[s] * v[s][i]
				}
			}
		}
	}
	return out
}

func (r *reference) logits(exit int, x [][]float64, row int) []float64 {
	pooled := append([]float64(nil), x[0]...)
	if r.config.Pooling[exit] == inference.Mean {
		clear(pooled)
		for _, token := range x {
			for i, v := range token {
				pooled[i] += v / float64(len(x))
			}
		}
	}
	squashed := r.linear([][]float64{pooled}, exitPrefix(exit)+"pooler.dense")[0]
	for i, v := range squashed {
		squashed[i] = math.Tanh(v)
	}
	r.drop(squashed, r.config.Exits[exit], placePooled, row)
	return r.linear([][]float64{squashed}, exitPrefix(exit)+"classifier")[0]
}
