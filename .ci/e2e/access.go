package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// accessTexts is how many texts each check sends; one more is empty, which makes
// it a dead letter.
const accessTexts = 40

// checkAccess runs workers between servers that do not let everybody in.
func checkAccess(ctx context.Context, dir string, o options) (err error) {
	say("access: starting Kafka and NATS with TLS, logins and access control")
	l, err := startLocked(ctx, dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	if err := l.prepare(ctx); err != nil {
		return err
	}
	for _, way := range waysIn {
		if err := l.through(ctx, way); err != nil {
			return fmt.Errorf("with %s: %w", way.name, err)
		}
	}
	for _, k := range l.kept() {
		if err := l.keptOut(ctx, k); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	if err := l.losesRights(ctx); err != nil {
		return fmt.Errorf("rights that go and come back: %w", err)
	}
	if err := l.exchange(ctx); err != nil {
		return fmt.Errorf("exchange of passwords and certificates: %w", err)
	}
	return l.checkLogs()
}

func (l *locked) prepare(ctx context.Context) error {
	if err := l.giveWorker(); err != nil {
		return err
	}
	for user, password := range l.passwords {
		if err := os.WriteFile(l.path("password-"+user), []byte(password+"\n"), 0o600); err != nil {
			return err
		}
		if err := l.setPassword(ctx, user, password); err != nil {
			return err
		}
	}
	return nil
}

// needs are the rights of a worker on a topic and a group of that name.
func needs(user, name string) []grant {
	return []grant{
		{user, kafka.ACLOperationTypeRead, kafka.ResourceTypeTopic, name},
		{user, kafka.ACLOperationTypeRead, kafka.ResourceTypeGroup, name},
		{user, kafka.ACLOperationTypeWrite, kafka.ResourceTypeTopic, deadTopic(name)},
	}
}

// A wayIn is a kind of login.
type wayIn struct {
	name string
	user string // as Kafka names it
	env  func(*locked) []string
}

var waysIn = []wayIn{
	{"plain", workerUser, func(l *locked) []string { return l.login("plain", workerUser) }},
	{"scram-sha-256", workerUser, func(l *locked) []string { return l.login("scram-sha-256", workerUser) }},
	{"scram-sha-512", workerUser, func(l *locked) []string { return l.login("scram-sha-512", workerUser) }},
	{"certificate", certUser, func(l *locked) []string {
		return []string{
			"SWEET_KAFKA_BROKERS=" + l.mutual, "SWEET_KAFKA_TLS=true", "SWEET_KAFKA_TLS_CA=" + l.path("worker-ca.pem"),
			"SWEET_KAFKA_TLS_CERT=" + l.path("worker.pem"), "SWEET_KAFKA_TLS_KEY=" + l.path("worker.key"),
		}
	}},
}

// login is the environment of a user that logs in with a password over TLS.
func (l *locked) login(mechanism, user string) []string {
	return []string{
		"SWEET_KAFKA_BROKERS=" + l.logins, "SWEET_KAFKA_TLS=true", "SWEET_KAFKA_TLS_CA=" + l.path("worker-ca.pem"),
		"SWEET_KAFKA_SASL=" + mechanism, "SWEET_KAFKA_USER=" + user, "SWEET_KAFKA_PASSWORD_FILE=" + l.path("password-"+user),
	}
}

// env is that of a worker with a topic, a group and a stream of one name.
func (l *locked) env(name string, more ...string) []string {
	return append(environment(
		"SWEET_MODEL=bundled", "SWEET_MODE=full", "SWEET_DEVICE=cpu",
		"SWEET_KAFKA_TOPICS="+name, "SWEET_KAFKA_GROUP="+name, "SWEET_DLQ=kafka:"+deadTopic(name), "SWEET_KAFKA_HEARTBEAT=500ms",
		"SWEET_NATS_URL="+l.nats, "SWEET_NATS_STREAM="+name, "SWEET_NATS_SUBJECT="+name+".{topic}.{label}", "SWEET_NATS_CREATE_STREAM=true",
		"SWEET_NATS_USER=nats", "SWEET_NATS_PASSWORD_FILE="+l.path("password-nats"),
		"SWEET_NATS_TLS_CA="+l.path("worker-ca.pem"), "SWEET_NATS_TLS_CERT="+l.path("worker.pem"), "SWEET_NATS_TLS_KEY="+l.path("worker.key"),
		"SWEET_HTTP_ADDR=127.0.0.1:0", "SWEET_LOG_FORMAT=json", "SWEET_LOG_LEVEL=debug",
	), more...)
}

// A lockedRun is a worker at work between the locked servers.
type lockedRun struct {
	*running

	locked  *locked
	sent    int
	rereads bool // what it could not commit it reads again, and its dead letters come twice
}

// run creates the topics, grants a user the rights on them and starts a worker.
func (l *locked) run(ctx context.Context, name, user string, env []string) (*lockedRun, error) {
	if err := l.createTopics(ctx, name, 1); err != nil {
		return nil, err
	}
	grants := append(needs(user, name), grant{producerUser, kafka.ACLOperationTypeWrite, kafka.ResourceTypeTopic, name})
	if err := l.allow(ctx, grants...); err != nil {
		return nil, err
	}
	nc, err := l.connectNATS()
	if err != nil {
		return nil, err
	}
	r := &running{worker: worker{load: load{name: name}, mode: "access", path: filepath.Join(l.o.bin, "worker")}, nc: nc}
	run := &lockedRun{running: r, locked: l}
	if r.all, err = countResults(nc, name+".>"); err == nil {
		r.child, err = start(ctx, l.dir, r.log(), l.env(name, env...), workerReady, r.path)
	}
	var groups []string
	if err == nil {
		groups, err = r.child.ready(ctx)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	r.http = "http://" + groups[0]
	return run, nil
}

// send lets sweet produce texts as the user who may, over TLS.
func (r *lockedRun) send(ctx context.Context) error {
	s := sweet{path: filepath.Join(r.locked.o.bin, "sweet"), env: r.locked.login("scram-sha-512", producerUser)}
	texts := strings.Join(supportTexts(accessTexts), "\n") + "\n\n"
	if _, err := s.output(ctx, strings.NewReader(texts), "produce", "--topic", r.load.name); err != nil {
		return err
	}
	r.sent++
	return nil
}

// finish waits until all that was sent is answered, stops the worker, and checks
// what it leaves behind.
func (r *lockedRun) finish(ctx context.Context) error {
	if err := r.await(ctx, r.sent*accessTexts); err != nil {
		return err
	}
	if err := r.settled(ctx); err != nil {
		return err
	}
	if err := r.checkHTTP(ctx); err != nil {
		return err
	}
	for _, path := range []string{"/metrics", "/ready", "/live"} {
		body, err := r.page(ctx, path)
		if err != nil {
			return err
		}
		if secret := r.locked.shown(body); secret != "" {
			return fmt.Errorf("%s holds the secret %s", path, secret)
		}
	}
	code, err := r.child.terminate()
	if err == nil && code != 0 {
		err = fmt.Errorf("the worker's exit code after SIGTERM is %d, want 0%s", code, r.child.out.tail())
	}
	if err != nil {
		return err
	}
	letters, err := r.locked.readTopic(ctx, deadTopic(r.load.name), 1)
	if err != nil {
		return err
	}
	if len(letters) < r.sent || len(letters) > r.sent && !r.rereads {
		return fmt.Errorf("%d dead letters, want %d", len(letters), r.sent)
	}
	return nil
}

// settled waits until every message's offset is committed.
func (r *lockedRun) settled(ctx context.Context) error {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := r.locked.checkCommitted(ctx, r.load.name, r.load.name, 1)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-r.child.ended:
			return fmt.Errorf("the worker ended: %w%s", r.child.err, r.child.out.tail())
		case <-ctx.Done():
			return fmt.Errorf("%w%s", err, r.child.out.tail())
		}
	}
}

// awaitLog waits until the worker's log holds a text.
func (r *lockedRun) awaitLog(ctx context.Context, text string) error {
	return awaitLog(ctx, r.child, r.locked.path(r.log()+".log"), text)
}

func awaitLog(ctx context.Context, c *child, path, text string) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ended := false; ; {
		log, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(log), text) {
			return nil
		}
		if ended {
			return fmt.Errorf("the worker ended and never wrote %q: %w%s", text, c.err, c.out.tail())
		}
		select {
		case <-again.C:
		case <-c.ended:
			ended = true // it may have written until then
		case <-ctx.Done():
			return fmt.Errorf("the worker never wrote %q%s", text, c.out.tail())
		}
	}
}

