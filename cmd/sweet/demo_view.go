package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// A view shows the demo: redrawn in place on a terminal, a line every two
// seconds elsewhere. Warnings of the worker are written through it, so that
// they do not tear the picture.
type view struct {
	out    io.Writer
	live   bool
	layers []int // layers run at each exit

	mu       sync.Mutex
	shown    time.Duration // into the act, when the worker was last shown
	moves    []string      // of the rung, the latest last
	moved    int           // how often the rung has moved
	drawn    int           // lines of the picture that stands on the terminal
	lastLine time.Time     // when a line was written, without a terminal
}

// show draws s.
func (v *view) show(s scene) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shown = s.elapsed
	if !v.live {
		if time.Since(v.lastLine) >= 2*time.Second {
			v.lastLine = time.Now()
			if s.load > 0 {
				fmt.Fprintf(v.out, "%3.0f s: load %.0f texts/s, answered %.0f, oldest %.2f s, rung %.0f of %.0f, %.2f layers a text\n",
					s.elapsed.Seconds(), s.load, s.rate, s.metrics.oldestAge.Seconds(), s.metrics.rung, s.metrics.rungs, s.layers)
				return
			}
			fmt.Fprintf(v.out, "%s: %v of %v, %.0f texts/s, oldest %.2f s, %.1f %% of layers saved\n",
				s.act.title, s.elapsed.Round(time.Second), s.act.duration.Round(time.Second), s.rate,
				s.metrics.oldestAge.Seconds(), 100*s.saved())
		}
		return
	}
	var b bytes.Buffer
	v.picture(&b, s)
	v.erase()
	v.drawn = bytes.Count(b.Bytes(), []byte("\n"))
	_, _ = v.out.Write(b.Bytes()) // a terminal that is gone has nobody who would miss it
}

func (s scene) saved() float64 {
	return share(s.metrics.layersSaved, s.metrics.layersSaved+s.metrics.layersRun)
}

func (v *view) picture(b *bytes.Buffer, s scene) {
	fmt.Fprintf(b, "\n  sweetspot demo: %s   %v of %v\n\n", s.act.title,
		s.elapsed.Round(time.Second), s.act.duration.Round(time.Second))
	if s.load > 0 {
		fmt.Fprintf(b, "  load          %9.0f texts/s\n", s.load)
	}
	fmt.Fprintf(b, "  rate          %9.0f texts/s\n", s.rate)
	fmt.Fprintf(b, "  oldest age    %9.2f s\n", s.metrics.oldestAge.Seconds())
	if s.act.mode == "auto" {
		fmt.Fprintf(b, "  rung          %9.0f of %.0f%s\n", s.metrics.rung, s.metrics.rungs, map[bool]string{true: "     saturated"}[s.metrics.saturated])
		fmt.Fprintf(b, "  layers        %9.2f a text, in the last second\n", s.layers)
	}
	fmt.Fprintf(b, "  sent          %9d     answered %d     dead letters %d\n\n", s.produced, s.tally.distinct, s.tally.dead)
	var all float64
	for _, e := range s.metrics.exits {
		all += e
	}
	for i, layers := range v.layers {
		var n float64
		if i < len(s.metrics.exits) {
			n = s.metrics.exits[i]
		}
		fmt.Fprintf(b, "  exit %d, layers run %-2d  %s %5.1f %%\n", i+1, layers, bar(share(n, all), 40), 100*share(n, all))
	}
	fmt.Fprintf(b, "\n  layers saved  %9.1f %%   (%.2f of %d run per text)\n", 100*s.saved(), s.metrics.layersMean(), v.layers[len(v.layers)-1])
	for _, m := range v.moves {
		fmt.Fprintf(b, "  %s\n", m)
	}
	if s.agree.all > 0 {
		fmt.Fprintf(b, "  agreement     %9.1f %%   of %d texts also run at full depth\n", 100*s.agree.share(), s.agree.all)
	} else {
		fmt.Fprintln(b, "  agreement             –")
	}
}

// eighths are the parts of a bar's last cell.
var eighths = []rune(" ▏▎▍▌▋▊▉")

// bar draws a share of width cells.
func bar(share float64, width int) string {
	n := int(share*float64(width)*8 + 0.5)
	full := min(n/8, width)
	s := strings.Repeat("█", full)
	if full < width {
		s += string(eighths[n%8]) + strings.Repeat(" ", width-full-1)
	}
	return s
}

// erase takes the picture off the terminal. The caller holds mu.
func (v *view) erase() {
	if v.drawn > 0 {
		fmt.Fprintf(v.out, "\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}

// shownMoves is how many moves of the rung a picture shows.
const shownMoves = 5

// count returns how often the rung has moved.
func (v *view) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.moved
}

// move shows that the rung has moved.
func (v *view) move(from, to, reason string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.moved++
	line := fmt.Sprintf("%5.1f s: rung %s -> %s (%s)", v.shown.Seconds(), from, to, reason)
	if !v.live {
		fmt.Fprintln(v.out, line)
		return
	}
	v.moves = append(v.moves, line)
	v.moves = v.moves[max(0, len(v.moves)-shownMoves):]
}

// Write shows a log line above the picture.
func (v *view) Write(line []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
	return v.out.Write(line)
}

// leave lets the last picture stand; what is written next goes below it.
func (v *view) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drawn = 0
}
