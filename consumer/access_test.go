package consumer

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"sweetspot/config/access"
	"sweetspot/config/access/accesstest"
	"sweetspot/pipeline"
)

const (
	admin    = "admin"
	alice    = "alice"
	password = "wonderland-7"
)

func TestAccessSettings(t *testing.T) {
	kit := accesstest.NewKit(t, "authority")
	ca := kit.CA()
	cert, key := kit.Files("worker")
	secret := access.SecretText(password)
	for _, tt := range []struct {
		name   string
		access Access
		want   []string // in the error; none where it is valid
	}{
		{"nothing", Access{}, nil},
		{"TLS with the system's authorities", Access{TLS: true}, nil},
		{"TLS with a certificate", Access{TLS: true, Files: access.TLS{CA: ca, Cert: cert, Key: key}}, nil},
		{"a login", Access{SASL: Plain, User: alice, Password: secret}, nil},
		{"a login with its password in a file", Access{SASL: ScramSHA256, User: alice, Password: access.SecretFile(kit.File("pw", "x\n"))}, nil},
		{"TLS and a login", Access{TLS: true, Files: access.TLS{CA: ca}, SASL: ScramSHA512, User: alice, Password: secret}, nil},
		{"an authority without TLS", Access{Files: access.TLS{CA: ca}}, []string{"SWEET_KAFKA_TLS_CA is set", "SWEET_KAFKA_TLS is false"}},
		{
			"a certificate without TLS",
			Access{Files: access.TLS{Cert: cert, Key: key}},
			[]string{"SWEET_KAFKA_TLS_CERT is set", "SWEET_KAFKA_TLS_KEY is set", "SWEET_KAFKA_TLS is false"},
		},
		{"a certificate without its key", Access{TLS: true, Files: access.TLS{Cert: cert}}, []string{"SWEET_KAFKA_TLS_CERT is set", "SWEET_KAFKA_TLS_KEY is not"}},
		{"a file that is not there", Access{TLS: true, Files: access.TLS{CA: ca + "x"}}, []string{"SWEET_KAFKA_TLS_CA", "no such file"}},
		{"another mechanism", Access{SASL: "gssapi", User: alice, Password: secret}, []string{"SWEET_KAFKA_SASL=gssapi", "scram-sha-512"}},
		{"a user without a login", Access{User: alice}, []string{"SWEET_KAFKA_USER is set", "SWEET_KAFKA_SASL is none"}},
		{"a password without a login", Access{SASL: NoLogin, Password: secret}, []string{"SWEET_KAFKA_PASSWORD is set", "SWEET_KAFKA_SASL is none"}},
		{"a login without a user", Access{SASL: Plain, Password: secret}, []string{"SWEET_KAFKA_SASL=plain", "SWEET_KAFKA_USER, which is not set"}},
		{"a login without a password", Access{SASL: Plain, User: alice}, []string{"SWEET_KAFKA_SASL=plain", "SWEET_KAFKA_PASSWORD, which is not set"}},
		{"a user over two lines", Access{SASL: Plain, User: "a\nb", Password: secret}, []string{"SWEET_KAFKA_USER"}},
		{"a password that SCRAM forbids", Access{SASL: ScramSHA256, User: alice, Password: access.SecretText(password + "\x00")}, []string{"SWEET_KAFKA_PASSWORD", "RFC 4013"}},
		{"a password that PLAIN cannot hold", Access{SASL: Plain, User: alice, Password: access.SecretText(password + "\x00")}, []string{"SWEET_KAFKA_PASSWORD", "zero byte"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, in := goodConfig()
			cfg.Access = tt.access
			_, err := Open(cfg, in, Parts{Drain: 1, Metrics: NewMetrics(prometheus.NewRegistry())})
			if len(tt.want) == 0 && err != nil {
				t.Fatalf("got %v, want no error", err)
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want an error with %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

// allow is an entry of access control for alice.
func allow(r right) kfake.ACL {
	a := kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: r.name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Allow: true}
	if r.kind == "group" {
		a.Resource = kmsg.ACLResourceTypeGroup
	}
	switch r.operation {
	case "READ":
		a.Operation = kmsg.ACLOperationRead
	case "WRITE":
		a.Operation = kmsg.ACLOperationWrite
	case "DESCRIBE":
		a.Operation = kmsg.ACLOperationDescribe
	}
	return a
}

// needed are the rights of a worker: the README's list.
var needed = []right{readTopic(testTopic), readGroup(testGroup), writeTopic(deadTopic)}

// A guarded is a Kafka that lets nobody in who does not log in, with alice's
// rights and no others.
type guarded struct {
	*kfake.Cluster

	server *tls.Config // nil where it speaks no TLS
	kit    accesstest.Kit
}

// newGuarded starts one. Change may be nil.
func newGuarded(t *testing.T, method string, rights []right, change func(*tls.Config)) *guarded {
	t.Helper()
	g := &guarded{kit: accesstest.NewKit(t, "authority")}
	var acls []kfake.ACL
	for _, r := range rights {
		acls = append(acls, allow(r))
	}
	opts := []kfake.Opt{
		kfake.SeedTopics(1, deadTopic), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("SCRAM-SHA-256", admin, admin), kfake.User(method, alice, password, acls...),
	}
	if change != nil {
		c, err := g.kit.Server().TLS()
		if err != nil {
			t.Fatal(err)
		}
		g.server = &tls.Config{Certificates: []tls.Certificate{c}}
		change(g.server)
		opts = append(opts, kfake.TLS(g.server))
	}
	g.Cluster = newCluster(t, 1, opts...)
	return g
}

// admin returns a client that may do everything.
func (g *guarded) admin(t *testing.T) *kgo.Client {
	t.Helper()
	opts := []kgo.Opt{kgo.SASL(scram.Auth{User: admin, Pass: admin}.AsSha256Mechanism())}
	if g.server != nil {
		c := &tls.Config{RootCAs: g.kit.Pool()}
		if g.server.ClientAuth != tls.NoClientCert {
			p, err := g.kit.Issue(admin)
			if err != nil {
				t.Fatal(err)
			}
			own, err := p.TLS()
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{own}
		}
		opts = append(opts, kgo.DialTLSConfig(c))
	}
	return newClient(t, g.Cluster, opts...)
}

// lets makes a worker log in as a.
func lets(a Access) setting { return func(c *Config, _ *Intake, _ *Parts, _ *tuning) { c.Access = a } }

func encrypted(*tls.Config) {}

func TestWorkersThatAreLetIn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method string
		change func(*tls.Config)
		access func(accesstest.Kit) Access
	}{
		{"with PLAIN", "PLAIN", nil, func(accesstest.Kit) Access { return Access{SASL: Plain} }},
		{"with SCRAM-SHA-256", "SCRAM-SHA-256", nil, func(accesstest.Kit) Access { return Access{SASL: ScramSHA256} }},
		{"with SCRAM-SHA-512", "SCRAM-SHA-512", nil, func(accesstest.Kit) Access { return Access{SASL: ScramSHA512} }},
		{"with PLAIN over TLS", "PLAIN", encrypted, func(k accesstest.Kit) Access {
			return Access{SASL: Plain, TLS: true, Files: access.TLS{CA: k.CA()}}
		}},
		{"with SCRAM-SHA-512 over TLS and a certificate", "SCRAM-SHA-512", func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, func(k accesstest.Kit) Access {
			a := Access{SASL: ScramSHA512, TLS: true, Files: access.TLS{CA: k.CA()}}
			a.Files.Cert, a.Files.Key = k.Files("worker")
			return a
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuarded(t, tt.method, needed, tt.change)
			produce(t, g.admin(t), 0, 2)
			a := tt.access(g.kit)
			a.User, a.Password = alice, access.SecretText(password)
			w := startWorker(t, g.Cluster, deadLetters, lets(a))
			ms := w.take(t, 2)
			if err := w.Write(limited(t), []pipeline.DeadLetter{letterTo(ms[0], pipeline.Empty, nil)}); err != nil {
				t.Errorf("writing a dead letter: %v", err)
			}
			settle(ms...)
			awaitCommit(t, g.Cluster, 0, 2)
			w.quit(t)
		})
	}
}

// refusal runs a worker that is not let in, and returns what ends it.
func refusal(t *testing.T, c *kfake.Cluster, settings ...setting) (*worker, error) {
	t.Helper()
	w := startWorker(t, c, settings...)
	select {
	case err := <-w.ended:
		return w, err
	case <-limited(t).Done():
		t.Fatalf("the worker does not end; its log:\n%s", strings.Join(w.logs.lines, "\n"))
		return nil, nil
	}
}

// TestAWorkerThatIsNotLetInSaysWhy is about who cannot get any further by
// waiting: it ends before it has read a message.
func TestAWorkerThatIsNotLetInSaysWhy(t *testing.T) {
	over := func(files access.TLS) Access {
		return Access{SASL: ScramSHA256, User: alice, Password: access.SecretText(password), TLS: true, Files: files}
	}
	other := accesstest.NewKit(t, "another authority")
	mutual := func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }
	for _, tt := range []struct {
		name   string
		change func(*tls.Config)
		access func(accesstest.Kit) Access
		want   []string
	}{
		{"an authority that did not sign", encrypted, func(accesstest.Kit) Access {
			return over(access.TLS{CA: other.CA()})
		}, []string{"comes from no authority", "SWEET_KAFKA_TLS_CA=" + other.CA()}},
		{"the system's authorities", encrypted, func(accesstest.Kit) Access {
			return over(access.TLS{})
		}, []string{"name the authority's certificate in SWEET_KAFKA_TLS_CA"}},
		{"no certificate of its own", mutual, func(k accesstest.Kit) Access {
			return over(access.TLS{CA: k.CA()})
		}, []string{"SWEET_KAFKA_TLS_CERT and SWEET_KAFKA_TLS_KEY"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuarded(t, "SCRAM-SHA-256", needed, tt.change)
			w, err := refusal(t, g.Cluster, deadLetters, lets(tt.access(g.kit)))
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), password) || w.logs.count(password) > 0 {
				t.Errorf("the password is shown, in the log or in %v", err)
			}
		})
	}
}

