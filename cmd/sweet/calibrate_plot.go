package main

import (
	"math"
	"slices"
	"strconv"

	"sweetspot/inference"
	"sweetspot/inference/calibrate"
)

// A tick is a mark on an axis.
type tick struct {
	At   float64 // in the drawing
	Text string
}

// An axis maps values to places in a drawing.
type axis struct {
	low, high float64 // values at both ends
	from, to  float64 // their places
}

func (a axis) at(v float64) float64 {
	return a.from + (v-a.low)/(a.high-a.low)*(a.to-a.from)
}

// ticks returns about count marks at round values, written by text.
func (a axis) ticks(count int, text func(v float64) string) []tick {
	step := roundStep((a.high - a.low) / float64(count))
	var ticks []tick
	for i := math.Ceil(a.low/step - 1e-9); i*step <= a.high+step*1e-9; i++ {
		v := i*step + 0 // no negative zero
		ticks = append(ticks, tick{a.at(v), text(v)})
	}
	return ticks
}

// roundStep returns the smallest of 1, 2 and 5 times a power of ten that is at
// least v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// plainPercent writes a share without more digits than a tick needs.
func plainPercent(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e4, 'f', -1, 64) + " %"
}

func plainNumber(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}

// Sizes of the drawings, in their own units.
const (
	ladderWidth, ladderHeight = 920, 400
	diagramSide               = 180 // of a reliability diagram's square
	countHeight               = 34  // of the strip of counts below it
)

// A ladderPlot shows what each rung below full depth costs and loses. Full depth
// itself would push all others to one side.
type ladderPlot struct {
	Width, Height            float64
	Left, Right, Top, Bottom float64 // of the area inside the axes
	X, Y                     []tick
	Floor                    float64 // place of ε on the axis of losses
	Points                   []ladderPoint
	Line                     []string // points of the line through the certified rungs
}

// TickEnd returns where the marks of the axis of costs end.
func (p *ladderPlot) TickEnd() float64 { return p.Bottom + 5 }

// A ladderPoint is one rung.
type ladderPoint struct {
	X, Y, Bound float64
	Label       string
	LabelY      float64
	Refused     bool
	Title       string // what a pointer that rests on it is told
}

// CapLeft returns the left end of the line at the bound.
func (q ladderPoint) CapLeft() float64 { return q.X - 4 }

// CapRight returns the right end of the line at the bound.
func (q ladderPoint) CapRight() float64 { return q.X + 4 }

// newLadderPlot returns the plot of a calibration; nil without a rung below full
// depth, certified or refused.
func newLadderPlot(x calibration) *ladderPlot {
	rungs := x.Ladder.Rungs[1:]
	if x.Refused != nil {
		rungs = append(slices.Clip(rungs), *x.Refused)
	}
	if len(rungs) == 0 {
		return nil
	}
	full := float64(x.fullLayers())
	p := &ladderPlot{Width: ladderWidth, Height: ladderHeight, Left: 64, Right: ladderWidth - 16, Top: 32, Bottom: ladderHeight - 48}
	across := axis{low: full, high: 0, from: p.Left, to: p.Right}
	up := axis{high: x.Ladder.Epsilon * 1.15, from: p.Bottom, to: p.Top}
	for _, r := range rungs {
		_, bound := x.lost(r)
		across.low, across.high = min(across.low, r.Cost*full), max(across.high, r.Cost*full)
		up.high = max(up.high, bound*1.05)
	}
	margin := max((across.high-across.low)*0.06, full*0.01)
	across.low, across.high = max(across.low-margin, 0), min(across.high+margin, full)
	p.X, p.Y = across.ticks(8, plainNumber), up.ticks(6, plainPercent)
	p.Floor = up.at(x.Ladder.Epsilon)
	for k, r := range rungs {
		lost, bound := x.lost(r)
		q := ladderPoint{X: across.at(r.Cost * full), Y: up.at(lost), Bound: up.at(bound), Label: strconv.Itoa(k + 1)}
		q.Title = "rung " + q.Label + ": " + plainNumber(math.Round(r.Cost*full*100)/100) + " layers, " + inPercent(lost) + ", at most " + inPercent(bound)
		q.Refused = k == len(x.Ladder.Rungs)-1
		if q.Refused {
			q.Title += ", refused"
		}
		p.add(q)
	}
	return p
}

// lost returns what the floor counts of a rung, with its bound.
func (x *calibration) lost(r inference.Rung) (share, bound float64) {
	if x.accuracy() {
		return r.Loss, r.LossBound
	}
	return r.Disagreement, r.Bound
}

// add appends a point. Its label stands below it, further down where it would
// run into that of a point before.
func (p *ladderPlot) add(q ladderPoint) {
	q.LabelY = q.Y + 18
	for _, before := range p.Points {
		if math.Abs(before.X-q.X) < 16 && math.Abs(before.LabelY-q.LabelY) < 13 {
			q.LabelY = before.LabelY + 13
		}
	}
	if q.LabelY > p.Bottom-4 { // no room above the axis: above the bound
		q.LabelY = q.Bound - 8
	}
	if !q.Refused {
		p.Line = append(p.Line, place(q.X)+","+place(q.Y))
	}
	p.Points = append(p.Points, q)
}

func place(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// A diagram is a reliability diagram: how often answers of each probability are
// right, and how many there are.
type diagram struct {
	Title string
	ECE   float64
	Side  float64
	Bars  []binBar
	X, Y  []tick
}

// A binBar is one bin that is not empty.
type binBar struct {
	X, Width    float64
	Y, Height   float64 // of the share of right answers, in the square
	Mean        float64 // place of the mean probability, on the same axis
	CountY      float64 // of the number of answers, below the square
	CountHeight float64
	Title       string
	Records     int
}

// Right returns the right edge of a bar.
func (b binBar) Right() float64 { return b.X + b.Width }

// StripTop returns where the strip of counts begins.
func (d diagram) StripTop() float64 { return d.Side + 26 }

// StripHeight returns the height of the strip of counts.
func (diagram) StripHeight() float64 { return countHeight }

func newDiagram(title string, r calibrate.Reliability) diagram {
	d := diagram{Title: title, ECE: r.ECE, Side: diagramSide}
	up := axis{high: 1, from: diagramSide}
	most := 1
	for _, b := range r.Bins {
		most = max(most, b.Records)
	}
	width := diagramSide / float64(len(r.Bins))
	for i, b := range r.Bins {
		if b.Records == 0 {
			continue
		}
		height := countHeight * float64(b.Records) / float64(most)
		d.Bars = append(d.Bars, binBar{
			X: float64(i)*width + 0.5, Width: width - 1,
			Y: up.at(b.Right), Height: diagramSide - up.at(b.Right), Mean: up.at(b.Confidence),
			CountY: countHeight - height, CountHeight: height, Records: b.Records,
			Title: thousands(b.Records) + " answers of mean probability " + inPercent(b.Confidence) + ": " + inPercent(b.Right) + " right",
		})
	}
	d.X = axis{high: 1, to: diagramSide}.ticks(5, plainNumber)
	d.Y = up.ticks(5, plainNumber)
	return d
}