// through lets a worker answer texts that comes in one way.
func (l *locked) through(ctx context.Context, way wayIn) error {
	r, err := l.run(ctx, "in-"+way.name, way.user, way.env(l))
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.send(ctx); err != nil {
		return err
	}
	if err := r.finish(ctx); err != nil {
		return err
	}
	say("access: %s: %d texts in, %d results and %d dead letter out, as %s", way.name, accessTexts+1, r.all.count(), r.sent, way.user)
	return nil
}

// A kept is a worker that is kept out: it ends with exit code 1, or it waits, and
// in either case says why.
type kept struct {
	name   string
	grants []grant
	env    []string
	says   string
	waits  bool
}

// kept are those who may not come in, each for one reason.
func (l *locked) kept() []kept {
	const topic = "kept"
	without := func(user string, i int) []grant {
		all := needs(user, topic)
		return append(all[:i:i], all[i+1:]...)
	}
	set := func(env []string, more ...string) []string { return slices.Concat(env, more) }
	login := l.login("scram-sha-512", workerUser)
	guess := l.path("guess")
	strange := l.path("strange.pem")
	return []kept{
		{"no right to read the topic", without("no-topic", 0), l.login("scram-sha-512", "no-topic"), "user no-topic may not READ topic kept", false},
		{"no right to read as the group", without("no-group", 1), l.login("scram-sha-512", "no-group"), "user no-group may not READ group kept", false},
		{"no right to write dead letters", without("no-letters", 2), l.login("scram-sha-512", "no-letters"), "user no-letters may not WRITE topic kept-dead", false},
		{"a wrong password", nil, set(login, "SWEET_KAFKA_PASSWORD_FILE="+guess), "the broker refuses the login of user worker", false},
		{"a mechanism that the user lacks", nil, set(login, "SWEET_KAFKA_SASL=plain", "SWEET_KAFKA_USER=no-topic"), "the broker refuses the login of user no-topic", false},
		{"a strange authority", nil, set(login, "SWEET_KAFKA_TLS_CA="+strange), "comes from no authority that SWEET_KAFKA_TLS_CA=" + strange + " holds", false},
		{"the system's authorities", nil, set(login, "SWEET_KAFKA_TLS_CA="), "name the authority's certificate in SWEET_KAFKA_TLS_CA", false},
		{"no certificate", nil, []string{"SWEET_KAFKA_BROKERS=" + l.mutual, "SWEET_KAFKA_TLS=true", "SWEET_KAFKA_TLS_CA=" + l.path("worker-ca.pem")}, "set SWEET_KAFKA_TLS_CERT and SWEET_KAFKA_TLS_KEY", false},
		{"no TLS to a port with it", nil, []string{"SWEET_KAFKA_BROKERS=" + l.logins}, "SWEET_KAFKA_TLS=true", false},
		{"TLS to a port without it", nil, set(login, "SWEET_KAFKA_BROKERS="+l.brokers), "set SWEET_KAFKA_TLS=false", true},
		{"no login", nil, login[:3], "a login (SWEET_KAFKA_SASL)", true},
		{"a login at a port that takes none", nil, set(login, "SWEET_KAFKA_BROKERS="+l.brokers, "SWEET_KAFKA_TLS=false", "SWEET_KAFKA_TLS_CA="), "takes no login", false},
		{"a wrong password at NATS", nil, set(login, "SWEET_NATS_PASSWORD_FILE="+guess), "the server refuses the login of SWEET_NATS_USER=nats", false},
		{"no certificate at NATS", nil, set(login, "SWEET_NATS_TLS_CERT=", "SWEET_NATS_TLS_KEY="), "set SWEET_NATS_TLS_CERT and SWEET_NATS_TLS_KEY", false},
	}
}

