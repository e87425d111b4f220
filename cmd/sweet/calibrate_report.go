package main

import (
	"bytes"
	_ "embed" // for the page
	"fmt"
	"html/template"
	"os"
	"strconv"
	"strings"

	"sweetspot/inference"
	"sweetspot/inference/calibrate"
)

//go:embed calibrate_report.html
var reportPage string

// reportTemplate makes the page of a [report].
var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent": inPercent,
	"tidy":    tidyPercent,
	"layers":  func(l float64) string { return strconv.FormatFloat(l, 'f', 2, 64) },
	"one":     func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) },
	"count":   thousands,
}).Parse(reportPage))

// A report is what the page of `sweet calibrate --report` shows.
type report struct {
	Model     string
	Precision string
	Seed      uint64
	Result    calibrate.Result
	Digest    string
	Promise   []string // sentences
	Accuracy  bool     // the floor is on accuracy
	Layers    int      // at full depth
	Certified int      // rungs below full depth
	Tried     int      // rungs below full depth that were up
	Exits     []exitView
	Rungs     []rungView
	Plot      *ladderPlot // nil where there is no rung but full depth
}

// Confidence returns 1 − δ.
func (r *report) Confidence() float64 { return 1 - r.Result.Ladder.Delta }

// FloorShare returns 1 − ε.
func (r *report) FloorShare() float64 { return 1 - r.Result.Ladder.Epsilon }

// Inner returns how many exits have a threshold: all but the last.
func (r *report) Inner() int { return len(r.Exits) - 1 }

// An exitView is one exit with its diagrams.
type exitView struct {
	Number int
	calibrate.Exit
	Diagrams []diagram // before and after; none where the exit is its own target
}

// A rungView is one rung as the tables show it.
type rungView struct {
	Number     int
	Layers     float64
	Saved      float64
	Rung       inference.Rung
	Thresholds []string
	Overall    calibrate.Rate // what the floor counts
	Exits      []cell
}

// A cell is the risk of one rung at one exit.
type cell struct {
	calibrate.Rate
	Above bool // the share is above ε
}

// writeReport writes the page to a file. model is what to call the model.
func writeReport(path, model string, x calibration) error {
	page, err := newReport(model, x).page()
	if err != nil {
		return fmt.Errorf("making the report: %w", err)
	}
	if err := os.WriteFile(path, page, 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (r *report) page() ([]byte, error) {
	var b bytes.Buffer
	err := reportTemplate.Execute(&b, r)
	return b.Bytes(), err
}

func newReport(model string, x calibration) *report {
	l := x.Ladder
	r := &report{
		Model: model, Precision: string(x.Precision), Seed: x.Seed, Result: x.Result, Digest: x.Digest,
		Promise: x.promise(), Accuracy: x.accuracy(), Layers: x.fullLayers(), Certified: len(l.Rungs) - 1,
		Tried: x.Tried - 1, Plot: newLadderPlot(x),
	}
	for i, e := range x.Exits {
		v := exitView{Number: i + 1, Exit: e}
		if e.After != nil {
			v.Diagrams = []diagram{newDiagram("before, T = 1", *e.Before), newDiagram(fmt.Sprintf("after, T = %.3g", e.Temperature), *e.After)}
		}
		r.Exits = append(r.Exits, v)
	}
	for k, rung := range l.Rungs {
		v := rungView{Number: k, Layers: rung.Cost * float64(r.Layers), Saved: 1 - rung.Cost, Rung: rung, Thresholds: strings.Fields(thresholds(rung.Thresholds))}
		v.Overall = x.Risks[k].Disagreement
		if loss := x.Risks[k].Loss; loss != nil {
			v.Overall = *loss
		}
		for _, rate := range x.Risks[k].Exits {
			v.Exits = append(v.Exits, cell{rate, rate.Share > l.Epsilon})
		}
		r.Rungs = append(r.Rungs, v)
	}
	return r
}

// promise says in plain words what the ladder promises.
func (x *calibration) promise() []string {
	l := x.Ladder
	if len(l.Rungs) == 1 {
		return []string{
			"Nothing below full depth could be certified, so a worker with this ladder runs every text through the whole model.",
			fmt.Sprintf("At this floor and confidence even a rung that never loses a text needs %s texts; there were %s.",
				thousands(calibrate.Fewest(l.Epsilon, l.Delta)), thousands(l.Records+x.Tuning)),
		}
	}
	which := "Whichever of the certified rungs a worker uses, and however it picks among them"
	if len(l.Rungs) == 2 {
		which = "Where a worker uses the certified rung"
	}
	sure := fmt.Sprintf("This holds with a confidence of %s: had the texts been drawn again and again, at most %s of such ladders would promise too much.",
		tidyPercent(1-l.Delta), tidyPercent(l.Delta))
	limits := "It holds for this model, at this precision and with these token limits, on texts like those that were measured; not on others, and not for any one exit by itself."
	if !x.accuracy() {
		return []string{fmt.Sprintf("%s, at least %s of texts get the very answer that the whole model would give.", which, tidyPercent(1-l.Epsilon)), sure, limits}
	}
	return []string{
		fmt.Sprintf("%s, at most %s of texts are answered wrongly that the whole model would have answered rightly.", which, tidyPercent(l.Epsilon)),
		sure,
		fmt.Sprintf("With the same confidence, taken by itself, at most %s of texts get another answer than the whole model's, right or wrong; a worker can watch that without labels.", inPercent(l.DisagreementLimit)),
		limits,
	}
}

// tidyPercent writes a share with no more digits than it has: 2 %, 0.5 %.
func tidyPercent(s float64) string {
	return strconv.FormatFloat(100*s, 'g', 4, 64) + " %"
}

// thousands writes a count as 12,345.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
