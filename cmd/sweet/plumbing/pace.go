package plumbing

import (
	"context"
	"errors"
	"fmt"
	"runtime/metrics"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A Pace is how fast results came.
type Pace struct {
	PerSecond float64       // results, from the first tenth of them to the last
	CPU       time.Duration // of this process a result, in user and system mode
	Bytes     int           // of a result, mean, as the stream keeps it
	Memory    [2]uint64     // bytes that Go holds of the system, the most in the first half of the results and in the second
}

// Watch returns the pace at which a stream fills up to n results. The first tenth
// is left out: until then groups form and connections open. It ends early with
// ctx or when what fills the stream sends its error.
func Watch(ctx context.Context, js jetstream.JetStream, stream string, n int, ended <-chan error) (Pace, error) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	from, err := at(0)
	if err != nil {
		return Pace{}, err
	}
	var memory [2]uint64
	for {
		select {
		case <-look.C:
		case err := <-ended:
			return Pace{}, errors.Join(errors.New("it ended early"), err)
		case <-ctx.Done():
			return Pace{}, context.Cause(ctx)
		}
		s, err := js.Stream(ctx, stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return Pace{}, fmt.Errorf("asking for stream %s: %w", stream, err)
		}
		state := s.CachedInfo().State
		now, err := at(int(state.Msgs))
		if err != nil {
			return Pace{}, err
		}
		half := min(2*now.results/n, 1)
		memory[half] = max(memory[half], held())
		if from.results == 0 && now.results >= n/10 && now.results < n {
			from = now
		}
		if now.results >= n {
			p := now.since(from)
			p.Bytes, p.Memory = int(state.Bytes)/now.results, memory
			return p, nil
		}
	}
}

// A moment is how far things were at a time.
type moment struct {
	time    time.Time
	cpu     time.Duration
	results int
}

func at(results int) (moment, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return moment{}, fmt.Errorf("asking for the time used: %w", err)
	}
	return moment{time.Now(), time.Duration(u.Utime.Nano() + u.Stime.Nano()), results}, nil
}

func (m moment) since(from moment) Pace {
	n := m.results - from.results
	return Pace{
		PerSecond: float64(n) / m.time.Sub(from.time).Seconds(),
		CPU:       (m.cpu - from.cpu) / time.Duration(max(n, 1)),
	}
}

// held returns how many bytes Go holds of the system.
func held() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
