package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/config/access"
	"sweetspot/config/access/accesstest"
	"sweetspot/pipeline"
)

const password = "wonderland-7"

// trust makes a server take users of o.
func trust(t *testing.T, opts *server.Options, o accesstest.NATSOperator) {
	t.Helper()
	resolver := &server.MemAccResolver{}
	for public, text := range o.Accounts {
		if err := resolver.Store(public, text); err != nil {
			t.Fatal(err)
		}
	}
	opts.TrustedOperators, opts.AccountResolver, opts.SystemAccount = []*jwt.OperatorClaims{o.Claims}, resolver, o.System
}

// encrypt makes a server speak TLS, with what change makes of it.
func encrypt(t *testing.T, o *server.Options, k accesstest.Kit, change func(*tls.Config)) {
	t.Helper()
	c, err := k.Server().TLS()
	if err != nil {
		t.Fatal(err)
	}
	o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{c}, ClientCAs: k.Pool(), MinVersion: tls.VersionTLS12}
	o.TLSTimeout = 5
	if change != nil {
		change(o.TLSConfig)
	}
	o.TLSVerify = o.TLSConfig.ClientAuth != tls.NoClientCert
}

// wayIn is a server that lets nobody in but those who have what access names.
type wayIn struct {
	name   string
	server func(*testing.T, *server.Options, accesstest.Kit)
	access func(*testing.T, accesstest.Kit) Access
}

func waysIn(t *testing.T) []wayIn {
	t.Helper()
	o, u := accesstest.NewNATSOperator(t), accesstest.NewNATSUser(t)
	plain := func(*testing.T, *server.Options, accesstest.Kit) {}
	mutual := func(t *testing.T, o *server.Options, k accesstest.Kit) {
		t.Helper()
		encrypt(t, o, k, func(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert })
	}
	return []wayIn{
		{"nothing", plain, func(*testing.T, accesstest.Kit) Access { return Access{} }},
		{"a user and a password", func(_ *testing.T, o *server.Options, _ accesstest.Kit) { o.Username, o.Password = "alice", password }, func(*testing.T, accesstest.Kit) Access {
			return Access{User: "alice", Password: access.SecretText(password)}
		}},
		{"a token", func(_ *testing.T, o *server.Options, _ accesstest.Kit) { o.Authorization = password }, func(*testing.T, accesstest.Kit) Access {
			return Access{Token: access.SecretText(password)}
		}},
		{"an nkey", func(_ *testing.T, o *server.Options, _ accesstest.Kit) {
			o.Nkeys = []*server.NkeyUser{{Nkey: u.Public}}
		}, func(_ *testing.T, k accesstest.Kit) Access {
			return Access{Nkey: k.File("seed", u.Seed)}
		}},
		{"credentials", func(t *testing.T, opts *server.Options, _ accesstest.Kit) { t.Helper(); trust(t, opts, o) }, func(t *testing.T, k accesstest.Kit) Access {
			t.Helper()
			return Access{Creds: k.File("creds", o.Creds(0))}
		}},
		{"TLS", func(t *testing.T, o *server.Options, k accesstest.Kit) { t.Helper(); encrypt(t, o, k, nil) }, func(_ *testing.T, k accesstest.Kit) Access {
			return Access{Files: access.TLS{CA: k.CA()}}
		}},
		{"a certificate", mutual, func(_ *testing.T, k accesstest.Kit) Access {
			a := Access{Files: access.TLS{CA: k.CA()}}
			a.Files.Cert, a.Files.Key = k.Files("worker")
			return a
		}},
		{"a domain", func(_ *testing.T, o *server.Options, _ accesstest.Kit) { o.JetStreamDomain = "hub" }, func(*testing.T, accesstest.Kit) Access {
			return Access{Domain: "hub"}
		}},
	}
}

func TestWorkersThatAreLetIn(t *testing.T) {
	for _, way := range waysIn(t) {
		t.Run("with "+way.name, func(t *testing.T) {
			kit := accesstest.NewKit(t, "authority")
			h := newHost(t, func(o *server.Options) { way.server(t, o, kit) })
			cfg := config(h.url())
			cfg.Access, cfg.CreateStream = way.access(t, kit), true
			j := open(t, cfg)
			if _, err := deliver(t.Context(), j, results(3)); err != nil {
				t.Errorf("publishing: %v", err)
			}
			s := j.State("shared", "key", slog.New(slog.DiscardHandler))
			set(t, s, "state")
			heard, _ := follow(t, s)
			await(t, heard, "state")
		})
	}
}

