package publish

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"sweetspot/pipeline"
)

// follow sends what s hears until the test ends, "none" where there is no
// record, and then how following ended.
func follow(t *testing.T, s *State) (heard <-chan string, ended <-chan error) {
	t.Helper()
	texts, end := make(chan string, 100), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		var last uint64
		end <- s.Follow(ctx, func(record []byte, revision uint64) {
			if revision < last {
				t.Errorf("revision %d comes after %d", revision, last)
			}
			last = revision
			if record == nil {
				texts <- "none"
				return
			}
			texts <- string(record)
		})
	})
	t.Cleanup(func() { stop(); done.Wait() })
	return texts, end
}

func await(t *testing.T, heard <-chan string, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		select {
		case got := <-heard:
			if got == want {
				return
			}
		case <-ctx.Done():
			t.Fatalf("never heard %q", want)
		}
	}
}

func set(t *testing.T, s *State, to string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := s.Update(ctx, func([]byte) []byte { return []byte(to) }); err != nil {
		t.Fatal(err)
	}
}

func TestStateReachesOtherWorkersAndOutlivesThem(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	one, two := open(t, config(h.url())), open(t, config(h.url()))
	a, b := one.State("shared", "key", slog.New(slog.DiscardHandler)), two.State("shared", "key", slog.New(slog.DiscardHandler))
	heard, _ := follow(t, b)
	await(t, heard, "none")
	set(t, a, "first")
	await(t, heard, "first")
	set(t, a, "second")
	await(t, heard, "second")

	late, _ := follow(t, open(t, config(h.url())).State("shared", "key", slog.New(slog.DiscardHandler)))
	await(t, late, "second")
	other, _ := follow(t, two.State("shared", "another", slog.New(slog.DiscardHandler)))
	await(t, other, "none")

	_, js := h.admin(t)
	kv, err := js.KeyValue(t.Context(), "shared")
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Delete(t.Context(), "key"); err != nil {
		t.Fatal(err)
	}
	await(t, heard, "none")
	await(t, late, "none")
	set(t, b, "third") // where a record was deleted there is one again
	await(t, heard, "third")
}

