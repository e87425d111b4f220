package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

// commitChanged commits the marks that moved since they were last accepted, and
// for a while after a failure all of them, again and again:
//
//	we     commit 10; no answer; close the connection
//	we     commit 20 on another, accepted
//	Kafka  gets what was still under way on the first, and sets the group back to 10
//
// Where nothing settles after that, the next owner would start at 10.
func (a *assignment) commitChanged(ctx context.Context) error {
	marks := a.marks()
	if time.Now().After(a.unsure) {
		maps.DeleteFunc(marks, func(p *partition, mark int64) bool {
			before, ok := a.committed[p]
			return ok && before == mark
		})
	}
	return a.commit(ctx, marks)
}

// commitAll commits every mark, moved or not.
func (a *assignment) commitAll(ctx context.Context) error { return a.commit(ctx, a.marks()) }

func (a *assignment) marks() map[*partition]int64 {
	marks := make(map[*partition]int64, len(a.parts))
	for _, p := range a.parts {
		if t := p.tracker.Load(); t != nil {
			marks[p] = t.Mark()
		}
	}
	return marks
}

// commit sends marks to the group's coordinator, under this generation.
func (a *assignment) commit(ctx context.Context, marks map[*partition]int64) error {
	if len(marks) == 0 {
		return nil
	}
	req := &kafka.OffsetCommitRequest{
		GroupID: a.k.cfg.Group, GenerationID: a.generation, MemberID: a.member,
		Topics: make(map[string][]kafka.OffsetCommit),
	}
	for p, mark := range marks {
		req.Topics[p.topic] = append(req.Topics[p.topic], kafka.OffsetCommit{Partition: p.id, Offset: mark})
	}
	// Half a session: a commit that takes longer is no sign of life any more.
	timed, cancel := context.WithTimeout(ctx, a.k.cfg.SessionTimeout/2)
	defer cancel()
	res, err := a.k.net.client.OffsetCommit(timed, req)
	if err == nil {
		err = a.accept(marks, res)
	}
	if err == nil {
		a.k.metrics.commits.Inc()
		a.k.lines.forget("commit")
		return nil
	}
	cfg := &a.k.cfg
	a.unsure = time.Now().Add(a.k.tuning.lateCommit)
	err = fmt.Errorf("committing offsets: %w", cfg.explain(err, readTopic(strings.Join(cfg.Topics, ", ")), readGroup(cfg.Group)))
	a.k.metrics.commitErrors.Inc()
	if isFenced(err) || a.k.lines.allow("commit") {
		a.k.log.WarnContext(ctx, "commit was not accepted", slog.Int("generation", a.generation), slog.Any("error", err))
	}
	return err
}

// accept notes what Kafka took, and returns the errors of the rest.
func (a *assignment) accept(marks map[*partition]int64, res *kafka.OffsetCommitResponse) error {
	var faults []error
	answered := make(map[string]error)
	for topic, parts := range res.Topics {
		for _, got := range parts {
			answered[(&partition{topic: topic, id: got.Partition}).String()] = got.Error
		}
	}
	for p, mark := range marks {
		err, ok := answered[p.String()]
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("%v: no answer", p))
		case err != nil:
			faults = append(faults, fmt.Errorf("%v: %w", p, err))
		default:
			a.committed[p] = mark
		}
	}
	return errors.Join(faults...)
}

// isFenced reports whether err says that the generation is over: somebody else
// may own the partitions by now.
func isFenced(err error) bool {
	return errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId) ||
		errors.Is(err, kafka.RebalanceInProgress) || errors.Is(err, kafka.FencedInstanceID)
}
