package main

import (
	"fmt"

	"sweetspot/inference/train"
)

// metricFlags adds the flags that say how answers are scored.
func metricFlags(add func(to *string, name, value, usage string), metric, positive *string) {
	add(metric, "metric", string(train.Accuracy), "what is shown: accuracy, f1 (of the positive label; with more than two labels the mean over all), or mcc, the Matthews correlation")
	add(positive, "positive", "", "the label that f1 is of where there are two (default the first in order)")
}

// score writes a score as people write it: shares in percent, a correlation as
// it is.
func score(s train.Scores, m train.Metric) string {
	if m == train.MCC {
		return fmt.Sprintf("%.4f", s.MCC)
	}
	return fmt.Sprintf("%.2f %%", 100*s.Of(m))
}
