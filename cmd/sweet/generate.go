package main

import (
	"bufio"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/cmd/sweet/desk"
)

// A split is one file of generated messages.
type split struct {
	name  string
	count int
	pool  desk.Pool
	mix   desk.Mix
}

// newGenerateCommand writes support-desk messages as the data files that train,
// calibrate and evaluate read. It is hidden: it serves to reproduce the bundled
// model, and users bring their own data.
func newGenerateCommand() *cobra.Command {
	var (
		dir                            string
		seed                           uint64
		train, dev, test, calibration  int
		mixFlag, calibrationMixFlag    string
		defaultMix, defaultCalibration = formatMix(desk.DefaultMix), formatMix(desk.DemoMix)
	)
	cmd := &cobra.Command{
		Use:   "generate --out DIR",
		Short: "Write support-desk messages with their labels",
		Long: `Write support-desk messages as DIR/train.tsv, dev.tsv, test.tsv and calibration.tsv
(text, tab, label, with a header line). Beside each, NAME.levels holds the level of
difficulty of each message, one a line, 1 to 4.

train and dev share their phrasings; test and calibration each use some that occur
in no other file. Equal flags give equal files.`,
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			mix, err := parseMix(mixFlag)
			if err != nil {
				return fmt.Errorf("reading --mix: %w", err)
			}
			calibrationMix, err := parseMix(calibrationMixFlag)
			if err != nil {
				return fmt.Errorf("reading --calibration-mix: %w", err)
			}
			return generate(dir, seed, []split{
				{"train", train, desk.Train, mix},
				{"dev", dev, desk.Train, mix},
				{"test", test, desk.Test, mix},
				{"calibration", calibration, desk.Calibration, calibrationMix},
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dir, "out", "", "directory to write to; made if it does not exist")
	flags.Uint64Var(&seed, "seed", 1, "seed of everything drawn")
	flags.IntVar(&train, "train", 150_000, "messages in train.tsv")
	flags.IntVar(&dev, "dev", 4_000, "messages in dev.tsv")
	flags.IntVar(&test, "test", 8_000, "messages in test.tsv")
	flags.IntVar(&calibration, "calibration", 20_000, "messages in calibration.tsv")
	flags.StringVar(&mixFlag, "mix", defaultMix, "shares of levels 1 to 4 in train, dev and test")
	flags.StringVar(&calibrationMixFlag, "calibration-mix", defaultCalibration, "shares of levels 1 to 4 in calibration")
	cobra.CheckErr(cmd.MarkFlagRequired("out"))
	return cmd
}

// generate writes every split that has any messages.
func generate(dir string, seed uint64, splits []split) error {
	for _, s := range splits {
		if s.count < 0 {
			return fmt.Errorf("--%s is %d: want 0 or more messages", s.name, s.count)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the output directory: %w", err)
	}
	for _, s := range splits {
		if s.count == 0 {
			continue
		}
		if err := s.write(dir, seed); err != nil {
			return fmt.Errorf("writing %s: %w", s.name, err)
		}
	}
	return nil
}

// write makes NAME.tsv and NAME.levels. The name enters the seed, so that splits
// of one pool are not the same messages.
func (s split) write(dir string, seed uint64) error {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", s.name, seed)
	g := desk.New(h.Sum64(), s.pool, s.mix)

	texts, err := createLines(filepath.Join(dir, s.name+".tsv"))
	if err != nil {
		return err
	}
	levels, err := createLines(filepath.Join(dir, s.name+".levels"))
	if err != nil {
		return errors.Join(err, texts.close())
	}
	texts.add("text\tlabel")
	for range s.count {
		m := g.Next()
		texts.add(m.Text + "\t" + m.Label)
		levels.add(strconv.Itoa(m.Level))
	}
	return errors.Join(texts.close(), levels.close())
}

// lines is a text file being written. Its writer keeps the first error, which
// close reports.
type lines struct {
	file *os.File
	w    *bufio.Writer
}

func createLines(path string) (*lines, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &lines{file: f, w: bufio.NewWriterSize(f, 1<<16)}, nil
}

func (l *lines) add(line string) {
	_, _ = l.w.WriteString(line) // close reports it
	_ = l.w.WriteByte('\n')      // close reports it
}

func (l *lines) close() error { return errors.Join(l.w.Flush(), l.file.Close()) }

// parseMix reads four shares, separated by commas.
func parseMix(text string) (desk.Mix, error) {
	var mix desk.Mix
	shares := strings.Split(text, ",")
	if len(shares) != len(mix) {
		return mix, fmt.Errorf("%q has %d shares: want 4, as in %s", text, len(shares), formatMix(desk.DefaultMix))
	}
	var sum float64
	for i, share := range shares {
		v, err := strconv.ParseFloat(strings.TrimSpace(share), 64)
		if err != nil || !(v >= 0 && v <= 1e6) {
			return mix, fmt.Errorf("share %q of level %d: want a number from 0 on, as in 0.25", share, i+1)
		}
		mix[i] = v
		sum += v
	}
	if sum == 0 {
		return mix, fmt.Errorf("%q has no share above 0: no message could be written", text)
	}
	return mix, nil
}

func formatMix(mix desk.Mix) string {
	shares := make([]string, len(mix))
	for i, share := range mix {
		shares[i] = strconv.FormatFloat(share, 'f', -1, 64)
	}
	return strings.Join(shares, ",")
}
