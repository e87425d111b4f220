package desk

var login = &intent{
	label: "login",
	kin:   "access",
	says: phrasings(`
		every time I sign in there is an error
		I can't log in
		your site says my password is wrong
		the password reset mail never comes
		I am locked out of my account
		the login page sends me round in circles
		my username isn't recognized
		the code for signing in arrives too late
		I forgot my password and the reset link is dead
		after your update the app logs me out every minute
		my account is blocked after three wrong passwords
		the sign in page stays blank
		~there is an error every time I log in
		~I am locked out and the reset link is dead
		~the login page says my password is wrong
	`),
	asks: phrasings(`
		reset my password
		unlock my account
		help me log in
		get me into my account again
		send a working reset link
		fix the sign in page
		unblock my username
		send the login code to my phone
		give me a new password
		find out why I am locked out
		mend the login
		stop the app from logging me out
		~send me a new reset link
		~unblock my login
		~find out why my password is wrong
	`),
	topics: phrasings(`
		the sign in error
		the login trouble
		my password
		being locked out
		the reset link
		the login page
		my blocked username
		the code for signing in
		the forgotten password
		logging in
		the password reset
		the app that logs me out
		~the sign in trouble
		~my forgotten password
		~the login code
	`),
	solved: phrasings(`
		I am logged in again
		the new password works
		I got into my account in the end
		the reset link arrived
		my username was unblocked
		the sign in page loads now
		you unlocked my account
		I remembered my password
		the login code came through
		the app keeps me logged in now
		the password was reset
		signing in works on my laptop
		~the password reset came through
		~you unblocked my login
		~I can sign in again
	`),
}

var deleteAccount = &intent{
	label: "delete_account",
	kin:   "closing",
	says: phrasings(`
		I want nothing more to do with your shop and want my data gone
		I don't want my profile to exist any longer
		my account should be closed for good
		I am leaving your shop and want my profile erased
		you keep data about me that I want wiped
		I found no way to close my account
		the erase button in my profile is gray
		I demand that my personal data be erased
		two profiles exist in my name and both should be erased
		I closed my account {ago} and my data is still there
		there is no reason for you to keep my data
		I no longer wish to have an account with you
		~I want my profile closed for good
		~I found no way to have my data wiped
		~my personal data is still there and should be gone
	`),
	asks: phrasings(`
		wipe my data
		delete my account
		close my account
		remove all my data
		erase my profile
		shut down my profile
		delete everything you know about me
		close my profile for good
		confirm that my data was erased
		destroy the data you keep about me
		terminate my account
		purge my personal data
		~erase everything you know about me
		~close my account for good
		~wipe my profile
	`),
	topics: phrasings(`
		getting my profile wiped
		deleting my account
		closing my account
		the removal of my data
		the data you keep about me
		erasing my profile
		the end of my account
		the deletion of my profile
		my right to be erased
		wiping my personal data
		the closing of my profile
		leaving your shop for good
		~getting my data wiped
		~erasing my account
		~the deletion of my data
	`),
	solved: phrasings(`
		my account is closed
		you removed my data
		my profile was erased
		the account is gone for good
		you confirmed that my data was wiped
		I deleted the account in the app
		my personal data has been purged
		the deletion went through
		both my profiles are gone
		I closed my profile myself
		everything you kept about me was erased
		you shut down my account
		~my data has been erased
		~the account was deleted
		~you closed my profile for good
	`),
}

var newsletter = &intent{
	label: "newsletter",
	kin:   "ads",
	says: phrasings(`
		your newsletter fills up my inbox
		I get five advertising mails from you every day
		I unsubscribed {ago} and the newsletter still comes
		the unsubscribe link in your newsletter leads nowhere
		I never signed up for your newsletter
		I am drowning in your promotional mails
		your marketing mails wake me up at night
		I keep getting ads from you by text
		your weekly newsletter comes three times a week
		I opted out of marketing and you ignore it
		your ads come to my late {relative}'s inbox
		the newsletter comes in a language I can't read
		~I opted out and your newsletter still comes
		~I am drowning in your advertising mails
		~the unsubscribe link leads nowhere and I get ads every day
	`),
	asks: phrasings(`
		unsubscribe me from the newsletter
		stop sending me ads
		take me off the mailing list
		stop the advertising mails
		sign me off your newsletter
		end the marketing texts
		remove my email from the mailing list
		fix the unsubscribe link
		send me fewer newsletters
		opt me out of marketing
		spare me your promotional mails
		keep your ads out of my inbox
		~take my email off the newsletter list
		~stop the promotional texts
		~unsubscribe me from the marketing mails
	`),
	topics: phrasings(`
		the newsletter
		the unsubscribe link
		the advertising mails
		your mailing list
		the marketing texts
		the flood of ads in my inbox
		unsubscribing from your ads
		the weekly newsletter
		opting out of marketing
		the promotional mails
		your daily advertising
		the ads you text me
		~the flood of newsletters
		~unsubscribing from the mailing list
		~the ads in my inbox
	`),
	solved: phrasings(`
		the newsletter has stopped
		I found the unsubscribe link
		you took me off the mailing list
		the advertising mails no longer come
		my inbox is free of your ads
		I unsubscribed myself
		the marketing texts have ended
		my spam filter handles the newsletter
		you signed me off the newsletter
		I opted out on the site
		the weekly mails come once a week now
		the flood of ads is over
		~you took me off the newsletter
		~the promotional mails have stopped
		~my spam filter handles the ads
	`),
}

