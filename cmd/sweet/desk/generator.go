package desk

import (
	"math/rand/v2"
	"slices"
)

// maxWords is the length from which on a message gets no further remarks.
const maxWords = 60

// otherWeight is how often other is drawn, an intent being 1: a desk gets
// rather more of it.
const otherWeight = 1.3

// A Mix is the share of each level of difficulty, 1 to 4. Only the proportions
// count; a negative share is none.
type Mix [4]float64

var (
	// DefaultMix is hard: what a model is trained and measured on.
	DefaultMix = Mix{0.15, 0.20, 0.30, 0.35}
	// DemoMix is closer to a desk's day: mostly easy.
	DemoMix = Mix{0.55, 0.20, 0.15, 0.10}
)

// A Message is one text and what is known about it.
type Message struct {
	Text  string // one line, no tabs
	Label string // one of Labels
	Level int    // difficulty, 1 to 4
	Frame string // the structure it was built on
}

// A Generator writes messages. It is not safe for concurrent use.
type Generator struct {
	r      *rand.Rand
	pool   Pool
	mix    Mix
	frames [4]shelf
}

// A shelf holds the frames of one level: those that want an intent, and those
// whose label is other.
type shelf struct{ wanting, nothing []*frame }

// New returns a generator whose messages depend on seed, pool and mix alone. A
// mix without any positive share counts as DefaultMix.
func New(seed uint64, pool Pool, mix Mix) *Generator {
	if max(mix[0], mix[1], mix[2], mix[3]) <= 0 {
		mix = DefaultMix
	}
	g := &Generator{r: rand.New(rand.NewPCG(seed, uint64(pool))), pool: pool, mix: mix}
	for i, level := range levels {
		for j := range level {
			if f := &level[j]; f.wanted == 0 {
				g.frames[i].nothing = append(g.frames[i].nothing, f)
			} else {
				g.frames[i].wanting = append(g.frames[i].wanting, f)
			}
		}
	}
	return g
}

// Next writes one message. The label is drawn before the frame, so that no
// label is rare at any level.
func (g *Generator) Next() Message {
	level := weighted(g.r, g.mix[:], func(share float64) float64 { return max(share, 0) })
	m := Message{Level: level + 1, Label: other}
	var wanted *intent
	if n := float64(len(intents)); g.r.Float64()*(n+otherWeight) < n {
		wanted = oneOf(g.r, intents)
		m.Label = wanted.label
	}
	f := g.drawFrame(g.frames[level], wanted)
	m.Frame = f.id
	m.Text = g.write(f, wanted)
	return m
}

func (g *Generator) drawFrame(from shelf, wanted *intent) *frame {
	if wanted == nil {
		return from.nothing[weighted(g.r, from.nothing, (*frame).weight)]
	}
	for {
		f := from.wanting[weighted(g.r, from.wanting, (*frame).weight)]
		if f.not != wanted {
			return f
		}
	}
}

func (f *frame) weight() float64 { return f.share }

// weighted draws an index with probability proportional to its weight.
func weighted[E any](r *rand.Rand, of []E, weight func(E) float64) int {
	var sum float64
	for _, e := range of {
		sum += weight(e)
	}
	x, last := r.Float64()*sum, 0
	for i, e := range of {
		w := weight(e)
		if w <= 0 {
			continue
		}
		if last = i; x < w {
			break
		}
		x -= w
	}
	return last
}

// write builds the text of one message about the wanted intent.
func (g *Generator) write(f *frame, wanted *intent) string {
	t := &tones[weighted(g.r, tones, func(t tone) float64 { return t.share })]
	s := g.newScene(f, wanted)
	var core []string
	for i := range f.parts {
		if i > 0 && g.chance(0.3) {
			core = append(core, s.expand(asides.pick(g.r, g.pool)))
		}
		core = append(core, g.part(f, i, s, core))
	}
	return g.noise(t, g.dress(t, s, core))
}

// part writes one part of a frame: a later one neither greets nor repeats what
// stands before it.
func (g *Generator) part(f *frame, i int, s *scene, before []string) string {
	for {
		text := s.expand(f.parts[i].pick(g.r, g.pool))
		if i == 0 || !greets(text) && !slices.Contains(before, text) {
			return text
		}
	}
}

func (g *Generator) chance(p float64) bool { return g.r.Float64() < p }
