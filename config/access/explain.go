package access

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A RefusedError is why a server does not let the worker in, or not do
// something, with what a person can do about it.
type RefusedError struct {
	Err  error
	Hint string
	// Passing says that it may be over by itself: the server said nothing, and
	// was perhaps only being stopped.
	Passing bool
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%v; %s", e.Err, e.Hint) }

// Unwrap returns the error without the hint.
func (e *RefusedError) Unwrap() error { return e.Err }

// IsRefused reports whether err holds a [RefusedError].
func IsRefused(err error) bool { return errAs[*RefusedError](err) }

// IsFinal reports whether err holds a [RefusedError] that only a person can end,
// so that trying again is of no use by itself.
func IsFinal(err error) bool {
	e, ok := errors.AsType[*RefusedError](err)
	return ok && !e.Passing
}

// Explain adds to an error of a connection what it means, where it is one of
// TLS, and returns others as they are. Prefix is the settings' names up to CA,
// CERT and KEY.
func (t TLS) Explain(err error, prefix string) error {
	if err == nil || IsRefused(err) {
		return err
	}
	if hint := t.hint(err, prefix); hint != "" {
		return &RefusedError{Err: err, Hint: hint}
	}
	return err
}

func (t TLS) hint(err error, prefix string) string {
	trusted := "the system trusts: name the authority's certificate in " + prefix + "CA"
	if t.CA != "" {
		trusted = prefix + "CA=" + t.CA + " holds"
	}
	switch {
	case errAs[x509.UnknownAuthorityError](err):
		return "the server's certificate comes from no authority that " + trusted
	case errAs[x509.HostnameError](err):
		return "the server's certificate is for other names: use one of them as its address"
	case errAs[x509.CertificateInvalidError](err):
		return "the server's certificate is not valid: renew it, or set the clock"
	case errAs[tls.RecordHeaderError](err):
		return "what answers there does not speak TLS: use another port, or connect without TLS"
	case t.refused(err) && t.Cert == "":
		return "the server wants a certificate from the worker: set " + prefix + "CERT and " + prefix + "KEY"
	case t.refused(err):
		return "the server does not take the worker's certificate " + prefix + "CERT=" + t.Cert + ": renew it, or use one from an authority that the server trusts"
	}
	return ""
}

// refused reports whether the server has turned the worker's certificate down,
// or the lack of one. Go gives what the other side says no type.
func (TLS) refused(err error) bool {
	text := err.Error()
	if !strings.Contains(text, "remote error: tls: ") {
		return false
	}
	for _, what := range []string{"certificate", "handshake failure", "access denied"} {
		if strings.Contains(text, what) {
			return true
		}
	}
	return false
}

// Hung reports whether the other side ended a connection without a word, as
// servers do that were spoken to in a way they do not understand.
func Hung(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "connection reset by peer")
}

// errAs reports whether err holds an error of type E.
func errAs[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
