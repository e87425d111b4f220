package access

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"os"
)

// TLS is the files that encrypted connections need, in PEM: the settings that
// end in _TLS_CA, _TLS_CERT and _TLS_KEY.
type TLS struct {
	CA   string `env:"CA" unset:"the system's authorities" doc:"file with the certificates of the authorities that the server's certificate must come from"`
	Cert string `env:"CERT" doc:"file with the worker's own certificate, and those between it and its authority"`
	Key  string `env:"KEY" doc:"file with the private key of that certificate"`
}

// IsSet reports whether any file is named.
func (t TLS) IsSet() bool { return t != TLS{} }

// Faults returns what is wrong with the files now. Prefix is the settings'
// names up to CA, CERT and KEY.
func (t TLS) Faults(prefix string) []error {
	var faults []error
	if _, err := t.Authorities(); err != nil {
		faults = append(faults, fmt.Errorf("%sCA: %w", prefix, err))
	}
	switch {
	case t.Cert != "" && t.Key == "":
		faults = append(faults, fmt.Errorf("%sCERT is set and %sKEY is not: the certificate is of no use without its key", prefix, prefix))
	case t.Cert == "" && t.Key != "":
		faults = append(faults, fmt.Errorf("%sKEY is set and %sCERT is not: the key is of no use without its certificate", prefix, prefix))
	default:
		if _, err := t.Certificate(); err != nil {
			faults = append(faults, fmt.Errorf("%sCERT, %sKEY: %w", prefix, prefix, err))
		}
	}
	return faults
}

// Authorities reads the certificates that servers are checked against. It
// returns nil, which stands for the system's, where no file is named.
func (t TLS) Authorities() (*x509.CertPool, error) {
	if t.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", t.CA)
	}
	return pool, nil
}

// Certificate reads the worker's own certificate. It returns nil where none is
// named.
func (t TLS) Certificate() (*tls.Certificate, error) {
	if t.Cert == "" {
		return nil, nil
	}
	c, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		if errAs[*fs.PathError](err) {
			return nil, err // it names the file
		}
		return nil, fmt.Errorf("%s and %s: %w", t.Cert, t.Key, err)
	}
	return &c, nil
}

// Subject returns the name in the worker's certificate, as servers that take it
// for a user write it, and "" where there is none.
func (t TLS) Subject() string {
	c, err := t.Certificate()
	if err != nil || c == nil || c.Leaf == nil {
		return ""
	}
	return c.Leaf.Subject.String()
}

// Config reads the files for one connection to a server, which must prove to be
// the host of that name.
func (t TLS) Config(host string) (*tls.Config, error) {
	authorities, err := t.Authorities()
	if err != nil {
		return nil, err
	}
	own, err := t.Certificate()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: authorities}
	if own != nil {
		c.Certificates = []tls.Certificate{*own}
	}
	return c, nil
}
