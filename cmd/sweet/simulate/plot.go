package simulate

import (
	"fmt"
	"image/color"
	"math"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"sweetspot/cmd/sweet/picture"
)

// A Curve is what one replica did, second by second.
type Curve struct {
	Name   string
	Series []Second
}

// Plot draws, one above the other over time, the load of one replica, the age
// against the target, the rung and the mean layers, into a file of the kind that
// its name ends with: .svg or .png. All curves have the load of the first.
func Plot(path, title string, target time.Duration, curves []Curve) error {
	panels, legend, err := newPanels(title, target, curves)
	if err != nil {
		return fmt.Errorf("drawing %s: %w", path, err)
	}
	grid := make([][]*plot.Plot, len(panels))
	for i, p := range panels {
		grid[i] = []*plot.Plot{p}
	}
	return picture.Draw(path, 9*vg.Inch, 8*vg.Inch, func(whole draw.Canvas) {
		legend.Draw(draw.Crop(whole, 0, -vg.Points(8), 0, -vg.Points(30)))
		part := draw.Crop(whole, 0, -legend.Rectangle(whole).Size().X-vg.Points(16), 0, 0)
		tiles := draw.Tiles{
			Rows: len(panels), Cols: 1, PadY: vg.Points(8),
			PadTop: vg.Points(6), PadBottom: vg.Points(6), PadLeft: vg.Points(6), PadRight: vg.Points(12),
		}
		for i, row := range plot.Align(grid, tiles, part) {
			panels[i].Draw(row[0])
		}
	})
}

// CheckPlot reports a file that [Plot] would refuse for how its name ends.
func CheckPlot(path string) error { return picture.CheckName(path) }

// newPanels returns the four panels, and the legend that stands beside them.
func newPanels(title string, target time.Duration, curves []Curve) ([]*plot.Plot, *plot.Legend, error) {
	legend := plot.NewLegend()
	legend.Top, legend.TextStyle.Font.Variant, legend.TextStyle.Font.Size = true, "Sans", 9
	x := newAxis(curves)
	x.legend = &legend
	load := x.panel(title, "messages/s")
	age := x.panel("", "age p99, s")
	rung := x.panel("", "rung")
	layers := x.panel("", "layers")
	if err := x.draw(load, "", color.NRGBA{A: 0xff}, curves[0].Series, func(s *point) float64 { return s.arrived }); err != nil {
		return nil, nil, err
	}
	age.Y.Scale, age.Y.Tick.Marker = plot.LogScale{}, decades{}
	if err := x.level(age, target.Seconds()); err != nil {
		return nil, nil, err
	}
	rung.Y.Tick.Marker = wholes{}
	load.Y.Min, rung.Y.Min, layers.Y.Min = 0, 0, 0
	for i, c := range curves {
		for _, d := range []struct {
			p     *plot.Plot
			name  string
			value func(s *point) float64
		}{
			{age, c.Name, func(s *point) float64 { return s.age }},
			{rung, "", func(s *point) float64 { return s.rung }},
			{layers, "", func(s *point) float64 { return s.layers }},
		} {
			if err := x.draw(d.p, d.name, picture.Color(i), c.Series, d.value); err != nil {
				return nil, nil, err
			}
		}
	}
	// Logarithms need an axis of their own making, and the target in sight.
	age.Y.Min = math.Pow(10, math.Floor(math.Log10(age.Y.Min)))
	age.Y.Max = math.Pow(10, math.Ceil(math.Log10(age.Y.Max*1.01)))
	rung.Y.Max++
	return []*plot.Plot{load, age, rung, layers}, &legend, nil
}

// An axis is the common one of time.
type axis struct {
	unit   float64 // seconds
	name   string
	each   int // seconds of a point
	length float64
	legend *plot.Legend
}

// mostPoints is how many points a curve is drawn with.
const mostPoints = 600

func newAxis(curves []Curve) axis {
	seconds := 0
	for _, c := range curves {
		seconds = max(seconds, len(c.Series))
	}
	x := axis{unit: 1, name: "seconds", each: (seconds + mostPoints - 1) / mostPoints, length: float64(seconds)}
	switch {
	case seconds >= 3*3600:
		x.unit, x.name = 3600, "hours"
	case seconds >= 600:
		x.unit, x.name = 60, "minutes"
	}
	return x
}

// panel returns an empty plot over the axis.
func (x *axis) panel(title, y string) *plot.Plot {
	p := picture.Panel(title, x.name, y)
	p.X.Min, p.X.Max = 0, x.length/x.unit
	return p
}

// level draws the target.
func (x *axis) level(p *plot.Plot, y float64) error {
	l, err := plotter.NewLine(plotter.XYs{{X: 0, Y: y}, {X: x.length / x.unit, Y: y}})
	if err != nil {
		return err
	}
	l.Color, l.Dashes = color.Gray{0x60}, []vg.Length{vg.Points(4), vg.Points(3)}
	p.Add(l)
	x.legend.Add("target", l)
	return nil
}

// A point is some seconds together.
type point struct{ arrived, age, rung, layers float64 }

// draw draws a curve. Points at which there is nothing to show, 0 on a
// logarithmic axis, are left out.
func (x *axis) draw(p *plot.Plot, name string, c color.NRGBA, series []Second, value func(*point) float64) error {
	var line plotter.XYs
	if n := len(series); n > 2 {
		series = series[:n-1] // the last is not a whole second
	}
	for i := 0; i < len(series); i += x.each {
		s := together(series[i:min(i+x.each, len(series))])
		y := value(&s)
		if _, logarithmic := p.Y.Scale.(plot.LogScale); logarithmic && y <= 0 {
			continue
		}
		line = append(line, plotter.XY{X: float64(i) / x.unit, Y: y})
	}
	if len(line) == 0 {
		return nil
	}
	l, err := plotter.NewLine(line)
	if err != nil {
		return err
	}
	l.Color, l.Width = c, vg.Points(1.2)
	p.Add(l)
	if name != "" {
		x.legend.Add(name, l)
	}
	return nil
}

// together returns the mean load and layers of some seconds, and their highest
// age and rung.
func together(seconds []Second) point {
	var p point
	answering := 0
	for _, s := range seconds {
		p.arrived += float64(s.Arrived) / float64(len(seconds))
		p.age = max(p.age, s.Age.Seconds())
		p.rung = max(p.rung, float64(s.Rung))
		if s.Layers > 0 {
			answering++
			p.layers += s.Layers
		}
	}
	p.layers /= float64(max(answering, 1))
	return p
}

// decades are ticks at the powers of ten.
type decades struct{}

// Ticks implements [plot.Ticker].
func (decades) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		v := math.Pow(10, e)
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprint(v)})
	}
	return ticks
}

// wholes are ticks at whole numbers.
type wholes struct{}

// Ticks implements [plot.Ticker].
func (wholes) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	step := math.Ceil((hi - lo) / 8)
	for v := math.Ceil(lo); v <= hi; v += max(step, 1) {
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprint(v)})
	}
	return ticks
}