// TestALoginThatIsRefused has the embedded Kafka answer as Apache Kafka does;
// by itself it hangs up.
func TestALoginThatIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		key  kmsg.Key
		code int16
		want []string
	}{
		{"for its password", kmsg.SASLAuthenticate, kerr.SaslAuthenticationFailed.Code, []string{"refuses the login of user alice", "SWEET_KAFKA_PASSWORD"}},
		{"for its mechanism", kmsg.SASLHandshake, kerr.UnsupportedSaslMechanism.Code, []string{"offers no SWEET_KAFKA_SASL=scram-sha-256"}},
		{"for being one", kmsg.SASLHandshake, kerr.IllegalSaslState.Code, []string{"takes no login", "SWEET_KAFKA_SASL=none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuarded(t, "SCRAM-SHA-256", needed, nil)
			g.ControlKey(tt.key.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
				g.KeepControl()
				switch res := r.ResponseKind().(type) {
				case *kmsg.SASLAuthenticateResponse:
					res.ErrorCode = tt.code
					return res, nil, true
				case *kmsg.SASLHandshakeResponse:
					res.ErrorCode = tt.code
					return res, nil, true
				}
				return nil, nil, false
			})
			w, err := refusal(t, g.Cluster, deadLetters, lets(Access{SASL: ScramSHA256, User: alice, Password: access.SecretText("guess-1")}))
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), "guess-1") || w.logs.count("guess-1") > 0 {
				t.Errorf("the password is shown, in the log or in %v", err)
			}
		})
	}
}

