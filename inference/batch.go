package inference

// A Row is one tokenized text.
type Row struct {
	Tokens []int32 // with [CLS] and [SEP]; must not change until the row has left
	Second int     // token type is 1 from here on; len(Tokens) where there is no second text
	Rung   uint8   // the rung it was admitted under
}
