package cpu

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"sweetspot/inference"
)

// A shape is the size of a small encoder.
type shape struct {
	layers, width, heads, forward, classes, vocabulary, positions int
}

// An encoder is a model of random weights, and its place on a device.
type encoder struct {
	shape
	embedding inference.EmbeddingWeights
	layers    []layer
	heads     []inference.HeadWeights
}

type layer struct {
	qkv, out, up, down inference.LinearWeights
	first, second      inference.NormWeights
}

func newEncoder(s shape) encoder {
	r := rand.New(rand.NewPCG(uint64(s.width), uint64(s.heads)))
	values := func(n int, scale float64) []float32 { return values(r, n, scale) }
	linear := func(n, k int) inference.LinearWeights {
		return inference.LinearWeights{W: values(n*k, 1/math.Sqrt(float64(k))), B: values(n, 0.1), N: n, K: k}
	}
	norm := func() inference.NormWeights {
		w := inference.NormWeights{Gain: values(s.width, 0.1), Bias: values(s.width, 0.1), Epsilon: 1e-12}
		for i := range w.Gain {
			w.Gain[i]++
		}
		return w
	}
	e := encoder{shape: s, embedding: inference.EmbeddingWeights{
		Word: values(s.vocabulary*s.width, 1), Position: values(s.positions*s.width, 1), Type: values(2*s.width, 1), Norm: norm(),
	}}
	for i := range s.layers {
		e.layers = append(e.layers, layer{
			qkv: linear(3*s.width, s.width), out: linear(s.width, s.width),
			up: linear(s.forward, s.width), down: linear(s.width, s.forward),
			first: norm(), second: norm(),
		})
		h := inference.HeadWeights{
			Pooler: linear(s.width, s.width), Classifier: linear(s.classes, s.width),
			Pooling: inference.CLS, Score: inference.MaxProbability, Temperature: 1.5,
		}
		if i%2 == 1 {
			h.Pooling = inference.Mean
		}
		e.heads = append(e.heads, h)
	}
	return e
}

// A placed encoder keeps its buffers, as a model does.
type placed struct {
	d                    *Device
	s                    shape
	embedding            inference.Embedding
	layers               []placedLayer
	x, qkv, context, mid inference.Buffer
}

type placedLayer struct {
	qkv, out, up, down inference.Linear
	first, second      inference.Norm
	head               inference.Head
}

func (e encoder) place(d *Device, tokens int) *placed {
	p := &placed{
		d: d, s: e.shape, embedding: d.PlaceEmbedding(e.embedding),
		x: d.Buffer(tokens, e.width), qkv: d.Buffer(tokens, 3*e.width),
		context: d.Buffer(tokens, e.width), mid: d.Buffer(tokens, e.forward),
	}
	for i, l := range e.layers {
		p.layers = append(p.layers, placedLayer{
			qkv: d.PlaceLinear(l.qkv), out: d.PlaceLinear(l.out), up: d.PlaceLinear(l.up), down: d.PlaceLinear(l.down),
			first: d.PlaceNorm(l.first), second: d.PlaceNorm(l.second), head: d.PlaceHead(e.heads[i]),
		})
	}
	return p
}

// layer runs layer i over x.
func (p *placed) layer(i int, x inference.Buffer, starts []int32) {
	l, tokens := p.layers[i], int(starts[len(starts)-1])
	p.d.Linear(p.qkv, x, tokens, l.qkv, inference.Identity)
	p.d.Attend(p.context, p.qkv, starts, p.s.heads)
	p.d.LinearNorm(x, p.context, tokens, l.out, l.first)
	p.d.Linear(p.mid, x, tokens, l.up, inference.GELU)
	p.d.LinearNorm(x, p.mid, tokens, l.down, l.second)
}

// answers are the logits and exits of every layer.
type answers struct {
	logits []float32
	exits  []inference.Exit
}