// TestWorkersThatAreNotLetIn has them come to each server with each other's
// login, and without any.
func TestWorkersThatAreNotLetIn(t *testing.T) {
	wrong := accesstest.NewKit(t, "another authority")
	cert, key := wrong.Files("worker")
	secret := access.SecretText("guess-1")
	none := Access{}
	for _, tt := range []struct {
		name   string
		way    string
		access func(good Access) Access
		want   []string
	}{
		{"no login where one is wanted", "a user and a password", func(Access) Access { return none }, []string{"SWEET_NATS_CREDS", "SWEET_NATS_TOKEN"}},
		{"a wrong password", "a user and a password", func(Access) Access { return Access{User: "alice", Password: secret} }, []string{"SWEET_NATS_USER=alice"}},
		{"a wrong token", "a token", func(Access) Access { return Access{Token: secret} }, []string{"SWEET_NATS_TOKEN"}},
		{"another nkey", "an nkey", func(Access) Access { return Access{Nkey: wrong.File("seed", accesstest.NewNATSUser(t).Seed)} }, []string{"SWEET_NATS_NKEY=", "seed"}},
		{"an nkey to a server that knows none", "nothing", func(Access) Access { return Access{Nkey: wrong.File("seed2", accesstest.NewNATSUser(t).Seed)} }, []string{"knows no nkeys", "SWEET_NATS_NKEY"}},
		{"another operator's credentials", "credentials", func(Access) Access { return Access{Creds: wrong.File("creds", accesstest.NewNATSOperator(t).Creds(0))} }, []string{"SWEET_NATS_CREDS=", "creds"}},
		{"TLS to a server without it", "nothing", func(Access) Access { return Access{Files: access.TLS{CA: wrong.CA()}} }, []string{"does not speak TLS", "SWEET_NATS_TLS_CA"}},
		{"another authority", "TLS", func(Access) Access { return Access{Files: access.TLS{CA: wrong.CA()}} }, []string{"SWEET_NATS_TLS_CA=" + wrong.CA()}},
		{"the system's authorities", "TLS", func(Access) Access { return none }, []string{"name the authority's certificate in SWEET_NATS_TLS_CA"}},
		{"no certificate", "a certificate", func(a Access) Access {
			a.Files.Cert, a.Files.Key = "", ""
			return a
		}, []string{"SWEET_NATS_TLS_CERT"}},
		{"another authority's certificate", "a certificate", func(a Access) Access {
			a.Files.Cert, a.Files.Key = cert, key
			return a
		}, []string{"SWEET_NATS_TLS_CERT"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait for a second attempt
			for _, way := range waysIn(t) {
				if way.name != tt.way {
					continue
				}
				kit := accesstest.NewKit(t, "authority")
				h := newHost(t, func(o *server.Options) { way.server(t, o, kit) })
				cfg := config(h.url())
				cfg.Access = tt.access(way.access(t, kit))
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				var log buffer
				_, err := Open(ctx, cfg, stamp, NewMetrics(prometheus.NewRegistry()), logTo(&log))
				if !access.IsFinal(err) || ctx.Err() != nil {
					t.Fatalf("got %v, want a refusal; the log:\n%s", err, log.String())
				}
				for _, want := range tt.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("got %v, want %q in it", err, want)
					}
				}
				for _, text := range []string{"guess-1", password, "SEED", "SU"} {
					if strings.Contains(err.Error()+log.String(), text) {
						t.Errorf("%q is shown in %v or in the log:\n%s", text, err, log.String())
					}
				}
			}
		})
	}
}

