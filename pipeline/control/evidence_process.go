package control

// bets are the factors c of ε that a process bets on. Few changes are near one
// bet alone; together they find a risk of 1.25 ε late and one of 10 ε at once.
var bets = [...]float64{1.25, 1.5, 2, 4, 10}

// A process gathers evidence that the risk, the share of audits that disagree,
// is above ε. It holds one R ≥ 0 per bet that it is p instead, and starts at 0:
//
//	R ← (1 + R)(1 + η(D − ε)),  η = (p − ε)/(ε(1 − ε)),  p = min(cε, (1 + ε)/2)
//
// with D = 1 for an audit that disagreed and 0 for one that agreed. That is the
// detector of Shiryaev and Roberts for a bet of η, an e-detector ("E-detectors:
// A Nonparametric Framework for Sequential Change Detection", 2023): at a risk
// of ε or less R grows by at most 1 an audit on average, and above it
// exponentially. Each audit adds a bet that begins there, the 1, which owes
// nothing to the past. So no good past, however long, delays an alarm.
//
// R stays finite. An audit that agreed adds less than 1 to it; one that
// disagreed multiplies 1 + R by at most 10, and then the mean over bets is
// either below the limit or everything starts again.
type process [len(bets)]float64

// move takes one audit and returns the new mean over bets.
func (p *process) move(odds *[len(bets)]float64) float64 {
	for i := range p {
		p[i] = (1 + p[i]) * odds[i]
	}
	return p.mean()
}

func (p *process) mean() float64 {
	sum := 0.0
	for _, r := range p {
		sum += r
	}
	return sum / float64(len(p))
}

// odds hold 1 + η(D − ε) for D = 0 and 1 and every bet: (1 − p)/(1 − ε) and p/ε,
// how many times more likely the outcome of an audit is at a risk of p than of ε.
type odds [2][len(bets)]float64

func newOdds(epsilon float64) odds {
	var o odds
	for i, c := range bets {
		p := min(c*epsilon, (1+epsilon)/2)
		o[0][i] = (1 - p) / (1 - epsilon)
		o[1][i] = min(c, (1+epsilon)/2/epsilon)
	}
	return o
}
