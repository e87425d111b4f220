// Package simulate runs workers in virtual time: how old messages get, how deep
// they are thought about and how many replicas a load needs, without a model, a
// broker or the hours that the load takes.
//
//	Load ─► arrivals ─► queue ─► schedule.Choose ─► stages ─► schedule.Next ─► exits ─► ages, layers
//	                                │ rung                                       │
//	                                └───── control.Controller ◄───── Reading ◄───┘
//
// What decides is the worker's own code: packages schedule and control. What is
// simulated is what is around it: messages arrive as a Poisson process whose
// rate a [Load] tells, a run of a stage takes the time that a [Cost] says, and a
// message leaves by the shares of the ladder. Everything is drawn from a seed,
// so the same call gives the same figures.
//
// # What is not simulated
//
//   - Kafka and NATS, other than by a fixed time to publish. Nothing stalls,
//     no partition moves, and replicas share the load evenly.
//   - The tokenizer and the clients, which in a worker run on the same cores as
//     the model on a CPU. A cost model is measured without them.
//   - What a text is about. Whether a message stays after a stage depends on one
//     number drawn for it, in the shares that calibration measured. So a load
//     whose texts get harder as it rises is not in here, nor is drift: no alarm
//     ever takes a rung away.
package simulate