// forward runs all layers and answers after each: what is for row r comes after
// what is for row r-1.
func (p *placed) forward(tb testing.TB, tokens inference.Tokens) answers {
	tb.Helper()
	rows := len(tokens.Starts) - 1
	all := answers{make([]float32, rows*len(p.layers)*p.s.classes), make([]inference.Exit, rows*len(p.layers))}
	p.d.Embed(p.x, tokens, p.embedding)
	for i, l := range p.layers {
		p.layer(i, p.x, tokens.Starts)
		exits, logits := make([]inference.Exit, rows), make([]float32, rows*p.s.classes)
		p.d.Answer(exits, logits, p.x, tokens.Starts, l.head)
		for r := range rows {
			at := r*len(p.layers) + i
			all.exits[at] = exits[r]
			copy(all.logits[at*p.s.classes:], logits[r*p.s.classes:(r+1)*p.s.classes])
		}
	}
	if err := p.d.Wait(context.Background(), p.d.Submit()); err != nil {
		tb.Fatal(err)
	}
	return all
}

func randomTokens(r *rand.Rand, s shape, lengths ...int) inference.Tokens {
	tokens := inference.Tokens{Starts: []int32{0}}
	for _, n := range lengths {
		for i := range n {
			tokens.IDs = append(tokens.IDs, int32(r.IntN(s.vocabulary)))
			tokens.Types = append(tokens.Types, uint8(2*i/n))
		}
		tokens.Starts = append(tokens.Starts, int32(len(tokens.IDs)))
	}
	return tokens
}

// only is the listed rows of tokens.
func only(tokens inference.Tokens, rows ...int) inference.Tokens {
	out := inference.Tokens{Starts: []int32{0}}
	for _, r := range rows {
		lo, hi := tokens.Starts[r], tokens.Starts[r+1]
		out.IDs = append(out.IDs, tokens.IDs[lo:hi]...)
		out.Types = append(out.Types, tokens.Types[lo:hi]...)
		out.Starts = append(out.Starts, int32(len(out.IDs)))
	}
	return out
}

func openTest(tb testing.TB, kernels string, threads int) *Device {
	tb.Helper()
	d, err := Open(Options{Kernels: kernels, Threads: threads})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
	})
	return d
}

// shapes are encoders of every kind of head size, and odd sizes elsewhere.
var shapes = []shape{
	{layers: 2, width: 16, heads: 2, forward: 35, classes: 2, vocabulary: 50, positions: 200},
	{layers: 2, width: 72, heads: 3, forward: 100, classes: 33, vocabulary: 50, positions: 200},
	{layers: 3, width: 128, heads: 4, forward: 512, classes: 7, vocabulary: 50, positions: 200},
	{layers: 1, width: 256, heads: 2, forward: 300, classes: 150, vocabulary: 50, positions: 200},
	{layers: 1, width: 192, heads: 3, forward: 770, classes: 5, vocabulary: 50, positions: 200},
}

// lengths of rows: shorter than a vector, longer than a block of queries.
var lengths = []int{5, 1, 33, 8, 100, 16, 2}

func TestSetsAgree(t *testing.T) {
	for _, s := range shapes {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			e := newEncoder(s)
			tokens := randomTokens(rand.New(rand.NewPCG(5, 6)), s, lengths...)
			want := e.place(openTest(t, "portable", 1), len(tokens.IDs)).forward(t, tokens)
			size := 0.0
			for _, z := range want.logits {
				size = max(size, math.Abs(float64(z)))
			}
			var first *answers
			for _, name := range Available() {
				if name == "portable" {
					continue
				}
				got := e.place(openTest(t, name, 2), len(tokens.IDs)).forward(t, tokens)
				for i := range want.logits {
					if math.Abs(float64(got.logits[i]-want.logits[i])) > 1e-5*size {
						t.Errorf("%s: logit %d: got %v, want the portable loops' %v within 1e-5 of %v", name, i, got.logits[i], want.logits[i], size)
					}
				}
				if first == nil {
					first = &got
				}
				compareAnswers(t, name, got, *first)
			}
		})
	}
}

