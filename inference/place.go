package inference

import "slices"

// A placer hands the tensors of a directory that has been checked to a device.
type placer struct {
	dir    *Directory
	device Device
}

// placeStages places the stages of a directory that has been checked, each
// exit's head under its temperature.
func placeStages(dir *Directory, d Device, temperatures []float32) []stage {
	if dir.Config.Method == MultiModel {
		return placeModels(dir, d, temperatures)
	}
	p := placer{dir: dir, device: d}
	stages := make([]stage, len(dir.Config.Exits))
	stages[0].embedding = p.embedding()
	first := 0
	for i, last := range dir.Config.Exits {
		stages[i].head = p.head(i, temperatures[i])
		stages[i].layers = p.layers(first, last)
		first = last
	}
	return stages
}

// placeModels places every model of a Multi-Model as one stage.
func placeModels(dir *Directory, d Device, temperatures []float32) []stage {
	stages := make([]stage, len(dir.Config.Exits))
	for n, layers := range dir.Config.Exits {
		p := placer{dir: dir.Model(n), device: d}
		stages[n] = stage{embedding: p.embedding(), layers: p.layers(0, layers), head: p.head(0, temperatures[n])}
	}
	return stages
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

// layers places the encoder layers from first to before last.
func (p placer) layers(first, last int) []layer {
	placed := make([]layer, 0, last-first)
	for n := first; n < last; n++ {
		placed = append(placed, p.layer(n))
	}
	return placed
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