func TestAccessSettings(t *testing.T) {
	kit := accesstest.NewKit(t, "authority")
	u := accesstest.NewNATSUser(t)
	creds, seed := kit.File("creds", accesstest.NewNATSOperator(t).Creds(0)), kit.File("seed", u.Seed)
	text := kit.File("text", "nothing of the kind")
	cert, key := kit.Files("worker")
	secret := access.SecretText(password)
	for _, tt := range []struct {
		name   string
		url    string
		access Access
		want   []string
	}{
		{"none", "", Access{}, nil},
		{"credentials and TLS", "", Access{Creds: creds, Files: access.TLS{CA: kit.CA(), Cert: cert, Key: key}, Domain: "hub"}, nil},
		{"a user in the address", "nats://u:p@127.0.0.1:1", Access{}, nil},
		{"credentials and a token", "", Access{Creds: creds, Token: secret}, []string{"SWEET_NATS_CREDS, SWEET_NATS_TOKEN", "keep one"}},
		{"an nkey and a user", "", Access{Nkey: seed, User: "a", Password: secret}, []string{"SWEET_NATS_NKEY, SWEET_NATS_USER"}},
		{"a user in two places", "nats://u:p@127.0.0.1:1", Access{User: "a", Password: secret}, []string{"SWEET_NATS_USER, a user in SWEET_NATS_URL"}},
		{"a user without a password", "", Access{User: "a"}, []string{"SWEET_NATS_USER is set", "SWEET_NATS_PASSWORD is not"}},
		{"a password without a user", "", Access{Password: secret}, []string{"SWEET_NATS_PASSWORD is set", "SWEET_NATS_USER is not"}},
		{"credentials that are not there", "", Access{Creds: creds + "x"}, []string{"SWEET_NATS_CREDS=" + creds + "x", "no such file"}},
		{"credentials that are none", "", Access{Creds: text}, []string{"SWEET_NATS_CREDS=" + text}},
		{"credentials without their seed", "", Access{Creds: kit.File("half", strings.Split(accesstest.NewNATSOperator(t).Creds(0), "-----BEGIN USER NKEY")[0])}, []string{"SWEET_NATS_CREDS="}},
		{"a seed for credentials", "", Access{Creds: seed}, []string{"SWEET_NATS_CREDS=" + seed, "no JWT"}},
		{"a seed that is not there", "", Access{Nkey: seed + "x"}, []string{"SWEET_NATS_NKEY=" + seed + "x", "no such file"}},
		{"a seed that is none", "", Access{Nkey: text}, []string{"SWEET_NATS_NKEY=" + text}},
		{"a public key for a seed", "", Access{Nkey: kit.File("public", u.Public)}, []string{"SWEET_NATS_NKEY="}},
		{"a password's file that is not there", "", Access{User: "a", Password: access.SecretFile(text + "x")}, []string{"SWEET_NATS_PASSWORD_FILE", "no such file"}},
		{"a certificate without its key", "", Access{Files: access.TLS{Cert: cert}}, []string{"SWEET_NATS_TLS_CERT is set", "SWEET_NATS_TLS_KEY is not"}},
		{"an authority that is none", "", Access{Files: access.TLS{CA: text}}, []string{"SWEET_NATS_TLS_CA"}},
		{"a domain with a dot", "", Access{Domain: "a.b"}, []string{"SWEET_NATS_DOMAIN"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config("nats://127.0.0.1:4222")
			if tt.url != "" {
				c.URL = tt.url
			}
			c.Access = tt.access
			err := c.Validate()
			if len(tt.want) == 0 && err != nil {
				t.Fatalf("got %v, want no error", err)
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if err != nil && (strings.Contains(err.Error(), password) || strings.Contains(err.Error(), u.Seed)) {
				t.Errorf("a secret is shown: %v", err)
			}
		})
	}
}

// TestLoginsAreExchangedWithoutARestart changes who is let in while the worker is
// connected. It is thrown out, refused with the old login, and let in with the
// new one, which it finds in the same file.
func TestLoginsAreExchangedWithoutARestart(t *testing.T) {
	one, two := accesstest.NewNATSUser(t), accesstest.NewNATSUser(t)
	first, second := accesstest.NewNATSOperator(t), accesstest.NewNATSOperator(t)
	for _, tt := range []struct {
		name     string
		old, new func(*testing.T, *server.Options)
		file     [2]string // what it holds
		access   func(path string) Access
	}{
		{
			"a password",
			func(_ *testing.T, o *server.Options) { o.Username, o.Password = "alice", "one" },
			func(_ *testing.T, o *server.Options) { o.Username, o.Password = "alice", "two" },
			[2]string{"one\n", "two\n"},
			func(path string) Access { return Access{User: "alice", Password: access.SecretFile(path)} },
		},
		{
			"a token",
			func(_ *testing.T, o *server.Options) { o.Authorization = "one" },
			func(_ *testing.T, o *server.Options) { o.Authorization = "two" },
			[2]string{"one", "two"},
			func(path string) Access { return Access{Token: access.SecretFile(path)} },
		},
		{
			"an nkey",
			func(_ *testing.T, o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: one.Public}} },
			func(_ *testing.T, o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: two.Public}} },
			[2]string{one.Seed, two.Seed},
			func(path string) Access { return Access{Nkey: path} },
		},
		{
			"credentials",
			func(t *testing.T, o *server.Options) { t.Helper(); trust(t, o, first) },
			func(t *testing.T, o *server.Options) { t.Helper(); trust(t, o, second) },
			[2]string{first.Creds(0), second.Creds(0)},
			func(path string) Access { return Access{Creds: path} },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait for further attempts
			kit := accesstest.NewKit(t, "unused")
			path := kit.File("secret", tt.file[0])
			h := newHost(t, func(o *server.Options) { tt.old(t, o) })
			cfg := config(h.url())
			cfg.Access, cfg.CreateStream = tt.access(path), true
			log := newLines()
			j := openWith(t, cfg, log)
			if _, err := deliver(t.Context(), j, results(1)); err != nil {
				t.Fatal(err)
			}
			h.stop()
			h.opts.Username, h.opts.Password, h.opts.Authorization, h.opts.Nkeys = "", "", "", nil
			tt.new(t, &h.opts)
			h.start(t)
			log.await(t, "the server refuses the login")
			kit.File("secret", tt.file[1])
			log.await(t, "state=reconnected")
			// The second operator's account is another, without the stream.
			if tt.name == "credentials" {
				return
			}
			if _, err := deliver(t.Context(), j, results(2)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCertificatesAreExchangedWithoutARestart lets the server change to another
// authority, which then signs both sides' certificates.
func TestCertificatesAreExchangedWithoutARestart(t *testing.T) {
	old, next, mine := accesstest.NewKit(t, "old"), accesstest.NewKit(t, "next"), accesstest.NewKit(t, "unused")
	var files access.TLS
	use := func(k accesstest.Kit) {
		p, err := k.Issue("worker")
		if err != nil {
			t.Fatal(err)
		}
		files = access.TLS{
			CA: mine.File("ca.pem", string(k.PEM())), Cert: mine.File("worker.pem", string(p.Cert)), Key: mine.File("worker.key", string(p.Key)),
		}
	}
	mutual := func(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert }
	use(old)
	h := newHost(t, func(o *server.Options) { encrypt(t, o, old, mutual) })
	cfg := config(h.url())
	cfg.Files, cfg.CreateStream = files, true
	log := newLines()
	j := openWith(t, cfg, log)
	h.stop()
	encrypt(t, &h.opts, next, mutual)
	h.start(t)
	log.await(t, "comes from no authority")
	use(next)
	log.await(t, "state=reconnected")
	if _, err := deliver(t.Context(), j, results(2)); err != nil {
		t.Error(err)
	}
}

// TestCredentialsThatExpireAreRenewed is what short-lived credentials need: the
// server throws the worker out when they end, and it finds new ones in the file.
func TestCredentialsThatExpireAreRenewed(t *testing.T) {
	o := accesstest.NewNATSOperator(t)
	kit := accesstest.NewKit(t, "unused")
	h := newHost(t, func(opts *server.Options) { trust(t, opts, o) })
	cfg := config(h.url())
	cfg.Creds, cfg.CreateStream = kit.File("creds", o.Creds(4*time.Second)), true
	log := newLines()
	j := openWith(t, cfg, log)
	kit.File("creds", o.Creds(0))
	log.await(t, "state=reconnected")
	if _, err := deliver(t.Context(), j, results(2)); err != nil {
		t.Error(err)
	}
}

// TestTheRightsOfTheREADMESuffice has a user with those and no others.
func TestTheRightsOfTheREADMESuffice(t *testing.T) {
	h := newHost(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "worker", Password: password, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				"sweet.>", "$JS.API.STREAM.INFO.RESULTS", "$JS.API.STREAM.CREATE.RESULTS",
				"$JS.API.INFO", "$JS.API.STREAM.*.KV_shared", "$JS.API.CONSUMER.*.KV_shared.>", "$JS.API.DIRECT.GET.KV_shared.>", "$KV.shared.>",
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}}
	})
	cfg := config(h.url())
	cfg.Access, cfg.CreateStream = Access{User: "worker", Password: access.SecretText(password)}, true
	log := newLines()
	j := openWith(t, cfg, log)
	if _, err := deliver(t.Context(), j, results(3)); err != nil {
		t.Error(err)
	}
	s := j.State("shared", "key", logTo(log))
	heard, ended := follow(t, s)
	select {
	case err := <-ended:
		t.Fatal(err)
	case got := <-heard:
		if got != "none" {
			t.Errorf("heard %q at first, want none", got)
		}
	}
	set(t, s, "one")
	await(t, heard, "one")
	set(t, s, "two")
	await(t, heard, "two")
	if text := log.String(); strings.Contains(text, "violation") {
		t.Errorf("something was refused:\n%s", text)
	}
}

