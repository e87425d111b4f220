package pipeline

import (
	"fmt"
	"slices"
	"time"

	"sweetspot/pipeline/schedule"
)

// window is how many budgets of rows are taken in while they come faster than
// they are admitted. Deadlines, tiers and lengths order what is in it: more
// would order better, and take longer to.
const window = 2

// admit fills b with the rows whose turn it is, and gives them their rung.
func (l *loop) admit(b *bin, now time.Time) error {
	truncated := 0
	for _, i := range schedule.Choose(l.admission(now)) {
		r := l.queue[i]
		r.rung = l.p.rung(r.tier)
		ok, err := b.batch.Add(r.input())
		if err != nil {
			return fmt.Errorf("admitting a row of %d tokens: %w", len(r.tokens), err)
		}
		if !ok {
			break
		}
		if !r.deadline.After(now) {
			r.deadline = time.Time{} // what is missed already hurries nobody
		}
		b.put(r)
		l.queue[i] = nil
		if r.truncated {
			truncated++
		}
	}
	if len(b.rows) == 0 {
		return fmt.Errorf("admitting one of %d rows: an empty batch has no room for it", len(l.queue))
	}
	l.queue = slices.DeleteFunc(l.queue, func(r *row) bool { return r == nil })
	l.queued -= b.tokens
	l.p.traffic.rows.Add(int64(len(b.rows)))
	l.p.traffic.tokens.Add(int64(b.tokens))
	l.p.parts.Metrics.tokens.Add(float64(b.tokens))
	l.p.parts.Metrics.truncated.Add(float64(truncated))
	return nil
}

// admission is what the choice of new rows depends on.
func (l *loop) admission(now time.Time) schedule.Admission {
	a := schedule.Admission{Now: now, Budget: l.p.cfg.BatchTokens, Rows: l.window[:0]}
	for _, line := range l.lines {
		a.Pass += line.Time(a.Budget)
	}
	for _, r := range l.queue {
		a.Rows = append(a.Rows, schedule.Row{
			Tokens: len(r.tokens), Came: r.came, Deadline: r.deadline, BestEffort: r.tier == BestEffort,
		})
	}
	l.window = a.Rows
	return a
}