// keptOut starts a worker that must not get in.
func (l *locked) keptOut(ctx context.Context, k kept) error {
	if err := l.prepareKept(ctx); err != nil {
		return err
	}
	if len(k.grants) > 0 {
		if err := l.allow(ctx, k.grants...); err != nil {
			return err
		}
	}
	name := "worker-kept-" + strings.ReplaceAll(k.name, " ", "-")
	c, err := start(ctx, l.dir, name, l.env("kept", k.env...), nil, filepath.Join(l.o.bin, "worker"))
	if err != nil {
		return err
	}
	defer c.kill()
	if err := awaitLog(ctx, c, l.path(name+".log"), k.says); err != nil {
		return err
	}
	if k.waits {
		code, err := c.terminate()
		if err == nil && code != 0 {
			err = fmt.Errorf("a worker that waits ends with exit code %d after SIGTERM, want 0%s", code, c.out.tail())
		}
		if err == nil {
			say("access: %s: the worker waits, and says: %s", k.name, k.says)
		}
		return err
	}
	select {
	case <-c.ended:
	case <-time.After(patience):
		return fmt.Errorf("the worker does not end%s", c.out.tail())
	}
	if code := c.cmd.ProcessState.ExitCode(); code != 1 {
		return fmt.Errorf("the worker's exit code is %d, want 1%s", code, c.out.tail())
	}
	say("access: %s: the worker ends, and says: %s", k.name, k.says)
	return nil
}

