package pipeline

import (
	"context"
	"time"
)

// A Message is one record on its way from the source to its result.
//
// A message is settled, with Settle, when it is safe to forget: its result is
// durable downstream, or it is durably set aside as a dead letter, or it asks
// for no result at all. One that is not settled when Run returns is read again
// by whoever owns its partition next. Messages are never split or joined, so
// the acknowledgement lives on the message itself.
type Message struct {
	ID      string // Nats-Msg-Id of its result; empty until the source knows the cluster
	Origin  Origin
	Key     []byte
	Value   []byte // nil for a tombstone
	Headers []Header
	Defect  *Defect // what keeps the source from reading it; nil for nearly all

	settle func() bool
}

// Origin says where a message was read.
type Origin struct {
	Cluster   string
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time // the record's timestamp; zero or Unix −1 ms where it has none
}

// timed reports whether the record has a timestamp.
func (o Origin) timed() bool { return !o.Time.IsZero() && o.Time.UnixMilli() != -1 }

// A Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// A Defect is why a source could not read a record as it was written. It becomes
// a dead letter with what the source has of it.
type Defect struct {
	Reason Reason
	Err    error // for people; without the text
}

// NewMessage returns m with settle as what Settle calls, from any goroutine.
// settle reports whether the message still belonged to this worker.
func NewMessage(m Message, settle func() bool) *Message {
	m.settle = settle
	return &m
}

// Settle marks m as safe to forget. It is called at most once. It reports false
// where the message no longer belonged to this worker (its partition was
// revoked and counted it as abandoned), so that it is not counted twice.
func (m *Message) Settle() bool { return m.settle() }

// Size is the number of bytes m counts towards the bound on bytes in flight.
func (m *Message) Size() int {
	n := len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// A Tier is how a message wants to be treated under load.
type Tier string

// The tiers.
const (
	Strict     Tier = "strict"      // always full depth
	Standard   Tier = "standard"    // the default
	BestEffort Tier = "best-effort" // uses the cheapest usable rung
)

// TierHeader is the header of a message that names its tier.
const TierHeader = "sweet-tier"

// Known reports whether t is one of the tiers.
func (t Tier) Known() bool {
	switch t {
	case Strict, Standard, BestEffort:
		return true
	}
	return false
}

// A Source supplies messages and sets poison messages aside.
// [sweetspot/consumer.Kafka] is the one that ships.
type Source interface {
	// Fetch blocks until there is at least one message, and returns ctx's cause
	// when ctx ends. Any other error ends the intake: the pipeline settles what
	// it has and returns the error. Not calling Fetch is how it pushes back. The
	// source bounds what is unsettled by itself: Fetch blocks while too much is.
	Fetch(ctx context.Context) ([]*Message, error)
	// Backlog reports what is waiting upstream.
	Backlog() Backlog
}

// Backlog is what a source has not handed out or not seen settled yet.
type Backlog struct {
	Messages int64     // records that are not settled, whatever is committed
	Oldest   time.Time // record time of the oldest unsettled message; zero where there is none

	// Arrived is by how many records the logs have grown, as far as is known and
	// may be read, since what Epoch counts began: another set of partitions makes another
	// epoch, so what they hold already is not taken for what arrives.
	Arrived int64
	Heard   time.Time // when the end was heard of the log from which none was heard for longest; zero before all have been
	Epoch   int64
	Stalled bool // nothing can be read now, from any partition
}

// DeadLetters keeps messages that can never be classified.
type DeadLetters interface {
	// Write returns when every letter is durable. If only some are, the error
	// is a [*PartialError].
	Write(ctx context.Context, letters []DeadLetter) error
}

// A DeadLetter is a poison message with what is wrong with it.
type DeadLetter struct {
	Message *Message
	Reason  Reason
	Err     error // the detail, for people
}

// A Reason says why a message is a dead letter.
type Reason string

// The reasons.
const (
	Empty       Reason = "empty"        // no text, or blank
	InvalidUTF8 Reason = "invalid_utf8" // the text is not UTF-8
	InvalidJSON Reason = "invalid_json" // SWEET_INPUT=json and the value is not JSON
	MissingText Reason = "missing_text" // the JSON has no text at the configured path
	TooLarge    Reason = "too_large"    // more than SWEET_MAX_MESSAGE_BYTES, or than can be held
	TooLong     Reason = "too_long"     // more tokens than fit, and SWEET_TRUNCATE=reject
	BadHeader   Reason = "bad_header"   // sweet-tier is no tier
	Shed        Reason = "shed"         // of the tier best-effort, under SWEET_OVERLOAD=shed; nothing is wrong with it

	// ModelPanic: the model panics on the text, and does not on others.
	ModelPanic Reason = "model_panic"
	// CorruptBatch: the source cannot read a part of its log. The letter's value is
	// that part, and no text.
	CorruptBatch Reason = "corrupt_batch"

	// ResultTooLarge: the result, with the headers it carries over, is more than
	// the server or the stream takes.
	ResultTooLarge Reason = "result_too_large"
	// ResultRefused: the result cannot be published for any other reason.
	ResultRefused Reason = "result_refused"
)

// Known reports whether r is one of the reasons.
func (r Reason) Known() bool {
	switch r {
	case Empty, InvalidUTF8, InvalidJSON, MissingText, TooLarge, TooLong, BadHeader, Shed, ModelPanic, CorruptBatch, ResultTooLarge, ResultRefused:
		return true
	}
	return false
}

// A Publisher makes results durable downstream. [sweetspot/pipeline/publish.JetStream]
// is the one that ships.
type Publisher interface {
	// Publish returns when every result is durable. If only some are, the error
	// is a [*PartialError]; after any other error none may be. It sets Duplicate
	// of the results that an earlier attempt had made durable. Several calls may
	// be under way at once. Publishing a result again is safe.
	Publish(ctx context.Context, results []Result) error
}
