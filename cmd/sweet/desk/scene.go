package desk

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// A scene is who and what one message is about: the intents in their places,
// each with its particulars, and the condition if there is one.
type scene struct {
	r         *rand.Rand
	pool      Pool
	sender    slots
	places    []actor // in the order in which the frame mentions them
	unwanted  []actor // shuffled
	condition *condition
	truth     truth
}

// An actor is an intent with its particulars.
type actor struct {
	intent *intent
	slots  slots
}

// newScene casts the places of f. Where f wants nothing, wanted is nil.
func (g *Generator) newScene(f *frame, wanted *intent) *scene {
	s := &scene{r: g.r, pool: g.pool, truth: f.truth}
	cast, products := intents, anything
	if f.truth != unconditional {
		s.condition = oneOf(g.r, suiting(wanted))
		cast = s.condition.suits
		if s.condition.products != nil {
			products = s.condition.products
		}
	}
	s.sender = drawSlots(g.r, products, oneOf(g.r, products))
	var chosen []*intent
	if wanted != nil {
		chosen = append(chosen, wanted)
	}
	for len(chosen) < f.places {
		if in := oneOf(g.r, cast); !slices.ContainsFunc(chosen, in.near) {
			chosen = append(chosen, in)
		}
	}
	if wanted != nil {
		chosen[0], chosen[f.wanted-1] = chosen[f.wanted-1], chosen[0]
	}
	for i, in := range chosen {
		a := actor{intent: in, slots: drawSlots(g.r, in.products, s.sender["p"])}
		a.slots["name"] = s.sender["name2"] // whoever is talked about is not the sender
		s.places = append(s.places, a)
		if i != f.wanted-1 {
			s.unwanted = append(s.unwanted, a)
		}
	}
	g.r.Shuffle(len(s.unwanted), func(i, j int) {
		s.unwanted[i], s.unwanted[j] = s.unwanted[j], s.unwanted[i]
	})
	return s
}

// near says whether two intents are too close to meet in one message.
func (in *intent) near(other *intent) bool { return in.kin == other.kin }

// expand fills the places and slots of a template.
func (s *scene) expand(template string) string {
	var b strings.Builder
	s.fill(&b, template, s.sender)
	return b.String()
}

// fill writes template to b; a slot takes its value from the given particulars.
func (s *scene) fill(b *strings.Builder, template string, particulars slots) {
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return
		}
		name, after, _ := strings.Cut(rest, "}")
		s.fillOne(b, name, particulars)
		template = after
	}
}

func (s *scene) fillOne(b *strings.Builder, name string, particulars slots) {
	if place, form, ok := strings.Cut(name, "."); ok {
		a := s.actor(place[0])
		s.fill(b, a.intent.form(form).pick(s.r, s.pool), a.slots)
		return
	}
	switch name {
	case "if":
		s.fill(b, s.condition.clauses.pick(s.r, s.pool), particulars)
	case "fact":
		s.fill(b, s.condition.facts(s.truth).pick(s.r, s.pool), particulars)
	case "irony":
		s.fill(b, ironies.pick(s.r, s.pool), particulars)
	default:
		b.WriteString(particulars[name])
	}
}

// actor finds who is in a place: 1, 2, 3 in order of mention, a and b the
// unwanted ones.
func (s *scene) actor(place byte) actor {
	if place >= 'a' {
		return s.unwanted[place-'a']
	}
	return s.places[place-'1']
}
