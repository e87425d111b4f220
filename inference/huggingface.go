package inference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// What follows reads config.json as the transformers library does, whose file it
// is: PretrainedConfig for labels, TextClassificationPipeline for what scores
// are. Where its versions differ, or where a field asks for another computation
// than ours, the file is refused.

// classifierClass is the class of transformers that is served.
const classifierClass = "BertForSequenceClassification"

// encoderClasses hold the same encoder under another head or none: training can
// start from them.
var encoderClasses = []string{
	"BertModel", "BertForPreTraining", "BertForMaskedLM", "BertForNextSentencePrediction",
	"BertForTokenClassification", "BertForQuestionAnswering", "BertForMultipleChoice",
}

// The values of problem_type.
const (
	singleLabelProblem = "single_label_classification"
	multiLabelProblem  = "multi_label_classification"
	regressionProblem  = "regression"
)

// class returns the class that the weights were saved from, "" where the file
// does not say, as old ones do not.
func (f *configFile) class() string {
	if len(f.Architectures) == 0 {
		return ""
	}
	return f.Architectures[0]
}

// supported reports what makes the file describe another encoder than ours.
func (f *configFile) supported() error {
	class := f.class()
	switch {
	case f.ModelType != "" && f.ModelType != "bert":
		return fmt.Errorf("model_type: %q%s is not supported, want \"bert\"", f.ModelType, inBrackets(class))
	case class != "" && class != classifierClass && !slices.Contains(encoderClasses, class):
		return fmt.Errorf("architectures: %q is not supported, want %q; sweet train --init also reads %s",
			class, classifierClass, strings.Join(encoderClasses, ", "))
	case f.Activation != nil && *f.Activation != "gelu":
		return fmt.Errorf("hidden_act: %q is not supported, want \"gelu\", the exact one: any other gives other answers", *f.Activation)
	case f.PositionKind != nil && *f.PositionKind != "absolute":
		return fmt.Errorf("position_embedding_type: %q is not supported, want \"absolute\"", *f.PositionKind)
	case f.Decoder:
		return errors.New("is_decoder: true is not supported, want an encoder")
	case f.CrossAttended:
		return errors.New("add_cross_attention: true is not supported, want an encoder")
	case len(f.Pruned) > 0:
		return errors.New("pruned_heads: layers with fewer heads than num_attention_heads are not supported")
	default:
		return nil
	}
}

func inBrackets(class string) string {
	if class == "" {
		return ""
	}
	return " (" + class + ")"
}

// classifier returns the shape of a model that can be served.
func (f *configFile) classifier() (Config, error) {
	if class := f.class(); slices.Contains(encoderClasses, class) {
		return Config{}, fmt.Errorf("architectures: %q has no classifier of texts, want %q: train one from it with sweet train --init", class, classifierClass)
	}
	return f.config()
}

// encoder returns the shape of an encoder, and whether its exits are those of a
// classifier with one label a text. Where they are not, its labels stand for
// nothing.
//
//nolint:nonamedreturns // the second result needs its name
func (f *configFile) encoder() (c Config, classifies bool, err error) {
	c, err = f.classifier()
	if err == nil && c.Method == MultiModel {
		return c, false, fmt.Errorf("method: %q is %w", MultiModel, ErrSeveralEncoders)
	}
	if err == nil && !c.MultiLabel {
		return c, true, nil
	}
	without := *f
	without.Problem, without.NumLabels, without.ID2Label = nil, nil, nil
	c, err = without.config()
	return c, false, err
}

// multiLabel reads problem_type. One that is missing is told from the number of
// labels: with two or more, scores are a softmax.
func (f *configFile) multiLabel() (bool, error) {
	if f.Problem == nil {
		return false, nil
	}
	switch problem := *f.Problem; problem {
	case singleLabelProblem:
		return false, nil
	case multiLabelProblem:
		return true, nil
	case regressionProblem:
		return false, fmt.Errorf("problem_type: %q gives a number and no label, want %q or %q", problem, singleLabelProblem, multiLabelProblem)
	default:
		return false, fmt.Errorf("problem_type: %q is not known, want %q or %q", problem, singleLabelProblem, multiLabelProblem)
	}
}

// labels reads id2label, or makes the names that transformers would. label2id
// is not read, as nothing in transformers answers by it. A num_labels that
// contradicts id2label goes before it in some versions, and behind in others.
func (f *configFile) labels() ([]string, error) {
	n := len(f.ID2Label)
	if f.ID2Label == nil {
		n = 2
		setIf(&n, f.NumLabels)
		if n < 1 || n > maxLabels {
			return nil, fmt.Errorf("num_labels: %d is not from 1 to %d", n, maxLabels)
		}
	} else if f.NumLabels != nil && *f.NumLabels != n {
		return nil, fmt.Errorf("num_labels: %d, but id2label has %d", *f.NumLabels, n)
	}
	labels := make([]string, n)
	for i := range labels {
		if f.ID2Label == nil {
			labels[i] = "LABEL_" + strconv.Itoa(i)
			continue
		}
		name, ok := f.ID2Label[strconv.Itoa(i)]
		if !ok {
			return nil, fmt.Errorf("id2label: has %d labels but none for \"%d\"", n, i)
		}
		labels[i] = string(name)
	}
	return labels, nil
}

// A label is a value of id2label: a text, or a number, whose digits are the
// label then.
type label string

// UnmarshalJSON reads a text or a number.
func (l *label) UnmarshalJSON(data []byte) error {
	var value any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return err
	}
	switch v := value.(type) {
	case string:
		*l = label(v)
	case json.Number:
		*l = label(v)
	default:
		return &labelError{string(data)}
	}
	return nil
}

// A labelError is a value of id2label that cannot be a label.
type labelError struct{ value string }

func (e *labelError) Error() string { return "id2label: a label is " + e.value + ", want a text" }

// labelIDs is label2id, which is written and never read.
type labelIDs map[string]int

// UnmarshalJSON passes over whatever is there.
func (*labelIDs) UnmarshalJSON([]byte) error { return nil }

// otherFormats are the names under which transformers finds weights that are not
// safetensors, and how its from_pretrained is told to read them.
var otherFormats = []struct{ name, is, option string }{
	{"pytorch_model.bin", "a pickle, which can run code of its maker when it is read", ""},
	{"pytorch_model.bin.index.json", "the index of pickles, which can run code of their maker when they are read", ""},
	{"tf_model.h5", "of TensorFlow, which transformers reads up to version 4", ", from_tf=True"},
	{"flax_model.msgpack", "of Flax, which transformers reads up to version 4", ", from_flax=True"},
}

// convert says what to do about a directory that holds its weights in a form
// that is not read; "" where it holds none.
func (f *configFile) convert(fsys fs.FS) string {
	class := f.class()
	if class == "" {
		class = classifierClass
	}
	for _, format := range otherFormats {
		if _, err := fs.Stat(fsys, format.name); err == nil {
			return fmt.Sprintf("%s is there but not read: it is %s. Convert it, in the model directory: "+
				`python3 -c "from transformers import %s as M; M.from_pretrained('.'%s).save_pretrained('.', safe_serialization=True)"`,
				format.name, format.is, class, format.option)
		}
	}
	return ""
}
