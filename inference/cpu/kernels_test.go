package cpu

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestChoosingKernels(t *testing.T) {
	present := []feature{{"AVX2", true}, {"FMA", true}}
	fast := &Kernels{name: "avx512", needs: append([]feature{{"AVX512F", false}}, present...)}
	older := &Kernels{name: "avx2", needs: present}
	none := &Kernels{name: "avx2", needs: []feature{{"AVX2", false}, {"FMA", false}}}
	for _, c := range []struct {
		name, ask, want, fails string
		sets                   []*Kernels
	}{
		{"the fastest that runs", "auto", "avx2", "", []*Kernels{fast, older, portable}},
		{"nothing but loops", "auto", "portable", "", []*Kernels{fast, none, portable}},
		{"by name", "portable", "portable", "", []*Kernels{fast, older, portable}},
		{
			"one that the CPU lacks", "avx512", "", "kernel set avx512 needs AVX512F, which this CPU lacks; it can run avx2, portable",
			[]*Kernels{fast, older, portable},
		},
		{
			"one that the CPU lacks altogether", "avx2", "", "kernel set avx2 needs AVX2, FMA, which this CPU lacks; it can run portable",
			[]*Kernels{none, portable},
		},
		{
			"one of another architecture", "avx2", "",
			"kernel set avx2 is for amd64, and this is " + runtime.GOARCH + "; it can run portable",
			[]*Kernels{portable},
		},
		{
			"one that nobody knows", "AVX2", "", `unknown kernel set "AVX2", want auto, avx512, avx2 or portable`,
			[]*Kernels{older, portable},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := choose(c.sets, c.ask)
			if c.fails != "" {
				if err == nil || err.Error() != c.fails {
					t.Errorf("got %v, want %s", err, c.fails)
				}
				return
			}
			if err != nil || k.Name() != c.want {
				t.Errorf("got %v, %v, want %s", k, err, c.want)
			}
		})
	}
}

func TestPortableIsAlwaysThere(t *testing.T) {
	if got := Available(); len(got) == 0 || got[len(got)-1] != "portable" {
		t.Errorf("got %v, want portable at the end", got)
	}
}

// A kernel that needs more than its set says is an illegal instruction on some
// CPU that this test does not run on. Registers tell: those of AVX-512 have
// other names, and so have the upper half of the rest.
func TestKernelsNeedNoMoreThanTheySay(t *testing.T) {
	files, err := filepath.Glob("*_amd64.s")
	if err != nil || len(files) == 0 {
		t.Fatalf("looking for assembly: got %v, %v", files, err)
	}
	newer := regexp.MustCompile(`\b(Z\d+|K[0-7]|[XY](1[6-9]|2\d|3[01]))\b`)
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, function := range strings.Split(string(text), "\nTEXT ")[1:] {
			name, body, _ := strings.Cut(function, "(SB)")
			if strings.Contains(name, "512") {
				seen++
				continue
			}
			if got := slices.Compact(newer.FindAllString(body, -1)); len(got) > 0 {
				t.Errorf("%s: %s uses %v, which AVX2 has not", file, name, got)
			}
		}
	}
	if seen == 0 {
		t.Error("got no AVX-512 kernel, want some: the text is not as this test reads it")
	}
}
