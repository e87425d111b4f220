package simulate

import (
	"context"
	"slices"
	"time"

	"sweetspot/pipeline/schedule"
)

// A replica is one worker in virtual time. It goes from event to event: a run
// that ends, a message that arrives where nothing else is to do, and in between
// the controller's readings.
type replica struct {
	// What does not change.
	lines    []schedule.Line
	reach    [][]float64 // (rungs, stages+1), the last column 0
	depths   []int       // (stages) layers of a message that leaves after each
	budget   int         // tokens of a run at most
	depth    int         // batches that the device holds at most
	pass     time.Duration
	every    time.Duration // between two readings
	target   time.Duration
	lag      time.Duration // from an answer until it is durable
	shares   Shares
	rule     rule
	grouping Grouping

	source source
	ahead  message // of the source, the next
	more   bool    // there is one

	now     time.Duration
	reading time.Duration // when the next one is taken
	choice  choice
	lottery lottery

	kafka  ring      // messages that have arrived and not been taken in
	window []message // taken in and waiting to be admitted
	queued int       // their tokens
	stages []stage
	flight []*bin        // batches on the device, the one queued first at the front
	freed  time.Duration // when the device ended its last run
	done   []publication // answers that are not durable yet, oldest first

	rows  []schedule.Row   // what Choose is told, used again
	view  []schedule.Stage // what Next is told, used again
	taken []bool           // of the window, used again
	costs []float64        // of the reading, used again

	arrived, durable int64
	traffic          traffic
	result           Result
	second           second
	observe          func(m *message, exit int) // called with every answer; nil but in a trace
}

// A stage is what waits at one stage of the model, and the bins that are free.
type stage struct {
	waiting []*bin // the one to run next at the front, the one being filled at the end; unused for the first stage
	free    []*bin
}

// A bin is a batch.
type bin struct {
	stage  int
	rows   []message
	tokens int
	queued time.Duration // on the device
}

// A publication is answers under way to the server.
type publication struct {
	at     time.Duration // durable
	n      int64
	oldest time.Duration // arrival
}

// window is how many budgets of rows are taken in while they come faster than
// they are admitted, as in the pipeline.
const window = 2

// newReplica returns a replica that takes a share of the load. Stream tells the
// chance of replicas with the same seed apart.
func newReplica(w *Worker, load *Load, share float64, stream uint64, a *Alternative) (*replica, error) {
	rule, err := a.rule(&stand{w, load, share, stream})
	if err != nil {
		return nil, err
	}
	n := len(w.Cost.Stages)
	r := &replica{
		lines: w.Cost.lines(), budget: w.Cost.BatchTokens, depth: w.Cost.Depth,
		every: w.Control.ControlEvery, target: w.Control.TargetAge, lag: w.Publish, shares: w.Shares,
		rule: rule, grouping: a.Grouping, source: newArrivals(load, share, w.Cost.lengths(), w.Shares, w.Seed, stream),
		lottery: newLottery(w.Seed, stream),
		stages:  make([]stage, n), view: make([]schedule.Stage, n), costs: make([]float64, n),
		traffic: newTraffic(n),
	}
	for _, s := range w.Cost.Stages {
		r.depths = append(r.depths, s.Layers)
	}
	for _, shares := range a.reach(w) {
		r.reach = append(r.reach, append(slices.Clone(shares), 0))
	}
	r.pass = pass(r.lines, r.budget)
	r.result.Admitted = make([]int64, len(r.reach))
	r.result.Exits = make([]int64, n)
	return r, nil
}

