package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"errors"
	"fmt"
	"hash"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/segmentio/kafka-go"

	"sweetspot/config/access/accesstest"
)

// locked are servers that let in only who has a right to. Beside the broker's
// ports with TLS there is one without, at which the checks themselves do what
// they like: whoever comes to it is a superuser.
type locked struct {
	servers

	dir       string
	o         options
	ports     []int // plain, controller, SASL_SSL, SSL
	logins    string
	mutual    string // address of the port that wants a certificate
	passwords map[string]string
	authority *accesstest.Authority
}

// The users at Kafka, and what each may do is in access.go. The worker that comes
// with a certificate is the user of that name.
const (
	workerUser   = "worker"
	producerUser = "producer"
	certUser     = "CN=worker"
)

// startLocked starts both servers in dir.
func startLocked(ctx context.Context, dir string, o options) (*locked, error) {
	l := &locked{dir: dir, o: o, passwords: make(map[string]string)}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, user := range []string{workerUser, producerUser, "no-topic", "no-group", "no-letters", "nats"} {
		l.passwords[user] = "secret-" + rand.Text()
	}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(err, l.stop())
	}
	return l, nil
}

func (l *locked) start(ctx context.Context) error {
	if err := l.exchangeAuthority(); err != nil {
		return err
	}
	if err := l.startKafka(ctx); err != nil {
		return err
	}
	return l.startNATS(ctx)
}

// startKafka tries a few times, as for the broker that lets everybody in.
func (l *locked) startKafka(ctx context.Context) error {
	var faults error
	for range 3 {
		var err error
		if l.ports, err = freePorts(ctx, 4); err != nil {
			return err
		}
		address := func(i int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.ports[i])) }
		l.brokers, l.logins, l.mutual = address(0), address(2), address(3)
		l.client = &kafka.Client{Addr: kafka.TCP(l.brokers), Timeout: patience}
		if err = l.startBroker(ctx); err == nil {
			return nil
		}
		faults = errors.Join(faults, err)
	}
	return faults
}

// restartKafka stops the broker and starts it at its ports, which may be in use
// for a moment by a connection of another program.
func (l *locked) restartKafka(ctx context.Context) error {
	if _, err := l.kafka.terminate(); err != nil {
		return err
	}
	var faults error
	for range 3 {
		err := l.startBroker(ctx)
		if err == nil {
			return nil
		}
		faults = errors.Join(faults, err)
	}
	return faults
}

// exchangeAuthority makes a new authority and new certificates of both servers.
// They use them once they are started again.
func (l *locked) exchangeAuthority() error {
	var err error
	if l.authority, err = accesstest.NewAuthority("authority of one run"); err != nil {
		return err
	}
	server, err := l.authority.Issue("server", "127.0.0.1")
	if err != nil {
		return err
	}
	if _, _, err := server.Write(l.dir, "server"); err != nil {
		return err
	}
	// Kafka wants key and certificate in one file.
	if err := os.WriteFile(l.path("broker.pem"), append(server.Key, server.Cert...), 0o600); err != nil {
		return err
	}
	return os.WriteFile(l.path("authority.pem"), l.authority.PEM(), 0o644)
}

// giveWorker writes what the worker has of the authority: its certificate, and a
// certificate of its own.
func (l *locked) giveWorker() error {
	if err := os.WriteFile(l.path("worker-ca.pem"), l.authority.PEM(), 0o644); err != nil {
		return err
	}
	own, err := l.authority.Issue("worker")
	if err != nil {
		return err
	}
	_, _, err = own.Write(l.dir, "worker")
	return err
}

func (l *locked) path(name string) string { return filepath.Join(l.dir, name) }

// startBroker makes one attempt to start Kafka.
func (l *locked) startBroker(ctx context.Context) error {
	extra := l.path("broker.properties")
	if err := os.WriteFile(extra, []byte(l.properties()), 0o600); err != nil {
		return err
	}
	var err error
	l.kafka, err = start(ctx, l.dir, "kafka", environment("KAFKA_EXTRA="+extra), kafkaReady,
		l.o.kafka, l.path("kafka"), strconv.Itoa(l.ports[0]), strconv.Itoa(l.ports[1]))
	if err != nil {
		return err
	}
	if _, err = l.kafka.ready(ctx); err != nil {
		_, stopErr := l.kafka.terminate()
		return errors.Join(err, stopErr)
	}
	return nil
}

