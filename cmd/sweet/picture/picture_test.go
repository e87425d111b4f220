package picture

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

func TestAFileIsOfTheKindThatItsNameSays(t *testing.T) {
	dir := t.TempDir()
	paint := func(c draw.Canvas) { Panel("a title", "seconds", "messages").Draw(c) }
	read := func(name string) []byte {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := Draw(path, 2*vg.Inch, vg.Inch, paint); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	svg := string(read("plot.SVG"))
	for _, want := range []string{"<svg", "a title", "seconds", "messages"} {
		if !strings.Contains(svg, want) {
			t.Errorf("got no %q in the SVG", want)
		}
	}
	img, err := png.Decode(bytes.NewReader(read("plot.png")))
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size.X != 220 || size.Y != 110 {
		t.Errorf("got %v pixels, want 110 an inch", size)
	}
}

func TestAnotherKindIsRefusedBeforeAFileIsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plot.pdf")
	err := Draw(path, vg.Inch, vg.Inch, func(draw.Canvas) { t.Error("it draws") })
	if err == nil || !strings.Contains(err.Error(), "want .svg or .png") {
		t.Errorf("got error %v, want one that names the kinds", err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("got %v, want no file", err)
	}
}

func TestEightCurvesHaveColorsOfTheirOwn(t *testing.T) {
	for i := range 8 {
		for k := range i {
			if Color(i) == Color(k) {
				t.Errorf("curves %d and %d have the color %v", k, i, Color(i))
			}
		}
		if Color(i) != Color(i+8) {
			t.Errorf("curve %d has not the color of curve %d", i+8, i)
		}
	}
}