func TestStateIsHeardAcrossARestartOfTheServer(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	s := open(t, config(h.url())).State("shared", "key", slog.New(slog.DiscardHandler))
	heard, _ := follow(t, s)
	set(t, s, "before")
	await(t, heard, "before")
	h.stop()
	h.start(t)
	_, js := h.admin(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	kv, err := js.KeyValue(ctx, "shared")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(ctx, "key", "after"); err != nil {
		t.Fatal(err)
	}
	await(t, heard, "after")
}

// TestNoRecordIsNotMissed restarts the server: nothing was there before, so
// nothing is told to be gone.
func TestNoRecordIsNotMissed(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	var log buffer
	s := open(t, config(h.url())).State("shared", "key", slog.New(slog.NewTextHandler(&log, nil)))
	heard, _ := follow(t, s)
	await(t, heard, "none")
	h.stop()
	h.start(t)
	await(t, heard, "none") // of the new watch
	if got := log.String(); strings.Contains(got, "gone") {
		t.Errorf("the log says %s", got)
	}
}

// TestALostBucketClearsNothing loses the bucket while nobody is connected, as a
// server does whose disk is gone.
func TestALostBucketClearsNothing(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	s := open(t, config(h.url())).State("shared", "key", slog.New(slog.DiscardHandler))
	heard, _ := follow(t, s)
	await(t, heard, "none")
	set(t, s, "alarm")
	await(t, heard, "alarm")
	_, js := h.admin(t)
	if err := js.DeleteKeyValue(t.Context(), "shared"); err != nil {
		t.Fatal(err)
	}
	h.stop()
	h.start(t)
	// The worker makes the bucket anew and watches it; what is heard next is this.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for putAgain := func() error { // a server that is just back may not answer the first question
		question, over := context.WithTimeout(ctx, time.Second)
		defer over()
		kv, err := js.KeyValue(question, "shared")
		if err == nil {
			_, err = kv.PutString(question, "key", "again")
		}
		return err
	}; ; {
		err := putAgain()
		if err == nil {
			break
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
	select {
	case got := <-heard:
		if got != "again" {
			t.Errorf("heard %q, want nothing before %q", got, "again")
		}
	case <-ctx.Done():
		t.Fatal("nothing is heard any more")
	}
}

func TestUpdatesOfSeveralWorkersAllCount(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	const workers, each = 4, 10
	var all sync.WaitGroup
	for range workers {
		s := open(t, config(h.url())).State("shared", "count", slog.New(slog.DiscardHandler))
		all.Go(func() {
			for range each {
				_, err := s.Update(t.Context(), func(record []byte) []byte {
					n, _ := strconv.Atoi(string(record)) // 0 at first
					return strconv.AppendInt(nil, int64(n+1), 10)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	heard, _ := follow(t, open(t, config(h.url())).State("shared", "count", slog.New(slog.DiscardHandler)))
	await(t, heard, strconv.Itoa(workers*each))
}

func TestAnUpdateMayLeaveTheRecord(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	s := open(t, config(h.url())).State("shared", "key", slog.New(slog.DiscardHandler))
	set(t, s, "kept")
	if _, err := s.Update(t.Context(), func([]byte) []byte { return nil }); err != nil {
		t.Fatal(err)
	}
	heard, _ := follow(t, s)
	await(t, heard, "kept")
}

// TestAnUpdateIsHeardUnderItsRevision has a record made, changed, left, deleted
// and made again.
func TestAnUpdateIsHeardUnderItsRevision(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	s := open(t, config(h.url())).State("shared", "key", slog.New(slog.DiscardHandler))
	type told struct {
		record   string
		none     bool
		revision uint64
	}
	heard := make(chan told, 100)
	ctx, stop := context.WithTimeout(t.Context(), patience)
	var done sync.WaitGroup
	done.Go(func() {
		_ = s.Follow(ctx, func(record []byte, revision uint64) { heard <- told{string(record), record == nil, revision} })
	})
	t.Cleanup(func() { stop(); done.Wait() })
	next := func() told {
		t.Helper()
		select {
		case got := <-heard:
			return got
		case <-ctx.Done():
			t.Fatal("nothing is heard")
			return told{}
		}
	}
	update := func(change func([]byte) []byte) uint64 {
		t.Helper()
		revision, err := s.Update(ctx, change)
		if err != nil {
			t.Fatal(err)
		}
		return revision
	}
	put := func(text string) uint64 { return update(func([]byte) []byte { return []byte(text) }) }

	if got, want := next(), (told{none: true}); got != want {
		t.Errorf("heard %+v at first, want %+v", got, want)
	}
	last := uint64(0)
	for _, text := range []string{"one", "two", ""} {
		revision := put(text)
		if got, want := next(), (told{text, false, revision}); got != want || revision <= last {
			t.Errorf("heard %+v after revision %d, want %+v", got, last, want)
		}
		last = revision
	}
	if got := update(func([]byte) []byte { return nil }); got != last {
		t.Errorf("revision %d of a record that is left, want %d", got, last)
	}
	_, js := h.admin(t)
	kv, err := js.KeyValue(ctx, "shared")
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Delete(ctx, "key"); err != nil {
		t.Fatal(err)
	}
	gone := next()
	if !gone.none || gone.revision <= last {
		t.Errorf("heard %+v, want the end of revision %d", gone, last)
	}
	if got, want := put("again"), next(); want != (told{"again", false, got}) || got <= gone.revision {
		t.Errorf("heard %+v under revision %d, after %d", want, got, gone.revision)
	}
}

// limited starts a server whose user may publish results, ask for their stream,
// and what else is named.
func limited(t *testing.T, also ...string) *host {
	t.Helper()
	h := newHost(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "pw"},
			{Username: "worker", Password: "pw", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Allow: append(also, "sweet.>", "$JS.API.STREAM.INFO.RESULTS", "$JS.API.STREAM.NAMES")},
			}},
		}
	})
	h.user = "admin:pw@"
	h.stream(t, nil)
	h.user = "worker:pw@"
	return h
}

// TestAStateThatMayBeReadOnlySaysSo has a user who may make and watch the bucket,
// and write nothing to it.
func TestAStateThatMayBeReadOnlySaysSo(t *testing.T) {
	h := limited(t, "$JS.API.>")
	s := open(t, config(h.url())).State("shared", "key", slog.New(slog.DiscardHandler))
	heard, _ := follow(t, s)
	await(t, heard, "none")
	_, err := s.Update(t.Context(), func([]byte) []byte { return []byte("x") })
	if !errors.Is(err, pipeline.ErrNoState) || !strings.Contains(err.Error(), "$KV.shared.key") {
		t.Errorf("got %v, want %v and what is not allowed", err, pipeline.ErrNoState)
	}
}

// TestStateThatIsRefusedSaysSo has a user who may do nothing with the bucket.
func TestStateThatIsRefusedSaysSo(t *testing.T) {
	h := limited(t)
	s := open(t, config(h.url())).State("shared", "key", slog.New(slog.DiscardHandler))
	_, ended := follow(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, pipeline.ErrNoState) || !strings.Contains(err.Error(), "KV_shared") {
			t.Errorf("got %v, want %v and what is not allowed", err, pipeline.ErrNoState)
		}
	case <-ctx.Done():
		t.Fatal("the refusal is never told")
	}
}
