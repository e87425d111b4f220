package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// audits are how many answers the worker compared with full depth's.
type audits struct{ same, different int }

// rest waits until the worker has nothing left to do: no backlog, and every
// audited message compared with full depth.
func (t *stepTest) rest(ctx context.Context) (audits, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not at rest %v after the last result", patience))
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for before := len(t.trace.steps); ; {
		page, err := t.page(ctx, "/metrics")
		if err != nil {
			return audits{}, err
		}
		figures, err := metrics(page, `sweet_audits_total{agree="true"}`, `sweet_audits_total{agree="false"}`, "sweet_alarm")
		if err != nil {
			return audits{}, err
		}
		if figures[2] != 0 {
			return audits{}, fmt.Errorf("sweet_alarm is %v, want 0", figures[2])
		}
		if err := t.trace.read(); err != nil {
			return audits{}, err
		}
		a, backlog := audits{int(figures[0]), int(figures[1])}, int64(-1)
		if len(t.trace.steps) > before {
			backlog = t.trace.backlog()
		}
		if backlog == 0 && a.same+a.different == t.all.audits() {
			return a, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return audits{}, fmt.Errorf("the backlog is %d, and %d of %d audited messages were compared with full depth: %w",
				backlog, a.same+a.different, t.all.audits(), context.Cause(ctx))
		}
	}
}

// metrics returns the values of series in a page of /metrics.
func metrics(page string, series ...string) ([]float64, error) {
	values := make([]float64, len(series))
	for i, name := range series {
		_, rest, found := strings.Cut("\n"+page, "\n"+name+" ")
		if !found {
			return nil, fmt.Errorf("/metrics has no %s", name)
		}
		value, _, _ := strings.Cut(rest, "\n")
		var err error
		if values[i], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("reading %s in /metrics: %w", name, err)
		}
	}
	return values, nil
}

// checkMoves returns an error unless the rung moved as the load did, the log
// tells every move, and every result has a rung that was in force.
func (t *stepTest) checkMoves(dir string, results []result) error {
	if err := t.trace.read(); err != nil {
		return err
	}
	log, err := readMoves(dir, t.log())
	if err != nil {
		return err
	}
	steps := t.trace.steps
	if err := sameMoves(log, moves(steps)); err != nil {
		return err
	}
	if err := checkStory(moves(steps[t.ends[0]-1:t.ends[1]]), moves(steps[t.ends[1]-1:t.ends[2]])); err != nil {
		return err
	}
	return checkReigns(results, steps[0].Decision.Rung, log)
}

// checkReplay returns an error unless `sweet simulate --replay` decides again, bit
// for bit, all that the trace holds.
func (t *stepTest) checkReplay(ctx context.Context) error {
	out, err := t.sweet.output(ctx, nil, "simulate", "--replay", t.trace.file.Name(), "--json")
	if err != nil {
		return err
	}
	var replayed struct {
		Same int `json:"same"`
	}
	if err := json.Unmarshal(out, &replayed); err != nil {
		return fmt.Errorf("reading what sweet simulate --replay says: %w: %s", err, out)
	}
	if replayed.Same != len(t.trace.steps) {
		return fmt.Errorf("sweet simulate --replay finds %d decisions the same; the trace holds %d", replayed.Same, len(t.trace.steps))
	}
	return nil
}

// checkAnswers returns an error unless there is one result for every message,
// and it is what `sweet classify` says at its rung.
func (t *stepTest) checkAnswers(ctx context.Context, results []result, messages map[place]string) error {
	texts := make(map[int][]string) // by rung
	for _, r := range results {
		texts[r.Rung] = append(texts[r.Rung], messages[r.at()])
	}
	delete(texts, 0)
	want := map[int]answers{0: t.full.answers}
	for _, rung := range slices.Sorted(maps.Keys(texts)) {
		l := t.load
		l.texts = texts[rung]
		all, err := t.sweet.classify(ctx, l, strconv.Itoa(rung))
		if err != nil {
			return err
		}
		want[rung] = all
	}
	return compare(results, messages, want)
}

// An agreement compares the answers of cheaper rungs with full depth's.
type agreement struct {
	answers   int // of rungs below full depth
	different int // of those
	texts     int // different ones
	epsilon   float64
}

// sigmas is how far beyond the share that the ladder allows chance may lead:
// once in 30,000 runs, were that share the true one.
const sigmas = 4

// most is the share of answers that may differ. A text that is answered twice
// is no second draw.
func (a agreement) most() float64 {
	return a.epsilon + sigmas*math.Sqrt(a.epsilon*(1-a.epsilon)/float64(max(a.texts, 1)))
}

func (a agreement) share() float64 { return float64(a.different) / float64(max(a.answers, 1)) }

func (a agreement) String() string {
	return fmt.Sprintf("of %d answers below full depth %.2f %% agree with it, want %.2f %% less chance, %.2f %%",
		a.answers, 100*(1-a.share()), 100*(1-a.epsilon), 100*(1-a.most()))
}

// checkAgreement returns an error unless the answers agree with full depth as
// the ladder promises, and the audits found just what there was to find.
func (t *stepTest) checkAgreement(results []result, messages map[place]string, found audits, path string) (agreement, error) {
	l, err := readLadder(path)
	if err != nil {
		return agreement{}, err
	}
	a, audited := agree(results, messages, t.full.answers, l.F32.Epsilon)
	switch {
	case a.share() > a.most():
		return a, errors.New(a.String())
	case found != audited:
		return a, fmt.Errorf("the worker counts %+v audits; by its results and sweet classify they are %+v", found, audited)
	case found.same == 0:
		return a, fmt.Errorf("none of %d messages was audited and found to agree", len(messages))
	}
	return a, nil
}

// agree compares results with full depth's answers: those of cheaper rungs, and
// those that were audited.
func agree(results []result, messages map[place]string, full answers, epsilon float64) (agreement, audits) {
	a, audited, texts := agreement{epsilon: epsilon}, audits{}, make(map[string]bool)
	for _, r := range results {
		text := messages[r.at()]
		same := r.Label == full.byText[text].Label
		if r.Rung > 0 {
			texts[text] = true
			a.answers++
			if !same {
				a.different++
			}
		}
		switch {
		case r.Audited && same:
			audited.same++
		case r.Audited:
			audited.different++
		}
	}
	a.texts = len(texts)
	return a, audited
}

// A ladder is what is read of a ladder file.
type ladder struct {
	F32 struct {
		Epsilon float64           `json:"epsilon"` // share of answers that may differ from full depth's
		Rungs   []json.RawMessage `json:"rungs"`
	} `json:"f32"`
}

func readLadder(path string) (ladder, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return ladder{}, err
	}
	var l ladder
	if err := json.Unmarshal(text, &l); err != nil {
		return ladder{}, fmt.Errorf("reading %s: %w", path, err)
	}
	if e := l.F32.Epsilon; !(e > 0 && e < 1) {
		return ladder{}, fmt.Errorf("reading %s: epsilon is %v, want a share", path, e)
	}
	if len(l.F32.Rungs) < 2 {
		return ladder{}, fmt.Errorf("reading %s: %d rungs, want full depth and others", path, len(l.F32.Rungs))
	}
	return l, nil
}