// TestAWorkerWhoseBrokerHangsUpSaysWhatItMayWant is about brokers that say
// nothing: the worker waits, as for one that is being restarted.
func TestAWorkerWhoseBrokerHangsUpSaysWhatItMayWant(t *testing.T) {
	secret := access.SecretText(password)
	for _, tt := range []struct {
		name   string
		change func(*tls.Config)
		access Access
		want   string
	}{
		{"no TLS to a port with it", encrypted, Access{SASL: ScramSHA256, User: alice, Password: secret}, "SWEET_KAFKA_TLS=true"},
		{"no login", nil, Access{}, "SWEET_KAFKA_SASL"},
		{"a wrong password, to one that does not answer it", nil, Access{SASL: ScramSHA256, User: alice, Password: access.SecretText("guess-1")}, "another login than that of user alice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuarded(t, "SCRAM-SHA-256", needed, tt.change)
			startWorker(t, g.Cluster, deadLetters, lets(tt.access)).logs.wait(t, "no broker answers", tt.want)
		})
	}
	t.Run("TLS to a port without it", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() { // a broker takes the greeting for the length of a request, far too long
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 4))
				_ = c.Close()
			}
		}()
		g := newGuarded(t, "SCRAM-SHA-256", needed, nil)
		startWorker(t, g.Cluster, func(c *Config, _ *Intake, _ *Parts, _ *tuning) {
			c.Brokers, c.Access = []string{l.Addr().String()}, Access{TLS: true}
		}).logs.wait(t, "no broker answers", "SWEET_KAFKA_TLS=false")
	})
}

