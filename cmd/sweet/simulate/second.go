package simulate

import "time"

// A Second is what one replica did in one second, for a plot.
type Second struct {
	Arrived int           // messages
	Age     time.Duration // that 99 % of the messages answered in it are at most as old as; 0 where none were
	Rung    int           // at its end
	Layers  float64       // mean of the answers of this second; 0 where there are none
}

// A second is the one under way.
type second struct {
	n       int64 // seconds before it
	arrived int
	depth   int // layers of its answers
	ages    Ages
}

func (s *second) ends() time.Duration { return time.Duration(s.n+1) * time.Second }

func (s *second) answer(age time.Duration, depth int) {
	s.ages.add(age)
	s.depth += depth
}

// close returns the second and begins the next.
func (s *second) close(r *replica) Second {
	done := Second{Arrived: s.arrived, Age: s.ages.Quantile(0.99), Rung: r.choice.rung}
	if s.ages.n > 0 {
		done.Layers = float64(s.depth) / float64(s.ages.n)
	}
	*s = second{n: s.n + 1}
	return done
}
