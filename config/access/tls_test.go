package access_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"sweetspot/config/access"
	"sweetspot/config/access/accesstest"
)

const prefix = "SWEET_X_TLS_"

func TestFilesThatCannotWork(t *testing.T) {
	kit := accesstest.NewKit(t, "authority")
	ca := kit.CA()
	cert, key := kit.Files("worker")
	_, otherKey := kit.Files("other")
	text := kit.File("text.pem", "not a certificate")
	for _, tt := range []struct {
		name string
		tls  access.TLS
		want []string // of the only fault, or none
	}{
		{"none at all", access.TLS{}, nil},
		{"an authority", access.TLS{CA: ca}, nil},
		{"all three", access.TLS{CA: ca, Cert: cert, Key: key}, nil},
		{"an authority that is not there", access.TLS{CA: ca + "x"}, []string{prefix + "CA", ca + "x", "no such file"}},
		{"an authority that is none", access.TLS{CA: text}, []string{prefix + "CA", text, "no certificate in PEM"}},
		{"a certificate without its key", access.TLS{Cert: cert}, []string{prefix + "CERT is set", prefix + "KEY is not"}},
		{"a key without its certificate", access.TLS{Key: key}, []string{prefix + "KEY is set", prefix + "CERT is not"}},
		{"a certificate that is not there", access.TLS{Cert: cert + "x", Key: key}, []string{prefix + "CERT", cert + "x", "no such file"}},
		{"a key that is not there", access.TLS{Cert: cert, Key: key + "x"}, []string{prefix + "KEY", key + "x", "no such file"}},
		{"a certificate that is none", access.TLS{Cert: text, Key: key}, []string{prefix + "CERT", text}},
		{"another one's key", access.TLS{Cert: cert, Key: otherKey}, []string{prefix + "KEY", otherKey, "does not match"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faults := tt.tls.Faults(prefix)
			if len(tt.want) == 0 && len(faults) != 0 || len(tt.want) > 0 && len(faults) != 1 {
				t.Fatalf("got faults %v, want %q", faults, tt.want)
			}
			for _, want := range tt.want {
				if !strings.Contains(faults[0].Error(), want) {
					t.Errorf("got %v, want %q in it", faults[0], want)
				}
			}
		})
	}
	if got := (access.TLS{Cert: cert, Key: key}).Subject(); got != "CN=worker" {
		t.Errorf("the certificate's subject is %q, want CN=worker", got)
	}
}

// A handshake is one between two ends of this process. It returns what the
// client sees when it then reads, nil being a byte.
func handshake(t *testing.T, client access.TLS, host string, server *tls.Config) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if server == nil {
			_, _ = c.Write([]byte("-ERR speak plainly\r\n"))
		} else {
			c = tls.Server(c, server)
			_, _ = c.Write([]byte{1})
		}
		_, _ = io.Copy(io.Discard, c) // until the client has seen enough
	}()
	defer func() { <-served }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cfg, err := client.Config(host)
	if err != nil {
		return err
	}
	_, err = tls.Client(c, cfg).Read(make([]byte, 1))
	return err
}

func TestHandshakesThatFailSayWhy(t *testing.T) {
	ours, theirs := accesstest.NewKit(t, "ours"), accesstest.NewKit(t, "theirs")
	serverCert := func(p accesstest.Pair, err error) tls.Certificate {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	good := &tls.Config{Certificates: []tls.Certificate{serverCert(ours.Server(), nil)}}
	expired := &tls.Config{Certificates: []tls.Certificate{serverCert(ours.IssueExpired("server", "127.0.0.1"))}}
	mutual := good.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, ours.Pool()
	cert, key := ours.Files("worker")
	strange, strangeKey := theirs.Files("worker")
	for _, tt := range []struct {
		name   string
		client access.TLS
		host   string
		server *tls.Config
		want   string // in the hint; "" where there is a connection
	}{
		{"who trust each other", access.TLS{CA: ours.CA()}, "127.0.0.1", good, ""},
		{"who both have a certificate", access.TLS{CA: ours.CA(), Cert: cert, Key: key}, "127.0.0.1", mutual, ""},
		{"another authority", access.TLS{CA: theirs.CA()}, "127.0.0.1", good, prefix + "CA=" + theirs.CA()},
		{"the system's authorities", access.TLS{}, "127.0.0.1", good, "name the authority's certificate in " + prefix + "CA"},
		{"another name", access.TLS{CA: ours.CA()}, "kafka.example", good, "for other names"},
		{"an expired certificate", access.TLS{CA: ours.CA()}, "127.0.0.1", expired, "renew it"},
		{"no TLS", access.TLS{CA: ours.CA()}, "127.0.0.1", nil, "does not speak TLS"},
		{"no certificate of ours", access.TLS{CA: ours.CA()}, "127.0.0.1", mutual, "set " + prefix + "CERT and " + prefix + "KEY"},
		{"a certificate of ours that nobody knows", access.TLS{CA: ours.CA(), Cert: strange, Key: strangeKey}, "127.0.0.1", mutual, "does not take the worker's certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.client.Explain(handshake(t, tt.client, tt.host, tt.server), prefix)
			if tt.want == "" {
				if err != nil {
					t.Fatalf("got %v, want a connection", err)
				}
				return
			}
			if !access.IsFinal(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a final refusal with %q", err, tt.want)
			}
			if again := tt.client.Explain(err, prefix); !errors.Is(again, err) || strings.Count(again.Error(), tt.want) != 1 {
				t.Errorf("explained twice it is %v", again)
			}
		})
	}
}

func TestOtherErrorsStayAsTheyAre(t *testing.T) {
	for _, err := range []error{nil, io.EOF, errors.New("no route to host")} {
		if got := (access.TLS{}).Explain(err, prefix); !errors.Is(got, err) || access.IsRefused(got) {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}

// A certificate that is exchanged between two connections counts for the second.
func TestFilesAreReadAnewForEveryConnection(t *testing.T) {
	kit := accesstest.NewKit(t, "authority")
	files := access.TLS{CA: kit.CA()}
	files.Cert, files.Key = kit.Files("worker")
	first, err := files.Config("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	kit.Files("worker")
	second, err := files.Config("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if string(first.Certificates[0].Certificate[0]) == string(second.Certificates[0].Certificate[0]) {
		t.Error("the second connection still shows the first certificate")
	}
	kit.File("worker.key", "half a k")
	if _, err := files.Config("127.0.0.1"); err == nil {
		t.Error("no error from a key that is being written")
	}
}
