// Package cmd holds the programs; here is only the architecture, as a test: who
// may import whom, and which library belongs where. It asks the go tool and
// knows nothing of what the packages do.
package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "sweetspot/"

// mayImport holds every package of this module and the packages of this module
// that it may import. Adapters know the pipeline, the pipeline knows the model,
// the model knows nobody. A new package fails the test until its row is here.
var mayImport = map[string][]string{
	"cmd":        {},
	"cmd/worker": {"cmd/service", "config"},
	"cmd/service": {
		"config", "consumer", "pipeline", "pipeline/publish", "inference", "inference/token", "inference/cpu", "inference/bundled",
	},
	"cmd/sweet": {
		"cmd/service", "cmd/sweet/compare", "cmd/sweet/desk", "cmd/sweet/plumbing", "cmd/sweet/sandbox", "cmd/sweet/simulate", "config", "consumer",
		"pipeline", "pipeline/control", "pipeline/publish", "pipeline/schedule",
		"inference", "inference/token", "inference/cpu", "inference/train", "inference/calibrate", "inference/bundled",
	},
	"cmd/sweet/compare":     {"cmd/sweet/picture"},
	"cmd/sweet/desk":        {},
	"cmd/sweet/picture":     {},
	"cmd/sweet/plumbing":    {"pipeline", "inference"},
	"cmd/sweet/sandbox":     {},
	"cmd/sweet/sandboxtest": {"cmd/sweet/sandbox", "inference"},
	"cmd/sweet/simulate":    {"cmd/sweet/picture", "pipeline/control", "pipeline/schedule", "inference"},

	"config":                   {"config/access", "consumer", "pipeline", "pipeline/control", "pipeline/publish"},
	"config/access":            {},
	"config/access/accesstest": {},

	"consumer":          {"config/access", "pipeline"},
	"pipeline/publish":  {"config/access", "pipeline"},
	"pipeline":          {"pipeline/schedule", "pipeline/control", "inference", "inference/token"},
	"pipeline/schedule": {},
	"pipeline/control":  {},

	"inference":            {},
	"inference/token":      {},
	"inference/cpu":        {"inference"},
	"inference/devicetest": {"inference"},
	"inference/train":      {"inference", "inference/token", "inference/cpu"},
	"inference/calibrate":  {"inference"},
	"inference/bundled":    {},
}

// mayUse holds, for every package but the toolbox, all that it may use beyond
// the standard library and this module.
var mayUse = map[string][]string{
	"cmd":                   {},
	"cmd/worker":            {"github.com/prometheus/client_golang", "golang.org/x/term"},
	"cmd/service":           {"github.com/prometheus/client_golang", "golang.org/x/sync"},
	"cmd/sweet/compare":     {"gonum.org/v1/gonum", "gonum.org/v1/plot"},
	"cmd/sweet/desk":        {},
	"cmd/sweet/picture":     {"gonum.org/v1/plot"},
	"cmd/sweet/plumbing":    {"github.com/nats-io/nats.go", "github.com/segmentio/kafka-go"},
	"cmd/sweet/sandbox":     {"github.com/nats-io/nats-server", "github.com/nats-io/nats.go", "github.com/twmb/franz-go"},
	"cmd/sweet/sandboxtest": {"github.com/nats-io/nats.go", "github.com/segmentio/kafka-go", "github.com/twmb/franz-go"},
	"cmd/sweet/simulate":    {"gonum.org/v1/plot"},

	"config":                   {"github.com/sethvargo/go-envconfig"},
	"config/access":            {},
	"config/access/accesstest": {"github.com/nats-io/jwt", "github.com/nats-io/nkeys"},

	"consumer":          {"github.com/segmentio/kafka-go", "github.com/prometheus/client_golang", "golang.org/x/sync"},
	"pipeline/publish":  {"github.com/nats-io/nats.go", "github.com/prometheus/client_golang", "golang.org/x/sync"},
	"pipeline":          {"github.com/prometheus/client_golang", "golang.org/x/sync"},
	"pipeline/schedule": {},
	"pipeline/control":  {},

	"inference":            {},
	"inference/token":      {"golang.org/x/text"},
	"inference/cpu":        {"golang.org/x/sys"},
	"inference/devicetest": {},
	"inference/bundled":    {},
	"inference/train":      {},
	"inference/calibrate":  {"gonum.org/v1/gonum"},
}

// belongsTo holds the libraries that may be imported only here. Tests may
// import any of them.
var belongsTo = map[string][]string{
	"github.com/segmentio/kafka-go":     {"consumer", "cmd/sweet"},
	"github.com/nats-io/nats.go":        {"pipeline/publish", "cmd/sweet"},
	"github.com/sethvargo/go-envconfig": {"config"},
	"gorgonia.org/cu":                   {"inference/cuda"},
	"gonum.org/v1/gonum":                {"inference/calibrate", "cmd/sweet"},
	"gonum.org/v1/plot":                 {"cmd/sweet"},
	"github.com/spf13/cobra":            {"cmd/sweet"},
	"github.com/vbauerster/mpb":         {"cmd/sweet"},
	"github.com/nats-io/nats-server":    {"cmd/sweet"},
	"github.com/twmb/franz-go":          {"cmd/sweet"},
	"github.com/Shopify/toxiproxy":      {},
	"github.com/mmcloughlin/avo":        {},
	"github.com/stretchr/testify":       {},
	"sweetspot/cmd/sweet":               {"cmd/sweet"},
	"sweetspot/inference/train":         {"cmd/sweet"},
	"sweetspot/inference/calibrate":     {"cmd/sweet"},
}