// TestABucketThatMayNotBeMadeIsNoState has a user who may do everything with the
// bucket, but not what comes before making it.
func TestABucketThatMayNotBeMadeIsNoState(t *testing.T) {
	h := limited(t, "$JS.API.STREAM.*.KV_shared", "$JS.API.CONSUMER.*.KV_shared.>", "$JS.API.DIRECT.GET.KV_shared.>", "$KV.shared.>")
	_, ended := follow(t, open(t, config(h.url())).State("shared", "key", slog.New(slog.DiscardHandler)))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, pipeline.ErrNoState) || !strings.Contains(err.Error(), "may not publish to $JS.API.INFO") {
			t.Errorf("got %v, want %v and the right that is missing", err, pipeline.ErrNoState)
		}
	case <-ctx.Done():
		t.Fatal("the refusal is never told")
	}
}

// TestRightsThatAreMissingAreNamed has users who may not do one thing each.
func TestRightsThatAreMissingAreNamed(t *testing.T) {
	const mayAsk = "$JS.API.STREAM.INFO.RESULTS"
	for _, tt := range []struct {
		name    string
		publish []string // allowed
		hear    []string // allowed; nil is all
		want    string   // what ends Open, or else fails publishing
		opens   bool
	}{
		{"to ask about the stream", []string{"sweet.>"}, nil, "may not publish to " + mayAsk, false},
		{"to hear answers", []string{"sweet.>", mayAsk}, []string{"none"}, "may not subscribe to _INBOX.", false},
		{"to publish one topic's results", []string{"sweet.other.>", mayAsk}, nil, "may not publish to sweet.tickets.billing", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, func(o *server.Options) {
				p := &server.Permissions{Publish: &server.SubjectPermission{Allow: tt.publish}}
				if tt.hear != nil {
					p.Subscribe = &server.SubjectPermission{Allow: tt.hear}
				}
				o.Users = []*server.User{{Username: "admin", Password: "pw"}, {Username: "worker", Password: password, Permissions: p}}
			})
			h.user = "admin:pw@"
			h.stream(t, nil)
			h.user = ""
			cfg := config(h.url())
			cfg.Access, cfg.AckTimeout = Access{User: "worker", Password: access.SecretText(password)}, 200*time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			log := newLines()
			j, err := Open(ctx, cfg, stamp, NewMetrics(prometheus.NewRegistry()), logTo(log))
			if j != nil {
				defer j.nc.Close()
			}
			if (err == nil) != tt.opens || ctx.Err() != nil {
				t.Fatalf("opening: got %v, want no error %v", err, tt.opens)
			}
			if tt.opens {
				err = j.Publish(ctx, results(1))
				if !errors.As(err, new(*pipeline.PartialError)) {
					t.Fatalf("publishing: got %v, want a PartialError", err)
				}
				log.await(t, tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// lines is a log that is waited for.
type lines struct {
	mu    sync.Mutex
	text  strings.Builder
	added chan struct{} // closed and replaced with every line
}

func newLines() *lines { return &lines{added: make(chan struct{})} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.added)
	l.added = make(chan struct{})
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until the log holds a text.
func (l *lines) await(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		l.mu.Lock()
		all, added := l.text.String(), l.added
		l.mu.Unlock()
		if strings.Contains(all, text) {
			return
		}
		select {
		case <-added:
		case <-ctx.Done():
			t.Fatalf("the log never holds %q:\n%s", text, all)
		}
	}
}

// openWith is open with a log.
func openWith(t *testing.T, cfg Config, log *lines) *JetStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	j, err := Open(ctx, cfg, stamp, NewMetrics(prometheus.NewRegistry()), logTo(log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.nc.Close() })
	return j
}
