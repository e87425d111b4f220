package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/calibrate"
)

// sampleCalibration is one of three exits, four layers and two rungs below full
// depth, of which the last was refused. Without a floor on accuracy it has no
// labels.
func sampleCalibration(floor inference.Floor) calibration {
	accuracy := floor == inference.AccuracyFloor
	rung := func(cost, disagreement, loss float64, th ...float32) inference.Rung {
		r := inference.Rung{Thresholds: th, Cost: cost, Disagreement: disagreement, Bound: disagreement * 1.5}
		if accuracy {
			r.Loss, r.LossBound = loss, loss*1.5
		}
		return r
	}
	reliability := func(p float32) *calibrate.Reliability {
		r := calibrate.NewReliability([]float32{p, p, 0.31}, []bool{true, false, false})
		return &r
	}
	refused := rung(0.4, 0.035, 0.02, 0.5, 0.5)
	x := calibration{
		Digest: "feed", Precision: inference.F32, Seed: 7,
		Result: calibrate.Result{
			Ladder: inference.Ladder{
				Rungs:        []inference.Rung{rung(1, 0, 0, 2, 2), rung(0.625, 0.012, 0.004, 0.875, 0.75)},
				Temperatures: []float32{1.25, 0.5, 1}, Floor: floor, Epsilon: 0.03, Delta: 0.05, Records: 1500,
				MaxTokens: 64, Truncate: "head_tail", Model: "beef",
			},
			Method: inference.SWEET, Score: inference.Margin,
			Labeled: accuracy, Tried: 5, Tuning: 1499, Refused: &refused,
			Exits: []calibrate.Exit{
				{Layers: 1, Temperature: 1.25, Right: 0.75, Before: reliability(0.99), After: reliability(0.8)},
				{Layers: 2, Temperature: 0.5, Right: 0.9, Before: reliability(0.6), After: reliability(0.7)},
				{Layers: 4, Temperature: 1, Right: 1},
			},
			Risks: []calibrate.Risk{
				{Disagreement: calibrate.Rate{Records: 1500}, Exits: []calibrate.Rate{{Records: 0}, {Records: 0}, {Records: 1500}}},
				{
					Disagreement: calibrate.Rate{Records: 1500, Count: 18, Share: 0.012, Bound: 0.018},
					Exits:        []calibrate.Rate{{Records: 1000, Count: 18, Share: 0.018, Bound: 0.026}, {Records: 0, Bound: 1}, {Records: 500, Bound: 0.006}},
				},
			},
		},
	}
	if accuracy {
		x.Ladder.DisagreementLimit = 0.0234
		for k := range x.Risks {
			x.Risks[k].Loss = &calibrate.Rate{Records: 1500}
		}
	}
	return x
}

// alone takes all rungs below full depth from a calibration.
func alone(x calibration) calibration {
	x.Ladder.Rungs, x.Risks, x.Refused, x.Ladder.DisagreementLimit = x.Ladder.Rungs[:1], x.Risks[:1], nil, 0
	return x
}

func TestReportSaysWhatWasMeasured(t *testing.T) {
	always := []string{"Calibration of shop", "1,500 certified the ladder; 1,499 others", "seed 7", "at most 64 a text, truncation head_tail", "<code>beef</code>", "<code>feed</code>", "f32", "sweet; how sure an exit is: margin", "after, T = 1.25"}
	for _, tt := range []struct {
		name string
		x    calibration
		want []string
		not  []string
	}{
		{
			"agreement", sampleCalibration(""),
			[]string{"at least 97 % of texts get the very answer", "certified rung", "1 of 4 rungs", "2.50", "37.50 %", "0.8750", "18 of 1,000", "none leave", "was refused", "keep T = 1", "a floor of 97 %"},
			[]string{"<em>Lost</em>", "Disagreement limit"},
		},
		{
			"accuracy", sampleCalibration(inference.AccuracyFloor),
			[]string{"at most 3 % of texts are answered wrongly", "at most 2.34 % of texts get another answer", "<em>Lost</em>", "0.60 %", "Disagreement limit", "labels were used"},
			[]string{"no labels were used"},
		},
		{
			"no rung", alone(sampleCalibration("")),
			[]string{"Nothing below full depth could be certified", "needs 198 texts; there were 2,999"},
			[]string{"exit by exit</h2>", "share of texts"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := reportOf(t, tt.x)
			for _, want := range append(always, tt.want...) {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(page, not) {
					t.Errorf("the page has %q", not)
				}
			}
		})
	}
}

