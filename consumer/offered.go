package consumer

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"

	"github.com/segmentio/kafka-go/protocol"
)

// kafka-go knows versions of requests from before topics had ids, and tells of a
// broker's versions only as far as it knows them itself. So a broker is asked
// here, once for each connection, on which the answer is kept beside kafka-go's.

// kept is where the answer about a request stands among a connection's versions:
// kafka-go, which would believe what it finds under the request's own key, has no
// such keys.
func kept(key protocol.ApiKey) protocol.ApiKey { return key + 0x4000 }

// offered returns the newest version of a request that the broker at the other
// end takes. versions are the connection's, as kafka-go gives them; without an
// entry the broker does not take the request at all.
func offered(rw io.ReadWriter, versions map[protocol.ApiKey]int16, key protocol.ApiKey) (int16, error) {
	if v, ok := versions[kept(key)]; ok {
		return v, nil
	}
	all, err := askVersions(rw)
	if err != nil {
		return 0, fmt.Errorf("asking which versions the broker takes: %w", err)
	}
	more := maps.Clone(versions)
	for k, v := range all {
		more[kept(k)] = v
	}
	if c, ok := rw.(interface {
		SetVersions(versions map[protocol.ApiKey]int16)
	}); ok {
		c.SetVersions(more)
	}
	return all[key], nil
}

// askVersions sends an ApiVersions request, version 0, which all brokers take.
func askVersions(rw io.ReadWriter) (map[protocol.ApiKey]int16, error) {
	b := appendHeader(nil, protocol.ApiVersions, 0, "")
	if _, err := rw.Write(framed(b)); err != nil {
		return nil, err
	}
	body, err := readFrame(rw, nil)
	if err != nil {
		return nil, err
	}
	return parseVersions(body)
}

func parseVersions(body []byte) (map[protocol.ApiKey]int16, error) {
	c := cursor{b: body}
	if err := c.answers(); err != nil {
		return nil, err
	}
	if code := c.int16(); code != 0 {
		return nil, fmt.Errorf("the broker answers with code %d", code)
	}
	newest := make(map[protocol.ApiKey]int16)
	for range c.count(6) {
		key := protocol.ApiKey(c.int16())
		c.int16() // the oldest
		newest[key] = c.int16()
	}
	if c.short {
		return nil, errShort
	}
	return newest, nil
}

// appendHeader appends the header, version 1, of a request.
func appendHeader(b []byte, key protocol.ApiKey, version int16, clientID string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, correlationID)
	return appendString(b, clientID)
}

// framed returns a request behind its length.
func framed(request []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)
}