func compareAnswers(t *testing.T, what string, got, want answers) {
	t.Helper()
	for i, w := range want.logits {
		if g := got.logits[i]; math.Float32bits(g) != math.Float32bits(w) {
			t.Fatalf("%s: logit %d: got %v, want %v, bit for bit", what, i, g, w)
		}
	}
	if !slices.Equal(got.exits, want.exits) {
		t.Fatalf("%s: exits: got %v, want %v", what, got.exits, want.exits)
	}
}

func TestRowsDoNotDependOnTheirBatch(t *testing.T) {
	s := shapes[1]
	e := newEncoder(s)
	r := rand.New(rand.NewPCG(7, 8))
	tokens := randomTokens(r, s, lengths...)
	rows := len(lengths)
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
			whole := e.place(openTest(t, k.Name(), 1), len(tokens.IDs)).forward(t, tokens)
			perRow := len(whole.exits) / rows
			part := func(order ...int) answers {
				var a answers
				for _, r := range order {
					lo, hi := r*perRow, (r+1)*perRow
					a.exits = append(a.exits, whole.exits[lo:hi]...)
					a.logits = append(a.logits, whole.logits[lo*s.classes:hi*s.classes]...)
				}
				return a
			}
			for threads := 1; threads <= 4; threads++ {
				p := e.place(openTest(t, k.Name(), threads), len(tokens.IDs))
				compareAnswers(t, fmt.Sprintf("%d threads", threads), p.forward(t, tokens), whole)
				for row := range rows {
					compareAnswers(t, fmt.Sprintf("row %d alone", row), p.forward(t, only(tokens, row)), part(row))
				}
				order := r.Perm(rows)
				compareAnswers(t, fmt.Sprintf("order %v", order), p.forward(t, only(tokens, order...)), part(order...))
				some := order[:rows/2]
				compareAnswers(t, fmt.Sprintf("rows %v", some), p.forward(t, only(tokens, some...)), part(some...))
			}
		})
	}
}

func TestPackedRowsGoOnAsBefore(t *testing.T) {
	s := shapes[2]
	e := newEncoder(s)
	tokens := randomTokens(rand.New(rand.NewPCG(9, 10)), s, lengths...)
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
			d := openTest(t, k.Name(), 2)
			p := e.place(d, len(tokens.IDs))
			want := p.forward(t, tokens)

			// After layer 1, rows 6, 2 and 0 go on in another buffer, behind row 3.
			p.d.Embed(p.x, tokens, p.embedding)
			p.layer(0, p.x, tokens.Starts)
			rows := []int{3, 6, 2, 0}
			next := d.Buffer(len(tokens.IDs), s.width)
			d.Pack(next, 0, p.x, tokens.Starts, rows[:1])
			d.Pack(next, lengths[3], p.x, tokens.Starts, rows[1:])
			starts := only(tokens, rows...).Starts
			for i := 1; i < s.layers; i++ {
				p.layer(i, next, starts)
				exits, logits := make([]inference.Exit, len(rows)), make([]float32, len(rows)*s.classes)
				d.Answer(exits, logits, next, starts, p.layers[i].head)
				if err := d.Wait(context.Background(), d.Submit()); err != nil {
					t.Fatal(err)
				}
				for at, r := range rows {
					from := r*s.layers + i
					compareAnswers(t, fmt.Sprintf("layer %d, row %d", i+1, r),
						answers{logits[at*s.classes : (at+1)*s.classes], exits[at : at+1]},
						answers{want.logits[from*s.classes : (from+1)*s.classes], want.exits[from : from+1]})
				}
			}
		})
	}
}

