package control

import "time"

// peaks holds the highest load of each of the last 60 seconds and of the second
// that is under way.
type peaks struct {
	second int64 // that is under way
	load   [61]float64
}

// add notes the load at the given time, which does not go back. Seconds from
// which nothing was noted get this load too.
func (p *peaks) add(now time.Duration, load float64) {
	second := int64(now / time.Second)
	for p.second < second {
		p.second++
		p.load[p.second%int64(len(p.load))] = load
	}
	place := second % int64(len(p.load))
	p.load[place] = max(p.load[place], load)
}

// over returns the highest load of the last seconds, at most 60, and of the one
// under way.
func (p *peaks) over(seconds int) float64 {
	var highest float64
	for back := range int64(min(seconds, len(p.load)-1)) + 1 {
		second := p.second - back
		if second < 0 {
			break
		}
		highest = max(highest, p.load[second%int64(len(p.load))])
	}
	return highest
}
