package token

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shared returns a path in the folder of reference data, which lies beside the
// repository, and skips the test where there is none.
func shared(tb testing.TB, path ...string) string {
	tb.Helper()
	dir := cmp.Or(os.Getenv("SWEETSPOT_SHARED"), filepath.Join("..", "..", "..", "shared"))
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("SKIPPED: no reference data, neither beside the repository nor in SWEETSPOT_SHARED: %v", err)
	}
	return filepath.Join(append([]string{dir}, path...)...)
}

// readLines calls f with every line of a file, which may be gzipped.
func readLines(tb testing.TB, path string, f func(line []byte)) {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			tb.Fatal(err)
		}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
}

// readJSON returns the lines of a file as values of T.
func readJSON[T any](tb testing.TB, path string) []T {
	tb.Helper()
	var values []T
	readLines(tb, path, func(line []byte) {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			tb.Fatalf("%s:%d: %v", path, len(values)+1, err)
		}
		values = append(values, v)
	})
	return values
}
