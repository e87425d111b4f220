// Package desk writes messages to the support desk of an imaginary shop, each
// with the one label that a reader would give it: the one thing to do now.
//
// It is a grammar. An [intent] owns phrasings in four forms that fit into any
// sentence (what the customer says, asks for, calls the topic, and says once it
// is solved). A frame is a sentence structure with places for the wanted intent
// and for unwanted ones. Tone and noise dress the result. Four levels of
// difficulty belong to the ground truth of a message:
//
//  1. one clear cue;
//  2. cues of two intents, decided by the verb or the order;
//  3. negation, contrast, a correction, or a condition together with a fact;
//  4. corrections of corrections, elimination among three topics, conditions
//     that pick by position, distractors, hypotheticals, sarcasm.
//
// From level 2 on, the unwanted intent stands in the same sentence form as the
// wanted one, and every structure has a mirror image in which the two change
// places. So no bag of words decides them, and a shallow exit of an encoder has
// to pass them on.
//
// Training, calibration, test and demo traffic share every structure and most
// wording, but each keeps some phrasings that the others never use (see [Pool]).
//
// The package is deterministic by seed, knows nothing of models, tokens or
// files, and contains only sentences written for it.
//
// To add an intent: write one more value beside the others of its theme, add it
// to the list in intents.go, name the conditions that suit it in conditions.go,
// and run the tests; they say which phrasing breaks a rule.
package desk