func TestOperationsAllocateNothing(t *testing.T) {
	s := shape{layers: 2, width: 64, heads: 2, forward: 200, classes: 5, vocabulary: 50, positions: 200}
	e := newEncoder(s)
	r := rand.New(rand.NewPCG(11, 12))
	large := randomTokens(r, s, 100, 16, 29, 7, 5, 1)
	small := randomTokens(r, s, 5, 12)
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
			d := openTest(t, k.Name(), 2)
			p := e.place(d, len(large.IDs))
			next := d.Buffer(len(large.IDs), s.width)
			exits, logits, rows := make([]inference.Exit, 6), make([]float32, 6*s.classes), []int{1, 0}
			batch := func(tokens inference.Tokens) {
				n := len(tokens.Starts) - 1
				d.Embed(p.x, tokens, p.embedding)
				for i, l := range p.layers {
					p.layer(i, p.x, tokens.Starts)
					d.Answer(exits[:n], logits[:n*s.classes], p.x, tokens.Starts, l.head)
				}
				d.Pack(next, 0, p.x, tokens.Starts, rows)
				if err := d.Wait(context.Background(), d.Submit()); err != nil {
					t.Error(err)
				}
			}
			batch(large)
			if got := testing.AllocsPerRun(5, func() { batch(large); batch(small) }); got != 0 {
				t.Errorf("got %v allocations per two batches, want 0", got)
			}
		})
	}
}

