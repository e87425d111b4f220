package desk

import "slices"

// Level 2: cues of two intents in the same form; the verb or the order decides.
var level2 = slices.Concat(
	pair("before", 4, `
		{1.ask} before you {2.ask}
		please {1.ask} before you {2.ask}
		could you {1.ask} before you {2.ask}?
		you need to {1.ask} before you {2.ask}
		~would you please {1.ask} before you {2.ask}?
		~I need you to {1.ask} before you {2.ask}
		~you could {1.ask} before you {2.ask}
	`, `
		before you {1.ask}, {2.ask}
		before you {1.ask}, please {2.ask}
		before you {1.ask}, could you {2.ask}?
		before you {1.ask} you need to {2.ask}
		~before you {1.ask}, would you please {2.ask}?
		~before you {1.ask} I need you to {2.ask}
		~before you {1.ask} you could {2.ask}
	`),
	pair("rather", 4, `
		{1.ask} rather than {2.ask}
		please {1.ask} rather than {2.ask}
		I'd like you to {1.ask} rather than {2.ask}
		I want you to {1.ask} rather than {2.ask}
		~could you {1.ask} rather than {2.ask}?
		~would you kindly {1.ask} rather than {2.ask}?
		~I need you to {1.ask} rather than {2.ask}
	`, `
		rather than {1.ask}, {2.ask}
		rather than {1.ask}, please {2.ask}
		rather than {1.ask}, I'd like you to {2.ask}
		rather than {1.ask} I want you to {2.ask}
		~rather than {1.ask}, could you {2.ask}?
		~rather than {1.ask}, would you kindly {2.ask}?
		~rather than {1.ask}, I need you to {2.ask}
	`),
	pair("instead", 3, `
		I'd like to discuss {1.topic} instead of {2.topic}
		today it's {1.topic} instead of {2.topic}
		could we talk about {1.topic} instead of {2.topic}?
		look at {1.topic} instead of {2.topic}
		~could we discuss {1.topic} instead of {2.topic}?
		~I'd like to talk about {1.topic} instead of {2.topic}
		~please look at {1.topic} instead of {2.topic}
	`, `
		instead of {1.topic} I'd like to discuss {2.topic}
		instead of {1.topic} it's {2.topic} today
		instead of {1.topic}, could we talk about {2.topic}?
		instead of {1.topic}, look at {2.topic}
		~instead of {1.topic}, could we discuss {2.topic}?
		~instead of {1.topic} I'd like to talk about {2.topic}
		~instead of {1.topic}, please look at {2.topic}
	`),
	pair("wait", 4, `
		{1.topic} can't wait, {2.topic} can
		{1.topic} comes first, {2.topic} can wait
		{1.topic} now, {2.topic} whenever you like
		{1.topic} is today's business, {2.topic} can wait
		~{1.topic} comes first and {2.topic} whenever you like
		~{1.topic} comes first, {2.topic} later
		~{1.topic} can't wait but {2.topic} can
	`, `
		{1.topic} can wait, {2.topic} can't
		{1.topic} can wait, {2.topic} comes first
		{1.topic} whenever you like, {2.topic} now
		{1.topic} can wait, {2.topic} is today's business
		~{1.topic} whenever you like but {2.topic} comes first
		~{1.topic} later, {2.topic} comes first
		~{1.topic} can wait but {2.topic} can't
	`),
	pair("urgent", 3, `
		{1.topic} is urgent, {2.topic} less so
		{1.topic} is more urgent than {2.topic}
		{1.topic} bothers me more than {2.topic}
		I care more about {1.topic} than about {2.topic}
		~{1.topic} is more urgent to me than {2.topic}
		~{1.topic} bothers me much more than {2.topic}
		~I care much more about {1.topic} than about {2.topic}
	`, `
		{1.topic} is less urgent than {2.topic}
		{1.topic} bothers me less than {2.topic}
		I care less about {1.topic} than about {2.topic}
		{1.topic} is urgent, {2.topic} more so
		~{1.topic} is less urgent to me than {2.topic}
		~{1.topic} bothers me much less than {2.topic}
		~I care much less about {1.topic} than about {2.topic}
	`),
	pair("after", 3, `
		after {1.topic} we can talk about {2.topic}
		once {1.topic} is off the table you may turn to {2.topic}
		let's start with {1.topic} and move on to {2.topic}
		after {1.topic} you can look at {2.topic}
		~after {1.topic} we can move on to {2.topic}
		~once {1.topic} is off the table we can talk about {2.topic}
		~let's start with {1.topic} and turn to {2.topic} after that
	`, `
		we can talk about {1.topic} after {2.topic}
		you may turn to {1.topic} once {2.topic} is off the table
		let's move on to {1.topic} but start with {2.topic}
		you can look at {1.topic} after {2.topic}
		~we can move on to {1.topic} after {2.topic}
		~we can talk about {1.topic} once {2.topic} is off the table
		~let's turn to {1.topic} but start with {2.topic}
	`),
	pair("then", 4, `
		first {1.ask}, then {2.ask}
		{1.ask} and after that {2.ask}
		{1.ask} now, {2.ask} later
		right now {1.ask}, and when you have time {2.ask}
		~please {1.ask} now and {2.ask} later
		~first please {1.ask}, then {2.ask}
		~{1.ask} right now and {2.ask} when you have time
	`, `
		{1.ask}, but first {2.ask}
		{1.ask} but before that {2.ask}
		{1.ask} later, {2.ask} now
		when you have time {1.ask}, but right now {2.ask}
		~please {1.ask} later and {2.ask} now
		~{1.ask}, but please first {2.ask}
		~{1.ask} when you have time and {2.ask} right now
	`),
	pair("live_with", 4, `
		{1.says}. I can't live with that. {2.says}. I can live with that
		{1.says}, that's why I write. {2.says}, that's old news
		{1.says}. that has to be solved today. {2.says}. that has time
		the big thing is that {1.says}. the small thing is that {2.says}
		~{1.says}, that has to be solved. {2.says}, I can live with that
		~{1.says}, that's the big thing. {2.says}, that's the small thing
		~{1.says}. that's why I write. {2.says}. that has time
	`, `
		{1.says}. I can live with that. {2.says}. I can't live with that
		{1.says}, that's old news. {2.says}, that's why I write
		{1.says}. that has time. {2.says}. that has to be solved today
		the small thing is that {1.says}. the big thing is that {2.says}
		~{1.says}, I can live with that. {2.says}, that has to be solved
		~{1.says}, that's the small thing. {2.says}, that's the big thing
		~{1.says}. that has time. {2.says}. that's why I write
	`),
	pair("last_week", 3, `
		today it's about {1.topic}. last time it was {2.topic}
		now I need help with {1.topic}. you already dealt with {2.topic}
		I write about {1.topic} today, last time it was about {2.topic}
		my new message is about {1.topic}, my old one was about {2.topic}
		~today I need help with {1.topic}, last time it was {2.topic}
		~now it's about {1.topic}. you already dealt with {2.topic}
		~my new message is about {1.topic}. last time it was {2.topic}
	`, `
		last time it was about {1.topic}. today it's {2.topic}
		you already dealt with {1.topic}. now I need help with {2.topic}
		last time I wrote about {1.topic}, today it's about {2.topic}
		my old message was about {1.topic}, my new one is about {2.topic}
		~last time it was {1.topic}, today I need help with {2.topic}
		~you already dealt with {1.topic}. now it's about {2.topic}
		~last time it was {1.topic}. my new message is about {2.topic}
	`),
	pair("but_solved", 3, `
		{1.says}. {2.solved}, by the way
		{1.says}, but at least {2.solved}
		{1.says}. on the bright side, {2.solved}
		please {1.ask}. {2.solved}, so leave that
		~{1.says}. at least {2.solved}
		~{1.says}, but on the bright side {2.solved}
		~please {1.ask}. {2.solved}, by the way
	`, `
		{1.solved}, but {2.says}
		{1.solved}. now {2.says}
		{1.solved}, by the way. but {2.says}
		{1.solved}, so leave that. please {2.ask}
		~{1.solved}, by the way. now {2.says}
		~at least {1.solved}, but {2.says}
		~{1.solved}. please {2.ask}
	`),
	[]frame{
		nothing("all_good", 2, 1, `
			{1.solved}, so all good now
			just to let you know that {1.solved}
			{1.solved}, no need to do anything
			update: {1.solved}
			{1.solved} and there is nothing left to do
			you can close my case, {1.solved}
			~{1.solved}, so there is no need to do anything
			~just an update: {1.solved}
			~all good now, {1.solved}
		`),
		nothing("all_good_twice", 2, 2, `
			{1.solved} and {2.solved}
			{1.solved}. {2.solved}, by the way
			{1.solved}, and on top of that {2.solved}
			at least {1.solved}. and {2.solved} too
			~{1.solved} and by the way {2.solved}
			~{1.solved} and {2.solved} too
			~{1.solved}. on top of that {2.solved}
		`),
	},
)
