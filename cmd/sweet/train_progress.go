package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"sweetspot/inference/train"
)

// A trainProgress shows how a run comes along: as a bar on a terminal, else as a
// line now and then.
type trainProgress struct {
	out    io.Writer
	metric train.Metric
	bars   *mpb.Progress // nil where there is no terminal
	bar    *mpb.Bar
	text   atomic.Pointer[string] // beside the bar
	losses []float64              // moving means
	model  int                    // that they are of
	first  int                    // steps done before this run
	start  time.Time
	tokens int
	shown  time.Time
}

// showEvery is the time between two lines.
const showEvery = 10 * time.Second

func newTrainProgress(out io.Writer, done, steps int, metric train.Metric) *trainProgress {
	p := &trainProgress{out: out, metric: metric, first: done, start: time.Now(), shown: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
		text := func(decor.Statistics) string {
			if s := p.text.Load(); s != nil {
				return " " + *s
			}
			return ""
		}
		p.bar = p.bars.AddBar(int64(steps), mpb.AppendDecorators(decor.Any(text)))
		p.bar.SetCurrent(int64(done))
	}
	return p
}

// meanSteps is about how many steps the losses shown are means over.
const meanSteps = 30

func (p *trainProgress) step(now train.Progress) {
	if p.losses == nil || now.Model != p.model {
		p.model, p.losses = now.Model, append(p.losses[:0], now.Losses...)
	}
	for i, l := range now.Losses {
		p.losses[i] += (l - p.losses[i]) / meanSteps
	}
	p.tokens += now.Tokens
	if p.bar != nil {
		p.text.Store(new(p.describe(now)))
		p.bar.SetCurrent(int64(now.Step))
		return
	}
	if time.Since(p.shown) >= showEvery || now.Step == now.Steps {
		p.shown = time.Now()
		fmt.Fprintf(p.out, "step %d of %d, %s\n", now.Step, now.Steps, p.describe(now))
	}
}

// describe says where the run is: losses by exit, speed and the time left.
func (p *trainProgress) describe(now train.Progress) string {
	spent := time.Since(p.start)
	left := time.Duration(float64(spent) / float64(now.Step-p.first) * float64(now.Steps-now.Step))
	var losses strings.Builder
	for _, l := range p.losses {
		fmt.Fprintf(&losses, " %.3f", l)
	}
	return fmt.Sprintf("%sepoch %d of %d, loss%s, %.0f tokens/s, %s left",
		modelOf(now), now.Epoch, now.Epochs, losses.String(), float64(p.tokens)/spent.Seconds(), left.Round(time.Second))
}

// modelOf says which of several models is trained.
func modelOf(now train.Progress) string {
	if now.Models < 2 {
		return ""
	}
	return fmt.Sprintf("model %d of %d, ", now.Model, now.Models)
}

// epoch shows the exits' scores on the development examples.
func (p *trainProgress) epoch(now train.Progress, scores []train.ExitScore) {
	var line strings.Builder
	fmt.Fprintf(&line, "%sepoch %d of %d: dev %s by exit", modelOf(now), now.Epoch, now.Epochs, p.metric)
	for _, s := range scores {
		fmt.Fprintf(&line, " %s", score(s.Scores, p.metric))
	}
	line.WriteByte('\n')
	out := p.out
	if p.bars != nil {
		out = p.bars // above the bar
	}
	_, _ = io.WriteString(out, line.String()) // nobody is told less for it
}

// close leaves the bar as it is.
func (p *trainProgress) close() {
	if p.bar == nil {
		return
	}
	p.bar.Abort(false) // of no effect on a bar that is full
	p.bars.Wait()
}
