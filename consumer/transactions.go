package consumer

import (
	"cmp"
	"slices"
)

// An abortFilter tells which batches of a response hold nothing for a reader
// of committed messages. Brokers send aborted transactions like any other, with
// a list of them, and leave the rest to the reader; kafka-go's Reader does not
// do it.
type abortFilter struct {
	coming  []abortedTransaction // by first offset
	aborted map[int64]struct{}   // producers inside an aborted transaction
}

func newAbortFilter(list []abortedTransaction) *abortFilter {
	// Not every broker sorts them.
	slices.SortFunc(list, func(a, b abortedTransaction) int { return cmp.Compare(a.first, b.first) })
	return &abortFilter{coming: list, aborted: make(map[int64]struct{})}
}

// hides reports whether b belongs to an aborted transaction. It must see every
// batch of the response, in order.
func (f *abortFilter) hides(b *batch, records *recordReader) (bool, error) {
	for len(f.coming) > 0 && f.coming[0].first <= b.last {
		f.aborted[f.coming[0].producer] = struct{}{}
		f.coming = f.coming[1:]
	}
	if _, ok := f.aborted[b.producer]; !ok || !b.is(transactional) {
		return false, nil
	}
	if !b.is(control) {
		return true, nil
	}
	abort, err := isAbortMarker(b, records)
	if abort {
		delete(f.aborted, b.producer)
	}
	return false, err
}

// isAbortMarker reports whether a control batch ends a transaction by
// aborting it. Its one record's key is a version and a type.
func isAbortMarker(b *batch, records *recordReader) (bool, error) {
	if b.count == 0 {
		return false, nil // the marker is compacted away
	}
	if err := records.reset(*b); err != nil {
		return false, err
	}
	defer func() { _ = records.close() }() // markers are small and never compressed
	rec, err := records.next()
	if err != nil {
		return false, err
	}
	c := cursor{b: rec.key}
	c.int16() // version
	return c.int16() == abortMarker && !c.short, nil
}
