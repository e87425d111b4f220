package service

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A pipe is a listener whose connections are within the process, so that their
// time-outs run on the clock of a bubble.
type pipe struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipe) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects to the server behind p.
func (p *pipe) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

// served runs f against the worker's pages.
func served(t *testing.T, f func(t *testing.T, p *pipe)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{conns: make(chan net.Conn), done: make(chan struct{})}
		s := newServer(prometheus.NewRegistry(), func() []string { return nil })
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(p) }()
		f(t, p)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		time.Sleep(time.Second) // on the bubble's clock: a connection lingers after a refusal
	})
}

// endsAfter is how long it takes until the server ends a connection.
func endsAfter(t *testing.T, c net.Conn) time.Duration {
	t.Helper()
	begin := time.Now()
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Error(err)
	}
	return time.Since(begin)
}

func TestPagesDoNotWaitForSlowClients(t *testing.T) {
	for _, tt := range []struct {
		name, sent string
		most       time.Duration
	}{
		{"that say nothing", "", requestTime},
		{"that stop in the middle of the header", "GET /live HTTP/1.1\r\nHost: x\r\nX-Slow: ", requestTime},
		{"that announce a body and do not send it", "GET /live HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", requestTime},
		{"that keep the connection and ask no more", "GET /live HTTP/1.1\r\nHost: x\r\n\r\n", idleTime},
	} {
		t.Run(tt.name, func(t *testing.T) {
			served(t, func(t *testing.T, p *pipe) {
				t.Helper()
				c := p.dial()
				defer c.Close()
				if _, err := io.WriteString(c, tt.sent); err != nil {
					t.Fatal(err)
				}
				if got := endsAfter(t, c); got > tt.most+time.Second {
					t.Errorf("the connection ends after %v, want %v at most", got, tt.most)
				}
			})
		})
	}
}

// A client that does not read its answer is cut off as well.
func TestPagesDoNotWaitForClientsThatDoNotRead(t *testing.T) {
	served(t, func(t *testing.T, p *pipe) {
		t.Helper()
		c := p.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "GET /live HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(requestTime + time.Second) // the bubble's clock
		if got := endsAfter(t, c); got > 0 {
			t.Errorf("the connection ends %v after the time for an answer", got)
		}
	})
}

func TestPagesRefuseLargeHeaders(t *testing.T) {
	served(t, func(t *testing.T, p *pipe) {
		t.Helper()
		c := p.dial()
		defer c.Close()
		go func() {
			// The server ends the connection before it has read all.
			_, _ = io.WriteString(c, "GET /live HTTP/1.1\r\nHost: x\r\nX-Large: "+strings.Repeat("x", 2*maxHeaderSize)+"\r\n\r\n")
		}()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got status %d, want 431", res.StatusCode)
		}
	})
}
