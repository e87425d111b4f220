package token

import "cmp"

// A pairQueue gives the pair with the highest number first, of equal ones the
// one with the lower ids. It is a binary heap: the children of i are 2i+1 and
// 2i+2.
type pairQueue []queuedPair

type queuedPair struct {
	pair
	number int
}

// before reports whether q is given before other.
func (q queuedPair) before(other queuedPair) bool {
	return cmp.Or(
		cmp.Compare(other.number, q.number),
		cmp.Compare(q.left, other.left),
		cmp.Compare(q.right, other.right),
	) < 0
}

func (q *pairQueue) push(p queuedPair) {
	h := append(*q, p)
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
	*q = h
}

// pop takes the first pair out of a queue that is not empty.
func (q *pairQueue) pop() queuedPair {
	h := *q
	last := len(h) - 1
	first := h[0]
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[i]) {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	*q = h
	return first
}
