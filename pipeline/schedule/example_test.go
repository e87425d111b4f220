package schedule_test

import (
	"fmt"
	"time"

	"sweetspot/pipeline/schedule"
)

// New rows wait, and so do survivors of earlier ones at the third stage. They
// are few, but a run of what remains to them takes 10 ms, and the first of them
// has waited 12.
func ExampleNext() {
	now := time.Now()
	step := schedule.Next(schedule.State{
		Now: now, Budget: 2048, Depth: 1,
		Stages: []schedule.Stage{
			{Tokens: 5000, Next: 2048, Cost: 20 * time.Millisecond},
			{Cost: 20 * time.Millisecond},
			{Tokens: 300, Next: 300, Oldest: now.Add(-12 * time.Millisecond), Cost: 10 * time.Millisecond},
		},
	})
	fmt.Println(step.Do == schedule.Run, step.Stage, step.Reason)
	// Output: true 2 due
}
