package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sweetspot/pipeline/control"
)

// grounds are why a rung was chosen, as the log tells it.
type grounds struct {
	Reason      string        `json:"reason"`
	Rate        float64       `json:"rate"`
	Load        float64       `json:"load"`
	Utilization float64       `json:"utilization"`
	Delay       time.Duration `json:"delay"`
}

// A move is a decision for another rung than the one before.
type move struct {
	From int `json:"from"`
	To   int `json:"to"`
	grounds
}

func (m move) cheaper() bool { return m.To > m.From }

// A trace follows the file in which a worker records its decisions.
type trace struct {
	file  *os.File
	text  []byte // so far
	whole int    // bytes of it that are whole lines
	steps []control.Step
}

func openTrace(path string) (*trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the trace: %w", err)
	}
	return &trace{file: f}, nil
}

// read takes in what was written since it was called last.
func (t *trace) read() error {
	more, err := io.ReadAll(t.file)
	if err != nil {
		return fmt.Errorf("reading the trace: %w", err)
	}
	t.text = append(t.text, more...)
	whole := bytes.LastIndexByte(t.text, '\n') + 1
	if whole == t.whole {
		return nil
	}
	t.whole, t.steps = whole, t.steps[:0]
	for s, err := range control.Steps(bytes.NewReader(t.text[:whole])) {
		if err != nil {
			return err
		}
		t.steps = append(t.steps, s)
		if s.Header != t.steps[0].Header {
			return fmt.Errorf("reading the trace: line %d is of a second run", s.Line)
		}
	}
	return nil
}

func (t *trace) close() { _ = t.file.Close() } // it was only read

// rung returns the one that was decided on last; false where there is none yet.
func (t *trace) rung() (int, bool) {
	if len(t.steps) == 0 {
		return 0, false
	}
	return t.steps[len(t.steps)-1].Decision.Rung, true
}

// backlog returns the one that was measured last.
func (t *trace) backlog() int64 { return t.steps[len(t.steps)-1].Reading.Backlog }

// most returns the largest backlog and age that were measured.
func (t *trace) most() (backlog int64, age time.Duration) {
	for _, s := range t.steps {
		backlog, age = max(backlog, s.Reading.Backlog), max(age, s.Reading.Age)
	}
	return backlog, age
}

// moves returns the decisions for another rung among some steps, which follow
// each other.
func moves(steps []control.Step) []move {
	var all []move
	for i := 1; i < len(steps); i++ {
		if from, d := steps[i-1].Decision.Rung, steps[i].Decision; d.Rung != from {
			all = append(all, move{from, d.Rung, grounds{string(d.Reason), d.Rate, d.Load, d.Utilization, d.Delay}})
		}
	}
	return all
}

// A line is what the worker logs of a move, and when.
type line struct {
	Message string    `json:"msg"`
	Time    time.Time `json:"time"`
	move
}

// readMoves returns the moves in the log of a child.
func readMoves(dir, name string) ([]line, error) {
	file, err := os.Open(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []line
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("reading the log of %s: %w: %s", name, err, lines.Bytes())
		}
		if l.Message == "rung" {
			all = append(all, l)
		}
	}
	return all, lines.Err()
}

// sameMoves returns an error unless the log tells the moves that the trace
// holds, with the same reasons and figures.
func sameMoves(log []line, decided []move) error {
	var told []move
	for _, l := range log {
		told = append(told, l.move)
	}
	if !slices.EqualFunc(told, decided, move.tells) {
		return fmt.Errorf("the log tells the moves\n    %+v\nand the trace\n    %+v", told, decided)
	}
	return nil
}

// tells reports whether a move in the log is one of the trace: the same, but for
// figures of which the log has four digits.
func (m move) tells(decided move) bool {
	for _, f := range []struct{ told, exact *float64 }{
		{&m.Rate, &decided.Rate}, {&m.Load, &decided.Load}, {&m.Utilization, &decided.Utilization},
	} {
		if math.Abs(*f.told-*f.exact) > rounding*math.Abs(*f.exact) {
			return false
		}
		*f.told = *f.exact
	}
	return m == decided
}

// rounding is by how much of itself a number of four digits differs from what it
// stands for, at most: half of the last digit of 1000.
const rounding = 0.5001e-3

// tolerance is by how much the time of a log line may differ from when the rung
// changed. A message takes less than that where nothing waits.
const tolerance = time.Second

// checkReigns returns an error unless the rung of every result was in force at
// some time between when its message was written and when its result was stored.
func checkReigns(results []result, first int, log []line) error {
	for _, r := range results {
		from, to := r.Source.Timestamp.Add(-tolerance), r.stored.Add(tolerance)
		rung, found := first, false
		for _, l := range log {
			if l.Time.After(to) {
				break
			}
			// The rung of before reigned until now.
			found = found || rung == r.Rung && l.Time.After(from)
			rung = l.To
		}
		if !found && rung != r.Rung {
			return fmt.Errorf("partition %d, offset %d was answered at rung %d, which was not in force between %v and %v; the moves are\n    %+v",
				r.Source.Partition, r.Source.Offset, r.Rung, from, to, log)
		}
	}
	return nil
}

// checkStory returns an error unless the first moves lead to a cheaper rung
// because of load, and the others back to full depth because it is over.
func checkStory(up, down []move) error {
	load := func(m move) bool { return m.cheaper() && slices.Contains([]string{"load", "backlog", "age"}, m.Reason) }
	if !slices.ContainsFunc(up, load) {
		return fmt.Errorf("under load the moves were %+v, want one to a cheaper rung because of load, backlog or age", up)
	}
	if len(down) == 0 {
		return errors.New("after the load there was no move, want one back to full depth")
	}
	if last := down[len(down)-1]; last.To != 0 || last.Reason != "recovered" {
		return fmt.Errorf("after the load the moves were %+v, want the last to be one to rung 0 that says recovered", down)
	}
	return nil
}

// tell tells steps by their moves: "rung 7 → 0 (warmup) → 1 (load)".
func tell(steps []control.Step) string {
	var told strings.Builder
	fmt.Fprintf(&told, "rung %d", steps[0].Decision.Rung)
	for _, m := range moves(steps) {
		fmt.Fprintf(&told, " → %d (%s)", m.To, m.Reason)
	}
	return told.String()
}
