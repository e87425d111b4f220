package calibrate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"sweetspot/inference"
)

// Options are what the user of a ladder decides. All shares are in (0, 1).
type Options struct {
	Floor      float64             // share of messages that must agree with full depth: 1 − ε
	Confidence float64             // that every kept rung does: 1 − δ
	Rungs      int                 // most rungs, full depth included
	Seed       uint64              // of the split in halves
	Limits     inference.Options   // MaxTokens and Truncate must be set: the ladder holds for them alone
	Progress   func(done, all int) // called now and then with rows measured; may be nil
}

// A Result is a ladder with what else is worth knowing about it.
type Result struct {
	Ladder inference.Ladder
	Tried  int // rungs of the path, full depth included; those beyond the ladder were refused
	Tuning int // records of the tuning half
}

// fewest is the smallest number of records worth splitting.
const fewest = 100

// Validate reports every option that is out of range.
func (o Options) Validate() error {
	var faults []error
	if !(o.Floor > 0 && o.Floor < 1) {
		faults = append(faults, fmt.Errorf("floor %v: want a share above 0 and below 1, such as 0.98", o.Floor))
	}
	if !(o.Confidence > 0 && o.Confidence < 1) {
		faults = append(faults, fmt.Errorf("confidence %v: want a share above 0 and below 1, such as 0.95", o.Confidence))
	}
	if o.Rungs < 2 || o.Rungs > 256 {
		faults = append(faults, fmt.Errorf("rungs %d: want 2 to 256", o.Rungs))
	}
	return errors.Join(faults...)
}

// Run calibrates the model dir on d with the given rows.
func Run(ctx context.Context, dir *inference.Directory, d inference.Device, rows []inference.Row, o Options) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	if len(rows) < fewest {
		return Result{}, fmt.Errorf("%d records: want at least %d, and some thousands for a floor such as 0.98", len(rows), fewest)
	}
	tuning, certification := halves(len(rows), o.Seed)
	temperatures, err := fit(ctx, dir, d, choose(rows, tuning), o)
	if err != nil {
		return Result{}, err
	}
	table, err := remeasure(ctx, dir, d, rows, temperatures, o)
	if err != nil {
		return Result{}, err
	}
	epsilon, delta := 1-o.Floor, 1-o.Confidence
	// The path goes a little beyond ε: where it ends is the walk's decision.
	path := Path(table.pick(tuning), 1.25*epsilon, o.Rungs)
	l := inference.Ladder{
		Rungs:        Certify(table.pick(certification), path, epsilon, delta),
		Temperatures: temperatures,
		Epsilon:      epsilon,
		Delta:        delta,
		Records:      len(certification),
		MaxTokens:    o.Limits.MaxTokens,
		Truncate:     o.Limits.Truncate,
		Model:        dir.Digest,
	}
	return Result{Ladder: l, Tried: len(path), Tuning: len(tuning)}, nil
}

// halves splits n records in two at random. The split depends on the seed
// alone, so it can be drawn again.
func halves(n int, seed uint64) (tuning, certification []int) {
	p := rand.New(rand.NewPCG(seed, 0x5377656574)).Perm(n)
	return p[:n/2], p[n/2:]
}

func choose(rows []inference.Row, records []int) []inference.Row {
	chosen := make([]inference.Row, len(records))
	for i, r := range records {
		chosen[i] = rows[r]
	}
	return chosen
}

// fit measures the tuning rows without temperatures and fits them.
func fit(ctx context.Context, dir *inference.Directory, d inference.Device, rows []inference.Row, o Options) ([]float32, error) {
	m, err := inference.New(dir, d, o.Limits)
	if err != nil {
		return nil, err
	}
	t, err := Measure(ctx, m, rows, WithLogits, o.report(0, 3*len(rows)))
	if err != nil {
		return nil, fmt.Errorf("measuring the tuning records: %w", err)
	}
	return Temperatures(t, len(m.Labels)), nil
}

// remeasure measures all rows with the temperatures in force, so that the
// confidences are the very numbers that a worker will see.
func remeasure(ctx context.Context, dir *inference.Directory, d inference.Device, rows []inference.Row, temperatures []float32, o Options) (Table, error) {
	o.Limits.Temperatures = temperatures
	m, err := inference.New(dir, d, o.Limits)
	if err != nil {
		return Table{}, err
	}
	t, err := Measure(ctx, m, rows, ExitsOnly, o.report(len(rows)/2, len(rows)+len(rows)/2))
	if err != nil {
		return Table{}, fmt.Errorf("measuring all records: %w", err)
	}
	return t, nil
}

// report returns what turns the rows of one pass into progress over all, which
// is every record once and the tuning half twice.
func (o Options) report(before, all int) func(done int) {
	if o.Progress == nil {
		return nil
	}
	return func(done int) { o.Progress(before+done, all) }
}
