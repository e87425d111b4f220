package publish

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sweetspot/pipeline"
)

// A template makes the subject of a result. It is a list of literal text and
// placeholders in turn: literals[0] placeholders[0] literals[1] … literals[n].
type template struct {
	literals     []string
	placeholders []string
}

// The placeholders.
const (
	topicPart     = "topic"
	partitionPart = "partition"
	labelPart     = "label"
	tierPart      = "tier"
)

// parseTemplate reads a subject template.
func parseTemplate(s string) (template, error) {
	var t template
	rest := s
	for {
		literal, after, found := strings.Cut(rest, "{")
		t.literals = append(t.literals, literal)
		if !found {
			break
		}
		name, more, closed := strings.Cut(after, "}")
		if !closed {
			return t, errors.New("a { has no }")
		}
		switch name {
		case topicPart, partitionPart, labelPart, tierPart:
		default:
			return t, fmt.Errorf("{%s} is none of {topic}, {partition}, {label} and {tier}", name)
		}
		t.placeholders = append(t.placeholders, name)
		rest = more
	}
	return t, t.check()
}

// check holds the literal text against NATS's rules for subjects.
func (t template) check() error {
	if strings.ContainsFunc(strings.Join(t.literals, ""), func(r rune) bool { return unfit(r) && r != '.' }) {
		return errors.New("white space, control characters, * and > cannot stand in a subject")
	}
	subject := t.join(func(string) string { return "x" })
	if slices.Contains(strings.Split(subject, "."), "") {
		return errors.New("a subject has no empty parts: no dot at its ends, and no two in a row")
	}
	if strings.HasPrefix(subject, "$") {
		return errors.New("subjects that begin with $ are the server's own")
	}
	return nil
}

func (t template) join(value func(placeholder string) string) string {
	var b strings.Builder
	for i, literal := range t.literals {
		b.WriteString(literal)
		if i < len(t.placeholders) {
			b.WriteString(value(t.placeholders[i]))
		}
	}
	return b.String()
}

// subject is where r goes.
func (t template) subject(r *pipeline.Result) string {
	return t.join(func(placeholder string) string {
		switch placeholder {
		case topicPart:
			return sanitize(r.Message.Origin.Topic)
		case partitionPart:
			return strconv.Itoa(r.Message.Origin.Partition)
		case labelPart:
			return sanitize(r.Label)
		default:
			return sanitize(string(r.Tier))
		}
	})
}

// has reports whether t holds a placeholder.
func (t template) has(placeholder string) bool {
	return slices.Contains(t.placeholders, placeholder)
}

// filter is a subject with wildcards that takes everything t can make.
func (t template) filter() string { return t.expand(nil)[0] }

// filters returns the subjects that t makes for the given topics and labels,
// with wildcards where values are not known: for partitions, and for topics and
// labels where none are given.
func (t template) filters(topics, labels []string) []string {
	return t.expand(map[string][]string{
		topicPart: topics, labelPart: labels,
		tierPart: {string(pipeline.Strict), string(pipeline.Standard), string(pipeline.BestEffort)},
	})
}

// expand returns t's subjects for all combinations of the known values. A part
// that holds an unknown one is a wildcard.
func (t template) expand(known map[string][]string) []string {
	const unknown = "\x00" // no subject holds it
	made := []string{t.literals[0]}
	for i, placeholder := range t.placeholders {
		values := []string{unknown}
		if v := known[placeholder]; len(v) > 0 {
			values = make([]string, len(v))
			for k := range v {
				values[k] = sanitize(v[k])
			}
		}
		var next []string
		for _, start := range made {
			for _, v := range values {
				next = append(next, start+v+t.literals[i+1])
			}
		}
		made = next
	}
	for i, subject := range made {
		parts := strings.Split(subject, ".")
		for k, part := range parts {
			if strings.Contains(part, unknown) {
				parts[k] = "*"
			}
		}
		made[i] = strings.Join(parts, ".")
	}
	slices.Sort(made)
	return slices.Compact(made)
}

// sanitize returns s as one part of a subject: what may not stand there is an
// underscore, and so is nothing at all.
func sanitize(s string) string {
	if s == "" {
		return "_"
	}
	return strings.Map(func(r rune) rune {
		if unfit(r) {
			return '_'
		}
		return r
	}, s)
}

// unfit reports whether r cannot stand in one part of a subject.
func unfit(r rune) bool {
	return r <= ' ' || r == 0x7f || r == '.' || r == '*' || r == '>'
}

// covers reports whether everything that the filter takes is taken by subject,
// too. Both may hold wildcards.
func covers(subject, filter string) bool {
	have, want := strings.Split(subject, "."), strings.Split(filter, ".")
	for i, part := range have {
		switch {
		case part == ">":
			return i < len(want)
		case i >= len(want) || want[i] == ">":
			return false
		case part != "*" && part != want[i]:
			return false
		}
	}
	return len(have) == len(want)
}

// meets reports whether some subject is taken by both. Both may hold wildcards.
func meets(a, b string) bool {
	left, right := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(left), len(right)) {
		switch {
		case left[i] == ">" || right[i] == ">":
			return true
		case left[i] != right[i] && left[i] != "*" && right[i] != "*":
			return false
		}
	}
	return len(left) == len(right)
}
