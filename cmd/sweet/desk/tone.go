package desk

// A tone is how a customer sounds: what stands before and after the matter, how
// much is said that has nothing to do with it, and how it is typed.
type tone struct {
	share    float64
	openers  wordings
	closers  wordings
	asides   float64 // chance of each further remark
	lower    float64 // chance of no capital letters
	shout    float64 // chance that a word is in capitals, and of marks like !!
	sloppy   float64 // chance of each kind of slip
	hasEmoji float64
}

var tones = []tone{
	{ // plain
		share: 0.30,
		openers: phrasings(`
			hi
			hello
			good morning
			hello again
			good afternoon
			~hi again
			~good morning again
			~good evening
		`),
		closers: phrasings(`
			thanks
			thank you
			regards, {name}
			best, {name}
			thanks in advance
			~thank you in advance
			~best regards, {name}
			~thanks, {name}
		`),
		asides: 0.2, lower: 0.25, sloppy: 0.08, hasEmoji: 0.02,
	},
	{ // terse
		share: 0.22,
		openers: phrasings(`
			hi
			hey
		`),
		closers: phrasings(`
			thx
			thanks
			asap
		`),
		asides: 0, lower: 0.65, sloppy: 0.2, hasEmoji: 0.02,
	},
	{ // chatty
		share: 0.22,
		openers: phrasings(`
			hi there
			hey folks
			hello everybody
			hi, me again
			hey, it's {name}
			hello, {name} here
			~hey there
			~hi everybody
			~hello folks
		`),
		closers: phrasings(`
			thanks a bunch
			cheers, {name}
			have a lovely day
			take care, {name}
			greetings from {city}
			you're the best
			~thanks a bunch, {name}
			~have a lovely day, {name}
			~cheers from {city}
		`),
		asides: 0.42, lower: 0.3, sloppy: 0.12, hasEmoji: 0.15,
	},
	{ // angry
		share: 0.12,
		openers: phrasings(`
			listen up
			hello?
			seriously
			unbelievable
			for the last time
			~seriously?
			~listen
			~seriously, unbelievable
		`),
		closers: phrasings(`
			this is ridiculous
			I am fed up
			do something
			I expect an answer today
			last warning
			hurry up
			~this is the last warning
			~I am fed up, do something
			~I expect an answer, hurry up
		`),
		asides: 0.2, lower: 0.2, shout: 0.5, sloppy: 0.15, hasEmoji: 0.04,
	},
	{ // polite
		share: 0.14,
		openers: phrasings(`
			dear team
			dear sir or madam
			good day
			dear support team
			dear ladies and gentlemen
			~dear ladies and gentlemen of the team
			~dear support
			~dear sir
		`),
		closers: phrasings(`
			kind regards, {name}
			many thanks in advance
			thank you for your time
			yours sincerely, {name}
			with best wishes, {name}
			thank you for your help
			~many thanks for your time
			~thank you for your help in advance
			~with kind regards, {name}
		`),
		asides: 0.28, lower: 0.02, sloppy: 0.02,
	},
}

// asides are remarks that want nothing and hint at no intent.
var asides = phrasings(`
	I have been a customer for years
	it is raining here in {city}
	sorry for the long message
	I wrote this once before and the form ate it
	for your files, the number is {n}
	my kids are at it again so excuse the typing
	this is my third attempt
	I am on the train so I'll keep it brief
	I hope this ends up on the right desk
	I hope you had a nice weekend
	my English is a bit rusty
	I am not good with computers
	no idea if this reaches anyone
	it has been quite a week
	I am writing from my lunch break
	the dog is barking so bear with me
	my coffee is getting cold over this
	I don't usually write such mails
	we live in {city}, in case that helps
	it's late here and I should be asleep
	I looked through your help pages for an hour
	a friend in {city} told me to write to you
	I'll be near my computer until six
	{name2} at the front desk said you are the ones to ask
	I know you have a lot on your plate
	you always ask for a number, so here it is: {n}
	I am typing this with one thumb
	we have our hands full with the baby
	my glasses are somewhere else
	the weather in {city} is lovely at the moment
	I saw there is a form for everything these days
	I asked {name2} too but she is off today
	bear with me, I am new to this
	I'll try to be clear
	~it is raining in {city} and my coffee is getting cold
	~I am typing this on the train
	~I hope this reaches the right desk
	~sorry for the typing, I am new to this
	~the baby is at it again so I'll keep it brief
	~I wrote this with one thumb so excuse the form
`)

var signatures = phrasings(`
	sent from my phone
	sent from my tablet
	-- {name}
	{name}, {city}
	{name}, customer number {n}
	-- {name}, {city}
	~sent from my phone, {name}
	~-- {name}, customer number {n}
	~{name}, {city}, customer number {n}
`)

// quotes are what a mail program leaves of the desk's last mail.
var quotes = phrasings(`
	> we have got your message and will answer within two days
	on {day} you wrote: > hello, how can we help?
	> please do not reply to this mail
	> your ticket number is {n}
	> this mail was written automatically
	~> this mail was written automatically, please do not reply
	~on {day} you wrote: > your ticket number is {n}
	~> hello, we have got your message
`)

var emoji = []string{":)", ":(", ":-)", "\U0001F642", "\U0001F620", "\U0001F644", "\U0001F64F", "\U0001F44D", "\U0001F926"}