// properties are the broker's beyond those of kafka.sh.
func (l *locked) properties() string {
	var listeners []string
	for i, name := range []string{"PLAINTEXT", "CONTROLLER", "SASL_SSL", "SSL"} {
		listeners = append(listeners, fmt.Sprintf("%s://127.0.0.1:%d", name, l.ports[i]))
	}
	advertised := append(listeners[:1:1], listeners[2:]...)
	const (
		plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
		scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	)
	return strings.Join([]string{
		"listeners=" + strings.Join(listeners, ","),
		"advertised.listeners=" + strings.Join(advertised, ","),
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
		"ssl.keystore.type=PEM", "ssl.keystore.location=" + l.path("broker.pem"),
		"ssl.truststore.type=PEM", "ssl.truststore.location=" + l.path("authority.pem"),
		"listener.name.ssl.ssl.client.auth=required",
		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		fmt.Sprintf(`listener.name.sasl_ssl.plain.sasl.jaas.config=%s user_%s="%s";`, plain, workerUser, l.passwords[workerUser]),
		"listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=" + scram,
		"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=" + scram,
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS",
		// It is never killed here, and a busy machine may keep it from its heartbeats.
		"broker.session.timeout.ms=30000",
		"",
	}, "\n")
}

func (l *locked) startNATS(ctx context.Context) error {
	conf := fmt.Sprintf(`
listen: "127.0.0.1:-1"
jetstream { store_dir: "%s" }
authorization { user: "nats", password: "%s" }
tls { cert_file: "%s", key_file: "%s", ca_file: "%s", verify: true }
`, l.path("nats"), l.passwords["nats"], l.path("server.pem"), l.path("server.key"), l.path("authority.pem"))
	if err := os.WriteFile(l.path("nats.conf"), []byte(conf), 0o600); err != nil {
		return err
	}
	var err error
	l.natsd, err = start(ctx, l.dir, "nats-server", environment(), natsReady, filepath.Join(l.o.bin, "nats-server"), "-c", l.path("nats.conf"))
	if err != nil {
		return err
	}
	groups, err := l.natsd.ready(ctx)
	if err != nil {
		return err
	}
	l.nats = "nats://" + groups[0]
	return nil
}

// connectNATS connects as the worker's user, with a certificate of its own.
func (l *locked) connectNATS() (*nats.Conn, error) {
	pair, err := l.authority.Issue("checks")
	if err != nil {
		return nil, err
	}
	own, err := pair.TLS()
	if err != nil {
		return nil, err
	}
	return nats.Connect(l.nats, nats.UserInfo("nats", l.passwords["nats"]),
		nats.Secure(&tls.Config{RootCAs: l.authority.Pool(), Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}))
}

// scramHashes are Kafka's numbers of mechanisms, and their hashes.
var scramHashes = map[kafka.ScramMechanism]func() hash.Hash{
	kafka.ScramMechanismSha256: sha256.New,
	kafka.ScramMechanismSha512: sha512.New,
}

// setPassword lets a user log in with both kinds of SCRAM.
func (l *locked) setPassword(ctx context.Context, user, password string) error {
	l.passwords[user] = password
	for mechanism, h := range scramHashes { // one request each: Kafka refuses a user twice
		salt := []byte(rand.Text())
		salted, err := pbkdf2.Key(h, password, salt, 4096, h().Size())
		if err != nil {
			return err
		}
		res, err := l.client.AlterUserScramCredentials(ctx, &kafka.AlterUserScramCredentialsRequest{
			Upsertions: []kafka.UserScramCredentialsUpsertion{{Name: user, Mechanism: mechanism, Iterations: 4096, Salt: salt, SaltedPassword: salted}},
		})
		if err == nil {
			for _, r := range res.Results {
				err = errors.Join(err, r.Error)
			}
		}
		if err != nil {
			return fmt.Errorf("setting the password of %s: %w", user, err)
		}
	}
	return nil
}

// A grant is a right of a user.
type grant struct {
	user      string
	operation kafka.ACLOperationType
	resource  kafka.ResourceType
	name      string
}

func (l *locked) allow(ctx context.Context, grants ...grant) error {
	req := &kafka.CreateACLsRequest{}
	for _, g := range grants {
		req.ACLs = append(req.ACLs, kafka.ACLEntry{
			ResourceType: g.resource, ResourceName: g.name, ResourcePatternType: kafka.PatternTypeLiteral,
			Principal: "User:" + g.user, Host: "*", Operation: g.operation, PermissionType: kafka.ACLPermissionTypeAllow,
		})
	}
	res, err := l.client.CreateACLs(ctx, req)
	if err == nil {
		err = errors.Join(res.Errors...)
	}
	if err != nil {
		return fmt.Errorf("granting rights: %w", err)
	}
	return nil
}

func (l *locked) revoke(ctx context.Context, g grant) error {
	res, err := l.client.DeleteACLs(ctx, &kafka.DeleteACLsRequest{Filters: []kafka.DeleteACLsFilter{{
		ResourceTypeFilter: g.resource, ResourceNameFilter: g.name, ResourcePatternTypeFilter: kafka.PatternTypeLiteral,
		PrincipalFilter: "User:" + g.user, HostFilter: "*", Operation: g.operation, PermissionType: kafka.ACLPermissionTypeAllow,
	}}})
	if err != nil {
		return fmt.Errorf("revoking a right: %w", err)
	}
	if len(res.Results) != 1 || res.Results[0].Error != nil || len(res.Results[0].MatchingACLs) != 1 {
		return fmt.Errorf("revoking %+v: got %+v", g, res.Results)
	}
	return nil
}
