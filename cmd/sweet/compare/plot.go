package compare

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"sweetspot/cmd/sweet/picture"
)

// Plots draws the comparison into dir, each picture as SVG and PNG and with one
// panel a task: for every pooling the accuracy by exit, and accuracy against
// cost in layers and in milliseconds. It returns the names of the files.
func Plots(dir string, runs []Run) ([]string, error) {
	t := &tables{groups: Groups(runs)}
	var names []string
	for _, pool := range t.pools() {
		for _, view := range []struct {
			name  string
			panel func(c Cell, groups []Group, colors palette) (*plot.Plot, error)
		}{
			{"exits", exitPanel},
			{"layers", layerPanel},
			{"millis", millisPanel},
		} {
			var panels []*plot.Plot
			for _, c := range t.cells() {
				if c.Pool != pool {
					continue
				}
				p, err := view.panel(c, t.of(c), paletteOf(runs))
				if err != nil {
					return nil, fmt.Errorf("drawing %s, %s: %w", c.Task, view.name, err)
				}
				panels = append(panels, p)
			}
			base := view.name + "-" + pool
			if err := save(dir, base, panels); err != nil {
				return nil, fmt.Errorf("drawing %s: %w", base, err)
			}
			names = append(names, base+".svg", base+".png")
		}
	}
	return names, nil
}

// A palette gives every method its color, in all pictures the same.
type palette map[string]color.NRGBA

func paletteOf(runs []Run) palette {
	p := palette{}
	for _, r := range runs {
		if _, ok := p[r.Method]; !ok {
			p[r.Method] = picture.Color(len(p))
		}
	}
	return p
}

// accuracyPanel returns an empty plot of one cell.
func accuracyPanel(c Cell, groups []Group, x string) *plot.Plot {
	title := c.Task + ", 1 seed"
	if seeds := len(groups[0].Runs); seeds > 1 {
		title = fmt.Sprintf("%s, %d seeds", c.Task, seeds)
	}
	return picture.Panel(title, x, "accuracy, %")
}

// drawCurve draws a mean with a band of one standard deviation around it.
func drawCurve(p *plot.Plot, name string, c color.NRGBA, x, mean, deviation []float64) error {
	line := make(plotter.XYs, len(x))
	band := make(plotter.XYs, 0, 2*len(x))
	for i := range x {
		line[i] = plotter.XY{X: x[i], Y: mean[i]}
		band = append(band, plotter.XY{X: x[i], Y: mean[i] + deviation[i]})
	}
	for i := range slices.Backward(x) {
		band = append(band, plotter.XY{X: x[i], Y: mean[i] - deviation[i]})
	}
	if slices.Max(deviation) > 0 {
		area, err := plotter.NewPolygon(band)
		if err != nil {
			return err
		}
		area.Color, area.Width = color.NRGBA{c.R, c.G, c.B, 0x30}, 0
		p.Add(area)
	}
	l, err := plotter.NewLine(line)
	if err != nil {
		return err
	}
	l.Color, l.Width = c, vg.Points(1.5)
	p.Add(l)
	p.Legend.Add(name, l)
	return nil
}

// drawMarks draws points.
func drawMarks(p *plot.Plot, c color.NRGBA, x, y []float64) error {
	points := make(plotter.XYs, len(x))
	for i := range x {
		points[i] = plotter.XY{X: x[i], Y: y[i]}
	}
	s, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	s.Shape, s.Color, s.Radius = draw.CircleGlyph{}, c, vg.Points(2.5)
	p.Add(s)
	return nil
}

func exitPanel(c Cell, groups []Group, colors palette) (*plot.Plot, error) {
	p := accuracyPanel(c, groups, "exit after layer")
	var ticks plot.ConstantTicks
	for _, e := range groups[0].Runs[0].Exits {
		ticks = append(ticks, plot.Tick{Value: float64(e), Label: strconv.Itoa(e)})
	}
	p.X.Tick.Marker = ticks
	for _, g := range groups {
		x, mean, deviation := make([]float64, g.exits()), make([]float64, g.exits()), make([]float64, g.exits())
		for e := range x {
			x[e] = float64(g.Runs[0].Exits[e])
			mean[e], deviation[e] = meanAndDeviation(g.each(func(r *Run) float64 { return 100 * r.Accuracy[e] }))
		}
		if err := drawCurve(p, g.Method, colors[g.Method], x, mean, deviation); err != nil {
			return nil, err
		}
		if err := drawMarks(p, colors[g.Method], x, mean); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func layerPanel(c Cell, groups []Group, colors palette) (*plot.Plot, error) {
	p := accuracyPanel(c, groups, "layers run, as a share of all")
	for _, g := range groups {
		curves := make([][]At, len(g.Runs))
		for i := range g.Runs {
			curves[i] = g.Runs[i].LayerCurve()
		}
		if err := meanCurve(p, g.Method, colors[g.Method], curves); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func millisPanel(c Cell, groups []Group, colors palette) (*plot.Plot, error) {
	p := accuracyPanel(c, groups, "milliseconds a text, in full batches")
	for _, g := range groups {
		curves := make([][]At, len(g.Runs))
		for i := range g.Runs {
			curves[i] = g.Runs[i].MillisCurve(g.stageMillis())
		}
		if err := meanCurve(p, g.Method, colors[g.Method], curves); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// meanCurve draws the mean of curves over the costs that all of them reach.
func meanCurve(p *plot.Plot, name string, c color.NRGBA, curves [][]At) error {
	lo, hi := math.Inf(-1), math.Inf(1)
	for _, curve := range curves {
		lo, hi = max(lo, curve[0].Cost), min(hi, curve[len(curve)-1].Cost)
	}
	const steps = 80
	var x, mean, deviation [steps + 1]float64
	for i := range x {
		x[i] = lo + (hi-lo)*float64(i)/steps
		values := make([]float64, len(curves))
		for k, curve := range curves {
			values[k] = 100 * Interpolate(curve, x[i])
		}
		mean[i], deviation[i] = meanAndDeviation(values)
	}
	return drawCurve(p, name, c, x[:], mean[:], deviation[:])
}

// The size of a panel.
const (
	panelWidth  = 3.4 * vg.Inch
	panelHeight = 2.6 * vg.Inch
)

// save writes panels, three in a row, into dir as base.svg and base.png.
func save(dir, base string, panels []*plot.Plot) error {
	cols := min(3, len(panels))
	rows := (len(panels) + cols - 1) / cols
	grid := make([][]*plot.Plot, rows)
	for i := range grid {
		grid[i] = make([]*plot.Plot, cols)
		copy(grid[i], panels[i*cols:])
	}
	width, height := vg.Length(cols)*panelWidth, vg.Length(rows)*panelHeight
	paint := func(c draw.Canvas) {
		tiles := draw.Tiles{Rows: rows, Cols: cols, PadX: vg.Points(10), PadY: vg.Points(10), PadTop: vg.Points(6), PadBottom: vg.Points(6), PadLeft: vg.Points(6), PadRight: vg.Points(10)}
		for i, row := range plot.Align(grid, tiles, c) {
			for k, part := range row {
				if p := grid[i][k]; p != nil {
					p.Draw(part)
				}
			}
		}
	}
	path := filepath.Join(dir, base)
	return errors.Join(picture.Draw(path+".svg", width, height, paint), picture.Draw(path+".png", width, height, paint))
}
