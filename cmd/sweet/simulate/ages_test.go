package simulate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinABucketOfTheTruth(t *testing.T) {
	chance := rand.New(rand.NewPCG(2, 2))
	var a, b Ages
	var all []time.Duration
	for i := range 20_000 {
		age := time.Duration(math.Exp(chance.NormFloat64()*3) * float64(time.Millisecond))
		all = append(all, age)
		if i%2 == 0 {
			a.add(age)
		} else {
			b.add(age)
		}
	}
	a.merge(&b)
	slices.Sort(all)
	for _, p := range []float64{0.001, 0.5, 0.9, 0.99, 1} {
		want := all[int(math.Ceil(p*float64(len(all))))-1]
		if got := a.Quantile(p); math.Abs(got.Seconds()/want.Seconds()-1) > 1.0/256 {
			t.Errorf("quantile %v: got %v, want %v", p, got, want)
		}
	}
	sum := time.Duration(0)
	for _, age := range all {
		sum += age
	}
	if got, want := a.Mean(), sum/time.Duration(len(all)); math.Abs(got.Seconds()/want.Seconds()-1) > 1e-6 {
		t.Errorf("got a mean of %v, want %v", got, want)
	}
	if got := (&Ages{}).Quantile(0.5); got != 0 {
		t.Errorf("no ages: got %v, want 0", got)
	}
}

func TestBucketsAscend(t *testing.T) {
	before := -1
	for age := time.Duration(0); age >= 0 && age < 1<<61; age += 1 + age/600 {
		i := bucket(age)
		if i != before && i != before+1 {
			t.Fatalf("age %d is in bucket %d, the one before in %d", age, i, before)
		}
		if least(i) > age || least(i+1) <= age {
			t.Fatalf("age %d is not from %d to %d", age, least(i), least(i+1))
		}
		before = i
	}
}
