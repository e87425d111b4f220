package service

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/config"
	"sweetspot/inference"
	"sweetspot/inference/bundled"
	"sweetspot/inference/cpu"
	"sweetspot/inference/token"
	"sweetspot/pipeline"
)

// A model is the encoder on its device, with the tokenizer that belongs to it
// and the settings that it completes.
type model struct {
	*inference.Model
	device    inference.Device
	tokenizer *token.Tokenizer
	settings  pipeline.Config // with the model's and the device's own figures filled in
}

// openModel loads what SWEET_MODEL names onto the device that SWEET_DEVICE
// names.
func openModel(cfg config.Config) (*model, error) {
	fsys, name, err := Directory(cfg.Model)
	if err != nil {
		return nil, ConfigError{fmt.Errorf("SWEET_MODEL=%s: %w", cfg.Model, err)}
	}
	tokenizer, err := token.Load(fsys)
	if err != nil {
		return nil, ConfigError{fmt.Errorf("SWEET_MODEL=%s: %w", cfg.Model, err)}
	}
	device, err := cpu.Open(cpu.Options{Kernels: cfg.CPU, Threads: cfg.Threads})
	if err != nil {
		return nil, ConfigError{fmt.Errorf("SWEET_CPU=%s: %w", cfg.CPU, err)}
	}
	m := &model{device: device, tokenizer: tokenizer, settings: cfg.Pipeline}
	m.Model, err = inference.Load(fsys, device, inference.Options{
		Name: name, MaxTokens: cfg.Pipeline.MaxTokens, Truncate: cfg.Pipeline.Truncate,
	})
	if err == nil {
		err = m.complete()
	}
	if err != nil {
		return nil, ConfigError{fmt.Errorf("SWEET_MODEL=%s: %w", cfg.Model, err)}
	}
	return m, nil
}

// Directory returns the model directory at path, or the model that comes with
// the program for "bundled", and what the model is called.
func Directory(path string) (fs.FS, string, error) {
	if path == "bundled" {
		return bundled.FS(), path, nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, "", err
	case !info.IsDir():
		return nil, "", fmt.Errorf("%s is a file; want the model directory that holds config.json", path)
	}
	return os.DirFS(path), filepath.Base(filepath.Clean(path)), nil
}

// complete fills in the settings that default to the model's or the device's
// own figures, and checks that the model and the settings fit each other.
func (m *model) complete() error {
	s := &m.settings
	s.MaxTokens = m.MaxTokens()
	if s.BatchTokens == 0 {
		s.BatchTokens = max(m.Device().BatchTokens, s.MaxTokens)
	}
	if s.BatchTokens < s.MaxTokens {
		return fmt.Errorf("SWEET_BATCH_TOKENS=%d holds less than one text of %d tokens", s.BatchTokens, s.MaxTokens)
	}
	if v := m.Config().Vocab; m.tokenizer.Size() > v {
		return fmt.Errorf("the tokenizer has %d pieces, the model's vocabulary only %d", m.tokenizer.Size(), v)
	}
	if _, err := s.Admit(len(m.Ladder.Rungs)); err != nil {
		return errors.Join(err, m.LadderProblem)
	}
	return nil
}

// layers returns how many layers a row has run when it leaves by each exit.
func (m *model) layers() []int {
	layers := make([]int, m.Stages())
	for i := range layers {
		layers[i] = m.StageLayers(i)
	}
	return layers
}

// log says what will answer, and aloud why it will only do so at full depth.
func (m *model) log(log *slog.Logger) {
	d := m.Device()
	log.Info("model loaded",
		slog.String("model", m.Name()), slog.String("digest", m.Digest()),
		slog.Int("stages", m.Stages()), slog.Int("labels", len(m.Labels)), slog.Int("max_tokens", m.MaxTokens()),
		slog.String("device", d.Name), slog.String("kernels", d.Kernels), slog.Int("threads", d.Threads),
		slog.String("mode", string(m.settings.Mode)), slog.Int("rungs", len(m.Ladder.Rungs)), slog.String("ladder", m.LadderDigest))
	if m.LadderProblem != nil {
		log.Warn("no certified ladder: every text runs at full depth", slog.Any("error", m.LadderProblem))
	} else if m.settings.Mode == pipeline.Auto && len(m.Ladder.Rungs) == 1 {
		log.Warn("the ladder certifies no rung below full depth: every text runs at full depth")
	}
}

// registerInfo registers the two metrics that say what is running.
func registerInfo(r prometheus.Registerer, version string, m *model) {
	constant := func(name, help string, labels prometheus.Labels) {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "sweet", Name: name, Help: help, ConstLabels: labels})
		g.Set(1)
		r.MustRegister(g)
	}
	constant("build_info", "Always 1; the labels say which build of the worker this is.", prometheus.Labels{"version": version})
	constant("model_info", "Always 1; the labels say which model answers, with which ladder, where.", prometheus.Labels{
		"name": m.Name(), "digest": m.Digest(), "ladder": m.LadderDigest,
		"device": m.Device().Name, "precision": string(m.Device().Precision),
	})
}