func TestMisuseIsReportedByWait(t *testing.T) {
	s := shapes[0]
	e := newEncoder(s)
	tokens := randomTokens(rand.New(rand.NewPCG(13, 14)), s, 4, 3)
	starts := tokens.Starts
	other := openTest(t, "portable", 1)
	foreign := e.place(other, 8)
	for _, c := range []struct {
		name, want string
		do         func(d *Device, p *placed)
	}{
		{"buffer of a negative size", "Buffer: (-1, 16)", func(d *Device, _ *placed) { d.Buffer(-1, 16) }},
		{"weights that are too few", "PlaceLinear: 3 weights", func(d *Device, _ *placed) {
			d.PlaceLinear(inference.LinearWeights{W: make([]float32, 3), B: make([]float32, 2), N: 2, K: 2})
		}},
		{"width that is no multiple of 8", "width 12, want a multiple of 8", func(d *Device, _ *placed) {
			d.PlaceNorm(inference.NormWeights{Gain: make([]float32, 12), Bias: make([]float32, 12)})
		}},
		{"table that is cut off", "word table of 17 values", func(d *Device, _ *placed) {
			w := e.embedding
			w.Word = w.Word[:17]
			d.PlaceEmbedding(w)
		}},
		{"three token types", "3 token types", func(d *Device, _ *placed) {
			w := e.embedding
			w.Type = make([]float32, 3*s.width)
			d.PlaceEmbedding(w)
		}},
		{"temperature of zero", "temperature 0", func(d *Device, _ *placed) {
			w := e.heads[0]
			w.Temperature = 0
			d.PlaceHead(w)
		}},
		{"pooling that is unknown", `pooling "max"`, func(d *Device, _ *placed) {
			w := e.heads[0]
			w.Pooling = "max"
			d.PlaceHead(w)
		}},
		{"score that is unknown", `score "luck"`, func(d *Device, _ *placed) {
			w := e.heads[0]
			w.Score = "luck"
			d.PlaceHead(w)
		}},
		{"classifier of another width", "want (D, D) and (C, D)", func(d *Device, _ *placed) {
			w := e.heads[0]
			w.Classifier = inference.LinearWeights{W: make([]float32, 16), B: make([]float32, 2), N: 2, K: 8}
			d.PlaceHead(w)
		}},
		{"id outside the vocabulary", "token 5 has id 50", func(d *Device, p *placed) {
			bad := tokens
			bad.IDs = slices.Clone(bad.IDs)
			bad.IDs[5] = 50
			d.Embed(p.x, bad, p.embedding)
		}},
		{"token type of 2", "token 0 has type 2", func(d *Device, p *placed) {
			bad := tokens
			bad.Types = slices.Clone(bad.Types)
			bad.Types[0] = 2
			d.Embed(p.x, bad, p.embedding)
		}},
		{"row longer than the positions", "row 0 has 201 tokens", func(d *Device, p *placed) {
			d.Embed(p.x, randomTokens(rand.New(rand.NewPCG(1, 1)), s, 201), p.embedding)
		}},
		{"more tokens than room", "out has room for (8, 16), want (9, 16)", func(d *Device, p *placed) {
			d.Embed(p.x, randomTokens(rand.New(rand.NewPCG(1, 1)), s, 9), p.embedding)
		}},
		{"starts that go back", "row 1 ends at token 3", func(d *Device, p *placed) {
			d.Attend(p.context, p.qkv, []int32{0, 4, 3}, s.heads)
		}},
		{"no starts", "do not begin with 0", func(d *Device, p *placed) { d.Attend(p.context, p.qkv, nil, s.heads) }},
		{"heads that do not divide", "3 heads for width 16", func(d *Device, p *placed) { d.Attend(p.context, p.qkv, starts, 3) }},
		{"heads of 4 values", "4 heads for width 16", func(d *Device, p *placed) { d.Attend(p.context, p.qkv, starts, 4) }},
		{"buffers the wrong way round", "qkv has room for (8, 16), want (7, 144)", func(d *Device, p *placed) {
			d.Attend(p.qkv, p.context, starts, s.heads)
		}},
		{"in and out the same", "same buffer", func(d *Device, p *placed) {
			d.LinearNorm(p.x, p.x, 7, p.layers[0].out, p.layers[0].first)
		}},
		{"activation that is unknown", "activation 9", func(d *Device, p *placed) { d.Linear(p.qkv, p.x, 7, p.layers[0].qkv, 9) }},
		{"norm of another width", "norm of width 24", func(d *Device, p *placed) {
			n := d.PlaceNorm(inference.NormWeights{Gain: make([]float32, 24), Bias: make([]float32, 24)})
			d.LinearNorm(p.x, p.context, 7, p.layers[0].out, n)
		}},
		{"buffer of another device", "x is not of this device", func(d *Device, p *placed) {
			d.Answer(make([]inference.Exit, 2), nil, foreign.x, starts, p.layers[0].head)
		}},
		{"weight of another device", "the weight is not of this device", func(d *Device, p *placed) {
			d.Linear(p.qkv, p.x, 7, foreign.layers[0].qkv, inference.Identity)
		}},
		{"nothing for a norm", "the norm is not of this device", func(d *Device, p *placed) {
			d.LinearNorm(p.x, p.context, 7, p.layers[0].out, nil)
		}},
		{"too few exits", "room for 1 exits", func(d *Device, p *placed) {
			d.Answer(make([]inference.Exit, 1), nil, p.x, starts, p.layers[0].head)
		}},
		{"too few logits", "room for 2 exits and 3 logits", func(d *Device, p *placed) {
			d.Answer(make([]inference.Exit, 2), make([]float32, 3), p.x, starts, p.layers[0].head)
		}},
		{"row without tokens", "row 1 has no tokens", func(d *Device, p *placed) {
			d.Answer(make([]inference.Exit, 2), nil, p.x, []int32{0, 4, 4}, p.layers[0].head)
		}},
		{"row that is not there", "row 2 of 2", func(d *Device, p *placed) { d.Pack(p.context, 0, p.x, starts, []int{2}) }},
		{"packing past the end", "dst has room for (8, 16), want (9, 16)", func(d *Device, p *placed) {
			d.Pack(p.context, 5, p.x, starts, []int{0})
		}},
		{"packing before the start", "to token -1", func(d *Device, p *placed) { d.Pack(p.context, -1, p.x, starts, nil) }},
		{"packing onto itself", "same buffer", func(d *Device, p *placed) { d.Pack(p.x, 0, p.x, starts, []int{1}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openTest(t, "portable", 1)
			p := e.place(d, 8)
			c.do(d, p)
			err := d.Wait(context.Background(), d.Submit())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			d.Embed(p.x, inference.Tokens{}, nil)
			if again := d.Wait(context.Background(), d.Submit()); again.Error() != err.Error() {
				t.Errorf("after another failure: got %v, want the first, %v", again, err)
			}
		})
	}
}

// TestADeviceGoesOnAfterAPanic has one call of each kind of work panic, on
// whichever thread it is. The caller has the panic, the device no failure, and
// what it computes next is as good as before.
func TestADeviceGoesOnAfterAPanic(t *testing.T) {
	s := shapes[2]
	e := newEncoder(s)
	tokens := randomTokens(rand.New(rand.NewPCG(9, 10)), s, slices.Repeat([]int{40}, 20)...)
	for threads := 1; threads <= 4; threads++ {
		d := openTest(t, "auto", threads)
		p := e.place(d, len(tokens.IDs))
		want := p.forward(t, tokens)
		for name, run := range map[string]*func(worker, lo, hi int){
			"embedding": &d.embedding.run, "norm": &d.norming.run, "attention": &d.attention.run,
			"pooling": &d.pooling.run, "product": &d.engine.cells,
		} {
			sound := *run
			var once atomic.Bool
			*run = func(worker, lo, hi int) {
				if !once.Swap(true) {
					panic(name)
				}
				sound(worker, lo, hi)
			}
			if got := panics(func() { p.forward(t, tokens) }); !strings.HasPrefix(fmt.Sprint(got), name) {
				t.Fatalf("%s, %d threads: got %v, want the panic", name, threads, got)
			}
			compareAnswers(t, fmt.Sprintf("after a panic in the %s, %d threads", name, threads), p.forward(t, tokens), want)
			*run = sound
		}
	}
}

func TestDamagedWeightsAreReported(t *testing.T) {
	s := shapes[0]
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
			for _, damage := range []func(e *encoder){
				func(e *encoder) { e.layers[0].qkv.B[0] = float32(math.NaN()) },
				func(e *encoder) { e.layers[0].up.W[3] = float32(math.NaN()) },
				func(e *encoder) { e.heads[0].Pooler.B[1] = float32(math.NaN()) },
				func(e *encoder) { e.heads[0].Classifier.B[1] = float32(math.Inf(1)) },
			} {
				e := newEncoder(s)
				damage(&e)
				d := openTest(t, k.Name(), 1)
				p := e.place(d, 8)
				tokens := randomTokens(rand.New(rand.NewPCG(15, 16)), s, 4, 3)
				d.Embed(p.x, tokens, p.embedding)
				p.layer(0, p.x, tokens.Starts)
				d.Answer(make([]inference.Exit, 2), nil, p.x, tokens.Starts, p.layers[0].head)
				err := d.Wait(context.Background(), d.Submit())
				if err == nil || !strings.Contains(err.Error(), "not a finite number") {
					t.Errorf("got %v, want an error about a logit that is not a finite number", err)
				}
			}
		})
	}
}

func TestClosedDevice(t *testing.T) {
	d, err := Open(Options{Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	ticket := d.Submit()
	for range 2 {
		if err := d.Close(); err != nil {
			t.Errorf("closing: got %v, want nothing", err)
		}
	}
	d.Buffer(1, 8)
	if err := d.Wait(context.Background(), ticket); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("got %v, want an error that says the device is closed", err)
	}
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name, want string
		options    Options
	}{
		{"unknown set", `unknown kernel set "sse9", want auto, avx512, avx2 or portable`, Options{Kernels: "sse9"}},
		{"negative threads", "-1 threads", Options{Threads: -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Open(c.options); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	d := openTest(t, "auto", 2)
	want := inference.DeviceInfo{Name: "cpu", Kernels: Available()[0], Threads: 2, Precision: inference.F32, BatchTokens: 2048}
	if got := d.Describe(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTiesGoToTheLowestLabel(t *testing.T) {
	exit, ok := answer([]float32{1, 3, 3, 2}, 1, inference.MaxProbability)
	if !ok || exit.Label != 1 {
		t.Errorf("got label %d, %v, want 1", exit.Label, ok)
	}
}
