package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
)

// traceVersion is of the format. A trace of another one is refused.
const traceVersion = 1

// longestLine bounds a line of a trace, in bytes: 256 rungs of 16 stages take a
// quarter of it.
const longestLine = 1 << 20

// A Header begins what one run of a worker records: all that its controller was
// made from.
type Header struct {
	Config Config      // what the controller uses of it
	Reach  [][]float64 // (rungs, stages)
	Ladder string      // digest; "" where there is none
}

// A Step is what one call of [Controller.Step] was told and said.
type Step struct {
	Line     int     // of the trace, from 1
	Header   *Header // of the run that it belongs to; another one where a run begins
	Reading  Reading
	Decision Decision
}

// line is a line of a trace: a header or a step.
type line struct {
	Version int         `json:"sweetspot_trace,omitempty"`
	Config  *Config     `json:"config,omitempty"`
	Reach   [][]float64 `json:"reach,omitempty"`
	Ladder  string      `json:"ladder,omitempty"`

	Reading  *Reading  `json:"reading,omitempty"`
	Decision *Decision `json:"decision,omitempty"`
}

// A Recorder writes a trace: lines of JSON, a header and then every step. Runs
// of a worker may follow each other in one file.
type Recorder struct{ w io.Writer }

// NewRecorder writes the header of a run to w. Every line is one call of Write.
func NewRecorder(w io.Writer, h Header) (*Recorder, error) {
	rec := &Recorder{w}
	return rec, rec.write(line{Version: traceVersion, Config: &h.Config, Reach: h.Reach, Ladder: h.Ladder})
}

// Record writes a step. What is not a number in r, which JSON cannot say and
// the controller takes for unknown, is written as 0.
func (rec *Recorder) Record(r Reading, d Decision) error {
	if !known(r.Costs, len(r.Costs)) {
		r.Costs = slices.Clone(r.Costs)
		for i, c := range r.Costs {
			if !known([]float64{c}, 1) {
				r.Costs[i] = 0
			}
		}
	}
	r.Strict, r.Audited, r.BestEffort = part(r.Strict), part(r.Audited), part(r.BestEffort)
	return rec.write(line{Reading: &r, Decision: &d})
}

func (rec *Recorder) write(l line) error {
	b, err := json.Marshal(l)
	if err == nil {
		_, err = rec.w.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing the trace: %w", err)
	}
	return nil
}

// Steps yields the steps of a trace in order. It ends with the first error,
// which names the line.
func Steps(trace io.Reader) iter.Seq2[Step, error] {
	return func(yield func(Step, error) bool) {
		lines := bufio.NewScanner(trace)
		lines.Buffer(nil, longestLine)
		var s Step
		for lines.Scan() {
			s.Line++
			l, err := parse(lines.Bytes())
			if err == nil && s.Header == nil && l.Version == 0 {
				err = errNoTrace
			}
			switch {
			case err != nil:
				yield(Step{}, fmt.Errorf("reading the trace: line %d: %w", s.Line, err))
				return
			case l.Version != 0:
				s.Header = &Header{Config: *l.Config, Reach: l.Reach, Ladder: l.Ladder}
				continue
			}
			s.Reading, s.Decision = *l.Reading, *l.Decision
			if !yield(s, nil) {
				return
			}
		}
		switch err := lines.Err(); {
		case err != nil:
			yield(Step{}, fmt.Errorf("reading the trace: line %d: %w", s.Line+1, err))
		case s.Header == nil:
			yield(Step{}, errors.New("reading the trace: it is empty"))
		}
	}
}

var errNoTrace = errors.New("this is not a trace: want a header with sweetspot_trace")

// parse reads a line.
func parse(text []byte) (line, error) {
	var l line
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return l, errors.New("it ends in the middle; the worker may have been killed while it wrote")
		}
		return l, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return l, errors.New("more than one JSON value")
	}
	header, step := l.Version != 0 || l.Config != nil, l.Reading != nil || l.Decision != nil
	switch {
	case header && step:
		return l, errors.New("a header and a step at once")
	case !header && !step:
		return l, errNoTrace
	case header && l.Version != traceVersion:
		return l, fmt.Errorf("a trace of version %d; this program reads version %d", l.Version, traceVersion)
	case header && (l.Config == nil || l.Reach == nil):
		return l, errors.New("a header without config or reach")
	case !header && (l.Reading == nil || l.Decision == nil):
		return l, errors.New("want a reading and a decision")
	}
	return l, nil
}

// A DifferenceError says where a replay decided otherwise than the trace.
type DifferenceError struct {
	Line          int // of the trace
	Recorded, Now Decision
}

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("line %d: recorded %+v, and now %+v", e.Line, e.Recorded, e.Now)
}

// Replay lets a fresh controller decide over the readings of every run in a
// trace, and returns how many decisions were the same bit for bit. It ends with
// the first error: a [*DifferenceError] where a decision differs, which it does
// where another version of this program wrote the trace and the rule has
// changed.
func Replay(trace io.Reader) (same int, err error) {
	var run *Header
	var c *Controller
	for s, err := range Steps(trace) {
		if err != nil {
			return same, err
		}
		if s.Header != run {
			run = s.Header
			if c, err = New(run.Config, run.Reach); err != nil {
				return same, fmt.Errorf("replaying the run before line %d: %w", s.Line, err)
			}
		}
		if now := c.Step(s.Reading); now != s.Decision {
			return same, &DifferenceError{Line: s.Line, Recorded: s.Decision, Now: now}
		}
		same++
	}
	return same, nil
}
