// Package plumbing measures what the worker takes of a machine for itself: all of
// it but the model, from Kafka to JetStream. A worker whose encoder answers at
// once ([Instant]) and a bare loop of the same client libraries, [Bare], which
// does what any program in their place would have to do, answer the same topic in
// turn.
//
// It measures; it promises nothing, decides nothing and prints nothing.
package plumbing
