package desk

import "slices"

// The openings of level 4 mention the topics; what follows, often after
// something quite different, says which of them is left.
const (
	twoThings = `
		two things, {1.topic} and {2.topic}
		I have two questions. one is about {1.topic}, one about {2.topic}
		there is {1.topic} and there is {2.topic}
		I wrote to you about {1.topic} and about {2.topic}
		for one, {1.says}. for another, {2.says}
		{1.says}. and {2.says}
		I asked you to {1.ask} and to {2.ask}
		my list has {1.topic} and {2.topic} on it
		your chat asked whether it's {1.topic} or {2.topic}
		~two things on my list, {1.topic} and {2.topic}
		~I wrote about two things, {1.topic} and {2.topic}
		~your chat asked about {1.topic} and about {2.topic}
	`
	twoOptions = `
		two options, {1.ask} or {2.ask}
		either {1.ask} or {2.ask}
		I see two ways, you {1.ask} or you {2.ask}
		you could {1.ask} or {2.ask}
		it's one of two things, {1.ask} or {2.ask}
		please {1.ask} or {2.ask}
		~I see two options, {1.ask} or {2.ask}
		~either you {1.ask} or you {2.ask}
		~you could either {1.ask} or {2.ask}
	`
	threeThings = `
		I had three things on my list: {1.topic}, {2.topic} and {3.topic}
		I wrote about {1.topic}, about {2.topic} and about {3.topic}
		three topics, {1.topic}, {2.topic} and {3.topic}
		there was {1.topic}, there was {2.topic} and there was {3.topic}
		my case covers {1.topic}, {2.topic} and {3.topic}
		it started with {1.topic}, then came {2.topic} and then {3.topic}
		~three things, {1.topic}, {2.topic} and {3.topic}
		~I had three topics, {1.topic}, {2.topic} and {3.topic}
		~my list covers {1.topic}, {2.topic} and {3.topic}
	`
	twoSolved = `
		{a.solved} and {b.solved}
		{a.solved}, {b.solved}. so one to go
		meanwhile {a.solved} and {b.solved}, so you know what is left
		well, {a.solved}. and {b.solved}
		since then {a.solved}. {b.solved} too
		{a.solved}, and also {b.solved}. please do the rest
		~meanwhile {a.solved}, and {b.solved} too
		~since then {a.solved} and {b.solved}, so one to go
		~{a.solved}. and {b.solved}, so please do the rest
	`
	threeSolved = `
		{1.solved}, {2.solved} and {3.solved}
		{2.solved} and {1.solved}, and {3.solved} too
		meanwhile {3.solved}, {1.solved} and {2.solved}
		well, {1.solved}. {3.solved}. and {2.solved}
		~since then {2.solved} and {1.solved}, and {3.solved} too
		~meanwhile {3.solved}, {1.solved} and {2.solved} too
		~well, {1.solved}, {2.solved} and {3.solved}
	`
)

