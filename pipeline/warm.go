package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"sweetspot/inference"
	"sweetspot/pipeline/schedule"
)

// A sweep runs every stage over rows of warmRow tokens, in batches of each of
// these shares of the budget, up to warmRounds times. The smallest sizes show
// what a run costs whatever its size. What would end after warmTime is left out,
// but for one run of each of the two smallest: a model too slow for more is
// learned from its messages.
const (
	warmRow    = 32
	warmRounds = 5
	warmTime   = 300 * time.Millisecond
)

var warmShares = []int{64, 16, 4, 1} // one part of so many

// Warm measures what runs of the stages cost, so that the pipeline knows it from
// the first message on. It takes 0.3 s, or as long as two small batches where
// that is more. It may be called once, before Run; without it costs are learned
// from the messages. An error is the device's, and fatal.
func (p *Pipeline) Warm(ctx context.Context) error {
	l, err := p.stageLoop()
	if err != nil {
		return err
	}
	start := time.Now()
	runs, err := l.sweep(ctx, l.sweepSizes())
	if err != nil {
		return err
	}
	if !l.costs.Sweep(runs) {
		return nil // a budget of one row has only one size
	}
	l.tell()
	full := make([]string, len(l.lines))
	for i, line := range l.lines {
		full[i] = line.Time(p.cfg.BatchTokens).Round(time.Microsecond).String()
	}
	p.parts.Logger.InfoContext(ctx, "stages timed", slog.Duration("took", time.Since(start)), slog.Any("full_runs", full))
	return nil
}

// Costs returns what runs of the stages cost now; zero where that is not known
// yet. Any goroutine may ask. The slice must not be changed.
func (p *Pipeline) Costs() []schedule.Line {
	if lines := p.lines.Load(); lines != nil {
		return *lines
	}
	return make([]schedule.Line, len(p.parts.Layers))
}

// sweepSizes returns the sizes of a sweep in rows, from the smallest.
func (l *loop) sweepSizes() []int {
	sizes := make([]int, len(warmShares))
	for k, share := range warmShares {
		sizes[k] = max(1, l.p.cfg.BatchTokens/share/l.warmRow())
	}
	return slices.Compact(sizes)
}

func (l *loop) warmRow() int { return min(warmRow, l.p.cfg.MaxTokens) }

// sweep returns timed runs of every stage.
func (l *loop) sweep(ctx context.Context, sizes []int) ([][]schedule.Sample, error) {
	runs := make([][]schedule.Sample, len(l.stages))
	if _, err := l.sweepOnce(ctx, sizes[0]); err != nil { // the first run of all is no like the others
		return nil, err
	}
	var spent, aRow time.Duration // in all stages together
	for round := range warmRounds {
		for k, rows := range sizes {
			if (round > 0 || k > 1) && spent+aRow*time.Duration(rows) > warmTime {
				break
			}
			took, err := l.sweepOnce(ctx, rows)
			if err != nil {
				return nil, err
			}
			var sum time.Duration
			for i, d := range took {
				runs[i] = append(runs[i], schedule.Sample{Tokens: rows * l.warmRow(), Took: d})
				sum += d
			}
			spent, aRow = spent+sum, sum/time.Duration(rows)
		}
	}
	return runs, nil
}

// sweepOnce takes so many rows through all stages and returns what each took. It
// leaves the batches empty.
func (l *loop) sweepOnce(ctx context.Context, rows int) ([]time.Duration, error) {
	took := make([]time.Duration, len(l.stages))
	b := l.stages[0].free[0].batch
	err := l.warmRows(b, rows)
	for i := range l.stages {
		if i > 0 && err == nil {
			b, err = l.warmNext(i, b, rows)
		}
		if err == nil {
			took[i], err = l.timeRun(ctx, b)
		}
		if err != nil {
			return nil, fmt.Errorf("timing stage %d: %w", i+1, err)
		}
	}
	b.Reset()
	return took, nil
}

// warmRows fills a batch of the first stage.
func (l *loop) warmRows(b Batch, rows int) error {
	row := l.warmInput()
	for r := range rows {
		switch ok, err := b.Add(row); {
		case err != nil:
			return err
		case !ok:
			return fmt.Errorf("row %d of %d finds no room", r+1, rows)
		}
	}
	return nil
}

// warmInput is the row that stages are timed with.
func (l *loop) warmInput() inference.Row {
	row := inference.Row{Tokens: make([]int32, l.warmRow()), Second: l.warmRow()}
	for i := range row.Tokens {
		row.Tokens[i] = int32(i % l.p.parts.Tokenizer.Size())
	}
	return row
}

// warmNext takes all rows of from, which it empties, to a batch of stage i.
func (l *loop) warmNext(i int, from Batch, rows int) (Batch, error) {
	all := make([]int, rows)
	for r := range all {
		all[r] = r
	}
	b := l.stages[i].free[0].batch
	err := b.Take(from, all)
	from.Reset()
	return b, err
}

func (l *loop) timeRun(ctx context.Context, b Batch) (time.Duration, error) {
	start := time.Now()
	if err := l.forward(ctx, b); err != nil {
		return 0, err
	}
	err := wait(ctx, b)
	return time.Since(start), err
}