// notInWorker holds what the worker must not link, by whatever way: the trainer,
// the toolbox and the servers of demo and tests.
var notInWorker = []string{
	"sweetspot/cmd/sweet",
	"sweetspot/inference/train",
	"sweetspot/inference/calibrate",
	"sweetspot/inference/devicetest",
	"sweetspot/config/access/accesstest",
	"github.com/nats-io/nats-server",
	"github.com/twmb/franz-go",
	"github.com/Shopify/toxiproxy",
	"github.com/spf13/cobra",
	"github.com/vbauerster/mpb",
	"gonum.org/v1",
	"testing",
}

// builds are the plain one and the one with the GPU. Neither is needed: the go
// tool lists packages without compiling them.
var builds = map[string]string{"plain": "", "cuda": "cuda"}

func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	for name, tags := range builds {
		t.Run(name, func(t *testing.T) {
			seen := make(map[string]bool)
			for _, p := range list(t, "-e", "-tags="+tags, module+"...") {
				name := strings.TrimPrefix(p.ImportPath, module)
				seen[name] = true
				if _, ok := mayImport[name]; !ok {
					t.Errorf("package %s is not in mayImport: decide who may know it", name)
				}
				if _, ok := mayUse[name]; !ok && name != "cmd/sweet" {
					t.Errorf("package %s is not in mayUse: decide which libraries belong there", name)
				}
				for _, imp := range p.Imports {
					checkImport(t, name, imp)
				}
			}
			for _, name := range slices.Concat(slices.Collect(maps.Keys(mayImport)), slices.Collect(maps.Keys(mayUse))) {
				if !seen[name] {
					t.Errorf("a table names package %s, which does not exist", name)
				}
			}
		})
	}
}

// checkImport holds one import of the package called name against the tables.
func checkImport(t *testing.T, name, imp string) {
	t.Helper()
	for lib, owners := range belongsTo {
		if within(imp, lib) && !slices.ContainsFunc(owners, func(o string) bool { return within(name, o) }) {
			t.Errorf("%s imports %s, which belongs to %v", name, imp, owners)
		}
	}
	if own, ok := strings.CutPrefix(imp, module); ok {
		if !slices.Contains(mayImport[name], own) {
			t.Errorf("%s imports %s, which points the wrong way", name, own)
		}
		return
	}
	libs, limited := mayUse[name]
	if limited && !standard(imp) && !slices.ContainsFunc(libs, func(l string) bool { return within(imp, l) }) {
		t.Errorf("%s uses %s; it may use only the standard library and %v", name, imp, libs)
	}
}

func TestWorkerLinksNeitherTrainerNorServers(t *testing.T) {
	for name, tags := range builds {
		t.Run(name, func(t *testing.T) {
			knowsPipeline := false
			for _, p := range list(t, "-e", "-deps", "-tags="+tags, module+"cmd/worker") {
				knowsPipeline = knowsPipeline || p.ImportPath == module+"pipeline"
				for _, lib := range notInWorker {
					if within(p.ImportPath, lib) {
						t.Errorf("cmd/worker links %s", p.ImportPath)
					}
				}
			}
			if !knowsPipeline {
				t.Error("cmd/worker does not even link the pipeline: the list is not its own")
			}
		})
	}
}

func TestPackagesHaveExactlyOnePackageComment(t *testing.T) {
	for name, tags := range builds {
		t.Run(name, func(t *testing.T) {
			for _, p := range list(t, "-e", "-tags="+tags, module+"...") {
				files := slices.Concat(p.GoFiles, p.CgoFiles)
				if len(files) == 0 {
					files = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
				}
				if with := commented(t, p.Dir, files); len(with) != 1 {
					t.Errorf("%s has package comments in %v, want exactly one", p.ImportPath, with)
				}
			}
		})
	}
}

// commented returns the files whose package clause carries a comment.
func commented(t *testing.T, dir string, files []string) []string {
	t.Helper()
	var with []string
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc != nil {
			with = append(with, name)
		}
	}
	return with
}

// within says whether path is the package, library or folder called root, or
// lies below it. Major versions are part of the library: x/v2 is within x.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// standard says whether an import path is of the standard library: only there
// has the first element no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// A pkg is what the go tool says of one package.
type pkg struct {
	Dir, ImportPath                              string
	GoFiles, CgoFiles, TestGoFiles, XTestGoFiles []string
	Imports                                      []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	args = append([]string{"list", "-json=Dir,ImportPath,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,Imports"}, args...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}
