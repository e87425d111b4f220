package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sweetspot/config/access"
)

// Access is how the worker knows the NATS servers, and how they know the
// worker. Its files are read anew for every connection.
type Access struct {
	Creds    string        `env:"CREDS" doc:"file with the credentials of the worker's user: its JWT and its seed"`
	Nkey     string        `env:"NKEY" doc:"file with the nkey seed of the worker's user"`
	User     string        `env:"USER" doc:"user to log in as"`
	Password access.Secret `env:"PASSWORD" doc:"password of that user"`
	Token    access.Secret `env:"TOKEN" doc:"token to log in with"`
	Files    access.TLS    `env:", prefix=TLS_"`
	Domain   string        `env:"DOMAIN" doc:"JetStream domain of the stream"`
}

// filePrefix begins the names of the settings in access.TLS.
const filePrefix = "SWEET_NATS_TLS_"

// Validate reports every setting that contradicts another or the addresses of
// the servers, and every file that cannot be used.
func (a *Access) Validate(servers string) error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if ways := a.ways(servers); len(ways) > 1 {
		add("%s are all set: keep one of them", strings.Join(ways, ", "))
	}
	switch {
	case a.User != "" && !a.Password.IsSet():
		add("SWEET_NATS_USER is set and SWEET_NATS_PASSWORD is not: the user is of no use without it")
	case a.User == "" && a.Password.IsSet():
		add("SWEET_NATS_PASSWORD is set and SWEET_NATS_USER is not: say whose password it is")
	}
	if a.Creds != "" {
		if err := checkCreds(a.Creds); err != nil {
			add("SWEET_NATS_CREDS=%s: %w", a.Creds, err)
		}
	}
	if a.Nkey != "" {
		if _, err := readNkey(a.Nkey); err != nil {
			add("SWEET_NATS_NKEY=%s: %w", a.Nkey, err)
		}
	}
	for name, s := range map[string]access.Secret{"PASSWORD": a.Password, "TOKEN": a.Token} {
		if _, err := s.Read(); err != nil {
			add("SWEET_NATS_%s_FILE: %w", name, err)
		}
	}
	if strings.ContainsFunc(a.Domain, func(r rune) bool { return r <= ' ' || strings.ContainsRune(".*>", r) || unicode.IsControl(r) }) {
		add("SWEET_NATS_DOMAIN=%q: want the name of a domain, without white space and any of . * >", a.Domain)
	}
	return errors.Join(append(faults, a.Files.Faults(filePrefix)...)...)
}

// ways are the settings that say who the worker is.
func (a *Access) ways(servers string) []string {
	var ways []string
	for _, w := range []struct {
		name string
		set  bool
	}{
		{"SWEET_NATS_CREDS", a.Creds != ""},
		{"SWEET_NATS_NKEY", a.Nkey != ""},
		{"SWEET_NATS_USER", a.User != ""},
		{"SWEET_NATS_TOKEN", a.Token.IsSet()},
		{"a user in SWEET_NATS_URL", strings.Contains(servers, "@")},
	} {
		if w.set {
			ways = append(ways, w.name)
		}
	}
	return ways
}

// credentials is the login with a file of credentials. nats.go would take a file
// without a JWT for one, and send it to the server, with the seed that it may hold.
func credentials(path string) (nats.Option, error) {
	var o nats.Options
	if err := nats.UserCredentials(path)(&o); err != nil {
		return nil, err
	}
	token := func() (string, error) {
		text, err := o.UserJWT()
		if err == nil && (strings.Count(text, ".") != 2 || strings.ContainsFunc(text, unicode.IsSpace)) {
			return "", errors.New("the file of credentials holds no JWT")
		}
		return text, err
	}
	return nats.UserJWT(token, o.SignatureCB), nil
}

// checkCreds returns what keeps a file of credentials from being used.
func checkCreds(path string) error {
	var o nats.Options
	login, err := credentials(path)
	if err == nil {
		err = login(&o)
	}
	if err == nil {
		_, err = o.SignatureCB([]byte("anything"))
	}
	return err
}

// readNkey returns the public key and the signature of a file's seed.
func readNkey(path string) (nats.Options, error) {
	var o nats.Options
	login, err := nats.NkeyOptionFromSeed(path)
	if err == nil {
		err = login(&o)
	}
	return o, err
}

// Connect connects as a, with more options. The connection is made again for
// ever unless they say otherwise, each time with the files as they are then.
func (a *Access) Connect(servers string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	return a.connect(servers, log, dial, more...)
}

// dial dials as nats.go does.
func dial(network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: nats.DefaultTimeout}).DialContext(context.Background(), network, address) //nolint:forbidigo // nats.go gives none
}

// connect is Connect through a dialer.
func (a *Access) connect(servers string, log *slog.Logger, through dialer, more ...nats.Option) (*nats.Conn, error) {
	key := &nkeyDialer{path: a.Nkey, through: through}
	login, err := a.login(log)
	if err != nil {
		return nil, err
	}
	if a.Files.IsSet() {
		login = append(login, nats.ClientTLSConfig(a.certificate(), a.Files.Authorities))
	}
	login = append(login, nats.SetCustomDialer(key))
	nc, err := nats.Connect(servers, append(login, more...)...)
	if err != nil {
		return nil, a.Explain(err)
	}
	key.conn.Store(nc)
	return nc, nil
}

