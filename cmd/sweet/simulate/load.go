package simulate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A Load says how many messages come each second, over all replicas.
type Load struct {
	Name  string
	Spans []Span        // ascending, the first from 0
	End   time.Duration // of the last
}

// A Span is a time of constant rate, which lasts until the next one begins.
type Span struct {
	From time.Duration
	Rate float64 // messages a second
}

// Shapes are the names that [Shape] knows.
func Shapes() []string { return []string{"step", "ramp", "burst", "diurnal"} }

// Shape returns one of the built-in loads with a peak of one message a second:
//
//	step     a minute at 1/3, two minutes at the peak, two minutes at 1/3
//	ramp     half a minute at 0.2, two minutes up to the peak, a minute there, two minutes down
//	burst    five minutes at 0.3, with ten seconds at the peak in each
//	diurnal  a day in an hour, from midnight on: 0.2 at three in the morning, the peak twelve hours later
func Shape(name string) (Load, error) {
	l := Load{Name: name}
	switch name {
	case "step":
		l.hold(time.Minute, 1.0/3)
		l.hold(2*time.Minute, 1)
		l.hold(2*time.Minute, 1.0/3)
	case "ramp":
		l.hold(30*time.Second, 0.2)
		l.curve(2*time.Minute, time.Second, func(x float64) float64 { return 0.2 + 0.8*x })
		l.hold(time.Minute, 1)
		l.curve(2*time.Minute, time.Second, func(x float64) float64 { return 1 - 0.8*x })
	case "burst":
		for range 5 {
			l.hold(30*time.Second, 0.3)
			l.hold(10*time.Second, 1)
			l.hold(20*time.Second, 0.3)
		}
	case "diurnal":
		const lowest = 3.0 / 24
		l.curve(time.Hour, 5*time.Second, func(x float64) float64 { return 0.6 - 0.4*math.Cos(2*math.Pi*(x-lowest)) })
	default:
		return l, fmt.Errorf("load %q is none of %s", name, strings.Join(Shapes(), ", "))
	}
	return l, nil
}

// hold adds a span.
func (l *Load) hold(d time.Duration, rate float64) {
	l.Spans = append(l.Spans, Span{From: l.End, Rate: rate})
	l.End += d
}

// curve adds spans of the given length that follow rate, a function of the
// share of d that has passed.
func (l *Load) curve(d, each time.Duration, rate func(x float64) float64) {
	for t := time.Duration(0); t < d; t += each {
		l.hold(each, rate((t+each/2).Seconds()/d.Seconds()))
	}
}

// At returns the rate at a time since the start, in messages a second; 0 before
// the start and from the end on.
func (l *Load) At(t time.Duration) float64 {
	if t < 0 || t >= l.End {
		return 0
	}
	i, _ := slices.BinarySearchFunc(l.Spans, t+1, func(s Span, t time.Duration) int { return cmp.Compare(s.From, t) })
	return l.Spans[i-1].Rate
}

// Peak returns the highest rate.
func (l *Load) Peak() float64 {
	return slices.MaxFunc(l.Spans, byRate).Rate
}

func byRate(a, b Span) int { return cmp.Compare(a.Rate, b.Rate) }

// Scaled returns l with the given peak.
func (l *Load) Scaled(peak float64) Load {
	scaled := Load{Name: l.Name, Spans: slices.Clone(l.Spans), End: l.End}
	factor := peak / l.Peak()
	for i := range scaled.Spans {
		scaled.Spans[i].Rate *= factor
	}
	return scaled
}

// Between returns l with the given lowest and highest rate, and all others as
// far between them as they were. A load of one rate has the highest.
func (l *Load) Between(lowest, peak float64) Load {
	between := l.Scaled(1)
	least := slices.MinFunc(between.Spans, byRate).Rate
	for i := range between.Spans {
		s := &between.Spans[i]
		if least < 1 {
			s.Rate = (s.Rate - least) / (1 - least)
		}
		s.Rate = lowest + (peak-lowest)*s.Rate
	}
	return between
}

// First returns the first d of l, d above 0 and at most all of it.
func (l *Load) First(d time.Duration) Load {
	n := slices.IndexFunc(l.Spans, func(s Span) bool { return s.From >= d })
	if n < 0 {
		n = len(l.Spans)
	}
	return Load{Name: l.Name, Spans: slices.Clone(l.Spans[:n]), End: d}
}

// Lasting returns l stretched, or pressed, to the length d, which is above 0.
func (l *Load) Lasting(d time.Duration) Load {
	stretched := Load{Name: l.Name, Spans: slices.Clone(l.Spans), End: d}
	factor := d.Seconds() / l.End.Seconds()
	for i := range stretched.Spans {
		stretched.Spans[i].From = time.Duration(factor * float64(l.Spans[i].From))
	}
	return stretched
}

// until returns when span i ends.
func (l *Load) until(i int) time.Duration {
	if i+1 < len(l.Spans) {
		return l.Spans[i+1].From
	}
	return l.End
}

// Messages returns how many messages are expected.
func (l *Load) Messages() float64 {
	var sum float64
	for i, s := range l.Spans {
		sum += s.Rate * (l.until(i) - s.From).Seconds()
	}
	return sum
}
