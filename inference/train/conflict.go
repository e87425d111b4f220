package train

import (
	"errors"
	"math"
	"strings"
)

// A Conflict says how far the exits agree on where the shared layers should go:
// the cosines between the gradients of single exits' losses, on one batch and at
// the same weights and dropout. 1 is one direction, below 0 one exit undoes what
// another does.
type Conflict struct {
	Step   int             `json:"step"` // that is taken next, from 1
	Layers []LayerConflict `json:"layers"`
}

// A LayerConflict is that of the parameters of one layer, which the losses of
// the exits behind it reach.
type LayerConflict struct {
	Layer  int         `json:"layer"` // from 1; 0 is the embeddings
	Exits  []int       `json:"exits"` // (k) from 1: those behind the layer
	Norms  []float64   `json:"norms"` // (k) of the losses' gradients, not weighted
	Cosine [][]float64 `json:"cosine"`
}

// Observe makes the run call see before every step whose number, from 0, every
// divides, with the conflict on that step's batch. It costs about as much as one
// step of Early-Exit for each exit, and changes nothing in the training. Gradients
// are those that Early-Exit would send, whatever the method. An error of see stops
// the run. Nothing may be frozen.
func (t *Trainer) Observe(every int, see func(Conflict) error) error {
	if every < 1 {
		return errors.New("conflicts are looked at every so many steps, at least 1")
	}
	if t.options.Freeze != (Freeze{}) {
		return errors.New("no gradient reaches frozen layers, so that there is no conflict to look at")
	}
	t.every, t.see = every, see
	return nil
}

// observe looks at the conflict of the step to come, if it is time to.
func (t *Trainer) observe() error {
	if t.see == nil || t.done%t.every != 0 {
		return nil
	}
	c := t.network.conflict(&t.batch, t.done)
	c.Step = t.done + 1
	return t.see(c)
}

// conflict compares the gradients of single exits' losses on b.
func (n *network) conflict(b *batch, step int) Conflict {
	was, exits := n.phase, len(n.exits)
	defer n.setPhase(was)
	sent := make([][][]float32, exits) // by exit, then by layer
	for g := range exits {
		alone := make([]float32, exits)
		alone[g] = 1
		n.setPhase(newPhase(spread(ones(1), exits), alone, ones(exits), 0))
		n.gradients(b, step)
		for layer := 0; layer <= n.config.Exits[g]; layer++ {
			sent[g] = append(sent[g], n.layerGradient(layer))
		}
	}
	var c Conflict
	for layer := range n.config.Layers + 1 {
		l := LayerConflict{Layer: layer}
		var gradients [][]float32
		for g, by := range sent {
			if layer < len(by) {
				l.Exits = append(l.Exits, g+1)
				gradients = append(gradients, by[layer])
			}
		}
		l.Norms, l.Cosine = cosines(gradients)
		c.Layers = append(c.Layers, l)
	}
	return c
}

// layerGradient returns a copy of the gradient of a layer's parameters, from 1,
// or of the embeddings, 0, of whose words only those of the batch count.
func (n *network) layerGradient(layer int) []float32 {
	var all []float32
	prefix := "embeddings."
	if layer > 0 {
		prefix = layerPrefix(layer - 1)
	}
	for i, t := range n.layout.tensors {
		if i > 0 && strings.HasPrefix(t.name, prefix) {
			all = append(all, n.layout.of(n.grads, t.name)...)
		}
	}
	if layer == 0 {
		width := n.config.Width
		for _, id := range n.touched.ids {
			all = append(all, n.dw.word[int(id)*width:(int(id)+1)*width]...)
		}
	}
	return all
}

// cosines returns the norms of vectors of one length, and the cosines between
// them; where one is 0 the cosine is 0.
func cosines(vectors [][]float32) (norms []float64, cosine [][]float64) {
	products := make([][]float64, len(vectors))
	for i, x := range vectors {
		products[i] = make([]float64, len(vectors))
		for j := range i + 1 {
			for k, v := range x {
				products[i][j] += float64(v) * float64(vectors[j][k])
			}
		}
		norms = append(norms, math.Sqrt(products[i][i]))
	}
	cosine = make([][]float64, len(vectors))
	for i := range vectors {
		cosine[i] = make([]float64, len(vectors))
		for j := range vectors {
			if both := norms[i] * norms[j]; both > 0 {
				cosine[i][j] = products[max(i, j)][min(i, j)] / both
			}
		}
	}
	return norms, cosine
}
