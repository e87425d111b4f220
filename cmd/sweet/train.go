package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
	"sweetspot/inference/token"
	"sweetspot/inference/train"
)

// trainOptions are the flags of `sweet train`.
type trainOptions struct {
	data, out, from string // from is a model directory to start from
	recipe          recipeOptions
	resume          bool
	freezeTo        int // exits that stay as they are

	exits       []int
	layers      int
	width       int
	heads       int
	feedForward int
	pool        []string
	score       string
	vocab       string
	vocabSize   int
	maxLength   int
	limit       int

	exitWeights []float64
	settings    train.Options

	metric, positive string
	store            string
	kernels          string
	threads          int
	json             bool
}

// The flags of sizes that a model to start from has already.
const (
	widthFlag       = "width"
	headsFlag       = "heads"
	feedForwardFlag = "ff"
)

// scoreFlag says how sure an exit is.
const scoreFlag = "score"

func newTrainCommand() *cobra.Command {
	o := trainOptions{settings: train.DefaultOptions()}
	c := &cobra.Command{
		Use:   "train --data DIR --out DIR",
		Short: "Train a model with several exits",
		Long: `Train a transformer encoder with several exits on labeled texts, and write a model
directory that the worker can serve.

DIR of --data holds train.tsv, and perhaps dev.tsv and test.tsv, each perhaps
gzipped: lines of text<TAB>label, or text_a<TAB>text_b<TAB>label for pairs, under
a header line with those names.

Without --init the model starts from random weights and, unless --vocab names one,
with a vocabulary made of the training texts; with it the model directory gives
sizes, vocabulary and weights.

` + methodsHelp() + `

All train by AdamW with decoupled --weight-decay, not of biases and layer norms; a
learning rate that rises over --warmup and then falls to 0 on a straight line, over
both phases of a method that has two; and --dropout behind the embeddings, in the
attention, behind both halves of a layer and behind the pooler, where nothing is
frozen. --clip bounds the norm of each group of layers by itself with sweet, in the
second phase of tuned-sweet and in the first of sweet-ee; that of each new exit with
exits, that of each model with mm, and with the others that of all. ee and sweet are
the paper's, as strictly as it describes them; --as-released is what its code does.

Ctrl-C saves; the same command with --resume goes on exactly.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runTrain(c, o) },
	}
	f := c.Flags()
	f.StringVar(&o.data, "data", "", "directory of train.tsv, dev.tsv and test.tsv, perhaps gzipped")
	f.StringVar(&o.out, "out", "", "model directory to write")
	o.recipe.flags(c)
	f.StringVar(&o.from, "init", "", "model directory to start from")
	f.IntVar(&o.freezeTo, "freeze-to", 0, "exit, from 1, up to which the model of --init stays as it is; deeper layers are trained")
	f.BoolVar(&o.resume, "resume", false, "go on with the run that was stopped, with the same flags")
	f.IntSliceVar(&o.exits, "exits", nil, "layers after which a text may leave (default 1, a third, two thirds and all of the layers)")
	f.IntVar(&o.layers, "layers", 0, "encoder layers (default the last of --exits, or those of --init, or 6)")
	f.IntVar(&o.width, widthFlag, 128, "width of a token's activations")
	f.IntVar(&o.heads, headsFlag, 0, "attention heads (default width/32)")
	f.IntVar(&o.feedForward, feedForwardFlag, 0, "feed-forward width (default 4 times the width)")
	f.StringSliceVar(&o.pool, "pool", []string{string(inference.CLS)}, "what exits read: cls, the first token, or mean, of all tokens (then --method ee is the better choice); one for all exits or one each")
	f.StringVar(&o.score, scoreFlag, string(inference.MaxProbability), "how sure an exit is of its answer: max_probability, margin between the best two labels, or entropy; kept in config.json (with --method exits and --freeze-to the default is that of --init)")
	f.StringVar(&o.vocab, "vocab", "", "vocab.txt, tokenizer.json or model directory (default made of the training texts)")
	f.IntVar(&o.vocabSize, "vocab-size", 8000, "most pieces of a vocabulary that is made")
	f.IntVar(&o.maxLength, "max-length", 128, "most tokens of a text; the end of longer ones is left out")
	f.IntVar(&o.limit, "limit", 0, "train on a random choice of that many examples; 0 is all")
	f.Float64SliceVar(&o.exitWeights, "exit-weights", nil, "of the exits' losses in the sum (default 1 each)")
	s := &o.settings
	f.IntVar(&s.Epochs, "epochs", s.Epochs, "passes over the training examples")
	f.IntVar(&s.BatchRows, "batch", s.BatchRows, "texts in a step")
	f.Float64Var(&s.Rate, "lr", s.Rate, "highest learning rate")
	f.Float64Var(&s.Warmup, "warmup", s.Warmup, "share of the steps over which the learning rate rises; it falls to 0 over the others")
	f.Float64Var(&s.Decay, "weight-decay", s.Decay, "decoupled weight decay, not of biases and layer norms")
	f.Float64Var(&s.Beta2, "beta2", s.Beta2, "AdamW's memory of squared gradients")
	f.Float64Var(&s.Clip, "clip", s.Clip, "largest norm of a gradient, per group of layers with sweet; 0 does not clip")
	f.Float64Var(&s.Dropout, "dropout", s.Dropout, "probability that an activation is dropped")
	f.Float64Var(&s.UnknownRate, unknownFlag, s.UnknownRate, "probability that a token is read as [UNK]; 0 is much faster with exits, and its default")
	f.Uint64Var(&s.Seed, "seed", s.Seed, "of weights, order and dropout; the same seed gives the same model")
	metricFlags(f.StringVar, &o.metric, &o.positive)
	f.StringVar(&o.store, "store", "f32", "numbers of the model file: f32 or bf16, half the size")
	f.StringVar(&o.kernels, "cpu", "auto", "kernel set: avx512, avx2, portable or auto")
	f.IntVar(&o.threads, "threads", 0, "compute threads; 0 is all cores")
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	return c
}

func runTrain(c *cobra.Command, o trainOptions) error {
	if err := o.check(); err != nil {
		return usageError{err}
	}
	talk := c.ErrOrStderr()
	r, err := o.prepare(talk)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.start(talk); err != nil {
		return err
	}
	err = r.run(c.Context(), talk)
	if r.trainer.Done() > 0 {
		fmt.Fprintf(talk, "activations: %.1f MiB\n", float64(r.trainer.Activations())/(1<<20))
	}
	if c.Context().Err() != nil {
		return r.stop(talk)
	}
	if err != nil {
		return fmt.Errorf("training: %w", err)
	}
	return r.finish(c)
}

// check reports flags that make no sense, before anything is read.
func (o *trainOptions) check() error {
	switch {
	case o.data == "":
		return errors.New("--data is missing: name a directory of train.tsv, dev.tsv and test.tsv")
	case o.out == "":
		return errors.New("--out is missing: name the model directory to write")
	case o.store != "f32" && o.store != "bf16":
		return fmt.Errorf("--store %s: want f32 or bf16", o.store)
	case o.maxLength < 3:
		return fmt.Errorf("--max-length %d: want at least 3", o.maxLength)
	case o.limit < 0:
		return fmt.Errorf("--limit %d: want 0 or more", o.limit)
	case o.threads < 0:
		return fmt.Errorf("--threads %d: want 0 or more", o.threads)
	case o.layers < 0:
		return fmt.Errorf("--layers %d: want 1 or more, or 0 for the default", o.layers)
	case o.from != "" && o.vocab != "":
		return errors.New("--vocab and --init: a model to start from brings its own vocabulary")
	}
	if _, err := train.ParseMetric(o.metric); err != nil {
		return fmt.Errorf("--metric: %w", err)
	}
	if err := inference.Score(o.score).Validate(2); err != nil {
		return fmt.Errorf("--%s: %w", scoreFlag, err)
	}
	return o.recipe.check(len(o.exits))
}

// A trainRun is a run with all that it works on.
type trainRun struct {
	options   trainOptions
	config    inference.Config
	initial   map[string]inference.Tensor // weights to start from; nil for random ones
	tokenizer []inference.File
	train     []train.Row
	dev, test []train.Row
	positive  int // label that F1 is of
	engine    *cpu.Engine
	device    *cpu.Device // what exits are measured on
	trainer   trainer
}

// A trainer is what trains a model, or the models of a Multi-Model.
type trainer interface {
	Start(tensors map[string]inference.Tensor) (drawn []string)
	Frozen(names []string) []string
	Run(ctx context.Context, report func(train.Progress) error) error
	Done() int
	Steps() int
	Current() *inference.Directory
	Tensors() []inference.Tensor
	Activations() int
	Save(w io.Writer) error
	Resume(r io.Reader) error
}

func (r *trainRun) close() {
	r.engine.Close()
	_ = r.device.Close() // it holds nothing that could fail to be written
}

// prepare reads data, vocabulary and initial weights, and makes the trainer.
func (o *trainOptions) prepare(talk io.Writer) (*trainRun, error) {
	r := &trainRun{options: *o}
	data, err := train.ReadData(o.data)
	if err != nil {
		return nil, err
	}
	data.Train = train.Sample(data.Train, o.limit, o.settings.Seed)
	tokens, err := r.prepareModel(data, talk)
	if err != nil {
		return nil, err
	}
	if r.positive, err = train.PositiveLabel(r.config, o.positive); err != nil {
		return nil, usagef("--positive: %w", err)
	}
	limit := min(o.maxLength, r.config.Positions)
	for _, part := range []struct {
		rows     *[]train.Row
		examples []train.Example
	}{{&r.train, data.Train}, {&r.dev, data.Dev}, {&r.test, data.Test}} {
		if *part.rows, err = train.Rows(part.examples, r.config.Labels, tokens, limit); err != nil {
			return nil, err
		}
	}
	kernels, err := cpu.Select(o.kernels)
	if err != nil {
		return nil, usageError{err}
	}
	r.engine = cpu.NewEngine(kernels, cmp.Or(o.threads, runtime.GOMAXPROCS(0)))
	if r.device, err = cpu.Open(cpu.Options{Kernels: o.kernels, Threads: o.threads}); err != nil {
		r.engine.Close()
		return nil, usageError{err}
	}
	words := train.Words{Unknown: tokens.UNK(), Separator: tokens.SEP()}
	if r.trainer, err = r.newTrainer(words); err != nil {
		r.close()
		return nil, usageError{err}
	}
	return r, nil
}

func (r *trainRun) newTrainer(words train.Words) (trainer, error) {
	if r.config.Method == inference.MultiModel {
		return train.NewMulti(r.config, r.options.settings, r.train, words, r.engine)
	}
	return train.New(r.config, r.options.settings, r.train, words, r.engine)
}

// checkpointName is the file in the model directory that a stopped run goes on
// from.
const checkpointName = "checkpoint"

func (r *trainRun) checkpointPath() string { return filepath.Join(r.options.out, checkpointName) }

// start sets the initial weights, or those of the run that is to go on.
func (r *trainRun) start(talk io.Writer) error {
	f, err := os.Open(r.checkpointPath())
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.options.resume:
		return fmt.Errorf("nothing to resume: %w", err)
	case errors.Is(err, fs.ErrNotExist):
		if err := r.startFrom(talk); err != nil {
			return err
		}
		// Now, not after the first epoch: a directory that cannot be written is
		// better known before the work than after it.
		return r.checkpoint()
	case err != nil:
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	defer f.Close()
	if !r.options.resume {
		return fmt.Errorf("%s is from a run that was stopped: go on with --resume, or remove it", r.checkpointPath())
	}
	if err := r.startFrom(io.Discard); err != nil { // for models that are still to come
		return err
	}
	return r.trainer.Resume(f)
}

// startFrom sets the weights that the run starts from.
func (r *trainRun) startFrom(talk io.Writer) error {
	if r.initial == nil {
		return nil
	}
	drawn := r.trainer.Start(r.initial)
	if err := r.checkDrawn(drawn); err != nil {
		return err
	}
	fmt.Fprintf(talk, "starting from %s; %d tensors start at random\n", r.options.from, len(drawn))
	return nil
}

// run takes the steps, measures the exits after each epoch, and saves.
func (r *trainRun) run(ctx context.Context, talk io.Writer) error {
	show := newTrainProgress(talk, r.trainer.Done(), r.trainer.Steps(), train.Metric(r.options.metric))
	defer show.close()
	return r.trainer.Run(ctx, func(p train.Progress) error {
		show.step(p)
		if !p.EpochEnds {
			return nil
		}
		if err := r.checkpoint(); err != nil {
			return err
		}
		if len(r.dev) == 0 {
			return nil
		}
		scores, err := r.measure(ctx, r.trainer.Current(), r.dev)
		if err != nil {
			return err
		}
		show.epoch(p, scores)
		return nil
	})
}

// measure scores the exits of a model on rows.
func (r *trainRun) measure(ctx context.Context, dir *inference.Directory, rows []train.Row) ([]train.ExitScore, error) {
	m, err := inference.New(dir, r.device, inference.Options{})
	if err != nil {
		return nil, err
	}
	x, err := train.Measure(ctx, m, rows)
	if err != nil {
		return nil, fmt.Errorf("measuring the exits: %w", err)
	}
	return x.Exits(r.positive), nil
}

// checkpoint writes the state of the run beside its place, then moves it there.
func (r *trainRun) checkpoint() error {
	if err := os.MkdirAll(r.options.out, 0o755); err != nil {
		return fmt.Errorf("making the model directory: %w", err)
	}
	f, err := os.CreateTemp(r.options.out, checkpointName+".*")
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where all went well
	err = r.trainer.Save(f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), r.checkpointPath()); err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	return nil
}

// stop saves the run that the user stopped.
func (r *trainRun) stop(talk io.Writer) error {
	if err := r.checkpoint(); err != nil {
		return err
	}
	fmt.Fprintf(talk, "stopped after step %d of %d; the same command with --resume goes on\n", r.trainer.Done(), r.trainer.Steps())
	return errUnfinished
}

// trainResult is what `sweet train --json` prints.
type trainResult struct {
	Out    string            `json:"out"`
	Digest string            `json:"digest"`
	Steps  int               `json:"steps"`
	Bytes  int               `json:"activation_bytes"` // kept at once, at most
	Dev    []train.ExitScore `json:"dev,omitempty"`
	Test   []train.ExitScore `json:"test,omitempty"`
}

// finish writes the model directory and measures the exits of what was written.
func (r *trainRun) finish(c *cobra.Command) error {
	numbers := inference.StoreF32
	if r.options.store == "bf16" {
		numbers = inference.StoreBF16
	}
	if err := inference.Save(r.options.out, r.config, r.trainer.Tensors(), numbers, r.tokenizer...); err != nil {
		return fmt.Errorf("saving the model: %w", err)
	}
	if err := os.Remove(r.checkpointPath()); err != nil {
		return fmt.Errorf("removing the checkpoint of a finished run: %w", err)
	}
	dir, err := inference.Open(os.DirFS(r.options.out))
	if err != nil {
		return fmt.Errorf("reading the saved model: %w", err)
	}
	result := trainResult{Out: r.options.out, Digest: dir.Digest, Steps: r.trainer.Done(), Bytes: r.trainer.Activations()}
	for _, part := range []struct {
		scores *[]train.ExitScore
		rows   []train.Row
	}{{&result.Dev, r.dev}, {&result.Test, r.test}} {
		if len(part.rows) == 0 {
			continue
		}
		if *part.scores, err = r.measure(c.Context(), dir, part.rows); err != nil {
			return err
		}
	}
	if r.options.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(result)
	}
	return result.print(c.OutOrStdout(), train.Metric(r.options.metric))
}

// print writes the score of every exit as a table, with the layers that a text
// runs up to it.
func (t *trainResult) print(w io.Writer, metric train.Metric) error {
	fmt.Fprintf(w, "wrote %s, model %s\n", t.Out, t.Digest)
	if t.Dev == nil && t.Test == nil {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "exit\tlayers\tdev %s\ttest %s\t\n", metric, metric)
	cell := func(scores []train.ExitScore, i int) string {
		if scores == nil {
			return "-"
		}
		return score(scores[i].Scores, metric)
	}
	measured := t.Dev
	if measured == nil {
		measured = t.Test
	}
	for i, exit := range measured {
		fmt.Fprintf(table, "%d\t%d\t%s\t%s\t\n", i+1, exit.Layer, cell(t.Dev, i), cell(t.Test, i))
	}
	return table.Flush()
}

// vocabularyTexts yields the texts of examples, for a vocabulary.
func vocabularyTexts(examples []train.Example) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, e := range examples {
			if !yield(e.Text) || e.Pair != "" && !yield(e.Pair) {
				return
			}
		}
	}
}

// vocabulary returns the tokenizer of --vocab, or one made of the texts, and the
// files that keep it.
func (o *trainOptions) vocabulary(data *train.Data, talk io.Writer) (*token.Tokenizer, []inference.File, error) {
	if o.vocab != "" {
		return readTokenizer(o.vocab)
	}
	pieces, err := token.TrainVocab(vocabularyTexts(data.Train), o.vocabSize, token.Options{})
	if err != nil {
		return nil, nil, fmt.Errorf("making a vocabulary: %w", err)
	}
	fmt.Fprintf(talk, "made a vocabulary of %d pieces from %d texts\n", len(pieces), len(data.Train))
	tokens, err := token.New(pieces, token.Options{})
	if err != nil {
		return nil, nil, fmt.Errorf("making a vocabulary: %w", err)
	}
	return tokens, []inference.File{inference.VocabFile(pieces)}, nil
}
