package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sweetspot/pipeline"
)

// A State is one record that workers share: the value of one key of a JetStream
// key-value bucket. It implements [pipeline.State]. Its methods may be called from several goroutines.
type State struct {
	j           *JetStream
	bucket, key string
	log         *slog.Logger
}

// State returns the record under key of a bucket, which is made where it is
// missing. Bucket and key are of letters, digits, - and _.
func (j *JetStream) State(bucket, key string, log *slog.Logger) *State {
	return &State{j: j, bucket: bucket, key: key, log: log}
}

// Follow calls heard with the record as it is, and then whenever it has
// changed; nil means that there is none. Its revision is the bucket's. It returns
// when ctx ends, and before only with [pipeline.ErrNoState]. A server that does
// not answer is asked again and again.
func (s *State) Follow(ctx context.Context, heard func(record []byte, revision uint64)) error {
	there := false // a record, when it was last heard of
	for told := false; ; {
		err := s.follow(ctx, there, func(record []byte, revision uint64) {
			there = record != nil
			heard(record, revision)
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, pipeline.ErrNoState) {
			return err
		}
		if errors.Is(err, errReconnected) {
			continue
		}
		if !told {
			s.log.WarnContext(ctx, "asking for the shared state again", slog.String("bucket", s.bucket), slog.Any("error", err))
			told = true
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// errReconnected ends a watch that may have missed something. It would find out
// by itself, but only after a while.
var errReconnected = errors.New("the connection was lost and is there again")

// follow is one watch. A record that was there before and is not there now was
// lost with its bucket: who deletes one leaves a mark. What it said still holds
// then, so nothing is told.
func (s *State) follow(ctx context.Context, there bool, heard func(record []byte, revision uint64)) error {
	again := s.j.nc.StatusChanged(nats.CONNECTED)
	defer s.j.nc.RemoveStatusListener(again)
	ctx, answered, end := s.refusable(ctx)
	defer end()
	kv, err := s.open(ctx)
	if err != nil {
		return err
	}
	w, err := kv.Watch(ctx, s.key)
	if err != nil {
		return s.explain(ctx, fmt.Errorf("watching key %s: %w", s.key, err))
	}
	answered()
	defer func() { _ = w.Stop() }() // the subscription ends with the connection at the latest
	found := false
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("the watch has ended")
			case e == nil: // all that there was has been told
				switch {
				case found:
				case there:
					s.log.WarnContext(ctx, "the shared state is gone and was not deleted: what it said still holds here", slog.String("bucket", s.bucket))
				default:
					heard(nil, 0)
				}
			case e.Operation() == jetstream.KeyValuePut:
				found = true
				heard(value(e), e.Revision())
			default:
				found = true
				heard(nil, e.Revision())
			}
		case <-again:
			return errReconnected
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// value returns the record that e holds. One without a byte is there all the same.
func value(e jetstream.KeyValueEntry) []byte { return append([]byte{}, e.Value()...) }

// Update replaces the record by what change makes of it, nil being none, as if
// no other worker did so meanwhile: it asks change again where one did. Where
// change returns nil, the record stays as it is. It returns the revision of what
// it leaves.
func (s *State) Update(ctx context.Context, change func(record []byte) []byte) (uint64, error) {
	ctx, _, end := s.refusable(ctx)
	defer end()
	kv, err := s.open(ctx)
	for err == nil {
		var record []byte
		var revision uint64
		entry, getErr := kv.Get(ctx, s.key)
		switch {
		case getErr == nil:
			record, revision = value(entry), entry.Revision()
		case !errors.Is(getErr, jetstream.ErrKeyNotFound):
			return 0, s.explain(ctx, fmt.Errorf("reading key %s: %w", s.key, getErr))
		}
		changed := change(record)
		if changed == nil {
			return revision, nil
		}
		if revision == 0 {
			revision, err = kv.Create(ctx, s.key, changed)
		} else {
			revision, err = kv.Update(ctx, s.key, changed, revision)
		}
		switch {
		case err == nil:
			return revision, nil
		case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch): // somebody was faster
			err = nil
		default:
			err = s.explain(ctx, fmt.Errorf("writing key %s: %w", s.key, err))
		}
	}
	return 0, err
}

// open finds the bucket, or makes it.
func (s *State) open(ctx context.Context) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	kv, err := s.j.js.KeyValue(ctx, s.bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = s.j.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: s.bucket, Description: "what sweetspot workers share"})
		if errors.Is(err, jetstream.ErrBucketExists) { // another worker was faster, with other settings
			kv, err = s.j.js.KeyValue(ctx, s.bucket)
		}
	}
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	return kv, nil
}

// refusable returns a context for requests about the bucket's stream, its keys,
// or the account, which is asked about before a bucket is made.
func (s *State) refusable(ctx context.Context) (during context.Context, answered, end func()) {
	return s.j.refusals.during(ctx, "KV_"+s.bucket, "$KV."+s.bucket, ".API.INFO")
}

// explain says of an error whether asking again is of no use.
func (s *State) explain(ctx context.Context, err error) error {
	refusal := context.Cause(ctx)
	api, isAPI := errors.AsType[*jetstream.APIError](err)
	switch {
	case errors.Is(refusal, nats.ErrPermissionViolation):
		return fmt.Errorf("SWEET_STATE_BUCKET=%s: %w: %w", s.bucket, pipeline.ErrNoState, explainViolation(refusal))
	case isAPI && api.Code >= 400 && api.Code < 500 && api.Code != 404,
		errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("SWEET_STATE_BUCKET=%s: %w: %w", s.bucket, pipeline.ErrNoState, err)
	}
	return fmt.Errorf("bucket %s: %w", s.bucket, err)
}
