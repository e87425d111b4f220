package simulate

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPlotIsOfTheKindThatItsNameSays(t *testing.T) {
	series := []Second{{Arrived: 10, Age: time.Millisecond, Rung: 1, Layers: 2}, {}, {Arrived: 20, Age: 3 * time.Second, Layers: 6}}
	curves := []Curve{{Name: "ours", Series: series}, {Name: "full depth", Series: series[:1]}}
	dir := t.TempDir()
	read := func(name string) []byte {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := Plot(path, "a title", time.Second, curves); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	svg := string(read("plot.svg"))
	for _, want := range []string{"<svg", "a title", "target", "ours", "full depth", "age p99, s", "layers"} {
		if !strings.Contains(svg, want) {
			t.Errorf("got no %q in the SVG", want)
		}
	}
	if _, err := png.Decode(bytes.NewReader(read("plot.png"))); err != nil {
		t.Errorf("reading the PNG: %v", err)
	}
	if err := Plot(filepath.Join(dir, "plot.pdf"), "", time.Second, curves); err == nil || !strings.Contains(err.Error(), "want .svg or .png") {
		t.Errorf("got error %v, want one that names the kinds", err)
	}
}

func TestALongSeriesIsDrawnWithFewPoints(t *testing.T) {
	series := make([]Second, 10_000)
	for i := range series {
		series[i] = Second{Arrived: i % 2, Age: time.Duration(i), Layers: float64(i % 3)}
	}
	x := newAxis([]Curve{{Series: series}})
	if x.each < 10_000/mostPoints || x.name != "minutes" {
		t.Errorf("got %d seconds a point over %s", x.each, x.name)
	}
	p := together(series[:6])
	if p.arrived != 0.5 || p.age != (5*time.Nanosecond).Seconds() || p.layers != 1.5 {
		t.Errorf("got %+v", p)
	}
}
