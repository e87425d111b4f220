// Package picture holds what the toolbox's plots have in common: colors, panels
// and the file that they are drawn into.
//
//	panels ─► Draw ─► file.svg, file.png
//
// It does not know what is drawn; packages compare and simulate do.
package picture

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// colors are told apart by the color-blind as well (Okabe and Ito 2008). Those
// that are most alike, the two blues and the two oranges, stand far apart.
var colors = []color.NRGBA{
	{0x00, 0x72, 0xb2, 0xff},
	{0xd5, 0x5e, 0x00, 0xff},
	{0x00, 0x9e, 0x73, 0xff},
	{0xcc, 0x79, 0xa7, 0xff},
	{0xe6, 0x9f, 0x00, 0xff},
	{0x56, 0xb4, 0xe9, 0xff},
	{0x00, 0x00, 0x00, 0xff},
	{0x99, 0x99, 0x99, 0xff},
}

// Color returns the color of curve i, which is at least 0. There are eight; then
// they come again.
func Color(i int) color.NRGBA { return colors[i%len(colors)] }

// Panel returns an empty plot with a grid. Its legend stands at the lower right.
func Panel(title, x, y string) *plot.Plot {
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

// A canvas can be drawn on and then be written.
type canvas struct {
	vg.CanvasSizer
	io.WriterTo
}

// CheckName reports a file that [Draw] would refuse for how its name ends.
func CheckName(path string) error {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".svg", ".png":
		return nil
	default:
		return fmt.Errorf("%s ends with %q: want .svg or .png", path, ext)
	}
}

// newCanvas returns a canvas of the kind that the name of a file ends with.
func newCanvas(path string, width, height vg.Length) (canvas, error) {
	if err := CheckName(path); err != nil {
		return canvas{}, err
	}
	if strings.EqualFold(filepath.Ext(path), ".svg") {
		c := vgsvg.New(width, height)
		return canvas{c, c}, nil
	}
	c := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(110), vgimg.UseBackgroundColor(color.White))
	return canvas{c, vgimg.PngCanvas{Canvas: c}}, nil
}

// Draw writes a file of the kind that its name ends with, .svg or .png, with
// what paint draws.
func Draw(path string, width, height vg.Length, paint func(draw.Canvas)) error {
	c, err := newCanvas(path, width, height)
	if err != nil {
		return err
	}
	paint(draw.New(c))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = c.WriteTo(f)
	return errors.Join(err, f.Close())
}
