package publish

import (
	"slices"
	"strings"
	"testing"

	"sweetspot/pipeline"
)

func result(topic string, partition int, label string, tier pipeline.Tier) *pipeline.Result {
	m := pipeline.NewMessage(pipeline.Message{Origin: pipeline.Origin{Topic: topic, Partition: partition}}, nil)
	return &pipeline.Result{Message: m, Label: label, Tier: tier}
}

func TestSubject(t *testing.T) {
	for _, tt := range []struct {
		name, template string
		result         *pipeline.Result
		want           string
	}{
		{"the default", "sweet.{topic}.{label}", result("tickets", 3, "billing", pipeline.Standard), "sweet.tickets.billing"},
		{"every part", "{tier}.{partition}.a-{topic}-b.{label}", result("t", 12, "l", pipeline.BestEffort), "best-effort.12.a-t-b.l"},
		{"no part", "results", result("t", 0, "l", pipeline.Strict), "results"},
		{"dots in a topic", "{topic}.{label}", result("shop.orders.v1", 0, "a.b", ""), "shop_orders_v1.a_b"},
		{"wildcards and white space", "x.{label}", result("t", 0, "not * sure >\t", ""), "x.not___sure___"},
		{"an empty label", "x.{label}", result("t", 0, "", ""), "x._"},
		{"letters of any script", "x.{label}", result("t", 0, "früh", ""), "x.früh"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tmpl, err := parseTemplate(tt.template)
			if err != nil {
				t.Fatal(err)
			}
			if got := tmpl.subject(tt.result); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParseTemplateRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"nothing":                  "",
		"an unknown part":          "x.{key}",
		"an open brace":            "x.{topic",
		"an empty part":            "x..{topic}",
		"a dot at the end":         "x.{topic}.",
		"a dot at the start":       ".x",
		"a wildcard":               "x.*",
		"a wildcard for the rest":  "x.>",
		"white space":              "x y",
		"the server's own subject": "$JS.{topic}",
	} {
		t.Run(name, func(t *testing.T) {
			if tmpl, err := parseTemplate(s); err == nil {
				t.Errorf("%q was read as %+v", s, tmpl)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	for _, tt := range []struct {
		name, template string
		topics, labels []string
		filter         string
		filters        []string
	}{
		{"nothing known", "sweet.{topic}.{label}", nil, nil, "sweet.*.*", []string{"sweet.*.*"}},
		{"topics known", "sweet.{topic}.{label}", []string{"a", "b.c"}, nil, "sweet.*.*", []string{"sweet.a.*", "sweet.b_c.*"}},
		{"all known", "{topic}.{label}", []string{"a"}, []string{"x", "y"}, "*.*", []string{"a.x", "a.y"}},
		{"tiers are known", "r-{tier}", nil, nil, "*", []string{"r-best-effort", "r-standard", "r-strict"}},
		{"partitions are not", "r.{partition}.{label}", nil, []string{"x"}, "r.*.*", []string{"r.*.x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tmpl, err := parseTemplate(tt.template)
			if err != nil {
				t.Fatal(err)
			}
			if got := tmpl.filter(); got != tt.filter {
				t.Errorf("filter: got %q, want %q", got, tt.filter)
			}
			if got := tmpl.filters(tt.topics, tt.labels); !slices.Equal(got, tt.filters) {
				t.Errorf("filters: got %q, want %q", got, tt.filters)
			}
		})
	}
}

func TestCoversAndMeets(t *testing.T) {
	for _, tt := range []struct {
		subject, filter string
		covers, meets   bool
	}{
		{"sweet.>", "sweet.a.b", true, true},
		{"sweet.>", "sweet.*.*", true, true},
		{">", "x", true, true},
		{"sweet.>", "sweet", false, false},
		{"sweet.*.*", "sweet.a.*", true, true},
		{"sweet.a.*", "sweet.*.*", false, true},
		{"sweet.*", "sweet.a.b", false, false},
		{"sweet.a.b.c", "sweet.a.b", false, false},
		{"sweet.a", "sweet.a", true, true},
		{"sweet.a", "sweet.b", false, false},
		{"a.*.c", "a.>", false, true},
	} {
		if got := covers(tt.subject, tt.filter); got != tt.covers {
			t.Errorf("%s covers %s: got %v, want %v", tt.subject, tt.filter, got, tt.covers)
		}
		if got := meets(tt.subject, tt.filter); got != tt.meets {
			t.Errorf("%s meets %s: got %v, want %v", tt.subject, tt.filter, got, tt.meets)
		}
	}
}

// FuzzTemplate holds every subject that a template makes against NATS's rules,
// and against the filter that the stream is created with.
func FuzzTemplate(f *testing.F) {
	f.Add("sweet.{topic}.{label}", "a.b", "c d")
	f.Add("{tier}{partition}", "", "")
	f.Add("x.{label}.y", "\xff", "*")
	f.Fuzz(func(t *testing.T, s, topic, label string) {
		tmpl, err := parseTemplate(s)
		if err != nil {
			return
		}
		got := tmpl.subject(result(topic, 7, label, pipeline.Standard))
		for part := range strings.SplitSeq(got, ".") {
			if part == "" || strings.ContainsFunc(part, func(r rune) bool { return unfit(r) }) {
				t.Errorf("template %q makes subject %q", s, got)
			}
		}
		if !covers(tmpl.filter(), got) {
			t.Errorf("template %q makes %q, which its filter %q does not take", s, got, tmpl.filter())
		}
	})
}
