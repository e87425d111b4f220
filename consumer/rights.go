package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"sweetspot/config/access"
)

// A right is what Kafka's access control allows or denies a user: an operation
// on a resource.
type right struct{ operation, kind, name string }

func readTopic(name string) right     { return right{"READ", "topic", name} }
func writeTopic(name string) right    { return right{"WRITE", "topic", name} }
func describeTopic(name string) right { return right{"DESCRIBE", "topic", name} }
func readGroup(name string) right     { return right{"READ", "group", name} }

// missing returns the error of a right that the worker's user lacks, over err.
func (a *Access) missing(err error, r right) error {
	return &access.RefusedError{Err: err, Hint: fmt.Sprintf("%s may not %s %s %s: allow it, as with kafka-acls --add --allow-principal '%s' --operation %s --%s '%s'",
		a.who(), r.operation, r.kind, r.name, a.principal(), r.operation, r.kind, r.name)}
}

// who names the worker as its login does, for people.
func (a *Access) who() string {
	switch subject := a.Files.Subject(); {
	case a.SASL.needed():
		return "user " + a.User
	case a.TLS && subject != "":
		return "the user of certificate " + subject
	}
	return "a worker that does not log in"
}

// principal names the worker as Kafka does where nobody configured otherwise.
func (a *Access) principal() string {
	switch subject := a.Files.Subject(); {
	case a.SASL.needed():
		return "User:" + a.User
	case a.TLS && subject != "":
		return "User:" + subject
	}
	return "User:ANONYMOUS"
}

// Explain adds to an error what it means, where it says that the worker is not
// let in: by its certificate or its login. Others it returns as they are.
func (a *Access) Explain(err error) error {
	if err == nil || access.IsRefused(err) {
		return err
	}
	var hint string
	switch {
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		hint = fmt.Sprintf("the broker refuses the login of user %s: correct SWEET_KAFKA_USER or SWEET_KAFKA_PASSWORD, or create the user for SWEET_KAFKA_SASL=%s", a.User, a.SASL)
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		hint = fmt.Sprintf("the broker offers no SWEET_KAFKA_SASL=%s: use a mechanism of its sasl.enabled.mechanisms", a.SASL)
	case errors.Is(err, kafka.IllegalSASLState):
		hint = "the broker's port takes no login: use the one that does, or set SWEET_KAFKA_SASL=none"
	case strings.Contains(err.Error(), "broker appears to be expecting TLS"): // kafka-go has no error of its own for it
		hint = "the broker's port speaks TLS: set SWEET_KAFKA_TLS=true"
	case access.Hung(err):
		return &access.RefusedError{Err: err, Hint: a.hungUp(), Passing: true}
	default:
		return a.Files.Explain(err, filePrefix)
	}
	return &access.RefusedError{Err: err, Hint: hint}
}

// hungUp says what a broker may have wanted that ended a connection without a
// word. It may as well have been restarted, so this is no refusal.
func (a *Access) hungUp() string {
	var wants []string
	if !a.TLS {
		wants = append(wants, "TLS (SWEET_KAFKA_TLS=true)")
	}
	if a.SASL.needed() {
		wants = append(wants, "another login than that of user "+a.User)
	} else {
		wants = append(wants, "a login (SWEET_KAFKA_SASL)")
	}
	if a.TLS && a.Files.Cert == "" {
		wants = append(wants, "a certificate ("+filePrefix+"CERT)")
	}
	return "the broker hung up: it stops, or it wants " + strings.Join(wants, ", or ")
}

// explain is Explain for a worker that was let in, where a broker that hangs up
// is one that stops. Of the rights it names the one that an error says is missing.
func (a *Access) explain(err error, topic, group right) error {
	switch {
	case err == nil || access.IsRefused(err) || access.Hung(err):
		return err
	case errors.Is(err, kafka.TopicAuthorizationFailed):
		return a.missing(err, topic)
	case errors.Is(err, kafka.GroupAuthorizationFailed):
		return a.missing(err, group)
	}
	return a.Explain(err)
}

// lineKind is the kind of a log line about err, for the throttle: who is refused is
// told why at once, also where other trouble was told of a moment ago.
func lineKind(kind string, err error) string {
	if e, ok := errors.AsType[*access.RefusedError](err); ok {
		return kind + "/" + e.Hint
	}
	return kind
}

// ExplainWrite adds to an error of writing to a topic what it means, where it
// says that the user is not let in or may not write, or that a message is too
// large. Of a batch it tells the first message's. It is for the toolbox.
func (a *Access) ExplainWrite(err error, topic string) error {
	if each, ok := errors.AsType[kafka.WriteErrors](err); ok {
		for _, one := range each {
			if one != nil {
				err = one
				break
			}
		}
	}
	if errors.Is(err, kafka.MessageSizeTooLarge) {
		return fmt.Errorf("a message is larger than the topic's max.message.bytes: %w", err)
	}
	return a.explain(err, writeTopic(topic), right{})
}

