package main

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"sweetspot/cmd/sweet/sandboxtest"
	"sweetspot/config"
	"sweetspot/config/access/accesstest"
)

// planted are secrets of every kind that a worker is told, and where.
type planted struct {
	kit      accesstest.Kit
	operator accesstest.NATSOperator
	nkey     accesstest.NATSUser

	text  map[string]string   // by the variable that holds it
	files map[string]string   // the path, by the variable that names it
	forms map[string][]string // what must not be seen, by the variable
}

func plant(t *testing.T) *planted {
	t.Helper()
	p := &planted{
		kit: accesstest.NewKit(t, "authority"), operator: accesstest.NewNATSOperator(t), nkey: accesstest.NewNATSUser(t),
		text:  map[string]string{"SWEET_KAFKA_PASSWORD": "kafka-planted-1", "SWEET_NATS_PASSWORD": "nats-planted-2", "SWEET_NATS_TOKEN": "token-planted-3"},
		files: make(map[string]string), forms: make(map[string][]string),
	}
	for name, text := range p.text {
		p.files[name+"_FILE"] = p.kit.File(name, text+"\n")
		p.forms[name] = []string{text, base64.StdEncoding.EncodeToString([]byte(text))}
	}
	creds := p.operator.Creds(0)
	cert, key := p.kit.Files("worker")
	p.files["SWEET_NATS_CREDS"], p.files["SWEET_NATS_NKEY"] = p.kit.File("creds", creds), p.kit.File("seed", p.nkey.Seed)
	for _, prefix := range []string{"SWEET_KAFKA_TLS_", "SWEET_NATS_TLS_"} {
		p.files[prefix+"CA"], p.files[prefix+"CERT"], p.files[prefix+"KEY"] = p.kit.CA(), cert, key
	}
	p.forms["SWEET_NATS_NKEY"] = []string{p.nkey.Seed}
	for line := range strings.SplitSeq(creds, "\n") {
		if strings.HasPrefix(line, "eyJ") || strings.HasPrefix(line, "SU") {
			p.forms["SWEET_NATS_CREDS"] = append(p.forms["SWEET_NATS_CREDS"], line)
		}
	}
	p.forms["SWEET_NATS_URL"] = []string{"url-planted-4"}
	p.forms["SWEET_KAFKA_TLS_KEY"] = []string{"PRIVATE KEY"}
	return p
}

// set is the environment with the named variables set to what is planted.
func (p *planted) set(names ...string) []string {
	var env []string
	for _, name := range names {
		if text, ok := p.text[name]; ok {
			env = append(env, name+"="+text)
		} else {
			env = append(env, name+"="+p.files[name])
		}
	}
	return env
}

// check reports every secret that is seen in a text.
func (p *planted) check(t *testing.T, where, text string) {
	t.Helper()
	for name, forms := range p.forms {
		for _, form := range forms {
			if strings.Contains(text, form) {
				t.Errorf("%s shows the secret of %s:\n%s", where, name, text)
			}
		}
	}
}

// Every setting that is a secret is one that these tests plant.
func TestEverySecretIsPlanted(t *testing.T) {
	t.Parallel()
	p := plant(t)
	if n := len(p.forms["SWEET_NATS_CREDS"]); n != 2 {
		t.Errorf("%d secrets in the credentials, want a JWT and a seed", n)
	}
	for _, f := range config.Fields() {
		if (f.Secret || f.Userinfo) && len(p.forms[f.Name]) == 0 {
			t.Errorf("%s is a secret that is not planted", f.Name)
		}
	}
}

// The ways to log in at NATS: the variables that do it.
var natsLogins = map[string][]string{
	"password":         {"SWEET_NATS_PASSWORD"},
	"password in file": {"SWEET_NATS_PASSWORD_FILE"},
	"token":            {"SWEET_NATS_TOKEN"},
	"token in file":    {"SWEET_NATS_TOKEN_FILE"},
	"nkey":             {"SWEET_NATS_NKEY"},
	"credentials":      {"SWEET_NATS_CREDS"},
	"address":          nil,
}

// login is the environment of one of natsLogins.
func (p *planted) login(way, address string) []string {
	env := append(p.set(natsLogins[way]...), "SWEET_NATS_URL=nats://"+address)
	switch way {
	case "password", "password in file":
		env = append(env, "SWEET_NATS_USER=nancy")
	case "address":
		env[len(env)-1] = "SWEET_NATS_URL=nats://nancy:url-planted-4@" + address
	}
	return env
}

