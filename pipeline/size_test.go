package pipeline

import "testing"

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Size
		ok       bool
	}{
		{"plain bytes", "4096", 4096, true},
		{"binary unit", "16MiB", 16 * MiB, true},
		{"decimal unit with a space", "2 MB", 2_000_000, true},
		{"negative", "-1KiB", 0, false},
		{"unit of time", "5s", 0, false},
		{"too large", "9999999999GiB", 0, false},
		{"empty", "", 0, false},
		{"unit alone", "MiB", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseSize(tt.in)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("ParseSize(%q) = %v, %v; want %v, ok %v", tt.in, got, err, tt.want, tt.ok)
			}
		})
	}
}

func TestSizeString(t *testing.T) {
	for s, want := range map[Size]string{0: "0", 1000: "1000", 64 * MiB: "64MiB", 3 * KiB: "3KiB", 2 * GiB: "2GiB"} {
		if got := s.String(); got != want {
			t.Errorf("%d: got %q, want %q", int64(s), got, want)
		}
	}
}
