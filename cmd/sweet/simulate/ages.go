package simulate

import (
	"math"
	"math/bits"
	"time"
)

// detail is how many buckets there are between an age and its double.
const detail = 256

// Ages counts ages in buckets, each to within 1/256 of itself.
type Ages struct {
	counts [(64 - 8) * detail]int64
	n      int64
	sum    float64 // seconds
}

func (a *Ages) add(age time.Duration) {
	a.counts[bucket(age)]++
	a.n++
	a.sum += age.Seconds()
}

// bucket returns the place of an age: itself below 256 ns, then the exponent
// and the eight bits behind the highest.
func bucket(age time.Duration) int {
	v := uint64(max(age, 0))
	exponent := bits.Len64(v)
	if exponent <= 8 {
		return int(v)
	}
	shift := exponent - 9
	return (shift+1)*detail + int(v>>shift) - detail
}

// least returns the shortest age of a bucket.
func least(bucket int) time.Duration {
	if bucket < detail {
		return time.Duration(bucket)
	}
	shift := bucket/detail - 1
	return time.Duration(bucket%detail+detail) << shift
}

// Quantile returns the age that a share p of the messages are at most as old
// as, to within 1/256; 0 where there are no messages.
func (a *Ages) Quantile(p float64) time.Duration {
	rank := int64(math.Ceil(p * float64(a.n)))
	var seen int64
	for i, n := range a.counts[:] {
		seen += n
		if n > 0 && seen >= rank {
			return (least(i) + least(i+1)) / 2
		}
	}
	return 0
}

// Mean returns the mean age; 0 where there are no messages.
func (a *Ages) Mean() time.Duration {
	if a.n == 0 {
		return 0
	}
	return time.Duration(a.sum / float64(a.n) * float64(time.Second))
}

// merge adds the ages of b.
func (a *Ages) merge(b *Ages) {
	for i, n := range b.counts[:] {
		a.counts[i] += n
	}
	a.n += b.n
	a.sum += b.sum
}
