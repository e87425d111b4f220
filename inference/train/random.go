package train

import (
	"hash/fnv"
	"math/rand/v2"
)

// A place names what random numbers are drawn for.
type place uint64

// The places. Their numbers are part of what a seed means.
const (
	placeInitial place = iota + 1
	placeOrder
	placeUnknown
	placeEmbedding
	placeAttention
	placeAttentionOutput
	placeOutput
	placePooled
	placeSample
)

// key mixes what a draw is for into one number. The words are absorbed one by
// one, so (1, 2) and (2, 1) differ.
func key(seed uint64, words ...uint64) uint64 {
	h := mix(seed)
	for _, w := range words {
		h = mix(h ^ mix(w))
	}
	return h
}

// splitStep is the step of SplitMix64's state.
const splitStep = 0x9e3779b97f4a7c15

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood 2014) after its
// step: a bijection that spreads every bit.
func mix(x uint64) uint64 {
	x += splitStep
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// source returns a generator for the draws named by words.
func source(seed uint64, words ...uint64) *rand.Rand {
	k := key(seed, words...)
	return rand.New(rand.NewPCG(k, mix(k)))
}

// nameWord turns a tensor's name into a word of a key.
func nameWord(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// normal fills x with draws from N(0, deviation²) that depend on seed and name
// only.
func normal(x []float32, deviation float64, seed uint64, name string) {
	r := source(seed, uint64(placeInitial), nameWord(name))
	for i := range x {
		x[i] = float32(r.NormFloat64() * deviation)
	}
}
