package token

import (
	"errors"
	"iter"
)

// TrainVocab makes a WordPiece vocabulary of at most size pieces for texts.
func TrainVocab(texts iter.Seq[string], size int, o Options) ([]string, error) {
	return nil, errors.New("not built")
}
