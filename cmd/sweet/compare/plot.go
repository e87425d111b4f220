package compare

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Plots draws the comparison into dir, each picture as SVG and PNG and with one
// panel a task: for every pooling the accuracy by exit, and accuracy against
// cost in layers and in milliseconds. It returns the names of the files.
func Plots(dir string, runs []Run) ([]string, error) {
	t := &tables{groups: Groups(runs)}
	var names []string
	for _, pool := range t.pools() {
		for _, picture := range []struct {
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
				p, err := picture.panel(c, t.of(c), paletteOf(runs))
				if err != nil {
					return nil, fmt.Errorf("drawing %s, %s: %w", c.Task, picture.name, err)
				}
				panels = append(panels, p)
			}
			base := picture.name + "-" + pool
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

// colors are told apart by the color-blind as well (Okabe and Ito 2008).
var colors = []color.NRGBA{
	{0x00, 0x72, 0xb2, 0xff},
	{0xd5, 0x5e, 0x00, 0xff},
	{0x00, 0x9e, 0x73, 0xff},
	{0xcc, 0x79, 0xa7, 0xff},
	{0x56, 0xb4, 0xe9, 0xff},
	{0xe6, 0x9f, 0x00, 0xff},
	{0x00, 0x00, 0x00, 0xff},
	{0x99, 0x99, 0x99, 0xff},
}

func paletteOf(runs []Run) palette {
	p := palette{}
	for _, r := range runs {
		if _, ok := p[r.Method]; !ok {
			p[r.Method] = colors[len(p)%len(colors)]
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
	return newPanel(title, x, "accuracy, %")
}

// newPanel returns an empty plot.
func newPanel(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	for _, f := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font} {
		f.Variant, f.Size = "Sans", 9
	}
	p.Title.TextStyle.Font.Size = 11
	p.Legend.Left, p.Legend.Top = false, false
	p.Legend.XOffs, p.Legend.YOffs = -vg.Points(6), vg.Points(6)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe4}, color.Gray{0xe4}
	p.Add(grid)
	return p
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
	svg := vgsvg.New(width, height)
	img := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(110), vgimg.UseBackgroundColor(color.White))
	for _, c := range []vg.CanvasSizer{svg, img} {
		tiles := draw.Tiles{Rows: rows, Cols: cols, PadX: vg.Points(10), PadY: vg.Points(10), PadTop: vg.Points(6), PadBottom: vg.Points(6), PadLeft: vg.Points(6), PadRight: vg.Points(10)}
		for i, row := range plot.Align(grid, tiles, draw.New(c)) {
			for k, part := range row {
				if p := grid[i][k]; p != nil {
					p.Draw(part)
				}
			}
		}
	}
	return errors.Join(write(filepath.Join(dir, base+".svg"), svg), write(filepath.Join(dir, base+".png"), vgimg.PngCanvas{Canvas: img}))
}

func write(path string, picture io.WriterTo) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = picture.WriteTo(f)
	return errors.Join(err, f.Close())
}