// A refusal is told even where the log has just told of a broker that is down, and
// one refusal does not hide the next.
func TestRefusalsAreToldAtOnce(t *testing.T) {
	a := Access{TLS: true, SASL: Plain, User: alice}
	down := errors.New("connection refused")
	lines := newThrottle(time.Hour)
	for i, tt := range []struct {
		err  error
		told bool
	}{
		{down, true},
		{down, false},
		{a.Explain(x509.UnknownAuthorityError{}), true},
		{a.Explain(kafka.SASLAuthenticationFailed), true},
		{a.Explain(x509.UnknownAuthorityError{}), false},
		{a.missing(kafka.GroupAuthorizationFailed, readGroup(testGroup)), true},
	} {
		if got := lines.allow(lineKind("join", tt.err)); got != tt.told {
			t.Errorf("line %d, %v: told %v, want %v", i, tt.err, got, tt.told)
		}
	}
}

// TestAWorkerWithoutARightNamesIt leaves one right out at a time.
func TestAWorkerWithoutARightNamesIt(t *testing.T) {
	const acls = "kafka-acls --add --allow-principal 'User:alice' --operation "
	for _, tt := range []struct {
		name   string
		rights []right
		want   []string
	}{
		{"to read the topic", []right{describeTopic(testTopic), readGroup(testGroup), writeTopic(deadTopic)}, []string{"SWEET_KAFKA_TOPICS", "user alice may not READ topic in", acls + "READ --topic 'in'"}},
		{"to see the topic", []right{readGroup(testGroup), writeTopic(deadTopic)}, []string{"SWEET_KAFKA_TOPICS", "user alice may not READ topic in"}},
		{"to read as the group", []right{readTopic(testTopic), writeTopic(deadTopic)}, []string{"SWEET_KAFKA_GROUP", "user alice may not READ group g", acls + "READ --group 'g'"}},
		{"to write dead letters", []right{readTopic(testTopic), readGroup(testGroup), describeTopic(deadTopic)}, []string{"SWEET_DLQ=kafka:dead", "user alice may not WRITE topic dead", acls + "WRITE --topic 'dead'"}},
		{"to see the dead letters' topic", []right{readTopic(testTopic), readGroup(testGroup)}, []string{"SWEET_DLQ=kafka:dead", "user alice may not WRITE topic dead"}},
		{"for anything", nil, []string{"may not READ topic in", "may not WRITE topic dead"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuarded(t, "PLAIN", tt.rights, nil)
			_, err := refusal(t, g.Cluster, deadLetters, lets(Access{SASL: Plain, User: alice, Password: access.SecretText(password)}))
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if !access.IsFinal(err) {
				t.Errorf("got %v, want a refusal that is final", err)
			}
		})
	}
}