// prepareKept makes what those who are kept out have in common.
func (l *locked) prepareKept(ctx context.Context) error {
	if _, err := os.Stat(l.path("guess")); err == nil {
		return nil
	}
	if err := l.createTopics(ctx, "kept", 1); err != nil {
		return err
	}
	if err := l.allow(ctx, needs(workerUser, "kept")...); err != nil {
		return err
	}
	strange, err := l.authority.Issue("nobody's authority")
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.path("strange.pem"), strange.Cert, 0o644); err != nil {
		return err
	}
	l.passwords["guess"] = "secret-guess"
	return os.WriteFile(l.path("guess"), []byte(l.passwords["guess"]), 0o600)
}

// losesRights takes each of its rights from a worker at work and gives it back.
func (l *locked) losesRights(ctx context.Context) error {
	const name = "rights"
	r, err := l.run(ctx, name, workerUser, l.login("scram-sha-512", workerUser))
	if err != nil {
		return err
	}
	defer r.close()
	r.rereads = true
	for i, says := range []string{
		"user worker may not READ topic rights", "user worker may not READ group rights", "user worker may not WRITE topic rights-dead",
	} {
		if err := r.send(ctx); err != nil {
			return err
		}
		if err := r.settled(ctx); err != nil {
			return err
		}
		right := needs(workerUser, name)[i]
		if err := l.revoke(ctx, right); err != nil {
			return err
		}
		if err := r.send(ctx); err != nil {
			return err
		}
		if err := r.awaitLog(ctx, says); err != nil {
			return err
		}
		if err := l.allow(ctx, right); err != nil {
			return err
		}
		if err := r.settled(ctx); err != nil {
			return err
		}
		say("access: a right that goes and comes back: the worker says: %s", says)
	}
	return r.finish(ctx)
}

// exchange gives the servers other certificates and users other passwords while
// a worker runs, and then the worker.
func (l *locked) exchange(ctx context.Context) error {
	r, err := l.run(ctx, "exchange", workerUser, l.login("scram-sha-256", workerUser))
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.send(ctx); err != nil {
		return err
	}
	if err := r.settled(ctx); err != nil {
		return err
	}
	r.rereads = true
	old := maps.Clone(l.passwords)
	if err := l.setPassword(ctx, workerUser, "secret-next-"+workerUser); err != nil {
		return err
	}
	if err := l.exchangeAuthority(); err != nil {
		return err
	}
	if err := l.restartKafka(ctx); err != nil {
		return err
	}
	if err := r.awaitLog(ctx, "comes from no authority that SWEET_KAFKA_TLS_CA"); err != nil {
		return err
	}
	if err := l.giveWorker(); err != nil {
		return err
	}
	if err := r.awaitLog(ctx, "the broker refuses the login of user worker"); err != nil {
		return err
	}
	if err := os.WriteFile(l.path("password-"+workerUser), []byte(l.passwords[workerUser]+"\n"), 0o600); err != nil {
		return err
	}
	if err := r.send(ctx); err != nil {
		return err
	}
	if err := r.finish(ctx); err != nil {
		return err
	}
	l.passwords["old "+workerUser] = old[workerUser]
	say("access: new authority, certificates and password: the worker is kept out until its files are exchanged, and answers on without a restart")
	return nil
}

// shown returns whose password a text holds, and "" where it holds none.
func (l *locked) shown(text string) string {
	for user, password := range l.passwords {
		if strings.Contains(text, password) {
			return user
		}
	}
	return ""
}

// checkLogs returns an error if a worker has written a secret.
func (l *locked) checkLogs() error {
	logs, err := filepath.Glob(l.path("worker-*.log"))
	if err != nil {
		return err
	}
	for _, path := range logs {
		log, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if user := l.shown(string(log)); user != "" {
			return fmt.Errorf("%s holds the password of %s", path, user)
		}
		if strings.Contains(string(log), "PRIVATE KEY") {
			return fmt.Errorf("%s holds a private key", path)
		}
	}
	say("access: %d logs of workers at level debug, and their pages, hold none of %d passwords", len(logs), len(l.passwords))
	return nil
}