// login returns the options that say who the worker is.
func (a *Access) login(log *slog.Logger) ([]nats.Option, error) {
	switch {
	case a.Creds != "":
		login, err := credentials(a.Creds)
		if err != nil {
			return nil, fmt.Errorf("SWEET_NATS_CREDS=%s: %w", a.Creds, err)
		}
		return []nats.Option{login}, nil
	case a.Nkey != "":
		o, err := readNkey(a.Nkey)
		if err != nil {
			return nil, fmt.Errorf("SWEET_NATS_NKEY=%s: %w", a.Nkey, err)
		}
		return []nats.Option{nats.Nkey(o.Nkey, o.SignatureCB)}, nil
	case a.User != "":
		password := latest(a.Password, log)
		return []nats.Option{nats.UserInfoHandler(func() (user, word string) { return a.User, password() })}, nil
	case a.Token.IsSet():
		return []nats.Option{nats.TokenHandler(latest(a.Token, log))}, nil
	}
	return nil, nil
}

// certificate returns the callback that reads the worker's own certificate, nil
// where it has none.
func (a *Access) certificate() nats.TLSCertHandler {
	if a.Files.Cert == "" {
		return nil
	}
	return func() (tls.Certificate, error) {
		c, err := a.Files.Certificate()
		if err != nil {
			return tls.Certificate{}, err
		}
		return *c, nil
	}
}

// latest returns a function that reads s. Where its file cannot be read it gives
// what it read last: nats.go's callbacks have no errors.
func latest(s access.Secret, log *slog.Logger) func() string {
	var last string
	return func() string {
		text, err := s.Read()
		if err != nil {
			log.Warn("the file of a secret cannot be read; using what it held before", slog.Any("error", err))
			return last
		}
		last = text
		return text
	}
}

// An nkeyDialer reads the nkey, where there is one, before it dials: nats.go asks
// for the signature anew with every connection, but would show the public key
// of the first one for ever.
type nkeyDialer struct {
	path    string
	through dialer
	conn    atomic.Pointer[nats.Conn] // nil until nats.go has returned it
}

// Dial implements [nats.CustomDialer]. nats.go calls it with its own lock held,
// under which it reads the key too.
func (d *nkeyDialer) Dial(network, address string) (net.Conn, error) {
	if d.path != "" {
		o, err := readNkey(d.path)
		if err != nil {
			return nil, err
		}
		if nc := d.conn.Load(); nc != nil {
			nc.Opts.Nkey = o.Nkey
		}
	}
	return d.through(network, address)
}

// JetStream opens JetStream in the domain of a.
func (a *Access) JetStream(nc *nats.Conn, opts ...jetstream.JetStreamOpt) (jetstream.JetStream, error) {
	if a.Domain != "" {
		return jetstream.NewWithDomain(nc, a.Domain, opts...)
	}
	return jetstream.New(nc, opts...)
}

// Explain adds to an error of a connection what it means, where it says that
// the worker is not let in. Others it returns as they are.
func (a *Access) Explain(err error) error {
	if err == nil || access.IsRefused(err) {
		return err
	}
	text := strings.ToLower(err.Error())
	var hint string
	switch {
	case strings.Contains(text, "authorization violation"):
		hint = "the server refuses " + a.who()
	case strings.Contains(text, "authentication expired"), strings.Contains(text, "authentication revoked"):
		hint = a.who() + " is not valid any more: renew it"
	case errors.Is(err, nats.ErrSecureConnWanted):
		hint = "the server does not speak TLS, which SWEET_NATS_URL or " + filePrefix + "CA, _CERT and _KEY ask for"
	case errors.Is(err, nats.ErrNkeysNotSupported):
		hint = "the server knows no nkeys, which SWEET_NATS_NKEY is one of"
	default:
		return a.Files.Explain(err, filePrefix)
	}
	return &access.RefusedError{Err: err, Hint: hint}
}

// who names the login, for people.
func (a *Access) who() string {
	switch {
	case a.Creds != "":
		return "the login SWEET_NATS_CREDS=" + a.Creds
	case a.Nkey != "":
		return "the login SWEET_NATS_NKEY=" + a.Nkey
	case a.User != "":
		return "the login of SWEET_NATS_USER=" + a.User + " with SWEET_NATS_PASSWORD"
	case a.Token.IsSet():
		return "the login with SWEET_NATS_TOKEN"
	}
	return "the login that SWEET_NATS_URL holds, or the lack of one: SWEET_NATS_CREDS, SWEET_NATS_NKEY, SWEET_NATS_USER or SWEET_NATS_TOKEN says who the worker is"
}

// violation matches what the server says of a right that a user lacks.
var violation = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]*)"`)

// explainViolation adds to a refusal of the server the right that is missing.
func explainViolation(err error) error {
	m := violation.FindStringSubmatch(err.Error())
	if m == nil || access.IsRefused(err) {
		return err
	}
	verb := "publish"
	if strings.EqualFold(m[1], "subscription") {
		verb = "subscribe"
	}
	return &access.RefusedError{Err: err, Hint: fmt.Sprintf("the worker's NATS user may not %s to %s: allow it%s", verb, m[2], what(m[2]))}
}

// what says which of the worker's needs a subject is.
func what(subject string) string {
	switch {
	case strings.Contains(subject, "$KV."), strings.Contains(subject, "KV_"), strings.HasSuffix(subject, ".API.INFO"):
		return ", for the bucket of SWEET_STATE_BUCKET"
	case strings.HasPrefix(subject, "$JS."):
		return ", to ask JetStream about SWEET_NATS_STREAM"
	case strings.HasPrefix(subject, "_INBOX."):
		return " (_INBOX.>), to hear the server's answers"
	}
	return ", for results under SWEET_NATS_SUBJECT"
}
