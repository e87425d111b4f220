package token

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A trie finds the longest piece at the beginning of a string. It is a double
// array: the child of node s for byte c is node base^c, if that one's parent is
// s. The number of nodes is a multiple of 256, so base^c is always a node.
type trie struct {
	nodes []node
}

type node struct {
	base   int32
	parent int32 // -1 in a node that is free
	piece  int32 // the id of the piece that ends here, or -1
}

// The roots. Node 0 stays empty: a parent of 0 marks a node as taken and as no
// node's child.
const (
	wordRoot = 1 // pieces that start a word
	tailRoot = 2 // pieces that continue one, without their "##"
)

// appendPieces appends the ids of the longest pieces that make up word, from
// its beginning, or unk if there is no way on at some byte. The bytes of word
// are looked up as fold has them.
func appendPieces[S string | []byte](dst []int32, t *trie, word S, fold *[256]byte, unk int32) []int32 {
	nodes := t.nodes
	before := len(dst)
	for i, root := 0, int32(wordRoot); i < len(word); root = tailRoot {
		longest, end := int32(-1), i
		for j, s := i, root; j < len(word); j++ {
			child := nodes[s].base ^ int32(fold[word[j]])
			if nodes[child].parent != s {
				break
			}
			s = child
			if piece := nodes[s].piece; piece >= 0 {
				longest, end = piece, j+1
			}
		}
		if longest < 0 {
			return append(dst[:before], unk)
		}
		dst = append(dst, longest)
		i = end
	}
	return dst
}

// newTrie builds the trie of vocab. Pieces of more than maxChars characters are
// left out: no word is as long.
func newTrie(vocab []string, maxChars int) trie {
	words, tails := make([]key, 0, len(vocab)), make([]key, 0, len(vocab))
	for id, piece := range vocab {
		text, continues := strings.CutPrefix(piece, continuation)
		switch {
		case utf8.RuneCountInString(text) > maxChars:
		case continues && text != "":
			tails = append(tails, key{text, int32(id)})
		default:
			words = append(words, key{piece, int32(id)})
		}
	}
	var b trieBuilder
	b.grow()
	for _, s := range []int32{0, wordRoot, tailRoot} {
		b.take(s, 0)
	}
	for _, tree := range []struct {
		root int32
		keys []key
	}{{wordRoot, words}, {tailRoot, tails}} {
		slices.SortFunc(tree.keys, func(x, y key) int { return strings.Compare(x.text, y.text) })
		b.fill(tree.root, tree.keys, 0)
	}
	return trie{b.nodes}
}

type key struct {
	text string
	id   int32
}

// A trieBuilder keeps the free nodes in a ring, so that places are looked for
// only where there are any.
type trieBuilder struct {
	nodes      []node
	next, prev []int32 // the ring of free nodes
	free       int32   // one of them, or -1
}

// maxTries bounds the search for a place, which would be quadratic in crowded
// parts of the array. Nodes passed over serve as places of single children.
const maxTries = 32

// fill builds the tree of keys, sorted and equal in their first depth bytes,
// under node s.
func (b *trieBuilder) fill(s int32, keys []key, depth int) {
	if len(keys) > 0 && len(keys[0].text) == depth {
		b.nodes[s].piece = keys[0].id
		keys = keys[1:]
	}
	if len(keys) == 0 {
		return
	}
	var bytes [256]byte
	children := bytes[:0]
	for _, k := range keys {
		c := k.text[depth]
		if len(children) == 0 || children[len(children)-1] != c {
			children = append(children, c)
		}
	}
	base := b.place(children)
	b.nodes[s].base = base
	for _, c := range children {
		b.take(base^int32(c), s)
	}
	for _, c := range children {
		n := 1
		for n < len(keys) && keys[n].text[depth] == c {
			n++
		}
		b.fill(base^int32(c), keys[:n], depth+1)
		keys = keys[n:]
	}
}

// place returns a base at which the nodes of all children are free.
func (b *trieBuilder) place(children []byte) int32 {
	if b.free >= 0 {
		s := b.free
		for range maxTries {
			base := s ^ int32(children[0])
			if !slices.ContainsFunc(children, func(c byte) bool { return b.nodes[base^int32(c)].parent >= 0 }) {
				return base
			}
			if s = b.next[s]; s == b.free {
				break
			}
		}
	}
	return b.grow()
}

// grow adds 256 free nodes and returns the first of them.
func (b *trieBuilder) grow() int32 {
	first := int32(len(b.nodes))
	for s := first; s < first+256; s++ {
		b.nodes = append(b.nodes, node{parent: -1, piece: -1})
		b.next = append(b.next, s+1)
		b.prev = append(b.prev, s-1)
	}
	last := first + 255
	if b.free < 0 || first == 0 {
		b.free = first
		b.next[last], b.prev[first] = first, last
		return first
	}
	// Into the ring, just before its beginning.
	end := b.prev[b.free]
	b.next[end], b.prev[first] = first, end
	b.next[last], b.prev[b.free] = b.free, last
	return first
}

// take makes the free node s a child of parent.
func (b *trieBuilder) take(s, parent int32) {
	b.nodes[s].parent = parent
	next, prev := b.next[s], b.prev[s]
	b.next[prev], b.prev[next] = next, prev
	switch {
	case next == s:
		b.free = -1
	case b.free == s:
		b.free = next
	}
}
