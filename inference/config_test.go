package inference_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"sweetspot/inference"
)

// bertConfig returns a config.json as Hugging Face writes it, with fields that
// mean nothing here.
func bertConfig(changes map[string]any) map[string]any {
	c := map[string]any{
		"_name_or_path": "acme/tiny-bert", "architectures": []string{"BertForSequenceClassification"}, "model_type": "bert",
		"vocab_size": 100, "hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 2, "intermediate_size": 512,
		"hidden_act": "gelu", "max_position_embeddings": 64, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
		"id2label": map[string]string{"0": "no", "1": "yes"}, "label2id": map[string]int{"no": 0, "yes": 1},
		"hidden_dropout_prob": 0.1, "torch_dtype": "float32", "transformers_version": "4.57.1", "pad_token_id": 0,
		"position_embedding_type": "absolute", "problem_type": nil, "use_cache": true,
	}
	maps.Copy(c, changes)
	for name, value := range changes {
		if value == missing {
			delete(c, name)
		}
	}
	return c
}

// missing is the value of a field that is to be left out.
const missing = "\x00missing"

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseConfig(t *testing.T) {
	plain := inference.Config{
		Name: "acme/tiny-bert", Vocab: 100, Width: 128, Layers: 6, Heads: 2, FeedForward: 512, Positions: 64, Types: 2, Epsilon: 1e-12,
		Labels: []string{"no", "yes"}, Exits: []int{6}, Pooling: []inference.Pooling{inference.CLS},
		Score: inference.MaxProbability, Method: inference.EarlyExit,
	}
	with := func(change func(c *inference.Config)) inference.Config {
		c := plain
		change(&c)
		return c
	}
	for _, test := range []struct {
		name    string
		changes map[string]any
		want    inference.Config
	}{
		{"a plain BERT classifier", nil, plain},
		{"four exits with one pooling", map[string]any{"exits": []int{1, 2, 4, 6}, "exit_pooling": "mean", "method": "sweet"}, with(func(c *inference.Config) {
			c.Exits, c.Method = []int{1, 2, 4, 6}, inference.SWEET
			c.Pooling = []inference.Pooling{inference.Mean, inference.Mean, inference.Mean, inference.Mean}
		})},
		{"two exits with a pooling each", map[string]any{"exits": []int{3, 6}, "exit_pooling": []string{"mean", "cls"}}, with(func(c *inference.Config) {
			c.Exits, c.Pooling = []int{3, 6}, []inference.Pooling{inference.Mean, inference.CLS}
		})},
		{"a Multi-Model", map[string]any{"exits": []int{2, 6}, "method": "mm"}, with(func(c *inference.Config) {
			c.Exits, c.Method = []int{2, 6}, inference.MultiModel
			c.Pooling = []inference.Pooling{inference.CLS, inference.CLS}
		})},
		{"the margin for a score", map[string]any{"exit_score": "margin"}, with(func(c *inference.Config) { c.Score = inference.Margin })},
		{"the entropy for a score", map[string]any{"exit_score": "entropy"}, with(func(c *inference.Config) { c.Score = inference.Entropy })},
		{"labels counted only", map[string]any{"id2label": missing, "label2id": missing, "num_labels": 3}, with(func(c *inference.Config) {
			c.Labels = []string{"LABEL_0", "LABEL_1", "LABEL_2"}
		})},
		{"many labels a text", map[string]any{"problem_type": "multi_label_classification"}, with(func(c *inference.Config) { c.MultiLabel = true })},
		{"one label of many labels a text", map[string]any{"problem_type": "multi_label_classification", "id2label": missing, "num_labels": 1}, with(func(c *inference.Config) {
			c.MultiLabel, c.Labels = true, []string{"LABEL_0"}
		})},
		{"labels that are numbers", map[string]any{"id2label": map[string]any{"0": 1, "1": 2.5}}, with(func(c *inference.Config) { c.Labels = []string{"1", "2.5"} })},
		{"labels that do not point back", map[string]any{"label2id": map[string]any{"LABEL_0": 0, "LABEL_1": "1"}}, plain},
		{"old files without a class", map[string]any{"architectures": missing, "model_type": missing}, plain},
		{"fields that change no answer", map[string]any{
			"classifier_dropout": 0.3, "is_decoder": false, "add_cross_attention": false, "pruned_heads": map[string]any{},
			"tie_word_embeddings": true, "gradient_checkpointing": true, "chunk_size_feed_forward": 4, "dtype": "bfloat16",
		}, plain},
		{"the problem named", map[string]any{"problem_type": "single_label_classification"}, plain},
		{"labels not mentioned", map[string]any{"id2label": missing, "label2id": missing}, with(func(c *inference.Config) {
			c.Labels = []string{"LABEL_0", "LABEL_1"}
		})},
		{"old files without the later fields", map[string]any{
			"layer_norm_eps": missing, "hidden_act": missing, "type_vocab_size": missing, "position_embedding_type": missing, "_name_or_path": missing,
		}, with(func(c *inference.Config) { c.Name = "" })},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := inference.ParseConfig(encoded(t, bertConfig(test.changes)))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			again, err := got.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := inference.ParseConfig(again); err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v and error %v from what Encode wrote, want %+v", got, err, test.want)
			}
		})
	}
}

func TestParseConfigRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		changes map[string]any
		want    string
	}{
		{"heads that do not divide", map[string]any{"num_attention_heads": 7}, "num_attention_heads: 7 does not divide hidden_size 128"},
		{"heads of an odd size", map[string]any{"num_attention_heads": 32}, "num_attention_heads: 32 of hidden_size 128 are heads of 4 values, want a multiple of 8"},
		{"no width", map[string]any{"hidden_size": missing}, "hidden_size: missing"},
		{"a width of zero", map[string]any{"hidden_size": 0}, "hidden_size: 0 is not from 1 to 16777216"},
		{"a width in words", map[string]any{"hidden_size": "wide"}, "hidden_size: got a JSON string, want int"},
		{"half a layer", map[string]any{"num_hidden_layers": 1.5}, "num_hidden_layers: got a JSON number 1.5, want int"},
		{"too many layers", map[string]any{"num_hidden_layers": 5000}, "num_hidden_layers: 5000 is not from 1 to 1024"},
		{"negative positions", map[string]any{"max_position_embeddings": -1}, "max_position_embeddings: -1 is not from 1 to 16777216"},
		{"another encoder", map[string]any{"model_type": "roberta"}, `model_type: "roberta" (BertForSequenceClassification) is not supported, want "bert"`},
		{"another activation", map[string]any{"hidden_act": "relu"}, `hidden_act: "relu" is not supported, want "gelu", the exact one: any other gives other answers`},
		{"an approximate activation", map[string]any{"hidden_act": "gelu_new"}, `hidden_act: "gelu_new" is not supported, want "gelu", the exact one: any other gives other answers`},
		{"relative positions", map[string]any{"position_embedding_type": "relative_key"}, `position_embedding_type: "relative_key" is not supported, want "absolute"`},
		{"a decoder", map[string]any{"is_decoder": true}, "is_decoder: true is not supported, want an encoder"},
		{"another encoder by both names", map[string]any{"model_type": "distilbert", "architectures": []string{"DistilBertForSequenceClassification"}}, `model_type: "distilbert" (DistilBertForSequenceClassification) is not supported, want "bert"`},
		{"another encoder's type alone", map[string]any{"model_type": "deberta-v2", "architectures": missing}, `model_type: "deberta-v2" is not supported, want "bert"`},
		{"another class", map[string]any{"model_type": missing, "architectures": []string{"RobertaForSequenceClassification"}}, `architectures: "RobertaForSequenceClassification" is not supported, want "BertForSequenceClassification"; sweet train --init also reads BertModel, BertForPreTraining, BertForMaskedLM, BertForNextSentencePrediction, BertForTokenClassification, BertForQuestionAnswering, BertForMultipleChoice`},
		{"no classifier", map[string]any{"architectures": []string{"BertModel"}}, `architectures: "BertModel" has no classifier of texts, want "BertForSequenceClassification": train one from it with sweet train --init`},
		{"a classifier of tokens", map[string]any{"architectures": []string{"BertForTokenClassification"}}, `architectures: "BertForTokenClassification" has no classifier of texts, want "BertForSequenceClassification": train one from it with sweet train --init`},
		{"attention across", map[string]any{"add_cross_attention": true}, "add_cross_attention: true is not supported, want an encoder"},
		{"pruned heads", map[string]any{"pruned_heads": map[string][]int{"0": {1}}}, "pruned_heads: layers with fewer heads than num_attention_heads are not supported"},
		{"a number for a label", map[string]any{"problem_type": "regression"}, `problem_type: "regression" gives a number and no label, want "single_label_classification" or "multi_label_classification"`},
		{"an unknown problem", map[string]any{"problem_type": "ranking"}, `problem_type: "ranking" is not known, want "single_label_classification" or "multi_label_classification"`},
		{"one label", map[string]any{"id2label": map[string]string{"0": "score"}}, `id2label: one label, "score", is a regression to transformers, which gives no label: want 2 labels or more, or problem_type "multi_label_classification"`},
		{"one label by count", map[string]any{"id2label": missing, "num_labels": 1, "problem_type": "single_label_classification"}, `id2label: one label, "LABEL_0", is a regression to transformers, which gives no label: want 2 labels or more, or problem_type "multi_label_classification"`},
		{"a label that is a list", map[string]any{"id2label": map[string]any{"0": []int{}, "1": "yes"}}, "id2label: a label is [], want a text"},
		{"a label that is null", map[string]any{"id2label": map[string]any{"0": nil, "1": "yes"}}, "id2label: a label is null, want a text"},
		{"many labels a text at two exits", map[string]any{"problem_type": "multi_label_classification", "exits": []int{3, 6}}, `exits: [3 6], but a model of problem_type "multi_label_classification" is only served with one, at the last layer`},
		{"no norm's epsilon", map[string]any{"layer_norm_eps": 0}, "layer_norm_eps: 0 is not between 0 and 1"},
		{"a gap in the labels", map[string]any{"id2label": map[string]string{"0": "no", "2": "yes"}}, `id2label: has 2 labels but none for "1"`},
		{"the same label twice", map[string]any{"id2label": map[string]string{"0": "no", "1": "no"}, "label2id": missing}, `id2label: 0 and 1 are both "no"`},
		{"a blank label", map[string]any{"id2label": map[string]string{"0": " ", "1": "no"}, "label2id": missing}, "id2label: label 0 is blank"},
		{"no labels", map[string]any{"id2label": map[string]string{}, "label2id": missing}, "id2label: no labels"},
		{"another count of labels", map[string]any{"num_labels": 3}, "num_labels: 3, but id2label has 2"},
		{"a count of no labels", map[string]any{"id2label": missing, "label2id": missing, "num_labels": 0}, "num_labels: 0 is not from 1 to 65536"},
		{"exits that descend", map[string]any{"exits": []int{2, 1, 6}}, "exits: [2 1 6] must ascend from at least 1 to num_hidden_layers 6"},
		{"an exit before the first layer", map[string]any{"exits": []int{0, 6}}, "exits: [0 6] must ascend from at least 1 to num_hidden_layers 6"},
		{"an exit behind the last layer", map[string]any{"exits": []int{1, 7}}, "exits: [1 7] must ascend from at least 1 to num_hidden_layers 6"},
		{"layers behind the last exit", map[string]any{"exits": []int{1, 2}}, "exits: the last of [1 2] must be num_hidden_layers 6"},
		{"no exits", map[string]any{"exits": []int{}}, "exits: none, want at least one"},
		{"another pooling", map[string]any{"exit_pooling": "max"}, `exit_pooling: "max" is not "cls" or "mean"`},
		{"a pooling too many", map[string]any{"exit_pooling": []string{"cls", "cls"}}, "exit_pooling: 2 entries for 1 exits"},
		{"a pooling that is a number", map[string]any{"exit_pooling": 1}, `exit_pooling: want "cls", "mean", or a list of one per exit`},
		{"another score", map[string]any{"exit_score": "luck"}, `exit_score: "luck" is not "max_probability", "margin" or "entropy"`},
		{"the entropy of labels without a common distribution", map[string]any{"exit_score": "entropy", "problem_type": "multi_label_classification"}, `exit_score: "entropy", but labels of problem_type "multi_label_classification" have no common distribution: want "max_probability"`},
		{"a method without a name", map[string]any{"method": ""}, `method: "" is no name of small letters, digits and hyphens, up to 32, like "sweet"`},
		{"a method in capitals", map[string]any{"method": "SWEET"}, `method: "SWEET" is no name of small letters, digits and hyphens, up to 32, like "sweet"`},
		{"a method whose name is too long", map[string]any{"method": strings.Repeat("m", 33)}, `method: "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm" is no name of small letters, digits and hyphens, up to 32, like "sweet"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := inference.ParseConfig(encoded(t, bertConfig(test.changes)))
			if err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %s", err, test.want)
			}
		})
	}
	t.Run("no JSON", func(t *testing.T) {
		if _, err := inference.ParseConfig([]byte("{")); err == nil || !strings.HasPrefix(err.Error(), "not valid JSON: ") {
			t.Errorf("got error %v, want one about JSON", err)
		}
	})
}

func TestParametersAreInTheOrderOfTheForwardPass(t *testing.T) {
	c, err := inference.ParseConfig(encoded(t, bertConfig(map[string]any{"num_hidden_layers": 2, "exits": []int{1, 2}})))
	if err != nil {
		t.Fatal(err)
	}
	ps := c.Parameters()
	if got, want := len(ps), 5+2*16+2*4; got != want {
		t.Fatalf("got %d parameters, want %d", got, want)
	}
	for i, want := range map[int]inference.Parameter{
		0:  {Name: "embeddings.word_embeddings.weight", Shape: []int{100, 128}},
		5:  {Name: "encoder.layer.0.attention.self.query.weight", Shape: []int{128, 128}},
		15: {Name: "encoder.layer.0.intermediate.dense.weight", Shape: []int{512, 128}},
		21: {Name: "exits.0.pooler.dense.weight", Shape: []int{128, 128}},
		23: {Name: "exits.0.classifier.weight", Shape: []int{2, 128}},
		25: {Name: "encoder.layer.1.attention.self.query.weight", Shape: []int{128, 128}},
		44: {Name: "exits.1.classifier.bias", Shape: []int{2}},
	} {
		if got := ps[i]; !reflect.DeepEqual(got, want) {
			t.Errorf("parameter %d: got %v, want %v", i, got, want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	data, err := json.Marshal(bertConfig(nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"exits":[1],"exit_pooling":["mean"]}`))
	multi, err := json.Marshal(bertConfig(map[string]any{"problem_type": "multi_label_classification", "id2label": map[string]any{"0": 7}}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(multi)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := inference.ParseConfig(data)
		if err != nil {
			return
		}
		written, err := c.Encode()
		if err != nil {
			t.Fatalf("encoding what was parsed: %v", err)
		}
		if again, err := inference.ParseConfig(written); err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("got %+v and error %v from what Encode wrote, want %+v", again, err, c)
		}
	})
}
