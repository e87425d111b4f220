package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	kafka "github.com/segmentio/kafka-go"

	"sweetspot/pipeline"
)

// A partition is one partition that this worker owns, in one generation of the
// group. One goroutine reads it.
type partition struct {
	k     *Kafka
	ids   *topicIDs // shared by the partitions of the assignment
	topic string
	id    int
	bytes int             // most to fetch at once, over a link that is fast enough
	idle  chan<- struct{} // for the tracker
	found chan<- struct{} // poked when a start without an offset is found

	tracker atomic.Pointer[Tracker] // nil until the start is known; another one where the log begins anew
	end     atomic.Int64            // one past the last offset that may be read, as last heard: with read_committed, where open transactions begin
	heard   atomic.Int64            // when that was, in ns from born on; 0 before
	highest atomic.Int64            // the highest end of this log heard yet; negative before the first
	arrived atomic.Int64            // records that the log has grown by since then
	moved   atomic.Int64            // when there was last nothing to read, or some of it was read, in Unix ms
	failing atomic.Bool             // the last try to read failed

	// What follows belongs to the reading goroutine.
	log      topicID // of the topic that is read; zero where there are no ids
	position int64   // the next offset to read; negative until it is known
	slower   int     // times that the link was too slow for a fetch: each halves the next
	buffer   []byte
	records  recordReader
	trouble  trouble
	behind   time.Time // since when the log ends before position
}

// damage is a batch that cannot be read, wherever it is read from.
type damage struct {
	offset int64
	err    error
}

func (d *damage) Error() string { return fmt.Sprintf("the batch at offset %d: %v", d.offset, d.err) }

func (d *damage) Unwrap() error { return d.err }

// read reads until ctx ends.
func (p *partition) read(ctx context.Context) {
	defer p.trouble.end(p)
	if !p.identify(ctx) {
		return
	}
	for p.position < 0 && ctx.Err() == nil {
		p.findStart(ctx)
	}
	for ctx.Err() == nil {
		p.step(ctx)
	}
}

// identify finds out the id of the topic, which messages cannot do without. It
// reports false where ctx ends before.
func (p *partition) identify(ctx context.Context) bool {
	for ctx.Err() == nil {
		id, err := p.ids.get(ctx, p.topic)
		if err == nil {
			p.log = id
			return true
		}
		p.failed(ctx, err)
	}
	return false
}

// findStart finds where to start if kafka-go has found no offset of the group.
// It asks once more: kafka-go takes an answer without the partition for none,
// and to start at the end by mistake would lose messages.
//
// The start is committed at once: a group that starts at the end and loses its
// worker before the first commit would otherwise start at a later end, and skip
// what came between.
func (p *partition) findStart(ctx context.Context) {
	committed, err := p.k.net.committed(ctx, p.topic, p.id)
	if err != nil {
		p.failed(ctx, err)
		return
	}
	first, end, err := p.k.net.bounds(ctx, p.topic, p.id, p.k.cfg.Isolation)
	if err != nil {
		p.failed(ctx, err)
		return
	}
	if p.position = committed; committed < 0 {
		p.position = p.choose(first, end)
	}
	p.hear(end)
	p.restart()
	poke(p.found)
}

// choose returns where a partition without an offset starts. What a transaction
// writes that is still open comes after the end with read_committed. The end is only
// for those that were there when this worker came: what is in a partition that
// was added later, or in a topic that was made again, was written while the
// group was reading.
func (p *partition) choose(first, end int64) int64 {
	if p.k.cfg.Start == Latest && p.id < p.k.founding[p.topic] {
		return end
	}
	return first
}

// restart gives the partition a new tracker from position on. What is out of
// the old one is not ours any more.
func (p *partition) restart() {
	old := p.tracker.Swap(NewTracker(p.position, p.k.intake.InFlight, p.idle))
	if old != nil {
		p.k.metrics.abandoned.Add(float64(old.Fence()))
	}
}

// advance notes that reading stands still no longer than from now.
func (p *partition) advance() { p.moved.Store(time.Now().UnixMilli()) }

// step makes one fetch and hands on what it brings.
func (p *partition) step(ctx context.Context) {
	req := &fetchRequest{
		clientID: p.k.cfg.ClientID, topic: p.topic, id: p.log, partition: int32(p.id), offset: p.position,
		maxBytes: int32(p.fetchBytes()), waitMS: int32(p.k.cfg.FetchWait.Milliseconds()), isolation: int8(p.k.cfg.Isolation.level()), buffer: p.buffer,
	}
	p.buffer = nil // an abandoned request may still write to it
	began := time.Now()
	res, err := p.k.net.fetch(ctx, req)
	p.pace(time.Since(began), err)
	switch {
	case err != nil:
		p.failed(ctx, err)
		return
	case res.code != 0:
		p.refused(ctx, kafka.Error(res.code))
		return
	}
	end := res.readable(p.k.cfg.Isolation)
	p.hear(end)
	p.behind = time.Time{}
	before := p.position
	err = p.consume(ctx, res)
	if cap(res.buffer) <= 2*p.bytes {
		p.buffer = res.buffer
	}
	switch {
	case err != nil:
		p.failed(ctx, err)
	case p.position == before && end > p.position:
		p.failed(ctx, errNothing)
	default:
		p.advance()
		p.failing.Store(false)
		p.trouble.end(p)
	}
	pause(ctx, time.Duration(min(res.throttleMS, maxThrottleMS))*time.Millisecond)
}

