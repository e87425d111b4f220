package consumer

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"

	"sweetspot/pipeline"
)

// What cannot be read falls in two. Where a batch's checksum does not hold, or
// its header makes no sense, the log is damaged: a replica may have a good copy,
// so reading stands still there, says so, and tries again (see trouble). Where
// the checksum holds, the batch is what its producer wrote, and will never be
// readable: it is set aside, and reading goes on behind it. Then one producer of
// nonsense does not stop a partition.

// setAside hands on what is left of a batch, which cannot be read, as one
// message without a key, whose value is the whole batch as it lies in the log.
// It stands at the first offset that was not read, and covers the others.
func (p *partition) setAside(ctx context.Context, b batch, cause error) error {
	offset := max(b.first, p.position)
	err := fmt.Errorf("the batch of %d records at offsets %d to %d, which is the value here, cannot be read from %d on: %w",
		b.count, b.first, b.last, offset, cause)
	if p.k.lines.allow("unread/" + p.String()) {
		p.k.log.ErrorContext(ctx, "a batch cannot be read: it is set aside as one dead letter",
			slog.String("topic", p.topic), slog.Int("partition", p.id), slog.Int64("offset", offset),
			slog.Int64("last", b.last), slog.Any("error", err))
	}
	rec := record{
		offset: offset, time: b.firstTime, value: bytes.Clone(b.raw),
		defect: &pipeline.Defect{Reason: pipeline.CorruptBatch, Err: err},
	}
	if err := p.deliver(ctx, rec); err != nil {
		return err
	}
	p.position = b.last + 1
	return nil
}
