package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"time"
)

// A phase is a part of a load that changes. It lasts its time, and until the
// worker is where the load should bring it. The load is a share of what full
// depth was measured to carry; a machine that others use may have become faster
// or slower since. So where the worker is long in coming, the load goes further.
type phase struct {
	name    string
	share   float64       // of what full depth carries
	lasts   time.Duration // at least
	cheaper bool          // until a rung below full depth is in force, else until full depth is
	further float64       // factor on the load
}

var phases = []phase{
	{name: "before the load", share: 0.4, lasts: 5 * time.Second, cheaper: false, further: 0.5},
	{name: "under load", share: 2.2, lasts: 15 * time.Second, cheaper: true, further: 1.5},
	{name: "after the load", share: 0.4, lasts: 5 * time.Second, cheaper: false, further: 0.5},
}

const (
	impatience   = 30 * time.Second // after which the load goes further, again and again
	longestPhase = 4 * time.Minute
	sendEvery    = 20 * time.Millisecond

	pool = 5000 // texts at most, sent again and again: each is classified once for every rung
)

// A stepTest is a worker that chooses its rung, while the load on its topic
// steps up and down again.
type stepTest struct {
	*running
	sweet  sweet
	full   served
	sender *sender
	trace  *trace
	ends   []int // of the phases, in steps of the trace
}

// followStep runs the worker under a load that steps, and checks that it went
// where the load should bring it, that it told every move, and that each answer
// is the one of its rung and of full depth as often as the ladder promises.
func followStep(ctx context.Context, s *servers, sweet sweet, dir string, full served, texts []string, o options) error {
	if !(full.perSecond > 0) || math.IsInf(full.perSecond, 0) {
		return fmt.Errorf("full depth answered %v messages a second: more are needed to measure it", full.perSecond)
	}
	w := worker{load: load{name: "step", model: "bundled"}, mode: "auto", path: filepath.Join(o.bin, "worker")}
	if err := s.createTopics(ctx, w.load.name, o.partitions); err != nil {
		return err
	}
	path := filepath.Join(dir, w.log()+".trace")
	r, err := w.launch(ctx, s, dir, "SWEET_TRACE="+path)
	if err != nil {
		return err
	}
	defer r.close()
	t := &stepTest{running: r, sweet: sweet, full: full, sender: newSender(s.brokers, w.load.name, texts[:min(pool, len(texts))])}
	defer t.sender.close()
	if t.trace, err = openTrace(path); err != nil {
		return err
	}
	defer t.trace.close()
	for _, p := range phases {
		if err := t.send(ctx, p); err != nil {
			return fmt.Errorf("%s: %w%s", p.name, err, r.child.out.tail())
		}
	}
	return t.check(ctx, s, dir, o)
}

// send sends the messages of a phase.
func (t *stepTest) send(ctx context.Context, p phase) error {
	rate, due := p.share*t.full.perSecond, float64(t.sender.sent)
	start, first := time.Now(), t.sender.sent
	at, changed := start, start
	again := time.NewTicker(sendEvery)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-t.child.ended:
			return fmt.Errorf("the worker ended: %w", t.child.err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		now := time.Now()
		due += rate * now.Sub(at).Seconds()
		at = now
		if err := t.sender.send(ctx, int(due)-t.sender.sent); err != nil {
			return err
		}
		if err := t.trace.read(); err != nil {
			return err
		}
		rung, known := t.trace.rung()
		perSecond := float64(t.sender.sent-first) / time.Since(start).Seconds()
		switch {
		case known && (rung > 0) == p.cheaper && now.Sub(start) >= p.lasts:
			t.ends = append(t.ends, len(t.trace.steps))
			say("%s: %s, %.0f messages/s, %s", t.name(), p.name, perSecond, tell(t.trace.steps))
			return nil
		case now.Sub(start) >= longestPhase:
			return fmt.Errorf("after %v the rung is still %d; %.0f messages/s were sent, %.0f were wanted lastly, full depth carried %.0f",
				longestPhase, rung, perSecond, rate, t.full.perSecond)
		case now.Sub(changed) >= impatience:
			rate *= p.further
			changed = now
		}
	}
}

// check waits until every message has a result, stops the worker, and checks
// all that it leaves behind.
func (t *stepTest) check(ctx context.Context, s *servers, dir string, o options) error {
	sent := t.sender.texts()
	if err := t.await(ctx, len(sent)); err != nil {
		return err
	}
	audits, err := t.rest(ctx)
	if err != nil {
		return fmt.Errorf("%w%s", err, t.child.out.tail())
	}
	results, err := t.stop(ctx, s, len(sent), o.partitions)
	if err != nil {
		return err
	}
	messages, err := s.readTopic(ctx, t.load.name, o.partitions)
	if err != nil {
		return err
	}
	if err := sameTexts(messages, sent); err != nil {
		return err
	}
	if err := t.checkMoves(dir, results); err != nil {
		return err
	}
	if err := t.checkReplay(ctx); err != nil {
		return err
	}
	if err := t.checkAnswers(ctx, results, messages); err != nil {
		return err
	}
	kept, err := t.checkAgreement(results, messages, audits, o.ladder)
	if err != nil {
		return err
	}
	backlog, age := t.trace.most()
	say("%s: %d texts in, %d results out, all as sweet classify says at their rungs, which are those of trace and log: %s; "+
		"replayed, all %d decisions are the same; backlog at most %d, the oldest %.2f s; %s; audited %d, of which %d differ",
		t.name(), len(messages), len(results), tell(t.trace.steps), len(t.trace.steps), backlog, age.Seconds(), kept, audits.same+audits.different, audits.different)
	return nil
}
