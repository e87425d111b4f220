package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"sweetspot/inference"
	"sweetspot/inference/calibrate"
)

// accuracy reports whether the floor is on accuracy.
func (x *calibration) accuracy() bool { return x.Ladder.Floor == inference.AccuracyFloor }

// fullLayers returns the encoder layers run at full depth.
func (x *calibration) fullLayers() int { return x.Exits[len(x.Exits)-1].Layers }

// print writes a calibration as tables.
func (x *calibration) print(w io.Writer) error {
	l := x.Ladder
	fmt.Fprintln(w, x.headline())
	fmt.Fprintf(w, "measured on %d texts, tuned on %d others; ladder %s\n\n", l.Records, x.Tuning, x.Digest)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	x.printExits(t)
	fmt.Fprintln(t)
	x.printRungs(t)
	if len(l.Rungs) > 1 {
		fmt.Fprintln(t)
		x.printRisks(t)
	}
	return t.Flush()
}

// headline says in one line or two what was certified.
func (x *calibration) headline() string {
	l := x.Ladder
	if len(l.Rungs) == 1 {
		return fmt.Sprintf("no rung below full depth could be certified on %d texts, %d of which tuned it; a worker with this ladder runs every text at full depth\n"+
			"at this floor and confidence even a rung that never loses a text needs %d texts; more texts, or a lower floor, may certify some",
			l.Records+x.Tuning, x.Tuning, calibrate.Fewest(l.Epsilon, l.Delta))
	}
	certified := fmt.Sprintf("%d of %d rungs certified: at a confidence of %.4g %%, ", len(l.Rungs), x.Tried, 100*(1-l.Delta))
	if x.accuracy() {
		return certified + fmt.Sprintf("at most %.4g %% are wrong where full depth is right\n"+
			"on all rungs at once at most %.3g %% differ from full depth, at the same confidence", 100*l.Epsilon, 100*l.DisagreementLimit)
	}
	return certified + fmt.Sprintf("at least %.4g %% agree with full depth", 100*(1-l.Epsilon))
}

func (x *calibration) printExits(t io.Writer) {
	right := "as full depth"
	if x.Labeled {
		right = "accuracy"
	}
	fmt.Fprintf(t, "exit\tlayers\ttemperature\t%s\tECE before\tECE after\t\n", right)
	for i, e := range x.Exits {
		before, after := "–", "–"
		if e.After != nil {
			before, after = inPercent(e.Before.ECE), inPercent(e.After.ECE)
		}
		fmt.Fprintf(t, "%d\t%d\t%.3f\t%s\t%s\t%s\t\n", i+1, e.Layers, e.Temperature, inPercent(e.Right), before, after)
	}
}

func (x *calibration) printRungs(t io.Writer) {
	lost := ""
	if x.accuracy() {
		lost = "lost\tat most\t"
	}
	fmt.Fprintf(t, "rung\tlayers\tsaved\tdisagree\tat most\t%sthresholds\t\n", lost)
	for k, r := range x.Ladder.Rungs {
		if x.accuracy() {
			lost = inPercent(r.Loss) + "\t" + inPercent(r.LossBound) + "\t"
		}
		fmt.Fprintf(t, "%d\t%.2f\t%.1f %%\t%s\t%s\t%s%s\t\n", k, r.Cost*float64(x.fullLayers()),
			100*(1-r.Cost), inPercent(r.Disagreement), inPercent(r.Bound), lost, thresholds(r.Thresholds))
	}
}

// printRisks writes what each rung below full depth loses, exit by exit.
func (x *calibration) printRisks(t io.Writer) {
	what := "disagree"
	if x.accuracy() {
		what = "are lost"
	}
	fmt.Fprint(t, "rung\t")
	for e := range x.Exits {
		fmt.Fprintf(t, "%s at exit %d\t", what, e+1)
	}
	fmt.Fprintln(t)
	for k, risk := range x.Risks[1:] {
		fmt.Fprintf(t, "%d\t", k+1)
		for _, r := range risk.Exits {
			if r.Records == 0 {
				fmt.Fprint(t, "none leave\t")
				continue
			}
			fmt.Fprintf(t, "%s of %d, at most %s\t", inPercent(r.Share), r.Records, inPercent(r.Bound))
		}
		fmt.Fprintln(t)
	}
}

// inPercent writes a share for people.
func inPercent(s float64) string { return fmt.Sprintf("%.2f %%", 100*s) }

// thresholds writes th for people; a threshold above 1 is never reached.
func thresholds(th inference.Thresholds) string {
	var parts []string
	for _, v := range th {
		if v > 1 {
			parts = append(parts, "never")
			continue
		}
		parts = append(parts, fmt.Sprintf("%.4f", v))
	}
	return strings.Join(parts, " ")
}
