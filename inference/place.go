package inference

import "slices"

// A placer hands the tensors of a directory that has been checked to a device.
type placer struct {
	dir    *Directory
	device Device
}

func (p placer) embedding() Embedding {
	c := p.dir.Config
	types := p.dir.tensor("embeddings.token_type_embeddings.weight")
	if c.Types == 1 {
		types = slices.Concat(types, types) // the second text has no type of its own
	}
	return p.device.PlaceEmbedding(EmbeddingWeights{
		Word:     p.dir.tensor("embeddings.word_embeddings.weight"),
		Position: p.dir.tensor("embeddings.position_embeddings.weight"),
		Type:     types[:2*c.Width],
		Norm:     p.normWeights("embeddings.LayerNorm"),
	})
}

func (p placer) layer(n int) layer {
	c, prefix := p.dir.Config, layerPrefix(n)
	self := prefix + "attention.self."
	query, key, value := p.weights(self+"query", c.Width, c.Width), p.weights(self+"key", c.Width, c.Width), p.weights(self+"value", c.Width, c.Width)
	return layer{
		qkv: p.device.PlaceLinear(LinearWeights{
			W: slices.Concat(query.W, key.W, value.W), B: slices.Concat(query.B, key.B, value.B), N: 3 * c.Width, K: c.Width,
		}),
		attended:      p.device.PlaceLinear(p.weights(prefix+"attention.output.dense", c.Width, c.Width)),
		attentionNorm: p.device.PlaceNorm(p.normWeights(prefix + "attention.output.LayerNorm")),
		up:            p.device.PlaceLinear(p.weights(prefix+"intermediate.dense", c.FeedForward, c.Width)),
		down:          p.device.PlaceLinear(p.weights(prefix+"output.dense", c.Width, c.FeedForward)),
		outputNorm:    p.device.PlaceNorm(p.normWeights(prefix + "output.LayerNorm")),
	}
}

func (p placer) head(exit int, temperature float32) Head {
	c, prefix := p.dir.Config, exitPrefix(exit)
	return p.device.PlaceHead(HeadWeights{
		Pooler:      p.weights(prefix+"pooler.dense", c.Width, c.Width),
		Classifier:  p.weights(prefix+"classifier", len(c.Labels), c.Width),
		Pooling:     c.Pooling[exit],
		Score:       c.Score,
		Temperature: temperature,
	})
}

func (p placer) weights(name string, n, k int) LinearWeights {
	return LinearWeights{W: p.dir.tensor(name + ".weight"), B: p.dir.tensor(name + ".bias"), N: n, K: k}
}

func (p placer) normWeights(name string) NormWeights {
	return NormWeights{
		Gain: p.dir.tensor(name + ".weight"), Bias: p.dir.tensor(name + ".bias"),
		Epsilon: float32(p.dir.Config.Epsilon),
	}
}
