package simulate

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestShapesPeakAtOneForAsLongAsTheyLast(t *testing.T) {
	for name, want := range map[string]time.Duration{
		"step": 5 * time.Minute, "ramp": 5*time.Minute + 30*time.Second, "burst": 5 * time.Minute, "diurnal": time.Hour,
	} {
		l, err := Shape(name)
		if err != nil {
			t.Fatal(err)
		}
		if l.End != want || math.Abs(l.Peak()-1) > 0.01 {
			t.Errorf("%s: got %v with a peak of %v, want %v with 1", name, l.End, l.Peak(), want)
		}
	}
	if _, err := Shape("flat"); err == nil || !strings.Contains(err.Error(), "step, ramp, burst, diurnal") {
		t.Errorf("got error %v, want one that lists the shapes", err)
	}
}

func TestLoadFromCSVIsScaledToAPeak(t *testing.T) {
	l, err := ReadLoad("day.csv", strings.NewReader("seconds,messages_per_second\n1700000000, 10\n1700000060,40\n1700000090,0\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Load{Name: "day.csv", Spans: []Span{{0, 10}, {time.Minute, 40}, {90 * time.Second, 0}}, End: 2 * time.Minute}
	check := func(got Load, factor float64) {
		t.Helper()
		if got.Name != want.Name || got.End != want.End || len(got.Spans) != len(want.Spans) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		for i, s := range want.Spans {
			if got.Spans[i] != (Span{s.From, s.Rate * factor}) {
				t.Errorf("span %d: got %+v, want %+v times %v", i, got.Spans[i], s, factor)
			}
		}
	}
	check(l, 1)
	check(l.Scaled(100), 2.5)
	check(l, 1) // and is as it was
	if got := l.Messages(); got != 60*10+30*40 {
		t.Errorf("got %v messages, want 1800", got)
	}
}

func TestACSVMayComeFromASpreadsheet(t *testing.T) {
	want := Load{Name: "day.csv", Spans: []Span{{0, 10}, {time.Minute, 40}}, End: 2 * time.Minute}
	for name, text := range map[string]string{
		"a byte order mark":         "\ufeffseconds,messages_per_second\n0,10\n60,40\n",
		"carriage returns":          "seconds,messages_per_second\r\n0,10\r\n60,40\r\n",
		"spaces after the comma":    "seconds, messages_per_second\n0, 10\n60,\t40\n",
		"spaces before the comma":   "seconds ,messages_per_second\n0 ,10\n60\t,40\n",
		"spaces at the line's ends": " seconds,messages_per_second \n 0,10 \n60,40 \n",
	} {
		if got, err := ReadLoad("day.csv", strings.NewReader(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v and error %v, want %+v", name, got, err, want)
		}
	}
}

// levels is a load with three of them.
func levels() Load {
	return Load{Name: "levels", Spans: []Span{{0, 1}, {time.Minute, 3}, {2 * time.Minute, 2}}, End: 4 * time.Minute}
}

func TestRateAtATimeIsThatOfItsSpan(t *testing.T) {
	l := levels()
	for _, c := range []struct {
		at   time.Duration
		want float64
	}{{-1, 0}, {0, 1}, {time.Minute - 1, 1}, {time.Minute, 3}, {2 * time.Minute, 2}, {4*time.Minute - 1, 2}, {4 * time.Minute, 0}} {
		if got := l.At(c.at); got != c.want {
			t.Errorf("at %v: got %v, want %v", c.at, got, c.want)
		}
	}
}

func TestLoadsMadeOfAnother(t *testing.T) {
	l := levels()
	flat := Load{Spans: []Span{{0, 7}}, End: time.Second}
	for _, c := range []struct {
		name string
		got  Load
		want Load
	}{
		{"in a sixtieth of the time", l.Lasting(4 * time.Second), Load{Name: l.Name, Spans: []Span{{0, 1}, {time.Second, 3}, {2 * time.Second, 2}}, End: 4 * time.Second}},
		{"between other rates", l.Between(10, 20), Load{Name: l.Name, Spans: []Span{{0, 10}, {time.Minute, 20}, {2 * time.Minute, 15}}, End: l.End}},
		{"of one rate, between two", flat.Between(1, 2), Load{Spans: []Span{{0, 2}}, End: time.Second}},
		{"cut within a span", l.First(90 * time.Second), Load{Name: l.Name, Spans: []Span{{0, 1}, {time.Minute, 3}}, End: 90 * time.Second}},
		{"cut where a span begins", l.First(time.Minute), Load{Name: l.Name, Spans: []Span{{0, 1}}, End: time.Minute}},
		{"all of it", l.First(4 * time.Minute), l},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, c.got, c.want)
		}
	}
	if !reflect.DeepEqual(l, levels()) {
		t.Errorf("the load itself became %+v", l)
	}
}

func TestFaultsOfACSVNameTheLine(t *testing.T) {
	const head = "seconds,messages_per_second\n"
	for _, c := range []struct{ name, text, want string }{
		{"an empty file", "", "load.csv is empty: want the line seconds,messages_per_second"},
		{"another header", "time,rate\n0,1\n", "line 1: time,rate, want seconds,messages_per_second"},
		{"three fields", head + "0,1\n1,2,3\n", "line 3: wrong number of fields"},
		{"no number", head + "0,1\n\n5,many\n", `line 4: messages_per_second "many"`},
		{"no time", head + "noon,1\n", `line 2: seconds "noon"`},
		{"not a number", head + "0,NaN\n", `line 2: messages_per_second "NaN"`},
		{"a negative rate", head + "0,-1\n", `line 2: messages_per_second "-1"`},
		{"time that stands still", head + "0,1\n0,2\n", "line 3: seconds 0 do not come after"},
		{"time that goes back", head + "7,1\n9,2\n8,3\n", "line 4: seconds 8 do not come after"},
		{"more than a year", head + "0,1\n1e9,2\n", "line 3: seconds 1e9 are more than a year"},
		{"one rate", head + "0,1\n", "load.csv: want at least two rates, got 1: the second"},
		{"no messages", head + "0,0\n1,0\n", "no message comes at any time"},
	} {
		if _, err := ReadLoad("load.csv", strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %q in it", c.name, err, c.want)
		}
	}
}

func FuzzReadLoad(f *testing.F) {
	f.Add("seconds,messages_per_second\n0,1\n60,2\n")
	f.Add("seconds,messages_per_second\n1e300,1\n-0,1e-300\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ReadLoad("load.csv", strings.NewReader(text))
		if err != nil {
			return
		}
		n := len(l.Spans)
		if n < 2 || l.End <= l.Spans[n-1].From || !(l.Peak() > 0) || l.Spans[0].From != 0 {
			t.Errorf("got %+v without an error", l)
		}
	})
}
