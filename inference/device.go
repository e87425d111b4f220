package inference

import "context"

// A Device carries out the encoder's layer-grain operations.
//
// Operations take effect in the order in which they are called, but a device
// may carry them out later: buffers and answers hold their results only after
// [Device.Wait]. The first failure sticks: every later operation does nothing
// and Wait reports it, so the model reads as plain mathematics without a check
// after every line. Shapes that do not fit are such failures, never panics.
// Slices that an operation only reads are read before it returns.
//
// One goroutine at a time may use a Device. Within one kernel set a row's
// results do not depend on the other rows of the batch, on their order, or on
// the number of threads, bit for bit.
//
// The width D and the values of a head, D/H, are multiples of 8. All other sizes
// are free.
//
// The set of operations is closed: it is what a BERT encoder with exits needs,
// with Read to look at what it computes, and no more. Package devicetest holds the suite that every Device passes.
type Device interface {
	Memory

	// Embed sets out (T, D) to the layer norm of the sum of word, position and
	// token-type embeddings. Positions count from 0 in every row.
	Embed(out Buffer, tokens Tokens, e Embedding)
	// Linear sets out (T, N) to act(in·Wᵀ + b) for in (T, K), where T is tokens.
	Linear(out, in Buffer, tokens int, w Linear, act Activation)
	// LinearNorm sets x (T, D) to the layer norm of x + in·Wᵀ + b, for in (T, K).
	LinearNorm(x, in Buffer, tokens int, w Linear, n Norm)
	// Attend sets out (T, D) to softmax(q·kᵀ/√(D/H))·v within every row, for
	// qkv (T, 3D) holding q, k and v side by side.
	Attend(out, qkv Buffer, starts []int32, heads int)
	// Answer fills exits (R), and logits (R, C) unless it is nil, with what head
	// h reads from every row of x (T, D). Logits are before the temperature.
	// Both slices belong to the device until the next Wait.
	Answer(exits []Exit, logits []float32, x Buffer, starts []int32, h Head)
	// Pack copies the listed rows of src (T, D), in the order listed, end to end
	// into dst, another buffer, from token at on.
	Pack(dst Buffer, at int, src Buffer, starts []int32, rows []int)
	// Read copies the first tokens of x (T, D), as many as values (T, D) has room
	// for, into values. The slice belongs to the device until the next Wait.
	Read(values []float32, x Buffer)

	// Submit hands over everything called so far and returns its ticket.
	Submit() Ticket
	// Wait returns when the work up to t is done, or ctx ends, with the first
	// failure since the device was opened.
	Wait(ctx context.Context, t Ticket) error
}

// Memory is the part of a [Device] that places weights and activations. A
// failure to place sticks like that of any operation; what is returned then
// still has its shape, so that nothing that is returned is nil.
type Memory interface {
	// Describe says what the device is.
	Describe() DeviceInfo
	// Buffer returns room for activations of up to tokens tokens, width values
	// each, zeroed.
	Buffer(tokens, width int) Buffer
	// Linear, Norm, Embedding and Head place weights. The device copies what it
	// is given.
	PlaceLinear(w LinearWeights) Linear
	PlaceNorm(w NormWeights) Norm
	PlaceEmbedding(w EmbeddingWeights) Embedding
	PlaceHead(w HeadWeights) Head
	// Close frees the device and everything placed on it.
	Close() error
}

// A Ticket stands for the work submitted to a device up to some moment.
type Ticket uint64

// DeviceInfo says what a device is, for logs, metrics and the choice of ladder.
type DeviceInfo struct {
	Name        string    // e.g. "cpu"
	Kernels     string    // e.g. "avx512"
	Threads     int       // compute threads; 0 where it has no meaning
	Precision   Precision // of the activations
	BatchTokens int       // the token budget of one stage run that suits it
}

// A Precision is the arithmetic that activations are kept in. Answers near a
// threshold differ between precisions, so a ladder is certified for one.
type Precision string

// The precisions.
const (
	F32  Precision = "f32"
	BF16 Precision = "bf16"
)

// A Buffer holds activations on a [Device].
//
//nolint:iface // a Buffer and a Linear both have a shape, and are never each other
type Buffer interface {
	// Shape reports the most tokens it holds and the values per token.
	Shape() (tokens, width int)
}

// A Linear is the placed weight W (N, K) and bias b (N) of x·Wᵀ + b.
//
//nolint:iface // see Buffer
type Linear interface {
	Shape() (n, k int)
}

// A Norm is the placed gain and bias of a layer norm.
type Norm interface {
	Width() int
}

// An Embedding is the placed embedding tables and their layer norm.
type Embedding interface {
	Shape() (vocabulary, positions, width int)
}

// A Head is the placed pooler and classifier of one exit.
type Head interface {
	Classes() int
}

// LinearWeights are the weights of a fully connected layer.
type LinearWeights struct {
	W    []float32 // (N, K)
	B    []float32 // (N)
	N, K int
}

// NormWeights are the weights of a layer norm. The variance is the biased one.
type NormWeights struct {
	Gain, Bias []float32 // (D)
	Epsilon    float32
}

// EmbeddingWeights are the tables that [Device.Embed] sums, and its norm.
type EmbeddingWeights struct {
	Word     []float32 // (V, D)
	Position []float32 // (P, D)
	Type     []float32 // (2, D); a table with one row is repeated
	Norm     NormWeights
}

// HeadWeights are one exit's pooler tanh(Wp·p(x) + bp), its classifier
// Wc·pooled + bc, and how the logits become an [Exit].
type HeadWeights struct {
	Pooler      LinearWeights // (D, D)
	Classifier  LinearWeights // (C, D)
	Pooling     Pooling
	Score       Score
	Temperature float32 // divides the logits before the softmax; > 0
}

// Tokens are the token rows of a batch, packed end to end.
type Tokens struct {
	IDs    []int32 // (T)
	Types  []uint8 // (T) 0 for the first text of a pair, 1 for the second
	Starts []int32 // (R+1) row r is tokens Starts[r]:Starts[r+1]
}

// An Activation is the function that a linear layer ends in.
type Activation uint8

// The activations of the encoder.
const (
	Identity Activation = iota
	GELU                // x·Φ(x), with the exact error function
)

// A Pooling turns a row's tokens (T, D) into the one vector that its exit
// reads.
type Pooling string

// The poolings.
const (
	CLS  Pooling = "cls"  // the first token, as in the paper
	Mean Pooling = "mean" // the mean over all tokens of the row
)
