package control_test

import (
	"fmt"
	"time"

	"sweetspot/pipeline/control"
)

// A worker settles 1,000 messages a second at full depth. First 500 arrive every
// second and then, from the third second on, 1,800.
func ExampleController() {
	c, err := control.New(control.Config{
		TargetAge: time.Second, ControlEvery: 250 * time.Millisecond, Overload: control.Wait,
	}, [][]float64{{1, 1}, {1, 0.1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var arrived, settled int64
	rung := -1
	for at := 250 * time.Millisecond; at <= 6*time.Second; at += 250 * time.Millisecond {
		arrived += 125
		if at > 3*time.Second {
			arrived += 325
		}
		settled = min(arrived, settled+250)
		if rung == 1 {
			settled = arrived
		}
		d := c.Step(control.Reading{
			At: at, Arrived: arrived, Heard: at, Settled: settled, Backlog: arrived - settled,
			Costs: []float64{0.0005, 0.0005}, Usable: 1,
		})
		if d.Rung != rung {
			fmt.Printf("%v: rung %d, %s\n", at, d.Rung, d.Reason)
			rung = d.Rung
		}
	}
	// Output:
	// 250ms: rung 1, warmup
	// 1.25s: rung 0, warmup
	// 3.75s: rung 1, load
}
