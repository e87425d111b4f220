package consumer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	kafka "github.com/segmentio/kafka-go"

	"sweetspot/pipeline"
)

// The headers that a dead letter has after the original ones, in this order.
const (
	reasonHeader    = "sweet-reason"
	errorHeader     = "sweet-error"
	topicHeader     = "sweet-source-topic"
	partitionHeader = "sweet-source-partition"
	offsetHeader    = "sweet-source-offset"
	timestampHeader = "sweet-source-timestamp"
	workerHeader    = "sweet-worker"
)

var letterHeaders = []string{reasonHeader, errorHeader, topicHeader, partitionHeader, offsetHeader, timestampHeader, workerHeader}

// leftOut is in the error of every letter that lacks a part of what was read.
const leftOut = "left out"

// A Letter is a dead letter as it is read back from its topic.
type Letter struct {
	Reason  pipeline.Reason
	Error   string // the detail, for people
	Source  Source
	Headers []kafka.Header // the original ones
	Whole   bool           // key, value and headers are those of the message
}

// A Source is where the message of a letter was read.
type Source struct {
	Topic     string
	Partition int
	Offset    int64
	Timestamp int64 // Unix ms; another one where the topic was made again
}

// ReadLetter reads a record of the topic of dead letters. The error says why it
// is none.
func ReadLetter(headers []kafka.Header) (Letter, error) {
	original := len(headers) - len(letterHeaders)
	if original < 0 {
		return Letter{}, errors.New("it has too few headers")
	}
	value := make(map[string]string, len(letterHeaders))
	for i, name := range letterHeaders {
		h := headers[original+i]
		if h.Key != name {
			return Letter{}, fmt.Errorf("its header %q stands where %s should", h.Key, name)
		}
		value[name] = string(h.Value)
	}
	l := Letter{
		Reason: pipeline.Reason(value[reasonHeader]), Error: value[errorHeader],
		Headers: headers[:original:original], Source: Source{Topic: value[topicHeader]},
	}
	l.Whole = l.Reason != pipeline.CorruptBatch && !strings.Contains(l.Error, leftOut)
	var bad [3]error
	l.Source.Partition, bad[0] = strconv.Atoi(value[partitionHeader])
	l.Source.Offset, bad[1] = strconv.ParseInt(value[offsetHeader], 10, 64)
	l.Source.Timestamp, bad[2] = strconv.ParseInt(value[timestampHeader], 10, 64)
	return l, errors.Join(bad[:]...)
}
