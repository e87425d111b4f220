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
	Floor      float64             // share of messages that must agree with full depth: 1 − ε; 0 with MaxLoss
	MaxLoss    float64             // share of messages that may be lost, full depth being right and the rung wrong: ε; 0 with Floor
	Confidence float64             // that every kept rung does: 1 − δ
	Rungs      int                 // most rungs, full depth included
	Seed       uint64              // of the split in halves
	Limits     inference.Options   // MaxTokens and Truncate must be set: the ladder holds for them alone
	Progress   func(done, all int) // called now and then with rows measured; may be nil
}

// Records are held-out texts as the model reads them.
type Records struct {
	Rows   []inference.Row // (n)
	Labels []int           // (n) the right answers, by index into the model's labels; nil where they are not known
}

// A Result is a ladder with what else is worth knowing about it.
type Result struct {
	Ladder  inference.Ladder `json:"ladder"`
	Method  inference.Method `json:"method"`            // that the model was trained by
	Score   inference.Score  `json:"score"`             // how sure its exits are
	Labeled bool             `json:"labeled"`           // the targets of temperatures and of Exits were labels
	Tried   int              `json:"tried"`             // rungs of the path, full depth included; those beyond the ladder were refused
	Tuning  int              `json:"tuning"`            // records of the tuning half
	Exits   []Exit           `json:"exits"`             // (m)
	Risks   []Risk           `json:"risks"`             // of each rung of the ladder
	Refused *inference.Rung  `json:"refused,omitempty"` // the first rung that is not on the ladder; nil where the whole path is
}

// fewest is the smallest number of records worth splitting.
const fewest = 100

// Validate reports every option that is out of range.
func (o Options) Validate() error {
	var faults []error
	switch {
	case o.Floor != 0 && o.MaxLoss != 0:
		faults = append(faults, errors.New("a floor on agreement and a largest loss: a ladder is certified for one of them"))
	case o.MaxLoss != 0 && !(o.MaxLoss > 0 && o.MaxLoss < 1):
		faults = append(faults, fmt.Errorf("largest loss %v: want a share above 0 and below 1, such as 0.01", o.MaxLoss))
	case o.MaxLoss == 0 && !(o.Floor > 0 && o.Floor < 1):
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

// floor returns the kind of floor and ε. A floor on agreement is not named, so
// that the entry's digest is what it was before there was another kind.
func (o Options) floor() (inference.Floor, float64) {
	if o.MaxLoss != 0 {
		return inference.AccuracyFloor, o.MaxLoss
	}
	return "", 1 - o.Floor
}

// Run calibrates the model dir on d with the given records.
func Run(ctx context.Context, dir *inference.Directory, d inference.Device, r Records, o Options) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	if err := r.validate(len(dir.Config.Labels), o); err != nil {
		return Result{}, err
	}
	tuning, certification := halves(len(r.Rows), o.Seed)
	temperatures, err := fit(ctx, dir, d, r.pick(tuning), o)
	if err != nil {
		return Result{}, err
	}
	table, err := remeasure(ctx, dir, d, r, temperatures, o)
	if err != nil {
		return Result{}, err
	}
	result := o.certify(table.pick(tuning), table.pick(certification), temperatures, dir.Digest)
	result.Method, result.Score = dir.Config.Method, dir.Config.Score
	return result, nil
}

// certify makes the ladder from what both halves were measured to be.
func (o Options) certify(tuning, certification Table, temperatures []float32, model string) Result {
	floor, epsilon := o.floor()
	delta := 1 - o.Confidence
	// The path goes a little beyond ε: where it ends is the walk's decision.
	path := Path(tuning, floor, 1.25*epsilon, o.Rungs)
	c := Certify(certification, path, floor, epsilon, delta)
	l := inference.Ladder{
		Rungs:        c.Rungs,
		Temperatures: temperatures,
		Floor:        floor,
		Epsilon:      epsilon,
		Delta:        delta,
		Records:      certification.Records(),
		MaxTokens:    o.Limits.MaxTokens,
		Truncate:     o.Limits.Truncate,
		Model:        model,
	}
	if floor == inference.AccuracyFloor {
		l.DisagreementLimit = c.DisagreementLimit
	}
	return Result{
		Ladder: l, Labeled: certification.Labels != nil, Tried: len(path), Tuning: tuning.Records(),
		Exits: certification.exits(temperatures), Risks: c.Risks, Refused: c.Refused,
	}
}

// validate reports records that cannot be calibrated with.
func (r Records) validate(classes int, o Options) error {
	switch {
	case len(r.Rows) < fewest:
		return fmt.Errorf("%d records: want at least %d, and some thousands for a floor such as 0.98", len(r.Rows), fewest)
	case r.Labels == nil && o.MaxLoss != 0:
		return errors.New("a loss of accuracy cannot be measured without labels")
	case r.Labels != nil && len(r.Labels) != len(r.Rows):
		return fmt.Errorf("%d labels for %d records", len(r.Labels), len(r.Rows))
	}
	for i, label := range r.Labels {
		if label < 0 || label >= classes {
			return fmt.Errorf("record %d: label %d, want 0 to %d", i+1, label, classes-1)
		}
	}
	return nil
}

// pick returns the listed records alone.
func (r Records) pick(listed []int) Records {
	sub := Records{Rows: choose(r.Rows, listed)}
	if r.Labels != nil {
		sub.Labels = choose(r.Labels, listed)
	}
	return sub
}

// halves splits n records in two at random. The split depends on the seed
// alone, so it can be drawn again.
func halves(n int, seed uint64) (tuning, certification []int) {
	p := rand.New(rand.NewPCG(seed, 0x5377656574)).Perm(n)
	return p[:n/2], p[n/2:]
}

// fit measures the tuning records without temperatures and fits them.
func fit(ctx context.Context, dir *inference.Directory, d inference.Device, r Records, o Options) ([]float32, error) {
	m, err := inference.New(dir, d, o.Limits)
	if err != nil {
		return nil, err
	}
	t, err := Measure(ctx, m, r.Rows, WithLogits, o.report(0, 3*len(r.Rows)))
	if err != nil {
		return nil, fmt.Errorf("measuring the tuning records: %w", err)
	}
	t.Labels = r.Labels
	return Temperatures(t, len(m.Labels))
}

// remeasure measures all records with the temperatures in force, so that the
// confidences are the very numbers that a worker will see.
func remeasure(ctx context.Context, dir *inference.Directory, d inference.Device, r Records, temperatures []float32, o Options) (Table, error) {
	o.Limits.Temperatures = temperatures
	m, err := inference.New(dir, d, o.Limits)
	if err != nil {
		return Table{}, err
	}
	n := len(r.Rows)
	t, err := Measure(ctx, m, r.Rows, WithProbabilities, o.report(n/2, n+n/2))
	if err != nil {
		return Table{}, fmt.Errorf("measuring all records: %w", err)
	}
	t.Labels = r.Labels
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
