package schedule_test

import (
	"fmt"
	"time"

	"sweetspot/pipeline/schedule"
)

// New rows wait, and so do survivors of earlier ones at the third stage. They
// are few, but a full run of what remains to them takes 10 ms, and the first of
// them has waited 12.
func ExampleNext() {
	now := time.Now()
	line := schedule.Line{Base: 0.0005, PerToken: 0.0095 / 2048}
	step := schedule.Next(schedule.State{
		Now: now, Budget: 2048, Depth: 1,
		Stages: []schedule.Stage{
			{Tokens: 5000, Next: 2048, Cost: line},
			{Cost: line},
			{Tokens: 300, Next: 300, Oldest: now.Add(-12 * time.Millisecond), Cost: line},
		},
	})
	fmt.Println(step.Do == schedule.Run, step.Stage, step.Reason)
	// Output: true 2 due
}

// A run has 5 % of overhead from 19·Base/PerToken tokens on: on a processor that
// is a few rows, on a large device the whole budget.
func ExampleLine_Full() {
	processor := schedule.Line{Base: 30e-6, PerToken: 2.7e-6}
	device := schedule.Line{Base: 200e-6, PerToken: 0.05e-6}
	fmt.Println(processor.Full(16384), device.Full(16384))
	// Output: 212 16384
}
