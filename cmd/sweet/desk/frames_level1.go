package desk

// Level 1: one clear cue.
var level1 = []frame{
	plain("says", 5, `
		{1.says}
		{1.says}
		just so you know, {1.says}
		it's like this: {1.says}
		listen, {1.says}
		I am writing because {1.says}
		here is the thing: {1.says}
		I am getting in touch because {1.says}
		~it's just that {1.says}
		~so here it is: {1.says}
		~I am writing to you because {1.says}
	`),
	plain("ask", 5, `
		{1.ask}
		please {1.ask}
		could you {1.ask}?
		can somebody {1.ask}?
		I'd like you to {1.ask}
		would you kindly {1.ask}?
		I need you to {1.ask}
		is there any way you could {1.ask}?
		kindly {1.ask}
		would it be possible to {1.ask}?
		~could somebody please {1.ask}?
		~would you please {1.ask}?
		~can you {1.ask}?
	`),
	plain("topic", 3, `
		{1.topic}
		I am writing about {1.topic}
		this is about {1.topic}
		quick question about {1.topic}
		it concerns {1.topic}
		regarding {1.topic}
		I have a question about {1.topic}
		subject: {1.topic}
		~quick message about {1.topic}
		~my question concerns {1.topic}
		~I am writing to you regarding {1.topic}
	`),
	plain("says_ask", 4, `
		{1.says}, so please {1.ask}
		{1.says}. please {1.ask}
		{1.says}. could you {1.ask}?
		can you {1.ask}? {1.says}
		{1.says} and I'd like you to {1.ask}
		please {1.ask} because {1.says}
		~{1.says}, so could you {1.ask}?
		~I'd like you to {1.ask} because {1.says}
		~{1.says}. can somebody please {1.ask}?
	`),
	plain("topic_says", 2, `
		this is about {1.topic}. {1.says}
		I am writing about {1.topic}. {1.says}
		question about {1.topic}: {1.says}
		regarding {1.topic}, {1.says}
		~this is a question about {1.topic}. {1.says}
		~it concerns {1.topic}: {1.says}
		~I have a message regarding {1.topic}. {1.says}
	`),
	plain("topic_ask", 2, `
		this is about {1.topic}. please {1.ask}
		regarding {1.topic}, could you {1.ask}?
		I have a question about {1.topic}. would you {1.ask}?
		I am writing about {1.topic}, please {1.ask}
		~quick question about {1.topic}, could you {1.ask}?
		~it concerns {1.topic}. please {1.ask}
		~I am writing regarding {1.topic}. could you {1.ask}?
	`),
	nothing("chat", 1, 0, smallTalk),
	nothing("chat_chat", 1, 0, smallTalk, smallTalk),
}

// smallTalk is what reaches every desk and needs nothing done there.
const smallTalk = `
	thanks a lot, have a nice weekend
	just testing whether this form works
	happy new year to all of you
	ok, noted
	thank you, bye
	never mind, I pressed send too early
	asdf asdf
	my cat walked over the keys, ignore this
	do you want to rank higher on search engines? we sell backlinks
	congratulations, you have won a cruise, click here
	buy cheap followers, only today
	I am a student and looking for an internship at your shop
	are you hiring drivers at the moment?
	we are a marketing agency and can double your sales
	who won the game last night?
	what is the capital of Peru?
	can you recommend a good restaurant in {city}?
	it is pouring in {city}, how is the weather where you are?
	tell me a joke
	I am bored, let's chat
	is this the number of the dentist?
	sorry, wrong shop, I meant to write to my landlord
	hello, is anybody there?
	I wonder what your favorite film is
	my horoscope says today is a lucky day
	can you help my kid with his math homework?
	I represent a supplier of cardboard and would like a meeting
	our school is collecting for a new playground in {city}
	earn thousands from home with one simple trick
	dear friend, I am a prince and need a partner for my gold
	we would like to interview your founder for our podcast
	I saw your stand at the fair in {city}, fun times
	ok then
	fine by me
	see you soon
	good night
	no worries, all good here
	everything is settled, no answer needed
	what do you think of the election?
	I just wanted to say hello
	do you believe in ghosts?
	lol ok
	could you sponsor our soccer club?
	how do you boil an egg?
	please vote for my band in the radio contest
	my dog is called {name} and he is three today
	are you a robot? just wondering
	hope you all have a great day
	~thanks, all good, have a great day
	~what is the weather like in {city}?
	~I just wanted to say good night
	~we sell cheap backlinks, click here
	~sorry, wrong number, I meant to write to my dentist
	~our school club is looking for a sponsor
	~happy weekend to all of you
	~can you tell me who won the election?
	~I am bored, tell me what your favorite joke is
`
