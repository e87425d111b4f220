package pipeline

import "sync/atomic"

// A choice says under which rung a row is admitted now. The controller and the
// evidence move it, the stage loop asks it.
type choice struct {
	mode   Mode
	fixed  int          // of Config.Rung
	chosen atomic.Int32 // by the controller, for standard rows
	usable atomic.Int32 // the cheapest that no alarm has withdrawn
}

// admit returns the rung of a row of the given tier.
func (c *choice) admit(t Tier) uint8 {
	usable := int(c.usable.Load())
	switch {
	case t == Strict || c.mode == Full:
		return 0
	case t == BestEffort:
		return uint8(usable)
	case c.mode == Fixed:
		return uint8(min(c.fixed, usable))
	default:
		return uint8(min(int(c.chosen.Load()), usable))
	}
}
