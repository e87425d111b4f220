package control

// A Fading is the growth of a count from reading to reading, what was long ago
// counting less. Readings are made of such counts: of messages by tier, of rows,
// tokens and runs.
type Fading struct {
	last int64
	sum  float64
}

// fade is what counts of the steps before a step, where that counts 1: some
// hundred steps, half a minute by default.
const fade = 0.99

// Add takes the count as it is now and returns its faded growth.
func (f *Fading) Add(count int64) float64 {
	f.sum = fade*f.sum + float64(count-f.last)
	f.last = count
	return f.sum
}

// Ratio is the share of a in all, and 0 where there is nothing.
func Ratio(a, all float64) float64 {
	if all <= 0 {
		return 0
	}
	return a / all
}
