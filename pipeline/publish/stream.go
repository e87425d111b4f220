package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sweetspot/config/access"
)

// askAgain is the wait before a server that does not answer is asked again.
const askAgain = time.Second

// checkStream makes sure that results can become durable: the stream is there,
// can be published to, acknowledges, and takes every subject that results have.
// A server that does not answer is asked until ctx ends.
func (j *JetStream) checkStream(ctx context.Context, log *slog.Logger) error {
	for {
		info, err := j.askForStream(ctx)
		if err == nil {
			return j.judge(ctx, info, log)
		}
		if final, why := explain(err); final || ctx.Err() != nil {
			return fmt.Errorf("SWEET_NATS_STREAM=%s: %w", j.cfg.Stream, why)
		}
		log.WarnContext(ctx, "asking about the stream again", slog.String("stream", j.cfg.Stream), slog.Any("error", err))
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
		}
	}
}

// askForStream is findStream, and says at once where the user may not ask.
func (j *JetStream) askForStream(ctx context.Context) (*jetstream.StreamInfo, error) {
	asking, _, end := j.refusals.during(ctx, ".STREAM.INFO."+j.cfg.Stream, ".STREAM.CREATE."+j.cfg.Stream, "_INBOX.")
	defer end()
	info, err := j.findStream(asking)
	if refusal := context.Cause(asking); err != nil && errors.Is(refusal, nats.ErrPermissionViolation) {
		err = explainViolation(refusal)
	}
	return info, err
}

// findStream returns the stream, which it creates if it is missing and may be.
func (j *JetStream) findStream(ctx context.Context) (*jetstream.StreamInfo, error) {
	s, err := j.js.Stream(ctx, j.cfg.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) && j.cfg.CreateStream {
		s, err = j.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: j.cfg.Stream, Description: "results of sweetspot", Subjects: []string{j.subject.filter()},
			Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew, Duplicates: j.cfg.Window,
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another worker was faster, with other settings
			s, err = j.js.Stream(ctx, j.cfg.Stream)
		}
	}
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// explain reports whether an error of the JetStream API is final, so that
// asking again is of no use, and says what to do about it.
func explain(err error) (final bool, why error) {
	api, isAPI := errors.AsType[*jetstream.APIError](err)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return true, errors.New("there is no such stream; create it, or set SWEET_NATS_CREATE_STREAM=true")
	case errors.Is(err, nats.ErrNoResponders), // nobody takes questions about streams
		errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return true, fmt.Errorf("there is no JetStream; start the server with it, or use an account that has it: %w", err)
	case access.IsFinal(err):
		return true, err
	case isAPI && api.Code >= 400 && api.Code < 500:
		return true, fmt.Errorf("the server refuses: %w", err)
	}
	return false, err
}

// judge reports what keeps the stream from taking results.
func (j *JetStream) judge(ctx context.Context, info *jetstream.StreamInfo, log *slog.Logger) error {
	var faults []error
	add := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("SWEET_NATS_STREAM=%s: "+format, append([]any{j.cfg.Stream}, args...)...))
	}
	c := info.Config
	if c.Mirror != nil {
		add("it mirrors stream %s and takes nothing else", c.Mirror.Name)
	}
	if c.Sealed {
		add("it is sealed and takes nothing more")
	}
	if c.NoAck {
		add("it does not acknowledge (no_ack), so no result would ever be known to be durable")
	}
	if missing := j.uncovered(c.Subjects); missing != "" && c.Mirror == nil {
		add("it does not take subject %s, only %s; add that subject to the stream, or change SWEET_NATS_SUBJECT=%s",
			missing, strings.Join(c.Subjects, ", "), j.cfg.Subject)
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	if c.Duplicates < j.cfg.Window {
		log.WarnContext(ctx, "the stream forgets message ids early: a result published again after its duplicate window is stored twice",
			slog.String("stream", c.Name), slog.Duration("duplicate_window", c.Duplicates), slog.Duration("wanted", j.cfg.Window))
	}
	log.InfoContext(ctx, "stream found", slog.String("stream", c.Name), slog.String("subjects", strings.Join(c.Subjects, " ")),
		slog.String("storage", c.Storage.String()), slog.Int("replicas", c.Replicas), slog.Duration("duplicate_window", c.Duplicates))
	return nil
}

// uncovered returns a subject of results that the stream does not take, or "".
// Where the subject holds the partition, several streams may share the results,
// and this one must take some of them.
func (j *JetStream) uncovered(subjects []string) string {
	takes := covers
	if j.subject.has(partitionPart) {
		takes = meets
	}
	for _, filter := range j.subject.filters(j.stamp.Topics, j.stamp.Labels) {
		taken := false
		for _, s := range subjects {
			taken = taken || takes(s, filter)
		}
		if !taken {
			return filter
		}
	}
	return ""
}