// revoke takes a right from alice, and grant gives it back.
func (g *guarded) revoke(t *testing.T, cl *kgo.Client, r right) {
	t.Helper()
	a := allow(r)
	f := kmsg.NewDeleteACLsRequestFilter()
	f.ResourceType, f.ResourceName, f.ResourcePatternType = a.Resource, new(a.Name), a.Pattern
	f.Operation, f.PermissionType = a.Operation, kmsg.ACLPermissionTypeAllow
	req := kmsg.NewPtrDeleteACLsRequest()
	req.Filters = append(req.Filters, f)
	res, err := req.RequestWith(limited(t), cl)
	if err != nil || len(res.Results) != 1 || len(res.Results[0].MatchingACLs) != 1 {
		t.Fatalf("revoking %v: %v, %+v", r, err, res)
	}
}

func (g *guarded) grant(t *testing.T, cl *kgo.Client, r right) {
	t.Helper()
	a := allow(r)
	c := kmsg.NewCreateACLsRequestCreation()
	c.ResourceType, c.ResourceName, c.ResourcePatternType = a.Resource, a.Name, a.Pattern
	c.Principal, c.Host, c.Operation, c.PermissionType = "User:"+alice, "*", a.Operation, kmsg.ACLPermissionTypeAllow
	req := kmsg.NewPtrCreateACLsRequest()
	req.Creations = append(req.Creations, c)
	res, err := req.RequestWith(limited(t), cl)
	if err != nil || len(res.Results) != 1 || res.Results[0].ErrorCode != 0 {
		t.Fatalf("granting %v: %v, %+v", r, err, res)
	}
}

// TestRightsThatGoAndComeBack takes a right from a worker at work. It says which,
// loses nothing, and goes on when it has the right again.
func TestRightsThatGoAndComeBack(t *testing.T) {
	for _, tt := range []struct {
		name  string
		right right
		want  string
	}{
		{"to read the topic", readTopic(testTopic), "user alice may not READ topic in"},
		{"to read as the group", readGroup(testGroup), "user alice may not READ group g"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuarded(t, "PLAIN", needed, nil)
			boss := g.admin(t)
			produce(t, boss, 0, 1)
			w := startWorker(t, g.Cluster, deadLetters, lets(Access{SASL: Plain, User: alice, Password: access.SecretText(password)}))
			settle(w.take(t, 1)...)
			awaitCommit(t, g.Cluster, 0, 1)
			g.revoke(t, boss, tt.right)
			w.logs.wait(t, tt.want)
			produce(t, boss, 0, 1)
			g.grant(t, boss, tt.right)
			w.settleAll(t, func(*pipeline.Message) {})
			awaitCommit(t, g.Cluster, 0, 2)
		})
	}
}

func TestALetterThatMayNotBeWrittenSaysWhichRightIsMissing(t *testing.T) {
	g := newGuarded(t, "PLAIN", needed, nil)
	boss := g.admin(t)
	produce(t, boss, 0, 1)
	w := startWorker(t, g.Cluster, deadLetters, lets(Access{SASL: Plain, User: alice, Password: access.SecretText(password)}))
	m := w.take(t, 1)[0]
	g.revoke(t, boss, writeTopic(deadTopic))
	letter := []pipeline.DeadLetter{letterTo(m, pipeline.Empty, nil)}
	err := w.Write(limited(t), letter)
	if !errors.As(err, new(*pipeline.PartialError)) || !strings.Contains(err.Error(), "user alice may not WRITE topic dead") {
		t.Errorf("got %v, want a letter that failed for want of WRITE", err)
	}
	g.grant(t, boss, writeTopic(deadTopic))
	if err := w.Write(limited(t), letter); err != nil {
		t.Errorf("with the right again: %v", err)
	}
}

// A line is a network that can be cut: every connection that is open at once.
type line struct {
	mu   sync.Mutex
	open []net.Conn
}

func (l *line) dial(ctx context.Context, nw, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, nw, addr)
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.open = append(l.open, c)
	}
	return c, err
}

// under makes a worker use l. Kafka waits for a member that was cut off until
// its session ends.
func (l *line) under(c *Config, _ *Intake, _ *Parts, t *tuning) {
	t.dial, c.SessionTimeout = l.dial, 2*time.Second
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}