// fetchBytes returns how many bytes to ask for.
func (p *partition) fetchBytes() int { return max(p.bytes>>p.slower, min(p.bytes, minFetchBytes)) }

// pace asks for less after a fetch that did not end in time, and for more again
// after one that took so little that twice as much would do too. A link that
// carries less in that time than is asked for would bring the same beginning
// again and again, and never a whole answer.
func (p *partition) pace(took time.Duration, err error) {
	var late net.Error
	switch {
	case err == nil:
		if took < p.k.tuning.request/4 {
			p.slower = max(p.slower-1, 0)
		}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &late) && late.Timeout():
		if p.fetchBytes() > minFetchBytes {
			p.slower++
		}
	}
}

const maxThrottleMS = 5000

// errNothing is a fetch without records though the log goes on.
var errNothing = errors.New("the broker sends no records, though there are more")

// born is a moment from which times are counted on a clock that nobody sets.
var born = time.Now()

// hear notes the end of what may be read of the log. Of two goroutines that hear of it at once the
// later may bring the older end, so growth is counted from the highest.
func (p *partition) hear(end int64) {
	p.end.Store(end)
	p.heard.Store(int64(time.Since(born)))
	for {
		was := p.highest.Load()
		if end <= was {
			return
		}
		if p.highest.CompareAndSwap(was, end) {
			if was >= 0 {
				p.arrived.Add(end - was)
			}
			return
		}
	}
}

// consume hands on every record of a response that is for us.
func (p *partition) consume(ctx context.Context, res *fetchResponse) error {
	filter := newAbortFilter(res.aborted)
	for rest := res.batches; len(rest) > 0; {
		b, tail, err := nextBatch(rest)
		if errors.Is(err, errCut) && len(rest) < len(res.batches) {
			return nil
		}
		if err != nil {
			return &damage{offset: max(b.first, p.position), err: err}
		}
		rest = tail
		hidden, err := filter.hides(&b, &p.records)
		if err != nil {
			return &damage{offset: max(b.first, p.position), err: err}
		}
		if b.last < p.position {
			continue // the broker sends whole batches
		}
		if hidden || b.is(control) {
			p.expect(ctx, b.first)
		} else {
			if err := p.consumeBatch(ctx, b); err != nil {
				return err
			}
			p.expect(ctx, b.last+1)
		}
		p.position = max(p.position, b.last+1)
		p.tracker.Load().Skip(p.position)
	}
	return nil
}

// consumeBatch hands on the records of a batch whose checksum holds.
func (p *partition) consumeBatch(ctx context.Context, b batch) error {
	if err := p.records.reset(b); err != nil {
		return p.setAside(ctx, b, err)
	}
	defer func() { _ = p.records.close() }() // it was read to the end, or is damaged
	for {
		rec, err := p.records.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return p.setAside(ctx, b, err)
		}
		if rec.offset < p.position {
			continue
		}
		if err := p.deliver(ctx, rec); err != nil {
			return err
		}
	}
}

// deliver queues one record, once there is room for it.
func (p *partition) deliver(ctx context.Context, rec record) error {
	p.expect(ctx, rec.offset)
	m := pipeline.Message{
		Origin: pipeline.Origin{
			Cluster: p.k.clusterID(), Topic: p.topic, Partition: p.id, Offset: rec.offset, Time: time.UnixMilli(rec.time),
		},
		Key: rec.key, Value: rec.value, Headers: rec.headers, Defect: rec.defect,
	}
	m.ID = p.k.messageID(m.Origin, p.log)
	size := m.Size()
	if err := p.k.budget.acquire(ctx, size); err != nil {
		return err
	}
	tracker, n, err := p.begin(ctx, rec)
	if err != nil {
		p.k.budget.release(size)
		return err
	}
	settle := func() bool {
		first, ours := tracker.Settle(n)
		if first {
			p.k.budget.release(size)
		}
		return ours
	}
	d := delivery{message: pipeline.NewMessage(m, settle), part: p, tracker: tracker, number: n, size: size}
	if !p.k.queue.put(d) {
		p.k.budget.release(size)
		return ErrStopped
	}
	p.position = rec.offset + 1
	p.advance()
	return nil
}

// begin waits for the mark, where too many have settled beyond it.
func (p *partition) begin(ctx context.Context, rec record) (*Tracker, uint64, error) {
	t := p.tracker.Load()
	at := rec.time
	if at < 0 {
		at = time.Now().UnixMilli() // a record without a time is as old as its receipt
	}
	for {
		if n, ok := t.Begin(rec.offset, at); ok {
			return t, n, nil
		}
		select {
		case <-t.Room():
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		}
	}
}

// expect counts a gap where the log goes on at offset, later than it should. A
// compacted topic has gaps by nature, so they are reported, not more.
func (p *partition) expect(ctx context.Context, offset int64) {
	if offset <= p.position {
		return
	}
	p.k.metrics.gaps.Inc()
	if p.k.lines.allow("gap/" + p.String()) {
		p.k.log.InfoContext(ctx, "offsets are missing in the log, as after compaction",
			slog.String("topic", p.topic), slog.Int("partition", p.id),
			slog.Int64("from", p.position), slog.Int64("to", offset))
	}
}

// String returns topic/partition.
func (p *partition) String() string { return p.topic + "/" + strconv.Itoa(p.id) }

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
