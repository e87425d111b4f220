package devicetest

import (
	"math"
	"slices"

	"sweetspot/inference"
)

// linear returns act(x·Wᵀ + b) (T, N) for x (T, K).
func linear(x []float64, tokens int, w inference.LinearWeights, act inference.Activation) []float64 {
	out := make([]float64, tokens*w.N)
	for t := range tokens {
		for n := range w.N {
			sum := float64(w.B[n])
			for k := range w.K {
				sum += x[t*w.K+k] * float64(w.W[n*w.K+k])
			}
			if act == inference.GELU {
				sum *= 0.5 * (1 + math.Erf(sum/math.Sqrt2))
			}
			out[t*w.N+n] = sum
		}
	}
	return out
}

// normalize replaces every token of x (T, D) by its layer norm.
func normalize(x []float64, w inference.NormWeights) {
	width := len(w.Gain)
	for ; len(x) > 0; x = x[width:] {
		mean, variance := 0.0, 0.0
		for _, v := range x[:width] {
			mean += v / float64(width)
		}
		for _, v := range x[:width] {
			variance += (v - mean) * (v - mean) / float64(width)
		}
		scale := 1 / math.Sqrt(variance+float64(w.Epsilon))
		for i, v := range x[:width] {
			x[i] = (v-mean)*scale*float64(w.Gain[i]) + float64(w.Bias[i])
		}
	}
}

// embed returns the layer norm of the sum of the three embeddings (T, D).
func embed(tokens inference.Tokens, w inference.EmbeddingWeights) []float64 {
	width := len(w.Norm.Gain)
	out := make([]float64, len(tokens.IDs)*width)
	for r := range len(tokens.Starts) - 1 {
		for t := tokens.Starts[r]; t < tokens.Starts[r+1]; t++ {
			word, position, kind := int(tokens.IDs[t]), int(t-tokens.Starts[r]), int(tokens.Types[t])
			for i := range width {
				out[int(t)*width+i] = float64(w.Word[word*width+i]) +
					float64(w.Position[position*width+i]) + float64(w.Type[kind*width+i])
			}
		}
	}
	normalize(out, w.Norm)
	return out
}

// attend returns softmax(q·kᵀ/√d)·v (T, D) within every row, head by head, for
// qkv (T, 3D) and d = D/H.
func attend(qkv []float64, starts []int32, width, heads int) []float64 {
	out := make([]float64, len(qkv)/3)
	size := width / heads
	at := func(t int32, part, head int) []float64 { // part 0 is q, 1 is k, 2 is v
		return qkv[int(t)*3*width+part*width+head*size:][:size]
	}
	for r := range len(starts) - 1 {
		first, end := starts[r], starts[r+1]
		for head := range heads {
			for t := first; t < end; t++ {
				var scores []float64
				for s := first; s < end; s++ {
					scores = append(scores, dot(at(t, 0, head), at(s, 1, head))/math.Sqrt(float64(size)))
				}
				for s, p := range softmax(scores) {
					for i, v := range at(first+int32(s), 2, head) {
						out[int(t)*width+head*size+i] += p * v
					}
				}
			}
		}
	}
	return out
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

func softmax(z []float64) []float64 {
	largest := math.Inf(-1)
	for _, v := range z {
		largest = max(largest, v)
	}
	sum := 0.0
	p := make([]float64, len(z))
	for i, v := range z {
		p[i] = math.Exp(v - largest)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// read returns the logits (C) of one row's tokens x (T, D).
func read(x []float64, w inference.HeadWeights) []float64 {
	width := w.Pooler.K
	pooled := append([]float64{}, x[:width]...)
	if w.Pooling == inference.Mean {
		tokens := len(x) / width
		for i := range pooled {
			pooled[i] = 0
			for t := range tokens {
				pooled[i] += x[t*width+i] / float64(tokens)
			}
		}
	}
	pooled = linear(pooled, 1, w.Pooler, inference.Identity)
	for i, v := range pooled {
		pooled[i] = math.Tanh(v)
	}
	return linear(pooled, 1, w.Classifier, inference.Identity)
}

// judge turns logits into an exit by the head's temperature and score.
func judge(logits []float64, w inference.HeadWeights) inference.Exit {
	scaled := make([]float64, len(logits))
	label := 0
	for i, z := range logits {
		scaled[i] = z / float64(w.Temperature)
		if z > logits[label] {
			label = i
		}
	}
	p := softmax(scaled)
	return inference.Exit{Label: label, Confidence: float32(confidence(p, w.Score)), Probability: float32(p[label])}
}

// confidence is the score of probabilities p (C), word for word as
// [inference.Score] has it.
func confidence(p []float64, score inference.Score) float64 {
	ranked := slices.Sorted(slices.Values(p))
	slices.Reverse(ranked)
	switch score {
	case inference.MaxProbability:
		return ranked[0]
	case inference.Margin:
		if len(p) == 1 {
			return ranked[0]
		}
		return ranked[0] - ranked[1]
	case inference.Entropy:
		entropy := 0.0
		for _, v := range p {
			if v > 0 {
				entropy -= v * math.Log(v)
			}
		}
		return 1 - entropy/math.Log(float64(len(p)))
	}
	return math.NaN()
}
