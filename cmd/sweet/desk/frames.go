package desk

import "strconv"

// A truth says whether the fact of a message meets its condition.
type truth uint8

const (
	unconditional truth = iota
	holds
	fails
)

// A frame is one sentence structure with one wanted place. Its templates refer
// to intents as {1.ask}, {2.topic}, {3.says}, numbered in the order in which
// they are mentioned; {a.solved} and {b.solved} are the unwanted ones in any
// order; {if} and {fact} come from a condition, {irony} from the sarcastic.
type frame struct {
	id     string  // structure, then what decides it: "before/1", "unless/holds"
	share  float64 // how often, among the frames of its level
	places int     // intents it mentions
	wanted int     // place that is the label; 0: none, the label is other
	truth  truth
	not    *intent    // an intent that cannot be wanted here
	parts  []wordings // sentences; something else may stand between two of them
}

// pair returns a structure and its mirror image: wordings in which the intent
// mentioned first is wanted, and wordings in which the one after it is. People
// end on what they want rather more often; the slant also gives a model that
// learns from nothing a first hold on order, without which it takes millions of
// tokens to find one.
func pair(id string, share float64, first, second string) []frame {
	frames := choice(id, share, []string{first}, []string{second})
	frames[0].share *= 0.8
	frames[1].share *= 1.2
	return frames
}

// choice returns one frame for each place that may be wanted. Each way lists the
// parts that make the place of that number the wanted one.
func choice(id string, share float64, ways ...[]string) []frame {
	frames := make([]frame, len(ways))
	for i, parts := range ways {
		frames[i] = frame{id: id + "/" + strconv.Itoa(i+1), share: share, places: len(ways), wanted: i + 1}
		for _, p := range parts {
			frames[i].parts = append(frames[i].parts, phrasings(p))
		}
	}
	return frames
}

// conditional returns a structure for a condition that is met and for one that
// is not; wanted is the place to choose when it is met.
func conditional(id string, share float64, wanted int, parts ...string) []frame {
	yes := frame{id: id + "/holds", share: share, places: 2, wanted: wanted, truth: holds}
	for _, p := range parts {
		yes.parts = append(yes.parts, phrasings(p))
	}
	no := yes
	no.id, no.wanted, no.truth = id+"/fails", 3-wanted, fails
	return []frame{yes, no}
}

// plain returns a frame about one intent and nothing else.
func plain(id string, share float64, parts ...string) frame {
	return choice(id, share, parts)[0]
}

// nothing returns a frame that mentions intents and wants none of them.
func nothing(id string, share float64, places int, parts ...string) frame {
	f := frame{id: id + "/0", share: share, places: places}
	for _, p := range parts {
		f.parts = append(f.parts, phrasings(p))
	}
	return f
}

// levels are the frames by level of difficulty.
var levels = [4][]frame{level1, level2, level3, level4}
