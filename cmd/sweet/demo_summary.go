package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// A summary accounts for every text of the demo.
type summary struct {
	Consumed     int      `json:"consumed"`
	Published    int      `json:"published"`
	DeadLettered int      `json:"dead_lettered"`
	Lost         int      `json:"lost"`
	Duplicated   int      `json:"duplicated"`
	LayersMean   float64  `json:"layers_mean"`
	LayersFull   int      `json:"layers_full"`
	Agreement    *float64 `json:"agreement"` // null where nothing was compared
	Compared     int      `json:"compared"`
	PerSecond    float64  `json:"messages_per_second"`
	FullSecond   float64  `json:"full_depth_messages_per_second"`

	Moves int `json:"moves"` // of the rung, in the second act

	Auto *freshness `json:"auto,omitempty"`       // of a load that changes, with the rung that the worker chose
	Full *freshness `json:"full_depth,omitempty"` // of the same load at full depth, where it was compared

	rate float64 // what --rate asked for
	load string  // what --load asked for
}

func (d *demo) summarize(full, staged outcome) (summary, error) {
	c, err := d.tally.snapshot()
	if err != nil {
		return summary{}, err
	}
	agree := d.check.agreement()
	return summary{
		Consumed:     int(full.metrics.read + staged.metrics.read),
		Published:    c.distinct,
		DeadLettered: c.dead,
		Lost:         max(0, d.load.count()-c.distinct-c.dead),
		Duplicated:   c.stored - c.distinct,
		LayersMean:   staged.metrics.layersMean(),
		LayersFull:   d.check.layers[len(d.check.layers)-1],
		Agreement:    agree.measured(),
		Compared:     agree.all,
		PerSecond:    staged.perSecond,
		FullSecond:   full.perSecond,
		Moves:        staged.moves,
		rate:         d.opts.rate,
		load:         d.opts.load,
	}, nil
}

// print writes the summary for people.
func (s summary) print(w io.Writer) error {
	fmt.Fprintf(w, "\n  texts read       %9d\n", s.Consumed)
	fmt.Fprintf(w, "  classified       %9d\n", s.Published)
	fmt.Fprintf(w, "  dead letters     %9d   (sent on purpose: texts that no model can read)\n", s.DeadLettered)
	fmt.Fprintf(w, "  lost             %9d\n  duplicated       %9d\n\n", s.Lost, s.Duplicated)
	fmt.Fprintf(w, "  layers per text  %9.2f   of %d: %.0f %% saved\n", s.LayersMean, s.LayersFull, 100*(1-s.LayersMean/float64(s.LayersFull)))
	if s.Agreement == nil {
		fmt.Fprintln(w, "  agreement                –   no text was compared")
	} else {
		fmt.Fprintf(w, "  agreement        %9.1f %% with full depth, of %d texts compared\n", 100**s.Agreement, s.Compared)
	}
	fmt.Fprintf(w, "  full depth       %9.0f texts/s\n", s.FullSecond)
	if s.load != "" {
		_, err := fmt.Fprintf(w, "  the load         %9.0f texts/s at its highest, %.1f times as much\n"+
			"  the rung         %9d moves\n", peak*s.FullSecond, peak, s.Moves)
		if err != nil {
			return err
		}
		return errors.Join(s.Auto.print(w, "the worker's rung"), s.Full.print(w, "full depth"), blank(w))
	}
	if s.rate > 0 {
		_, err := fmt.Fprintf(w, "  with early exits %9.0f texts/s, as --rate asked for\n\n", s.PerSecond)
		return err
	}
	if s.LayersMean >= float64(s.LayersFull) {
		_, err := fmt.Fprintf(w, "  second act       %9.0f texts/s: no text left early, so both acts did the same work\n"+
			"                             (a model without a certified ladder runs at full depth; see sweet calibrate)\n\n", s.PerSecond)
		return err
	}
	_, err := fmt.Fprintf(w, "  with early exits %9.0f texts/s: %.2f times as fast\n\n", s.PerSecond, share(s.PerSecond, s.FullSecond))
	return err
}

// freshness is how fresh the answers of an act were.
type freshness struct {
	LateShare  float64 `json:"over_target_share"` // of messages older than the worker's default target age when their results came
	P50        float64 `json:"age_p50_s"`
	P99        float64 `json:"age_p99_s"`
	LayersMean float64 `json:"layers_mean"`
}

// target is SWEET_TARGET_AGE as the demo leaves it.
const target = time.Second

func newFreshness(o outcome) *freshness {
	f := &freshness{LayersMean: o.metrics.layersMean()}
	n := len(o.ages)
	if n == 0 {
		return f
	}
	onTime, _ := slices.BinarySearch(o.ages, target+1)
	f.LateShare = 1 - float64(onTime)/float64(n)
	f.P50, f.P99 = o.ages[n/2].Seconds(), o.ages[n*99/100].Seconds()
	return f
}

// print writes a line; nothing where there is no freshness.
func (f *freshness) print(w io.Writer, what string) error {
	if f == nil {
		return nil
	}
	_, err := fmt.Fprintf(w, "  %-17s%8.1f %% of messages older than %v when answered; age %.2f s in the median, %.2f s for 99 %%; %.2f layers a text\n",
		what, 100*f.LateShare, target, f.P50, f.P99, f.LayersMean)
	return err
}

func blank(w io.Writer) error {
	_, err := fmt.Fprintln(w)
	return err
}

// verdict is an error where the promise was broken.
func (s summary) verdict() error {
	if s.Lost > 0 || s.Duplicated > 0 {
		return errors.New("texts were lost or duplicated; this must never happen")
	}
	return nil
}
