package desk

import "slices"

// Level 3: negation, contrast, one correction, or a condition and a fact.
var level3 = slices.Concat(
	pair("not_but", 4, `
		it's {1.topic}, not {2.topic}
		it's about {1.topic} and not about {2.topic}
		{1.topic} is what I mean, not {2.topic}
		my problem is {1.topic} and not {2.topic}
		it is {1.topic} that bothers me, it isn't {2.topic}
		~my problem is {1.topic}, not {2.topic}
		~I mean {1.topic} and not {2.topic}
		~it's {1.topic} that bothers me, not {2.topic}
	`, `
		it's not {1.topic}, it's {2.topic}
		it's not about {1.topic} but about {2.topic}
		not {1.topic} is what I mean but {2.topic}
		my problem is not {1.topic} but {2.topic}
		it isn't {1.topic} that bothers me, it is {2.topic}
		~my problem is not {1.topic}, it's {2.topic}
		~I mean not {1.topic} but {2.topic}
		~it's not {1.topic} that bothers me, it's {2.topic}
	`),
	pair("writing_about", 3, `
		I am writing about {1.topic}. I am not writing about {2.topic}
		what I need is {1.topic}, I don't need {2.topic}
		{1.topic} is what matters, {2.topic} doesn't
		{1.topic} is still open, {2.topic} isn't
		I asked about {1.topic}, I never asked about {2.topic}
		~what matters is {1.topic}. {2.topic} doesn't
		~I wrote about {1.topic}, I never wrote about {2.topic}
		~I need {1.topic}, I don't need {2.topic}
	`, `
		I am not writing about {1.topic}. I am writing about {2.topic}
		I don't need {1.topic}, what I need is {2.topic}
		{1.topic} doesn't matter, {2.topic} does
		{1.topic} isn't open any more, {2.topic} is
		I never asked about {1.topic}, I asked about {2.topic}
		~{1.topic} doesn't matter. what matters is {2.topic}
		~I never wrote about {1.topic}, I wrote about {2.topic}
		~I don't need {1.topic}, I need {2.topic}
	`),
	pair("yes_no", 3, `
		{1.topic}? yes. {2.topic}? no
		{1.topic}, yes. {2.topic}, no
		do I mean {1.topic}? yes. {2.topic}? no
		am I asking about {1.topic}? of course. about {2.topic}? not at all
		~do I mean {1.topic}? of course. {2.topic}? not at all
		~am I asking about {1.topic}? yes. about {2.topic}? no
		~{1.topic}? of course. {2.topic}? no
	`, `
		{1.topic}? no. {2.topic}? yes
		{1.topic}, no. {2.topic}, yes
		do I mean {1.topic}? no. {2.topic}? yes
		am I asking about {1.topic}? not at all. about {2.topic}? of course
		~do I mean {1.topic}? not at all. {2.topic}? of course
		~am I asking about {1.topic}? no. about {2.topic}? yes
		~{1.topic}? no. {2.topic}? of course
	`),
	pair("dont", 5, `
		{1.ask}, don't {2.ask}
		{1.ask}, but please don't {2.ask}
		{1.ask}. no need to {2.ask}
		I want you to {1.ask}, I don't want you to {2.ask}
		you should {1.ask} and not {2.ask}
		~please {1.ask}, there is no need to {2.ask}
		~I want you to {1.ask} and not {2.ask}
		~please {1.ask} and don't {2.ask}
	`, `
		don't {1.ask}, {2.ask}
		please don't {1.ask}, but {2.ask}
		no need to {1.ask}. {2.ask}
		I don't want you to {1.ask}, I want you to {2.ask}
		you should not {1.ask} but {2.ask}
		~there is no need to {1.ask}, please {2.ask}
		~I want you not to {1.ask} but to {2.ask}
		~please don't {1.ask} and {2.ask}
	`),
	pair("asked_never", 3, `
		I asked you to {1.ask}, I never asked you to {2.ask}
		I wanted you to {1.ask}. who told you to {2.ask}?
		your job was to {1.ask}, nobody wants you to {2.ask}
		I told you to {1.ask}. did I say {2.ask}?
		~I told you to {1.ask}, I never told you to {2.ask}
		~I asked you to {1.ask}. nobody told you to {2.ask}
		~I wanted you to {1.ask}, nobody asked you to {2.ask}
	`, `
		I never asked you to {1.ask}, I asked you to {2.ask}
		who told you to {1.ask}? I wanted you to {2.ask}
		nobody wants you to {1.ask}, your job was to {2.ask}
		did I say {1.ask}? I told you to {2.ask}
		~I never told you to {1.ask}, I told you to {2.ask}
		~nobody told you to {1.ask}. I asked you to {2.ask}
		~nobody asked you to {1.ask}, I wanted you to {2.ask}
	`),
	pair("problem_that", 4, `
		my problem is that {1.says}, not that {2.says}
		I am writing because {1.says}, not because {2.says}
		it's true that {1.says}. it's not true that {2.says}
		what bothers me is that {1.says}, it's not that {2.says}
		~it's that {1.says}, it's not that {2.says}
		~it bothers me that {1.says}, not that {2.says}
		~my problem is that {1.says}. it's not that {2.says}
	`, `
		my problem is not that {1.says} but that {2.says}
		I am not writing because {1.says} but because {2.says}
		it's not true that {1.says}. it's true that {2.says}
		it's not that {1.says}, what bothers me is that {2.says}
		~it's not that {1.says}, it's that {2.says}
		~it bothers me not that {1.says} but that {2.says}
		~it's not that {1.says}. my problem is that {2.says}
	`),
	pair("correction", 8, `
		{1.ask}. or {2.ask}? no, leave that
		{1.ask}. maybe {2.ask} too? no, scratch that
		{1.ask}. I was about to say {2.ask}, but no
		{1.ask}. and {2.ask}? no, that's not needed
		please {1.ask}. {2.ask}? no, I don't want that after all
		~{1.ask}. and {2.ask}? no, leave that
		~please {1.ask}. or {2.ask}? no, scratch that
		~{1.ask}. {2.ask}? no, that's not needed after all
	`, `
		{1.ask}. no wait, {2.ask}
		{1.ask}. actually no, {2.ask}
		{1.ask}, or no, scratch that, {2.ask}
		please {1.ask}. sorry, I mean {2.ask}
		{1.ask}? no, leave that and {2.ask}
		please {1.ask}. wait, I meant {2.ask}
		~{1.ask}. no, sorry, {2.ask}
		~please {1.ask}. no wait, I mean {2.ask}
		~{1.ask}. scratch that, {2.ask}
	`),
	conditional("if_otherwise", 5, 1, `
		if {if}, {1.ask}, otherwise {2.ask}. {fact}
		if {if} then {1.ask}, otherwise {2.ask}. well, {fact}
		if {if}, please {1.ask}, or else {2.ask}. {fact}
		if {if}, {1.ask}, if not, {2.ask}. {fact}
		~if {if} then please {1.ask}, or else {2.ask}. {fact}
		~if {if}, please {1.ask}, if not, {2.ask}. well, {fact}
		~if {if}, then {1.ask}, if not, please {2.ask}. {fact}
	`),
	conditional("fact_if", 4, 1, `
		{fact}. if {if}, {1.ask}. if not, {2.ask}
		{fact}. so if {if}, {1.ask}, otherwise {2.ask}
		I just checked, {fact}. if {if} please {1.ask}, or else {2.ask}
		{fact}. my plan: if {if}, {1.ask}, otherwise {2.ask}
		~I just checked, {fact}. if {if}, {1.ask}, otherwise {2.ask}
		~{fact}. so if {if} please {1.ask}, if not, {2.ask}
		~{fact}. if {if} then {1.ask}, or else {2.ask}
	`),
	conditional("unless", 4, 2, `
		{1.ask} unless {if}, in that case {2.ask}. {fact}
		please {1.ask}, unless {if}, then {2.ask}. {fact}
		{1.ask}, except if {if}, in that case {2.ask}. well, {fact}
		unless {if} you should {1.ask}, in that case you should {2.ask}. {fact}
		~please {1.ask} unless {if}, in that case {2.ask}. well, {fact}
		~{1.ask}, except if {if}, then {2.ask}. {fact}
		~you should {1.ask} unless {if}, then you should {2.ask}. {fact}
	`),
	conditional("ask_if", 4, 1, `
		{1.ask} if {if}, and {2.ask} if not. {fact}
		please {1.ask} if {if}, otherwise {2.ask}. {fact}
		{fact}. so {1.ask} if {if}, and {2.ask} if not
		{1.ask} in case {if}, or else {2.ask}. well, {fact}
		~{fact}. please {1.ask} if {if}, and {2.ask} if not
		~{1.ask} if {if}, or else {2.ask}. {fact}
		~please {1.ask} in case {if}, and {2.ask} if not. {fact}
	`),
	[]frame{
		nothing("withdrawn", 4, 1, `
			{1.ask}. no wait, forget it, {1.solved}
			I was about to ask you to {1.ask}, but {1.solved}
			don't {1.ask}, that was yesterday. {1.solved}
			you don't have to {1.ask} any more, {1.solved}
			{1.ask}. actually no, {1.solved}
			it's not about {1.topic} any more, {1.solved}
			~I was about to write about {1.topic}, but {1.solved}
			~don't {1.ask}, forget it. {1.solved}
			~you don't have to {1.ask}. {1.solved}
		`),
		nothing("withdrawn_plain", 3, 1, `
			{1.ask}. no wait, leave it, I don't need anything
			please {1.ask}. actually no, do nothing
			{1.topic}? no, I am fine, nothing to do
			I am not writing about {1.topic}. I just wanted to say hello
			don't {1.ask}. don't do anything
			~please {1.ask}. no wait, do nothing
			~{1.topic}? no, I don't need anything
			~{1.ask}. actually no, leave it, I am fine
		`),
	},
)
