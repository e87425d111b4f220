package token

import (
	"slices"
	"testing"
)

// sentences returns the shared questions and the number of their bytes.
func sentences(b *testing.B) (texts []string, bytes int) {
	b.Helper()
	type vector struct {
		Text string `json:"text"`
	}
	for _, v := range readJSON[vector](b, shared(b, "vectors", "squad_questions.jsonl.gz")) {
		texts = append(texts, v.Text)
		bytes += len(v.Text)
	}
	return texts, bytes
}

func load(b *testing.B) *Tokenizer {
	b.Helper()
	tokens, err := LoadVocab(shared(b, "vocab", "vocab.txt"))
	if err != nil {
		b.Fatal(err)
	}
	return tokens
}

// BenchmarkAppend reads about ten thousand questions of 60 bytes on one core.
func BenchmarkAppend(b *testing.B) {
	tokens := load(b)
	texts, bytes := sentences(b)
	dst := make([]int32, 0, 4096)
	ids := 0
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	for b.Loop() {
		ids = 0
		for _, text := range texts {
			dst = tokens.Append(dst[:0], text)
			ids += len(dst)
		}
	}
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(float64(b.N*len(texts))/seconds, "texts/s")
	b.ReportMetric(float64(b.N*ids)/seconds, "tokens/s")
}

// BenchmarkRow puts the same questions into rows of 64 ids.
func BenchmarkRow(b *testing.B) {
	tokens := load(b)
	texts, bytes := sentences(b)
	dst := make([]int32, 0, 4096)
	b.SetBytes(int64(bytes))
	for b.Loop() {
		for _, text := range texts {
			if _, err := tokens.Row(dst, text, "", 64, Right); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N*len(texts))/b.Elapsed().Seconds(), "texts/s")
}

// BenchmarkAppendNormalized reads what the fast path cannot: accents, quotation
// marks, ideographs.
func BenchmarkAppendNormalized(b *testing.B) {
	tokens := load(b)
	texts := []string{
		"Où est mon colis ? Il devait arriver à Genève mardi…", "Die Lieferung an die Königstraße wäre längst fällig!",
		"It’s the “second” time — still nothing.", "我的包裹还没有到，请退款。", "Где мой заказ? Он должен был прийти во вторник.",
	}
	bytes := 0
	for _, text := range texts {
		bytes += len(text)
	}
	dst := make([]int32, 0, 4096)
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			dst = tokens.Append(dst[:0], text)
		}
	}
	b.ReportMetric(float64(b.N*len(texts))/b.Elapsed().Seconds(), "texts/s")
}

// BenchmarkNew builds the tables of a vocabulary of 30,522 pieces.
func BenchmarkNew(b *testing.B) {
	vocab := load(b).Vocab()
	for b.Loop() {
		if _, err := New(vocab, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTrainVocab makes 8,000 pieces from the questions.
func BenchmarkTrainVocab(b *testing.B) {
	texts, _ := sentences(b)
	for b.Loop() {
		if _, err := TrainVocab(slices.Values(texts), 8000, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
