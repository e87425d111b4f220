package main

import "github.com/mmcloughlin/avo/operand"

// spin writes the wait of the thread pool.
func spin(p *program) {
	p.text("pause", "func(n int)", "pause executes n PAUSE instructions, n above 0: a short wait that leaves the core to its sibling.")
	n := p.integer("n")
	p.Label("loop")
	p.PAUSE()
	p.DECQ(n)
	p.JNZ(operand.LabelRef("loop"))
	p.RET()
}