func reportOf(t *testing.T, x calibration) string {
	t.Helper()
	page, err := newReport("shop", x).page()
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestReportIsSelfContained looks for everything by which a page fetches more.
func TestReportIsSelfContained(t *testing.T) {
	page := reportOf(t, sampleCalibration(inference.AccuracyFloor))
	for _, not := range []string{"://", "src=", "href=", "<script", "<link", "@import", "url("} {
		if strings.Contains(page, not) {
			t.Errorf("the page has %q", not)
		}
	}
}

// TestReportEscapesNames gives the model the name of a folder that is a tag.
func TestReportEscapesNames(t *testing.T) {
	page, err := newReport("<b>&", sampleCalibration("")).page()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(page), "<title>Calibration of &lt;b&gt;&amp;</title>"; !strings.Contains(got, want) {
		t.Errorf("the page lacks %s", want)
	}
}

// TestReportDrawsInsideItsFrames reads the page as XML, in which every element
// is closed, and every number of its drawings.
func TestReportDrawsInsideItsFrames(t *testing.T) {
	for _, x := range []calibration{sampleCalibration(""), sampleCalibration(inference.AccuracyFloor), alone(sampleCalibration(""))} {
		page := reportOf(t, x)
		for _, word := range []string{"NaN", "Inf", "-0 ", ">-0<"} {
			if strings.Contains(page, word) {
				t.Errorf("the page has %q", word)
			}
		}
		d := xml.NewDecoder(strings.NewReader(page))
		d.AutoClose, d.Strict = []string{"meta"}, false
		circles, bars := 0, 0
		var width, height float64
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			e, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			switch e.Name.Local {
			case "svg":
				width, height = number(t, e, "width"), number(t, e, "height")
			case "circle":
				circles++
				if cx, cy := number(t, e, "cx"), number(t, e, "cy"); !(cx >= 0 && cx <= width && cy >= 0 && cy <= height) {
					t.Errorf("a point at %v, %v is outside %v by %v", cx, cy, width, height)
				}
			case "rect":
				bars++
				y, h := number(t, e, "y"), number(t, e, "height")
				if !(y >= -0.1 && h >= 0 && y+h <= diagramSide+0.1) {
					t.Errorf("a bar from %v of height %v is outside its square", y, h)
				}
			}
		}
		want := len(x.Ladder.Rungs) - 1
		if x.Refused != nil {
			want++
		}
		if circles != want {
			t.Errorf("%d points, want one for each of %d rungs", circles, want)
		}
		// Four diagrams of two bins that are not empty: each bin is a bar and a
		// count, each diagram has a frame.
		if bars != 4*(2*2+1) {
			t.Errorf("%d bars, want 20", bars)
		}
	}
}

// number returns an attribute; 0 where there is none.
func number(t *testing.T, e xml.StartElement, name string) float64 {
	t.Helper()
	for _, a := range e.Attr {
		if a.Name.Local == name {
			v, err := strconv.ParseFloat(a.Value, 64)
			if err != nil {
				t.Fatalf("%s of %s: %v", name, e.Name.Local, err)
			}
			return v
		}
	}
	return 0
}

func TestTicksAreRound(t *testing.T) {
	for _, tt := range []struct {
		low, high float64
		count     int
		want      string
	}{
		{0, 1, 5, "0 0.2 0.4 0.6 0.8 1"},
		{0, 0.023, 6, "0 0.005 0.01 0.015 0.02"},
		{1.52, 1.9, 8, "1.55 1.6 1.65 1.7 1.75 1.8 1.85 1.9"},
		{-0.0001, 0.0003, 4, "-0.0001 0 0.0001 0.0002 0.0003"},
	} {
		var got []string
		for _, k := range (axis{low: tt.low, high: tt.high, to: 100}).ticks(tt.count, plainNumber) {
			if math.IsNaN(k.At) || k.At < -1e-6 || k.At > 100+1e-6 {
				t.Errorf("%v to %v: a tick at %v, want 0 to 100", tt.low, tt.high, k.At)
			}
			got = append(got, k.Text)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%v to %v: got %v, want %v", tt.low, tt.high, got, tt.want)
		}
	}
}

// TestLabelsOfClosePointsStandApart puts points side by side.
func TestLabelsOfClosePointsStandApart(t *testing.T) {
	p := &ladderPlot{Bottom: 300}
	for i := range 4 {
		p.add(ladderPoint{X: 100 - 5*float64(i), Y: 100, Bound: 80})
	}
	for i, q := range p.Points[1:] {
		if gap := q.LabelY - p.Points[i].LabelY; gap < 13 {
			t.Errorf("labels %d and %d are %v apart, want at least 13", i+1, i+2, gap)
		}
	}
}
