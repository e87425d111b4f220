package publish

import (
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// TestExactlyOnceThroughCutConnections puts a proxy before the server that cuts
// every connection after it has passed on so many bytes of acknowledgements:
// results arrive whose acknowledgements never do.
func TestExactlyOnceThroughCutConnections(t *testing.T) {
	h := newHost(t, nil)
	s := h.stream(t, nil)
	proxy := toxiproxy.NewProxy(
		toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "nats", "127.0.0.1:0", strings.TrimPrefix(h.url(), "nats://"))
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	_, err := proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"cut","type":"limit_data","stream":"downstream","attributes":{"bytes":30000}}`))
	if err != nil {
		t.Fatal(err)
	}
	j := open(t, config("nats://"+proxy.Listen))
	lost := j.nc.StatusChanged(nats.RECONNECTING)
	const n = 1000
	duplicates, err := deliver(t.Context(), j, results(n))
	if err != nil {
		t.Fatal(err)
	}
	if got := count(t, s); got != n {
		t.Errorf("the stream holds %d results, want %d", got, n)
	}
	if len(lost) == 0 || duplicates == 0 {
		t.Errorf("%d cuts and %d duplicates: the test has tested nothing", len(lost), duplicates)
	}
	t.Logf("%d cuts, %d results published again though they had arrived", len(lost), duplicates)
}