var loyaltyPoints = &intent{
	label: "loyalty_points",
	kin:   "points",
	says: phrasings(`
		the bonus points for the {p} were never added
		my loyalty points have vanished
		I had {n} points and now I see zero
		my points were about to expire and I couldn't redeem them
		the purchase of the {p} earned me no points
		my gold status was taken away
		I can't spend my bonus points
		my loyalty card isn't linked to order {n}
		the app counts my points wrong
		you promised double points on {day} and I got single ones
		my rewards level dropped to silver
		I joined the rewards club and see no points
		~the bonus points for order {n} were never added
		~my points vanished from the rewards app
		~I can't redeem my loyalty points
	`),
	asks: phrasings(`
		add the points for the {p}
		restore my bonus points
		give me my gold status again
		credit the loyalty points
		link my loyalty card to order {n}
		let me redeem my points
		count my points again
		tell me when my points expire
		add the double points from {day}
		put me up to the gold level
		explain how to spend my points
		transfer my points to my {relative}
		~credit the bonus points for the {p}
		~restore my gold level
		~tell me how to redeem the points
	`),
	topics: phrasings(`
		my loyalty points
		the bonus points
		my gold status
		the points for the {p}
		the rewards club
		redeeming my points
		my loyalty card
		the double points
		my rewards level
		the expired points
		the points balance
		the vanished points
		~the points for order {n}
		~my rewards card
		~the expired bonus points
	`),
	solved: phrasings(`
		the bonus points were added
		my gold status is restored
		the points for the {p} have shown up
		you credited the loyalty points
		I redeemed my points
		my loyalty card is linked now
		the double points came on {day}
		the rewards app counts right again
		the vanished points reappeared
		my level is gold again
		the expired points were restored
		I spent my points in the store
		~the points for order {n} were credited
		~my bonus points reappeared
		~the loyalty points were restored
	`),
}

var human = &intent{
	label: "human",
	kin:   "people",
	says: phrasings(`
		I keep asking to speak to a human
		I want to talk to a real person
		I am tired of talking to a bot
		nobody ever picks up the phone
		your hotline plays music for an hour
		I would like a call from someone real
		the chat robot doesn't understand me
		I don't get past your answering machine
		I need someone with a voice
		your bot sends the same reply over and over
		nobody called me although I asked for a call
		I demand to talk to a manager
		~I am tired of your hotline and want a real person
		~your chat robot sends the same reply over and over
		~nobody real ever picks up
	`),
	asks: phrasings(`
		get a human on the phone
		put me through to a person
		have someone call me
		let me speak to your manager
		give me the number of a real person
		ring me on my cell
		connect me with an agent
		transfer me to a colleague with a voice
		get me past the robot
		have your manager phone me
		let a human answer
		call me this afternoon
		~have a real person call me
		~connect me with a human
		~let me talk to an agent on the phone
	`),
	topics: phrasings(`
		speaking to someone real
		a call with a real person
		the call I asked for
		talking to your manager
		a human on the phone
		your hotline
		getting past the robot
		reaching a real agent
		a chat with a human
		the phone number of a person
		the manager I asked for
		being put through to someone
		~talking to a real person
		~the call with your manager
		~reaching a human
	`),
	solved: phrasings(`
		a colleague of yours called me
		I got hold of someone on the phone
		your manager rang me
		I spoke to a real person
		a nice agent picked up
		your hotline put me through
		a human answered in the chat
		someone real called this afternoon
		I reached a person on the phone
		the call from your manager came
		I talked to an agent with a voice
		a person took over from the bot
		~I spoke to someone on the phone
		~a real agent called me
		~your manager picked up
	`),
}

var praise = &intent{
	label: "praise",
	kin:   "praise",
	says: phrasings(`
		I love the {p}
		the {p} is the best thing I bought this year
		your team did a fantastic job
		I am over the moon with the {p}
		the lady in your chat was wonderful
		the {p} is exactly what I dreamed of
		I have rarely seen such friendly service
		you made my {relative} very happy
		the {p} exceeded my hopes
		{name} from your team deserves a medal
		my whole family adores the {p}
		your shop deserves five stars
		~I love your friendly service
		~the {p} made my whole family very happy
		~{name} from your team was fantastic
	`),
	asks: phrasings(`
		pass my compliments on to {name}
		tell your team they are wonderful
		give {name} a raise
		post my five star review
		hug the lady from the chat for me
		let the team know how happy we are
		put my praise on your wall
		keep up the fantastic work
		pass a compliment to the people who packed the {p}
		share my kind words with your team
		congratulate the designer of the {p}
		tell {name} how happy I am
		~pass my praise on to your team
		~tell the lady from the chat she is fantastic
		~share my five star review
	`),
	topics: phrasings(`
		how happy I am with the {p}
		my praise for your team
		a compliment for {name}
		the wonderful service
		my five star review
		how much I love the {p}
		the fantastic job of your team
		my kind words for {name}
		the friendly lady in the chat
		a big compliment
		praising your team
		my joy about the {p}
		~my compliment for your team
		~how happy my family is with the {p}
		~the fantastic service
	`),
	solved: phrasings(`
		my five star review is online
		I gave {name} my compliments in person
		your team got my praise
		I already praised the lady in the chat
		my compliment reached {name}
		I told your team how happy we are
		my kind words were passed on
		the review with five stars has been posted
		{name} knows how much I love the {p}
		your team read my compliments aloud
		you shared my praise on your wall
		the designer of the {p} got my compliments
		~I told {name} how much I love the {p}
		~my compliments were passed on to the team
		~the five star review is posted
	`),
}
