// Package control decides how deep the model has to think, and watches that it
// does not think too little.
//
// It has two halves. The budget controller is told what the worker measured and
// answers with the rung of the ladder that rows are admitted under from now on,
// and why:
//
//	end offsets, backlog, age, stage costs ─► Reading ─► Step ─► Decision: rung, reason, saturated, shed
//
// The accuracy evidence is told, of a random few rows that run to the end,
// whether the answer that was published agrees with full depth's. It withdraws
// the rungs that agree too seldom. What it leaves is the highest usable rung,
// and the controller never goes beyond that: how late the worker is has no say
// in how wrong it may be.
//
// Both are pure. They start no goroutine, read no clock, write no log and know
// neither Kafka, NATS, model nor metrics. The same readings give the same
// decisions bit for bit, so a decision that surprised somebody can be played
// again from a trace ([Recorder], [Replay]).
//
// # How the rung is chosen
//
// A message costs Σ r_i(k)·c_i seconds at rung k, where c_i is what stage i
// takes for a message and r_i(k) the share of messages that run it. The load is
//
//	Load = (λ + drain)·(1 + u)   messages per second
//
// with the arrival rate λ, what has to be drained, and a correction u in [0, 1].
// The rung wanted is the lowest, that is the deepest, with
// Load·Σ r_i(k)·c_i ≤ 0.92. This is feed-forward: it acts before anything is
// late. The correction is feedback, a PI step on the delay as in PIE (RFC 8033):
// it makes good what the costs do not know, such as a neighbor on the same
// cores.
//
// The wanted rung is not always taken. A cheaper one is taken at once where the
// rung in force cannot carry the load or messages get late, else once in half a
// minute; of a target age beyond 15 s a part is spent first. A deeper one is taken
// where it would have carried the load with room to spare: of the last ten seconds
// if the load has clearly fallen and falls no more, at most once a minute, else of
// the last minute. A load that a rung fell behind although it should have carried
// it is tried again after one minute, then two, four and so on (see the type
// failure).
//
// # What is not obvious
//
//   - λ is the growth of the end offsets. What is fetched or settled is not: it
//     is what the worker can do, and under overload it shows no more than that.
//   - When partitions are assigned, the sum of their end offsets jumps by all that
//     they ever held. So every assignment is an epoch, and λ is never taken across
//     two.
//   - λ reacts within a second to a rise and within five to a fall. A rise counts
//     when two half seconds in a row show it beyond what chance explains, so that
//     a producer's batch is not one.
//   - What is on its way through the pipeline counts as backlog too. What arrives
//     in half a target age is therefore left out of the drain. Otherwise every
//     worker would look busier than it is, and deeper rungs, where rows stay
//     longer, busier than cheap ones.
//   - The age of the oldest message says nothing on a topic that is played again,
//     where every message is old. The delay is the age or the time that the
//     backlog takes at the present rate, whichever is less.
//   - While Kafka or NATS stalls, everything gets late and no rung helps. The
//     controller holds what it has, and what it has learned, until that ends.
//   - The waits above are sums of the steps that were decided on. A clock that
//     leaps ends none of them, and neither does a stall.
//   - Products are rounded before they are added. A processor that fuses the two
//     would give other bits, and a trace of one machine would not play on another.
package control
