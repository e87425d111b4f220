package pipeline

import "hash/maphash"

// rememberedAudits is how many audited messages a worker remembers: at an audit
// rate of 0.01 those of the last 6.5 million messages. They take 3 MB.
const rememberedAudits = 1 << 16

// A remembrance knows the messages audited last, by their IDs, so that none is
// audited twice. Where a window of a topic is read again and again (offsets set
// back, duplicates, partitions that come and go), its few messages would
// otherwise count as many, and could raise an alarm that one reading of them does
// not support.
//
// It is never emptied, not even when the evidence begins again: what a message
// has shown once is known beforehand the second time, and so is no evidence
// against a process that begins at 0 either. It ends with the worker, and another
// worker knows nothing of it: each one's evidence takes a message once.
//
// An ID is remembered by 63 bits of a hash, so one in some 10¹⁴ new messages is taken for
// one audited before, and not audited. A message that the remembrance has lost is
// audited again: of a window with more audited messages than it holds, all are. A
// topic that was deleted and made again gives the same IDs to other messages;
// those that it remembers are not audited.
//
// Invariant: known = the nonzero values of ring.
type remembrance struct {
	seed  maphash.Seed
	known map[uint64]struct{}
	ring  []uint64 // by the order of their audits; 0 is free
	next  int      // the oldest
}

// newRemembrance returns one that knows nothing and holds the given number of
// messages, at least 1.
func newRemembrance(holds int) *remembrance {
	return &remembrance{seed: maphash.MakeSeed(), known: make(map[uint64]struct{}), ring: make([]uint64, holds)}
}

// hash is never 0.
func (m *remembrance) hash(id string) uint64 { return maphash.String(m.seed, id) | 1 }

// knows reports whether the message of this ID is remembered.
func (m *remembrance) knows(id string) bool {
	_, ok := m.known[m.hash(id)]
	return ok
}

// add remembers a message that knows does not know, and forgets the oldest where
// there is no room.
func (m *remembrance) add(id string) {
	h := m.hash(id)
	delete(m.known, m.ring[m.next])
	m.known[h], m.ring[m.next] = struct{}{}, h
	m.next = (m.next + 1) % len(m.ring)
}