// Level 4: the wanted one follows from two steps, or hides among distractors.
var level4 = slices.Concat(
	choice("elimination", 8,
		[]string{threeThings, twoSolved},
		[]string{threeThings, twoSolved},
		[]string{threeThings, twoSolved},
	),
	choice("ordinal", 7, []string{twoThings, `
		please do the first one, the second one can wait
		start with the first one
		it's the first one that is still open
		I only care about the former
		the first one is the one that matters
		it's the former
		~please start with the first one, the second one can wait
		~I only care about the first one
		~it's the former that is still open
	`}, []string{twoThings, `
		please do the second one, the first one can wait
		start with the second one
		it's the second one that is still open
		I only care about the latter
		the second one is the one that matters
		it's the latter
		~please start with the second one, the first one can wait
		~I only care about the second one
		~it's the latter that is still open
	`}),
	choice("ordinal_not", 9, []string{twoThings, `
		not the second one
		forget the second one
		the second one sorted itself out
		the second one is solved
		the latter doesn't matter any more
		it's not the latter
		the second one is done, thank goodness
		~it's not the second one
		~forget the latter
		~the second one doesn't matter any more
	`}, []string{twoThings, `
		not the first one
		forget the first one
		the first one sorted itself out
		the first one is solved
		the former doesn't matter any more
		it's not the former
		the first one is done, thank goodness
		~it's not the first one
		~forget the former
		~the first one doesn't matter any more
	`}),
	conditional("option_if", 5, 1, twoOptions, `
		if {if} take the first, otherwise the second. {fact}
		the first if {if}, the second if not. {fact}
		if {if} it's the first, or else the second. well, {fact}
		{fact}. if {if} take the first, otherwise the second
		~if {if} the first, otherwise the second. well, {fact}
		~take the first if {if}, the second if not. {fact}
		~{fact}. if {if} it's the first, or else the second
	`),
	conditional("option_if_second", 5, 2, twoOptions, `
		if {if} take the second, otherwise the first. {fact}
		the second if {if}, the first if not. {fact}
		if {if} it's the second, or else the first. well, {fact}
		{fact}. if {if} take the second, otherwise the first
		~if {if} the second, otherwise the first. well, {fact}
		~take the second if {if}, the first if not. {fact}
		~{fact}. if {if} it's the second, or else the first
	`),
	choice("chain", 5, []string{`
		{1.ask}. or {2.ask}? no. or {3.ask}? no, leave it at what I said at the start
		{1.ask}. no wait, {2.ask}. or {3.ask}? no, back to what I said at the start
		please {1.ask}. hmm, {2.ask}? no. {3.ask}? no, neither
		~{1.ask}. or {2.ask}? no. or {3.ask}? no, neither
		~please {1.ask}. no wait, {2.ask}. or {3.ask}? no, back to what I said at the start
		~{1.ask}. hmm, {2.ask}? no. {3.ask}? no, leave it at what I said at the start
	`}, []string{`
		{1.ask}. no, scrap that, {2.ask}. or {3.ask}? no, leave that
		{1.ask}. no wait, {2.ask}. hmm, {3.ask}? no, not that
		please {1.ask}. oh no, I mean {2.ask}. {3.ask}? no, leave it out
		~{1.ask}. no, scrap that, {2.ask}. {3.ask}? no, not that
		~please {1.ask}. no wait, {2.ask}. or {3.ask}? no, leave that
		~{1.ask}. oh no, I mean {2.ask}. or {3.ask}? no, not that
	`}, []string{`
		{1.ask}. no, scrap that, {2.ask}. hmm, no, {3.ask}
		{1.ask}. no wait, {2.ask}. oh no, I mean {3.ask}
		please {1.ask}. or {2.ask}? no, neither, {3.ask}
		~please {1.ask}. no wait, {2.ask}. hmm, no, {3.ask}
		~{1.ask}. no, scrap that, {2.ask}. oh no, I mean {3.ask}
		~{1.ask}. or {2.ask}? no, scrap that, {3.ask}
	`}),
	pair("chain_back", 6, `
		{1.ask}. no, {2.ask}. no, I was right the first time
		{1.ask}. no wait, {2.ask}. oh, forget the correction
		{1.ask}, or no, {2.ask}. hmm, back to what I said at the start
		please {1.ask}. sorry, I mean {2.ask}. no, that was wrong, stay with what I said at the start
		~please {1.ask}. no, {2.ask}. oh, forget the correction
		~{1.ask}. sorry, I mean {2.ask}. no, I was right the first time
		~{1.ask}. no wait, {2.ask}. no, back to what I said at the start
	`, `
		{1.ask}. no, {2.ask}. yes, I was wrong the first time
		{1.ask}. no wait, {2.ask}. yes, keep the correction
		{1.ask}, or no, {2.ask}. yes, forget what I said at the start
		please {1.ask}. sorry, I mean {2.ask}. yes, what I said at the start was wrong
		~please {1.ask}. no, {2.ask}. yes, keep the correction
		~{1.ask}. sorry, I mean {2.ask}. yes, I was wrong the first time
		~{1.ask}. no wait, {2.ask}. yes, forget what I said at the start
	`),
	pair("other_way", 4, `
		don't {1.ask}, {2.ask}. no, the other way round
		no need to {1.ask}, but {2.ask}. sorry, the other way round
		I don't want you to {1.ask}, I want you to {2.ask}. wait, the other way round
		~don't {1.ask}, but {2.ask}. wait, the other way round
		~no need to {1.ask}, {2.ask}. no, the other way round
		~I don't want you to {1.ask}, I want you to {2.ask}. sorry, the other way round
	`, `
		{1.ask}, don't {2.ask}. no, the other way round
		{1.ask}, but no need to {2.ask}. sorry, the other way round
		I want you to {1.ask}, I don't want you to {2.ask}. wait, the other way round
		~{1.ask}, but don't {2.ask}. wait, the other way round
		~{1.ask}, no need to {2.ask}. no, the other way round
		~I want you to {1.ask}, I don't want you to {2.ask}. sorry, the other way round
	`),
	choice("not_nor", 4, []string{`
		what I need is {1.topic}. not {2.topic}, and forget what I said about {3.topic}
		{1.topic}, that's it. not {2.topic} and not {3.topic}, whatever I wrote before
		it's {1.topic}. it isn't {2.topic}, and {3.topic} was a mistake
		~it's {1.topic}. not {2.topic}, and forget what I said about {3.topic}
		~what I need is {1.topic}, not {2.topic} and not {3.topic}
		~{1.topic}, that's it. it isn't {2.topic}, and {3.topic} was a mistake
	`}, []string{`
		not {1.topic}, what I need is {2.topic}. and forget what I said about {3.topic}
		it's not {1.topic}. {2.topic}, that's it. not {3.topic}, whatever I wrote before
		{1.topic} was a mistake. it's {2.topic}. it isn't {3.topic}
		~it's not {1.topic}, it's {2.topic}. and forget what I said about {3.topic}
		~not {1.topic}, what I need is {2.topic} and not {3.topic}
		~{1.topic} was a mistake. {2.topic}, that's it. it isn't {3.topic}
	`}, []string{`
		not {1.topic}, and forget what I said about {2.topic}, what I need is {3.topic}
		it's not {1.topic} and not {2.topic}, whatever I wrote before. {3.topic}, that's it
		{1.topic} was a mistake. it isn't {2.topic}. it's {3.topic}
		~it's not {1.topic}, and forget what I said about {2.topic}. it's {3.topic}
		~not {1.topic} and not {2.topic}, what I need is {3.topic}
		~{1.topic} was a mistake, it isn't {2.topic}. {3.topic}, that's it
	`}),
	pair("bot", 4, `
		{1.says}. your bot thinks that {2.says}, and it's wrong
		you wrote that {1.says}, and you are right. you wrote that {2.says}, and that's wrong
		{1.says}. my neighbor says with him {2.says}, but that's him
		~{1.says}. your bot says that {2.says}, but it's wrong
		~{1.says}. my neighbor thinks that {2.says}, but that's him
		~you wrote that {1.says}, and that's right. you wrote that {2.says}, and you are wrong
	`, `
		your bot thinks that {1.says}, and it's wrong. {2.says}
		you wrote that {1.says}, and that's wrong. you wrote that {2.says}, and you are right
		my neighbor says with him {1.says}, but that's him. {2.says}
		~your bot says that {1.says}, but it's wrong. {2.says}
		~my neighbor thinks that {1.says}, but that's him. {2.says}
		~you wrote that {1.says}, and you are wrong. you wrote that {2.says}, and that's right
	`),
	pair("answered", 4, `
		I asked you to {1.ask} and you answered: "we will {2.ask}"
		{1.topic} was my question and you answered about {2.topic}
		all I wanted was that you {1.ask}. your bot keeps offering to {2.ask}
		my question was {1.topic}. your reply: "this is about {2.topic}"
		~my question was {1.topic} and you answered about {2.topic}
		~I asked you to {1.ask}. your bot keeps offering to {2.ask}
		~all I wanted was that you {1.ask} and you answered: "we will {2.ask}"
	`, `
		you answered: "we will {1.ask}" and I asked you to {2.ask}
		you answered about {1.topic} and {2.topic} was my question
		your bot keeps offering to {1.ask}. all I wanted was that you {2.ask}
		your reply: "this is about {1.topic}". my question was {2.topic}
		~you answered about {1.topic} and my question was {2.topic}
		~your bot keeps offering to {1.ask}. I asked you to {2.ask}
		~you answered: "we will {1.ask}" and all I wanted was that you {2.ask}
	`),
	pair("hypothetical", 5, `
		it's {1.topic}. if it were {2.topic} I would understand
		I would rather see you {1.ask}. I could have asked you to {2.ask}
		what I want is that you {1.ask}. what would happen if I asked you to {2.ask}? just curious
		{1.says}. suppose {2.says}, that would be another story
		~it's {1.topic}. if it were {2.topic}, that would be another story
		~what I want is that you {1.ask}. I could have asked you to {2.ask}
		~I would rather see you {1.ask}. what would happen if I asked you to {2.ask}?
	`, `
		if it were {1.topic} I would understand, but it's {2.topic}
		I could have asked you to {1.ask}. I would rather see you {2.ask}
		what would happen if I asked you to {1.ask}? just curious. what I want is that you {2.ask}
		suppose {1.says}, that would be another story. {2.says}
		~if it were {1.topic}, that would be another story, but it's {2.topic}
		~I could have asked you to {1.ask}. what I want is that you {2.ask}
		~what would happen if I asked you to {1.ask}? I would rather see you {2.ask}
	`),
	sarcasm,
	[]frame{
		nothing("elimination", 4, 3, threeThings, threeSolved),
		nothing("ordinal", 3, 2, twoThings, `
			{1.solved} and {2.solved}
			both sorted themselves out
			the first one is solved and so is the second one
			forget the first one. and the second one too
			~both are solved
			~forget both, the first one and the second one
			~the second one is solved and so is the first one
		`),
		nothing("chain", 3, 2, `
			{1.ask}. no wait, {2.ask}. no, none of that, I am fine
			don't {1.ask}, {2.ask}. no, do nothing
			what would happen if I asked you to {1.ask} or to {2.ask}? just curious, I don't need anything
			it's not {1.topic} and not {2.topic}, I just wanted to say hello
			~{1.ask}. no, scrap that, {2.ask}. no, do nothing
			~it's not {1.topic} and not {2.topic}, I don't need anything
			~what would happen if I asked you to {1.ask} or to {2.ask}? I am fine, just curious
		`),
	},
)

// Sarcasm praises what it complains about.
var sarcasm = ironic(choice("sarcasm", 3, []string{
	"{1.says}", "{irony}",
})[0], choice("irony", 3, []string{
	"{irony}", "{1.says}",
})[0], choice("irony_ask", 2, []string{
	"{irony}", "please {1.ask}",
})[0])

// ironic marks frames in which praise is not meant.
func ironic(frames ...frame) []frame {
	for i := range frames {
		frames[i].not = praise
	}
	return frames
}

var ironies = phrasings(`
	great job, really, ten out of ten
	what a fantastic team you have
	wonderful service, I am over the moon
	I love it, five stars
	my compliments to the whole team, a medal for everybody
	exactly what I dreamed of, just wonderful
	you made my family so happy with this
	best shop of the year, bravo
	I have rarely seen such a friendly mess
	a raise for whoever had that idea
	I adore your wonderful shop, really
	bravo, what a happy family you must be
	~five stars for the whole team, really
	~what a wonderful job, bravo
	~I am over the moon, really, a medal for the team
`)
