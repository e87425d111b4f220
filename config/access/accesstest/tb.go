package accesstest

import (
	"os"
	"path/filepath"
	"testing"
)

// A Kit makes certificates for one test, in a folder of its own.
type Kit struct {
	*Authority

	tb  testing.TB
	dir string
}

// NewKit returns a kit with a new authority of that name.
func NewKit(tb testing.TB, authority string) Kit {
	tb.Helper()
	a, err := NewAuthority(authority)
	if err != nil {
		tb.Fatal(err)
	}
	return Kit{Authority: a, tb: tb, dir: tb.TempDir()}
}

// CA returns the path of the authority's certificate.
func (k Kit) CA() string { return k.File("ca.pem", string(k.PEM())) }

// File writes a file over the one that was there, and returns its path.
func (k Kit) File(name, text string) string {
	k.tb.Helper()
	path := filepath.Join(k.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		k.tb.Fatal(err)
	}
	return path
}

// Files issues a certificate and writes it as name.pem and name.key, over the
// ones that were there.
func (k Kit) Files(name string, hosts ...string) (cert, key string) {
	k.tb.Helper()
	p, err := k.Issue(name, hosts...)
	if err == nil {
		cert, key, err = p.Write(k.dir, name)
	}
	if err != nil {
		k.tb.Fatal(err)
	}
	return cert, key
}

// Server returns a certificate for servers on loopback.
func (k Kit) Server() Pair {
	k.tb.Helper()
	p, err := k.Issue("server", "127.0.0.1", "localhost")
	if err != nil {
		k.tb.Fatal(err)
	}
	return p
}