// run runs the load to its end, and until every message has its answer.
func (r *replica) run(ctx context.Context) error {
	r.ahead, r.more = r.source.next()
	r.control()
	for {
		r.takeIn()
		worked := false
		switch r.grouping {
		case Regrouped:
			worked = r.step()
		case Apart, Single:
			worked = r.straight()
		}
		switch {
		case worked:
		case r.more:
			r.advance(r.ahead.at)
		default:
			r.finish()
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// finish lets the last answers become durable.
func (r *replica) finish() {
	if n := len(r.done); n > 0 {
		r.advance(r.done[n-1].at)
	}
	if r.second.ages.n > 0 || r.second.arrived > 0 {
		r.result.Series = append(r.result.Series, r.second.close(r))
	}
	r.result.Span = r.now
}

// advance lets time pass. What happens in between are arrivals, answers that
// become durable, readings, and seconds that end.
func (r *replica) advance(to time.Duration) {
	for r.reading <= to || r.second.ends() <= to {
		if r.second.ends() <= r.reading {
			r.elapse(r.second.ends())
			r.result.Series = append(r.result.Series, r.second.close(r))
			continue
		}
		r.elapse(r.reading)
		r.control()
	}
	r.elapse(to)
}

// elapse moves the clock by a time in which nobody looks.
func (r *replica) elapse(to time.Duration) {
	r.now = to
	for r.more && r.ahead.at <= to {
		r.kafka.push(r.ahead)
		r.arrived++
		r.second.arrived++
		r.ahead, r.more = r.source.next()
	}
	n := 0
	for n < len(r.done) && r.done[n].at <= to {
		r.durable += r.done[n].n
		n++
	}
	r.done = slices.Delete(r.done, 0, n)
}

// control takes a reading and obeys the rule.
func (r *replica) control() {
	reading := r.read()
	c := r.rule.choose(&reading)
	if r.choice.begun && c.rung != r.choice.rung {
		r.result.Moves++
	}
	r.choice = c
	r.reading += r.every
}

// oldest is when the oldest message arrived that is not durable.
func (r *replica) oldest() time.Duration {
	oldest := r.now
	if r.kafka.n > 0 {
		oldest = min(oldest, r.kafka.front().at)
	}
	for _, p := range r.done {
		oldest = min(oldest, p.oldest)
	}
	oldest = min(oldest, eldest(r.window, oldest))
	for _, b := range r.flight {
		oldest = eldest(b.rows, oldest)
	}
	for i := range r.stages {
		for _, b := range r.stages[i].waiting {
			oldest = eldest(b.rows, oldest)
		}
	}
	return oldest
}

// eldest returns the earlier of a time and the arrival of the oldest row without
// an answer.
func eldest(rows []message, than time.Duration) time.Duration {
	for i := range rows {
		if m := &rows[i]; !m.settled {
			than = min(than, m.at)
		}
	}
	return than
}

// takeIn takes messages in until there are enough to choose from. What the rule
// sheds goes to the dead letters.
func (r *replica) takeIn() {
	for r.queued < window*r.budget && r.kafka.n > 0 {
		m := r.kafka.pop()
		r.traffic.count(&m)
		if m.tier == bestEffort && r.choice.shed {
			r.result.Shed++
			r.publish(1, m.at)
			continue
		}
		m.came = r.now
		r.window = append(r.window, m)
		r.queued += int(m.tokens)
	}
}

// admit fills b with the rows whose turn it is, and gives them their rung.
func (r *replica) admit(b *bin) {
	a := schedule.Admission{Now: instant(r.now), Budget: r.budget, Pass: r.pass, Rows: r.rows[:0]}
	for i := range r.window {
		m := &r.window[i]
		a.Rows = append(a.Rows, schedule.Row{Tokens: int(m.tokens), Came: instant(m.came), BestEffort: m.tier == bestEffort})
	}
	r.rows = a.Rows
	r.taken = append(r.taken[:0], make([]bool, len(r.window))...)
	for _, i := range schedule.Choose(a) {
		r.taken[i] = true
		r.enter(b, r.window[i])
	}
	left := r.window[:0]
	for i, m := range r.window {
		if !r.taken[i] {
			left = append(left, m)
		}
	}
	r.window = left
}

// instant is a time of the simulation as package schedule has it.
func instant(t time.Duration) time.Time { return time.Unix(0, int64(t)) }

// enter puts a message of the window into b, under its rung.
func (r *replica) enter(b *bin, m message) {
	rung := r.choice.rung
	switch m.tier {
	case strict:
		rung = 0
	case bestEffort:
		rung = r.choice.bestEffort
	case standard:
		if r.choice.mix > 0 && r.lottery.wins(r.choice.mix) {
			rung++
		}
	}
	m.rung = uint8(rung)
	r.result.Admitted[rung]++
	r.queued -= int(m.tokens)
	b.put(m)
}

func (b *bin) put(m message) {
	b.rows = append(b.rows, m)
	b.tokens += int(m.tokens)
}

// measure notes that b is run.
func (r *replica) measure(b *bin) {
	r.traffic.run(b)
	r.result.Layers += int64(len(b.rows)) * int64(r.layers(b.stage))
}

// layers returns how many layers stage i has.
func (r *replica) layers(i int) int {
	if i == 0 {
		return r.depths[0]
	}
	return r.depths[i] - r.depths[i-1]
}

// split answers the rows of b whose way ends after its stage, now, and moves
// those that stay to the front of b.
func (r *replica) split(b *bin) {
	stay := b.rows[:0]
	b.tokens = 0
	answers, oldest := int64(0), r.now
	for i := range b.rows {
		m := b.rows[i]
		if !m.settled && m.draw >= r.reach[m.rung][b.stage+1] {
			answers++
			oldest = min(oldest, m.at)
			r.answer(&m, b.stage)
		}
		if !m.settled || m.audited && b.stage+1 < len(r.stages) {
			m.came = r.now
			stay = append(stay, m)
			b.tokens += int(m.tokens)
		}
	}
	b.rows = stay
	if answers > 0 {
		r.publish(answers, oldest)
	}
}

// answer counts the answer of m after stage i.
func (r *replica) answer(m *message, i int) {
	m.settled = true
	age := r.now + r.lag - m.at
	r.result.Ages.add(age)
	r.result.Exits[i]++
	if age > r.target {
		r.result.Late++
	}
	r.second.answer(age, r.depths[i])
	if r.observe != nil {
		r.observe(m, i)
	}
}

// publish hands answers to the server.
func (r *replica) publish(n int64, oldest time.Duration) {
	if r.lag == 0 {
		r.durable += n
		return
	}
	r.done = append(r.done, publication{at: r.now + r.lag, n: n, oldest: oldest})
}
