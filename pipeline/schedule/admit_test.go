package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sweetspot/pipeline/schedule"
)

// waits returns a row that came so many milliseconds before now.
func waits(now time.Time, tokens, ms int) schedule.Row {
	return schedule.Row{Tokens: tokens, Came: now.Add(-time.Duration(ms) * time.Millisecond)}
}

// TestChoose has a pass of 40 ms and a budget of 100 tokens.
func TestChoose(t *testing.T) {
	now := time.Unix(1000, 0)
	w := func(tokens, ms int) schedule.Row { return waits(now, tokens, ms) }
	best := func(r schedule.Row) schedule.Row {
		r.BestEffort = true
		return r
	}
	until := func(r schedule.Row, ms int) schedule.Row {
		r.Deadline = now.Add(time.Duration(ms) * time.Millisecond)
		return r
	}
	for _, tt := range []struct {
		name string
		rows []schedule.Row
		want []int
	}{
		{"nothing waits", nil, []int{}},
		{"all that fit, as they came", []schedule.Row{w(50, 3), w(20, 2), w(30, 1)}, []int{0, 1, 2}},
		{"the shortest", []schedule.Row{w(60, 3), w(50, 3), w(20, 2), w(30, 1), w(45, 0)}, []int{2, 3, 4}},
		{"of equal length those that came first", []schedule.Row{w(50, 3), w(50, 3), w(50, 1)}, []int{0, 1}},
		{"one that has waited a pass goes first", []schedule.Row{w(60, 40), w(50, 39), w(20, 2), w(30, 1)}, []int{0, 2}},
		{"the one that has waited longest is at the front", []schedule.Row{w(60, 41), w(60, 42), w(20, 2), w(30, 1)}, []int{1, 2}},
		{"shorter rows fill what a due one does not fit", []schedule.Row{w(70, 50), w(60, 45), w(25, 41), w(5, 0)}, []int{0, 2, 3}},
		{"best-effort rows last, however short", []schedule.Row{best(w(5, 39)), w(60, 3), w(40, 1)}, []int{2, 1}},
		{"best-effort rows among themselves by length", []schedule.Row{best(w(60, 9)), best(w(20, 2)), w(60, 3)}, []int{2, 1}},
		{"a best-effort row is due after four passes", []schedule.Row{best(w(80, 160)), best(w(30, 159)), w(20, 3), w(60, 1)}, []int{0, 2}},
		{"a near deadline goes first", []schedule.Row{w(50, 30), w(50, 3), until(w(80, 0), 40)}, []int{2}},
		{"also before rows that are due", []schedule.Row{w(50, 100), w(50, 50), until(w(80, 0), 40)}, []int{2}},
		{"and where the row is best-effort", []schedule.Row{w(50, 30), w(60, 3), best(until(w(80, 0), 40))}, []int{2}},
		{"but not before one that came six passes earlier", []schedule.Row{w(50, 240), w(60, 50), until(w(80, 0), 1)}, []int{0}},
		{"the nearest deadline first", []schedule.Row{until(w(60, 3), 30), until(w(60, 2), 20), w(50, 1)}, []int{1}},
		{"a far deadline hurries nobody", []schedule.Row{until(w(60, 3), 500), w(50, 2), w(30, 1)}, []int{2, 1}},
		{"nor does one that has passed", []schedule.Row{until(w(60, 3), 0), until(w(70, 3), -5), w(50, 2), w(30, 1)}, []int{3, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := schedule.Choose(schedule.Admission{Now: now, Budget: 100, Pass: 40 * time.Millisecond, Rows: tt.rows})
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestWhileCostsAreUnknownRowsGoAsTheyCame has no pass to wait for.
func TestWhileCostsAreUnknownRowsGoAsTheyCame(t *testing.T) {
	now := time.Unix(1000, 0)
	rows := []schedule.Row{waits(now, 60, 3), waits(now, 30, 2), waits(now, 5, 1), waits(now, 10, 0)}
	rows[0].BestEffort = true
	rows[3].Deadline = now.Add(time.Millisecond)
	got := schedule.Choose(schedule.Admission{Now: now, Budget: 100, Rows: rows})
	if want := []int{0, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestNothingLateTakesARowsRoom holds Choose against what it promises of any
// window, and against what must be true of any run.
func TestNothingLateTakesARowsRoom(t *testing.T) {
	now := time.Unix(1000, 0)
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 3))
		a := schedule.Admission{Now: now, Budget: 100, Pass: 10 * time.Millisecond}
		for range 1 + r.IntN(30) {
			row := waits(now, 1+r.IntN(100), r.IntN(200))
			row.BestEffort = r.IntN(3) == 0
			if r.IntN(2) == 0 {
				row.Deadline = now.Add(time.Duration(r.IntN(60)-20) * time.Millisecond)
			}
			a.Rows = append(a.Rows, row)
		}
		if fault := faultOf(a, schedule.Choose(a)); fault != "" {
			t.Errorf("seed %d: %s", seed, fault)
		}
	}
}

// faultOf says what is wrong with a choice.
func faultOf(a schedule.Admission, chosen []int) string {
	tokens := make([]int, 0, len(chosen)) // of each chosen row and those before it
	sum := 0
	for _, i := range chosen {
		tokens = append(tokens, sum+a.Rows[i].Tokens)
		sum += a.Rows[i].Tokens
	}
	if sum == 0 || sum > a.Budget {
		return fmt.Sprintf("a run of %d tokens", sum)
	}
	for i, left := range a.Rows {
		if slices.Contains(chosen, i) {
			continue
		}
		if left.Tokens <= a.Budget-sum {
			return fmt.Sprintf("row %d of %d tokens would have fit, too", i, left.Tokens)
		}
		passes := 6 * a.Pass
		if left.BestEffort {
			passes = 9 * a.Pass
		}
		for k, j := range chosen {
			if late := a.Rows[j].Came.Sub(left.Came); late > passes && tokens[k] <= a.Budget-left.Tokens {
				return fmt.Sprintf("row %d came %v before row %d, which took its room", i, late, j)
			}
		}
	}
	return ""
}

// TestShortRowsFirstAnswerMoreInTheSameTime compares the mean wait for admission
// with that in the order in which rows came, which is what rows of no pass get,
// under a load that is more than the device answers for a while.
func TestShortRowsFirstAnswerMoreInTheSameTime(t *testing.T) {
	wait := func(pass time.Duration) (mean time.Duration) {
		r := rand.New(rand.NewPCG(10, 10))
		now, n := time.Unix(0, 0), 0
		var rows []schedule.Row
		for burst := range 400 {
			if burst%20 == 0 {
				for range 60 {
					rows = append(rows, schedule.Row{Tokens: 1 + int(20*r.ExpFloat64())%100, Came: now})
				}
			}
			chosen := schedule.Choose(schedule.Admission{Now: now, Budget: 200, Pass: pass, Rows: rows})
			for _, i := range chosen {
				mean += now.Sub(rows[i].Came)
				rows[i].Tokens = 0
				n++
			}
			rows = slices.DeleteFunc(rows, func(r schedule.Row) bool { return r.Tokens == 0 })
			now = now.Add(10 * time.Millisecond)
		}
		return mean / time.Duration(n)
	}
	if short, came := wait(40*time.Millisecond), wait(0); short > came*9/10 {
		t.Errorf("rows wait %v on average, in the order in which they came %v", short, came)
	} else {
		t.Logf("rows wait %v on average, in the order in which they came %v", short, came)
	}
}

// BenchmarkChoose has as many rows in the window as a fetch brings on top of two
// budgets, none of which is due.
func BenchmarkChoose(b *testing.B) {
	r := rand.New(rand.NewPCG(11, 11))
	now := time.Unix(1000, 0)
	a := schedule.Admission{Now: now, Budget: 2048, Pass: time.Second}
	for range 480 {
		a.Rows = append(a.Rows, waits(now, 10+r.IntN(16), r.IntN(20)))
	}
	b.ReportAllocs()
	chosen := 0
	for b.Loop() {
		chosen += len(schedule.Choose(a))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(chosen), "ns/row")
}