// kafka is the environment of the login at Kafka.
func (p *planted) kafka() []string {
	return append(p.set("SWEET_KAFKA_PASSWORD", "SWEET_KAFKA_TLS_CA", "SWEET_KAFKA_TLS_CERT", "SWEET_KAFKA_TLS_KEY"),
		"SWEET_KAFKA_TLS=true", "SWEET_KAFKA_SASL=scram-sha-256", "SWEET_KAFKA_USER=kate")
}

func TestNoSecretIsPrinted(t *testing.T) {
	t.Parallel()
	p := plant(t)
	all := p.set("SWEET_KAFKA_PASSWORD", "SWEET_NATS_PASSWORD", "SWEET_NATS_TOKEN", "SWEET_NATS_CREDS", "SWEET_NATS_NKEY")
	cases := map[string]struct {
		env  []string
		code int
	}{
		"everything at once":                {append(all, "SWEET_NATS_URL=nats://nancy:url-planted-4@"+nowhere), 2},
		"a value where a file is named":     {[]string{"SWEET_NATS_CREDS=/nope", "SWEET_NATS_TOKEN=" + p.text["SWEET_NATS_TOKEN"]}, 2},
		"a secret twice":                    {p.set("SWEET_NATS_TOKEN", "SWEET_NATS_TOKEN_FILE"), 2},
		"a misspelt secret":                 {[]string{"SWEET_NATS_TOKN=" + p.text["SWEET_NATS_TOKEN"]}, 2},
		"a password that SCRAM forbids":     {append(p.kafka(), "SWEET_KAFKA_PASSWORD="+p.text["SWEET_KAFKA_PASSWORD"]+"\x00"), 2},
		"an address that is none":           {[]string{"SWEET_NATS_URL=nats://nancy:url-planted-4@[::1"}, 2},
		"a seed for credentials":            {[]string{"SWEET_NATS_CREDS=" + p.files["SWEET_NATS_NKEY"]}, 2},
		"a password for an nkey":            {[]string{"SWEET_NATS_NKEY=" + p.files["SWEET_NATS_PASSWORD_FILE"]}, 2},
		"a private key for an authority":    {append(p.kafka(), "SWEET_KAFKA_TLS_CA="+p.files["SWEET_KAFKA_TLS_KEY"]), 2},
		"a private key for its certificate": {append(p.kafka(), "SWEET_KAFKA_TLS_CERT="+p.files["SWEET_KAFKA_TLS_KEY"]), 2},
	}
	for way := range natsLogins {
		cases["login with "+way] = struct {
			env  []string
			code int
		}{slices.Concat(p.kafka(), p.login(way, nowhere)), 0}
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			code := run(sandboxtest.Limited(t), []string{"--print-config"}, append(minimal(t), tt.env...), &out, &out)
			if code != tt.code || out.Len() == 0 {
				t.Errorf("exit code %d, want %d:\n%s", code, tt.code, &out)
			}
			p.check(t, "--print-config", out.String())
		})
	}
}

