package consumer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"unicode"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"sweetspot/config/access"
)

// Access is how the worker knows the brokers, and how they know the worker.
// Its files and its password are read anew for every connection.
type Access struct {
	TLS      bool          `env:"TLS, default=false" doc:"encrypt the connections to the brokers"`
	Files    access.TLS    `env:", prefix=TLS_"`
	SASL     SASL          `env:"SASL, default=none" doc:"how to log in: none, plain, scram-sha-256 or scram-sha-512"`
	User     string        `env:"USER" doc:"user to log in as"`
	Password access.Secret `env:"PASSWORD" doc:"password of that user"`
}

// SASL is a way to log in to a broker. The zero value stands for NoLogin.
type SASL string

// The ways to log in.
const (
	NoLogin     SASL = "none"
	Plain       SASL = "plain"
	ScramSHA256 SASL = "scram-sha-256"
	ScramSHA512 SASL = "scram-sha-512"
)

// needed reports whether there is a login at all.
func (s SASL) needed() bool { return s != NoLogin && s != "" }

// filePrefix begins the names of the settings in access.TLS.
const filePrefix = "SWEET_KAFKA_TLS_"

// Validate reports every setting that contradicts another, and every file that
// cannot be used.
func (a *Access) Validate() error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if a.TLS {
		faults = append(faults, a.Files.Faults(filePrefix)...)
	} else {
		for _, f := range []struct{ name, value string }{{"CA", a.Files.CA}, {"CERT", a.Files.Cert}, {"KEY", a.Files.Key}} {
			if f.value != "" {
				add("%s%s is set and SWEET_KAFKA_TLS is false: set SWEET_KAFKA_TLS=true, or drop the file", filePrefix, f.name)
			}
		}
	}
	switch a.SASL {
	case NoLogin, "":
		if a.User != "" {
			add("SWEET_KAFKA_USER is set and SWEET_KAFKA_SASL is none: say how to log in, or drop the user")
		}
		if a.Password.IsSet() {
			add("SWEET_KAFKA_PASSWORD is set and SWEET_KAFKA_SASL is none: say how to log in, or drop the password")
		}
		return errors.Join(faults...)
	case Plain, ScramSHA256, ScramSHA512:
	default:
		add("SWEET_KAFKA_SASL=%s: want none, plain, scram-sha-256 or scram-sha-512", a.SASL)
	}
	switch {
	case a.User == "":
		add("SWEET_KAFKA_SASL=%s needs SWEET_KAFKA_USER, which is not set", a.SASL)
	case strings.ContainsFunc(a.User, unicode.IsControl):
		add("SWEET_KAFKA_USER=%q: want a name without control characters", a.User)
	}
	if !a.Password.IsSet() {
		add("SWEET_KAFKA_SASL=%s needs SWEET_KAFKA_PASSWORD, which is not set", a.SASL)
	} else if err := a.checkPassword(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func (a *Access) checkPassword() error {
	password, err := a.Password.Read()
	if err != nil {
		return fmt.Errorf("SWEET_KAFKA_PASSWORD_FILE: %w", err)
	}
	_, err = a.mechanism(password)
	return err
}

// Exposed reports whether the password crosses the network as it is.
func (a *Access) Exposed() bool { return a.SASL == Plain && !a.TLS }

// Transport returns what a client of kafka-go reaches the brokers through. It
// is for the toolbox.
func (a *Access) Transport() *kafka.Transport {
	return &kafka.Transport{Dial: a.dial(new(net.Dialer).DialContext), SASL: a.login()}
}

// dial returns dial with the TLS that is wanted. kafka-go's own would use one
// configuration for ever, and not bound the handshake.
func (a *Access) dial(dial dialFunc) dialFunc {
	if !a.TLS {
		return dial
	}
	return func(ctx context.Context, nw, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		cfg, err := a.Files.Config(host)
		if err != nil {
			return nil, fmt.Errorf("reading the files of %s*: %w", filePrefix, err)
		}
		raw, err := dial(ctx, nw, addr)
		if err != nil {
			return nil, err
		}
		c := tls.Client(raw, cfg)
		if err := c.HandshakeContext(ctx); err != nil {
			_ = raw.Close() // the handshake's error is the one that matters
			return nil, fmt.Errorf("agreeing on TLS with %s: %w", addr, a.explainHandshake(err))
		}
		return c, nil
	}
}

// explainHandshake is told apart from later errors, because a broker without
// TLS hangs up here.
func (a *Access) explainHandshake(err error) error {
	if access.Hung(err) {
		return &access.RefusedError{
			Err: err, Passing: true,
			Hint: "the broker hangs up: where its port does not speak TLS, use the one that does, or set SWEET_KAFKA_TLS=false",
		}
	}
	return a.Files.Explain(err, filePrefix)
}

// login returns the mechanism for kafka-go, nil where there is no login.
func (a *Access) login() sasl.Mechanism {
	if !a.SASL.needed() {
		return nil
	}
	return login{a}
}

// A login begins every connection with the password as it is then.
type login struct{ access *Access }

// Name implements [sasl.Mechanism].
func (l login) Name() string { return strings.ToUpper(string(l.access.SASL)) }

// Start implements [sasl.Mechanism].
func (l login) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	password, err := l.access.Password.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the file of SWEET_KAFKA_PASSWORD: %w", err)
	}
	m, err := l.access.mechanism(password)
	if err != nil {
		return nil, nil, err
	}
	return m.Start(ctx)
}

func (a *Access) mechanism(password string) (sasl.Mechanism, error) {
	algorithm := map[SASL]scram.Algorithm{ScramSHA256: scram.SHA256, ScramSHA512: scram.SHA512}[a.SASL]
	if algorithm == nil {
		if strings.ContainsRune(password, 0) {
			return nil, errors.New("SWEET_KAFKA_PASSWORD: a password of SWEET_KAFKA_SASL=plain cannot hold a zero byte")
		}
		return plain.Mechanism{Username: a.User, Password: password}, nil
	}
	m, err := scram.Mechanism(algorithm, a.User, password)
	if err != nil {
		// The library's error holds the password.
		return nil, fmt.Errorf("SWEET_KAFKA_USER, SWEET_KAFKA_PASSWORD: SWEET_KAFKA_SASL=%s does not allow a character in one of them (RFC 4013)", a.SASL)
	}
	return m, nil
}