// A rightsRequest asks for metadata of topics with what the worker's user may do
// to them. kafka-go answers its own request of this kind from a cache, without.
type rightsRequest struct {
	clientID string
	topics   []string
	version  int16 // settled per connection
}

// A rightsResponse is the answer: for each topic that there is and that may be
// seen, a bit for every operation that is allowed. A topic whose rights the
// broker does not tell is left out.
type rightsResponse struct{ allowed map[string]int32 }

// rightsSince is the version of Metadata that tells rights, from Kafka 2.3; up
// to 8 kafka-go can write it.
const rightsSince = 8

var errNoRights = errors.New("the broker does not tell rights")

// ApiKey says which of Kafka's requests this is.
func (r *rightsRequest) ApiKey() protocol.ApiKey { return protocol.Metadata } //nolint:revive,staticcheck // the interface's spelling

// ApiKey says which of Kafka's requests this answers.
func (r *rightsResponse) ApiKey() protocol.ApiKey { return protocol.Metadata } //nolint:revive,staticcheck // the interface's spelling

// Required takes the version that the connection speaks, and asks for
// RawExchange.
func (r *rightsRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[protocol.Metadata]
	return true
}

// RawExchange sends the request and reads the answer.
func (r *rightsRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < rightsSince {
		return nil, errNoRights
	}
	err := protocol.WriteRequest(rw, rightsSince, correlationID, r.clientID, &metadata.Request{
		TopicNames: r.topics, IncludeTopicAuthorizedOperations: true,
	})
	if err != nil {
		return nil, err
	}
	_, answer, err := protocol.ReadResponse(rw, protocol.Metadata, rightsSince)
	if err != nil {
		return nil, err
	}
	res, ok := answer.(*metadata.Response)
	if !ok {
		return nil, fmt.Errorf("an answer of type %T", answer)
	}
	rights := &rightsResponse{allowed: make(map[string]int32)}
	for _, t := range res.Topics {
		// Who may see a topic may do something with it: 0 is from a broker that
		// does not know.
		if told := t.TopicAuthorizedOperations; t.ErrorCode == 0 && told != 0 && told != math.MinInt32 {
			rights.allowed[t.Name] = told
		}
	}
	return rights, nil
}

// Kafka's numbers of operations, which are the bits of what is allowed.
const (
	operationRead  = 3
	operationWrite = 4
)

// rights asks what the worker's user may do to the given topics.
func (n *network) rights(ctx context.Context, topics []string) (*rightsResponse, error) {
	client := n.newClient(topics)
	defer closeIdle(client)
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	answer, err := client.Transport.RoundTrip(ctx, client.Addr, &rightsRequest{clientID: n.cfg.ClientID, topics: topics})
	if err != nil {
		return nil, fmt.Errorf("asking for rights: %w", err)
	}
	rights, ok := answer.(*rightsResponse)
	if !ok {
		return nil, fmt.Errorf("asking for rights: an answer of type %T", answer)
	}
	return rights, nil
}

// lacks reports whether the answer says that an operation on a topic is not
// allowed. One that says nothing of the topic does not.
func (r *rightsResponse) lacks(topic string, operation int) bool {
	bits, told := r.allowed[topic]
	return told && bits&(1<<operation) == 0
}

// checkRights returns what the worker's user may not do and has to: read the
// topics, and write dead letters. It finds out before the first message does.
// What cannot be found out is no error.
func (k *Kafka) checkRights(ctx context.Context, letters []string, c cluster) error {
	var faults []error
	for _, t := range k.cfg.Topics {
		if err := c.missing[t]; errors.Is(err, kafka.TopicAuthorizationFailed) {
			faults = append(faults, fmt.Errorf("SWEET_KAFKA_TOPICS: %w", k.cfg.missing(err, readTopic(t))))
		}
	}
	rights, err := k.net.rights(ctx, append(letters, k.cfg.Topics...))
	if err != nil {
		k.log.DebugContext(ctx, "rights are not known before they are needed", slog.Any("error", err))
		return errors.Join(faults...)
	}
	for _, t := range k.cfg.Topics {
		if rights.lacks(t, operationRead) {
			faults = append(faults, fmt.Errorf("SWEET_KAFKA_TOPICS: %w", k.cfg.missing(kafka.TopicAuthorizationFailed, readTopic(t))))
		}
	}
	for _, t := range letters {
		if rights.lacks(t, operationWrite) {
			faults = append(faults, fmt.Errorf("SWEET_DLQ=%s: %w", k.intake.DLQ, k.cfg.missing(kafka.TopicAuthorizationFailed, writeTopic(t))))
		}
	}
	return errors.Join(faults...)
}