// TestAPasswordIsExchangedWithoutARestart changes the password first at the
// broker and then in the file, as where nobody can do both at once.
func TestAPasswordIsExchangedWithoutARestart(t *testing.T) {
	g := newGuarded(t, "SCRAM-SHA-256", needed, nil)
	boss := g.admin(t)
	file := g.kit.File("password", password+"\n")
	network := &line{}
	w := startWorker(t, g.Cluster, deadLetters, lets(Access{SASL: ScramSHA256, User: alice, Password: access.SecretFile(file)}),
		network.under)
	w.settleAll(t, func(*pipeline.Message) {})
	produce(t, boss, 0, 1)
	awaitCommit(t, g.Cluster, 0, 1)

	setPassword(t, boss, "looking-glass-8")
	network.cut()
	w.logs.wait(t, "WARN", "of user alice") // refused, or hung up on
	g.kit.File("password", "looking-glass-8\n")
	produce(t, boss, 0, 1)
	awaitCommit(t, g.Cluster, 0, 2)
	w.quit(t)
	for _, secret := range []string{password, "looking-glass-8"} {
		if w.logs.count(secret) > 0 {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// setPassword gives alice another password for SCRAM-SHA-256.
func setPassword(t *testing.T, cl *kgo.Client, to string) {
	t.Helper()
	u := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
	u.Name, u.Mechanism, u.Iterations, u.Salt = alice, 1, 4096, []byte("salt of one test")
	salted, err := pbkdf2.Key(sha256.New, to, u.Salt, int(u.Iterations), sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	u.SaltedPassword = salted
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	req.Upsertions = append(req.Upsertions, u)
	res, err := req.RequestWith(limited(t), cl)
	if err != nil || len(res.Results) != 1 || res.Results[0].ErrorCode != 0 {
		t.Fatalf("changing the password: %v, %+v", err, res)
	}
}

// TestCertificatesAreExchangedWithoutARestart lets the brokers change to another
// authority, which then signs both sides' certificates.
func TestCertificatesAreExchangedWithoutARestart(t *testing.T) {
	var served struct {
		sync.Mutex
		config *tls.Config
	}
	serve := func(k accesstest.Kit) {
		c, err := k.Server().TLS()
		if err != nil {
			t.Fatal(err)
		}
		served.Lock()
		defer served.Unlock()
		served.config = &tls.Config{Certificates: []tls.Certificate{c}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: k.Pool()}
	}
	g := newGuarded(t, "PLAIN", needed, func(c *tls.Config) {
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			served.Lock()
			defer served.Unlock()
			return served.config, nil
		}
	})
	serve(g.kit)
	// What the worker reads; its files lie in a folder of their own.
	mine := accesstest.NewKit(t, "unused")
	files := access.TLS{CA: mine.File("ca.pem", string(g.kit.PEM()))}
	use := func(k accesstest.Kit) {
		p, err := k.Issue("worker")
		if err != nil {
			t.Fatal(err)
		}
		mine.File("ca.pem", string(k.PEM()))
		files.Cert, files.Key = mine.File("worker.pem", string(p.Cert)), mine.File("worker.key", string(p.Key))
	}
	use(g.kit)
	g.server.ClientAuth = tls.RequireAnyClientCert // for the admin's client, which is made now
	boss := g.admin(t)
	network := &line{}
	w := startWorker(t, g.Cluster, deadLetters, lets(Access{TLS: true, Files: files, SASL: Plain, User: alice, Password: access.SecretText(password)}),
		network.under)
	w.settleAll(t, func(*pipeline.Message) {})
	produce(t, boss, 0, 1)
	awaitCommit(t, g.Cluster, 0, 1)

	next := accesstest.NewKit(t, "next authority")
	serve(next)
	network.cut()
	w.logs.wait(t, "comes from no authority")
	use(next)
	produce(t, boss, 0, 1) // over the connection that it has
	awaitCommit(t, g.Cluster, 0, 2)
	w.quit(t)
}