// TestNoSecretIsShownAtWork runs a worker with each way to log in, at the level
// of the log that says the most, until it has answered and set aside a message,
// and another one that is let in nowhere.
func TestNoSecretIsShownAtWork(t *testing.T) {
	t.Parallel()
	p := plant(t)
	kafka := p.startKafka(t)
	for way := range natsLogins {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			env := slices.Concat(minimal(t), p.kafka(), p.login(way, p.startNATS(t, way)), []string{
				"SWEET_KAFKA_BROKERS=" + strings.Join(kafka.ListenAddrs(), ","), "SWEET_KAFKA_GROUP=" + strings.ReplaceAll(way, " ", "-"),
				"SWEET_NATS_CREATE_STREAM=true", "SWEET_NATS_TLS_CA=" + p.files["SWEET_NATS_TLS_CA"], "SWEET_LOG_LEVEL=debug",
			})
			r := startRun(t, env)
			r.log.Await(t, "partitions assigned")
			group := strings.ReplaceAll(way, " ", "-")
			_, err := kafka.WaitGroupInfo(sandboxtest.Limited(t), group, func(g *kfake.GroupInfo) bool { return g.Commits["texts"][0].Offset == 2 })
			if err != nil {
				t.Fatalf("the messages are not settled: %v", err)
			}
			for _, page := range []string{"/metrics", "/ready", "/live", "/nope"} {
				_, body := r.probe(page)
				p.check(t, page, body)
			}
			r.stop()
			r.check(0)
			p.check(t, "the log", r.log.String())
		})
		t.Run(way+", not let in", func(t *testing.T) {
			t.Parallel()
			other := server.Options{Username: "somebody", Password: "else"}
			for where, address := range map[string]string{"NATS": p.serveNATS(t, &other), "Kafka": p.startNATS(t, way)} {
				var log bytes.Buffer
				env := slices.Concat(minimal(t), p.kafka(), p.login(way, address), []string{
					"SWEET_KAFKA_BROKERS=" + strings.Join(p.startStrictKafka(t).ListenAddrs(), ","), "SWEET_NATS_CREATE_STREAM=true",
					"SWEET_NATS_TLS_CA=" + p.files["SWEET_NATS_TLS_CA"], "SWEET_LOG_LEVEL=debug",
				})
				if code := run(sandboxtest.Limited(t), nil, env, io.Discard, &log); code != exitFault {
					t.Errorf("exit code %d of a worker that %s does not let in, want %d:\n%s", code, where, exitFault, &log)
				}
				p.check(t, "the log of a worker that "+where+" does not let in", log.String())
			}
		})
	}
}

// startKafka starts a Kafka that lets kate in, with a text and a message that is
// none.
func (p *planted) startKafka(t *testing.T) *kfake.Cluster {
	t.Helper()
	c := p.serveKafka(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DialTLSConfig(&tls.Config{RootCAs: p.kit.Pool()}),
		kgo.SASL(scram.Auth{User: "kate", Pass: p.text["SWEET_KAFKA_PASSWORD"]}.AsSha256Mechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	err = cl.ProduceSync(sandboxtest.Limited(t), &kgo.Record{Topic: "texts", Value: []byte("where is my parcel")}, &kgo.Record{Topic: "texts", Value: []byte{}}).FirstErr()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// startStrictKafka starts one that lets kate in and do nothing.
func (p *planted) startStrictKafka(t *testing.T) *kfake.Cluster {
	t.Helper()
	return p.serveKafka(t, kfake.EnableACLs())
}

func (p *planted) serveKafka(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cert, err := p.kit.Server().TLS()
	if err != nil {
		t.Fatal(err)
	}
	c, err := kfake.NewCluster(append(opts,
		kfake.NumBrokers(1), kfake.SeedTopics(1, "texts", "texts-dead"), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}),
		kfake.EnableSASL(), kfake.User("SCRAM-SHA-256", "kate", p.text["SWEET_KAFKA_PASSWORD"]),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// startNATS starts a server that lets in who comes in one of natsLogins.
func (p *planted) startNATS(t *testing.T, way string) string {
	t.Helper()
	o := &server.Options{}
	switch way {
	case "password", "password in file":
		o.Username, o.Password = "nancy", p.text["SWEET_NATS_PASSWORD"]
	case "token", "token in file":
		o.Authorization = p.text["SWEET_NATS_TOKEN"]
	case "address":
		o.Username, o.Password = "nancy", "url-planted-4"
	case "nkey":
		o.Nkeys = []*server.NkeyUser{{Nkey: p.nkey.Public}}
	case "credentials":
		resolver := &server.MemAccResolver{}
		for public, text := range p.operator.Accounts {
			if err := resolver.Store(public, text); err != nil {
				t.Fatal(err)
			}
		}
		o.TrustedOperators, o.AccountResolver, o.SystemAccount = []*jwt.OperatorClaims{p.operator.Claims}, resolver, p.operator.System
	}
	return p.serveNATS(t, o)
}

func (p *planted) serveNATS(t *testing.T, o *server.Options) string {
	t.Helper()
	cert, err := p.kit.Server().TLS()
	if err != nil {
		t.Fatal(err)
	}
	o.Host, o.Port, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	o.JetStream, o.StoreDir = true, t.TempDir()
	o.TLSConfig, o.TLSTimeout = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, 5
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return fmt.Sprintf("127.0.0.1:%d", o.Port)
}
