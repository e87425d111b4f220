package control_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sweetspot/pipeline/control"
)

var update = flag.Bool("update", false, "rewrite the stories in testdata")

// TestStories plays testdata/*.txt. A story is commands, a line of dashes, what
// the controller decided, and a blank line. Only moves and what is out of the
// ordinary is shown, and at the end of every block how things stand.
//
//	world ladder=bundled capacity=1180 target=1s every=250ms overload=wait strict=0 best-effort=0
//	load 600                  messages a second from now on; also 600..1800 over=1m, and 200..2800 day=10m
//	chance 1                  arrivals are a Poisson process with this seed
//	lump 500                  they come so many at once
//	burst 20000               so many come now
//	run 20s                   time passes
//	stall broker|publisher|nothing  and the readings say so, unless unnoticed
//	costs 1.5 told=1          messages cost so many times as much; the readings say told of that
//	costs 1..3 over=2m        little by little
//	records old=720h|undated  messages have such record times
//	usable 3                  the evidence leaves these rungs
//	rebalance end=9000000 backlog=5000  the worker gets more partitions
//	truncate 5000             ends go back
//	clock 1h                  the clock leaps
//	readings none|again
//	read at=1s arrived=600    a reading by hand, without a world
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("the story has changed; if that is right, run with -update\ngot:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// play returns the story with the decisions as they are now.
func play(t *testing.T, story string) string {
	t.Helper()
	p := &player{t: t}
	for block := range strings.SplitSeq(strings.TrimRight(story, "\n"), "\n\n") {
		commands, _, played := strings.Cut(block, "\n----")
		p.out.WriteString(commands)
		if played {
			p.out.WriteString("\n----\n")
			for text := range strings.SplitSeq(commands, "\n") {
				if text != "" && !strings.HasPrefix(text, "#") {
					p.command(strings.Fields(text))
				}
			}
			p.stand()
			p.out.WriteString("\n")
			continue
		}
		p.out.WriteString("\n\n")
	}
	return strings.TrimRight(p.out.String(), "\n") + "\n"
}

// A player plays one story.
type player struct {
	t     *testing.T
	w     *world
	shown control.Decision // the last one that told something new
	hand  control.Reading  // the last one given by hand
	words []string
	args  map[string]string
	out   strings.Builder
}

func (p *player) command(words []string) {
	p.words, p.args = words, map[string]string{}
	for _, word := range words[1:] {
		if k, v, ok := strings.Cut(word, "="); ok {
			p.args[k] = v
		}
	}
	switch words[0] {
	case "world":
		p.world()
	case "load":
		p.w.rate = p.course(p.words[1])
	case "chance":
		p.w.chance = rand.New(rand.NewPCG(uint64(p.number(words[1])), 1))
	case "lump":
		p.w.lump = int64(p.number(words[1]))
	case "burst":
		p.w.add(int64(p.number(words[1])), p.w.now-p.w.old)
	case "run":
		p.w.run(p.span(words[1]))
	case "stall":
		p.w.broker, p.w.publish = words[1] == "broker", words[1] == "publisher"
		p.w.unnoticed = slices.Contains(words, "unnoticed")
	case "costs":
		p.costs()
	case "records":
		p.w.dated = words[1] != "undated"
		p.w.old = p.span(p.arg("old", "0s"))
	case "usable":
		p.w.usable = int(p.number(words[1]))
	case "rebalance":
		p.w.rebalance(int64(p.number(p.arg("end", "0"))), int64(p.number(p.arg("backlog", "0"))))
	case "truncate":
		p.w.offset -= int64(p.number(words[1]))
	case "clock":
		p.w.clock += p.span(words[1])
	case "readings":
		p.w.noReadings = words[1] == "none"
		p.w.nextReading = max(p.w.nextReading, p.w.now)
	case "read":
		p.read()
	default:
		p.t.Fatalf("unknown command %q", words[0])
	}
}

func (p *player) world() {
	cfg := goodConfig()
	cfg.TargetAge = p.span(p.arg("target", "1s"))
	cfg.ControlEvery = p.span(p.arg("every", "250ms"))
	cfg.Overload = control.Overload(p.arg("overload", "wait"))
	w, err := newWorld(cfg, p.arg("ladder", "bundled"), p.number(p.arg("capacity", "1180")))
	if err != nil {
		p.t.Fatal(err)
	}
	w.strict, w.bestEffort = p.number(p.arg("strict", "0")), p.number(p.arg("best-effort", "0"))
	w.observe = func() { p.show(w.now, w.decision) }
	p.w, p.shown, p.hand = w, control.Decision{}, control.Reading{}
}

// course is a number that changes with time: 600, or 600..1800 with over= or
// day=.
func (p *player) course(text string) func(time.Duration) float64 {
	from, to, ok := strings.Cut(text, "..")
	a := p.number(from)
	if !ok {
		return func(time.Duration) float64 { return a }
	}
	b, start := p.number(to), p.w.now
	if day := p.span(p.arg("day", "0s")); day > 0 {
		return func(t time.Duration) float64 {
			return a + (b-a)*(1-math.Cos(2*math.Pi*(t-start).Seconds()/day.Seconds()))/2
		}
	}
	over := p.span(p.arg("over", "0s"))
	return func(t time.Duration) float64 {
		return a + (b-a)*min(1, (t-start).Seconds()/over.Seconds())
	}
}

func (p *player) costs() {
	w, true0 := p.w, slices.Clone(p.w.costs)
	course := p.course(p.words[1])
	w.told = p.number(p.arg("told", "1"))
	observe := w.observe
	change := func() {
		for i := range w.costs {
			w.costs[i] = true0[i] * course(w.now)
		}
	}
	change()
	w.observe = func() { change(); observe() }
}

// read feeds a reading without a world; what is not given is as before.
func (p *player) read() {
	r := &p.hand
	for k, v := range p.args {
		switch k {
		case "at":
			r.At = p.span(v)
			r.Heard = r.At
		case "epoch":
			r.Epoch = int64(p.number(v))
		case "arrived":
			r.Arrived = int64(p.number(v))
		case "settled":
			r.Settled = int64(p.number(v))
		case "backlog":
			r.Backlog = int64(p.number(v))
		case "age":
			r.Dated = v != "unknown"
			if r.Dated {
				r.Age = p.span(v)
			}
		case "costs":
			r.Costs = nil
			for c := range strings.SplitSeq(v, ",") {
				r.Costs = append(r.Costs, p.number(c))
			}
		case "usable":
			r.Usable = int(p.number(v))
		case "heard":
		default:
			p.t.Fatalf("unknown figure %q", k)
		}
	}
	if heard, ok := p.args["heard"]; ok {
		r.Heard = p.span(heard)
	}
	d := p.w.ctl.Step(*r)
	p.shown = d
	fmt.Fprintln(&p.out, line(r.At, d))
}

// show tells of a decision that moves something or is out of the ordinary.
func (p *player) show(now time.Duration, d control.Decision) {
	usual := d.Reason == control.Steady || d.Reason == control.Recovering || d.Reason == control.Rail
	last := p.shown
	if d.Rung == last.Rung && d.Saturated == last.Saturated && d.Shed == last.Shed && (usual || d.Reason == last.Reason) {
		p.shown.Reason = d.Reason
		return
	}
	p.shown = d
	fmt.Fprintln(&p.out, line(now, d))
}

func line(now time.Duration, d control.Decision) string {
	s := fmt.Sprintf("%8v  rung %d  %-10s  λ %.0f drain %.0f u %.2f utilization %.2f delay %v",
		now, d.Rung, d.Reason, d.Rate, d.Drain, d.Correction, d.Utilization, d.Delay.Round(time.Millisecond))
	if d.Saturated {
		s += "  SATURATED"
	}
	if d.Shed {
		s += "  SHEDDING"
	}
	return s
}

// stand ends a block with how things stand, where there is a world.
func (p *player) stand() {
	w := p.w
	if w.now == 0 {
		return
	}
	fmt.Fprintf(&p.out, "%8v  rung %d  %-10s  oldest %v, backlog %d", w.now, w.decision.Rung, w.decision.Reason, w.waited(), w.backlog())
	if w.shed > 0 {
		fmt.Fprintf(&p.out, ", shed %d", w.shed)
	}
	p.out.WriteString("\n")
}

func (p *player) arg(key, unset string) string {
	if v, ok := p.args[key]; ok {
		return v
	}
	return unset
}

func (p *player) number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		p.t.Fatalf("%v: %v", p.words, err)
	}
	return v
}

func (p *player) span(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		p.t.Fatalf("%v: %v", p.words, err)
	}
	return d
}
