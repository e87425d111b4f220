package desk

var lateParcel = &intent{
	label: "late_parcel",
	kin:   "parcel",
	says: phrasings(`
		my delivery is overdue
		the {p} was due last week and seems stuck somewhere
		my {p} still hasn't arrived
		the {p} I ordered {ago} is nowhere to be seen
		I have been waiting for my {p} since {day}
		the parcel was meant to be here on {day} and it isn't
		the tracking hasn't moved since {day}
		order {n} is late again
		the delivery keeps slipping by another day
		you promised the {p} by {day} and nothing has come
		my parcel has been in transit for ages
		the courier still hasn't brought my {p}
		~my {p} was due on {day} and still hasn't come
		~the parcel seems stuck in transit since {day}
		~I have been waiting for order {n} for ages
	`),
	asks: phrasings(`
		check on the overdue parcel
		find out where my parcel is
		trace the parcel
		tell me when the {p} will get here
		look up where order {n} is stuck
		ask the courier where my {p} is
		give me a date for the late delivery
		speed up the delivery of my {p}
		chase the parcel that should have been here by now
		say how much longer the {p} will take
		track down order {n}
		get the late {p} moving
		~track down the late parcel
		~find out when the {p} will get here
		~ask the courier how much longer my parcel will take
	`),
	topics: phrasings(`
		the late parcel
		my overdue delivery
		the parcel that is still on its way
		the tracking that doesn't move
		the delay of order {n}
		my late {p}
		the {p} that should have been here by {day}
		the delivery date that keeps slipping
		the parcel stuck in transit
		the long wait for the {p}
		the slow delivery
		the {p} that hasn't arrived
		~the overdue {p}
		~the parcel that hasn't arrived
		~the delay of my delivery
	`),
	solved: phrasings(`
		the parcel turned up
		the delivery came on {day}
		the {p} has arrived after all
		the late {p} is finally here
		the courier brought the {p} this morning
		order {n} reached me at last
		the overdue parcel is here now
		the tracking moved and the {p} came
		my {p} got here yesterday
		the parcel I was waiting for has come
		the long wait for the {p} is over
		the delayed delivery has arrived
		~the late parcel came this morning
		~the {p} I was waiting for is finally here
		~the overdue delivery has arrived
	`),
}

var missingParcel = &intent{
	label: "missing_parcel",
	kin:   "parcel",
	says: phrasings(`
		the parcel is marked as delivered but I never got it
		your app claims the {p} was handed over and nobody here has it
		the driver left my {p} outside and somebody took it
		my parcel was stolen from the porch
		the signature for the {p} isn't mine
		the photo shows my {p} at somebody else's door
		it says delivered on {day} and my mailbox is empty
		none of my neighbors took in the parcel you marked as delivered
		my {p} disappeared from the hallway
		the {p} was left with a neighbor who doesn't exist
		order {n} counts as delivered and I have nothing in my hands
		somebody stole the box with the {p} from my doorstep
		~the {p} is marked as delivered and nobody here has it
		~somebody took the box with my {p} from the porch
		~order {n} counts as delivered and my doorstep is empty
	`),
	asks: phrasings(`
		find out who signed for my parcel
		open an investigation for the stolen parcel
		ask the driver which door he left the {p} at
		send another {p} for the stolen one
		check the delivery photo of order {n}
		tell me which neighbor has the {p}
		look for the {p} that was marked as delivered
		start a search for the vanished parcel
		report the stolen {p} to the courier
		prove that the {p} was really handed over
		look into the signature on order {n}
		file a report about the vanished {p}
		~find out which neighbor signed for the {p}
		~start an investigation for the vanished {p}
		~look into the delivery photo of the stolen parcel
	`),
	topics: phrasings(`
		the stolen parcel
		the {p} marked as delivered
		the signature that isn't mine
		the parcel that vanished from the porch
		the delivery photo of a stranger's door
		the {p} that was handed to somebody else
		the vanished {p}
		the theft from my doorstep
		the parcel I never got but you call delivered
		the {p} that disappeared from the hallway
		the search for the stolen {p}
		the neighbor who is said to have my {p}
		~the theft of the {p}
		~the {p} that vanished from my doorstep
		~the parcel handed to somebody else
	`),
	solved: phrasings(`
		my neighbor had the {p} all along
		the stolen parcel was found
		the driver came back with the vanished {p}
		somebody brought the {p} from the wrong door
		the {p} marked as delivered was in the shed
		the vanished parcel was at the house next door
		my son had signed for the {p}
		we found the {p} behind the porch
		the person who signed for it gave me the {p}
		you sent another {p} for the stolen one
		the neighbor rang and handed me the {p}
		your investigation found the {p}
		~the vanished {p} was with my neighbor
		~we found the stolen {p} behind the shed
		~the driver found the parcel at the house next door
	`),
}

var changeAddress = &intent{
	label: "change_address",
	kin:   "address",
	says: phrasings(`
		I have moved to {city} and you have the old address
		the parcel is going to the wrong street
		my flat number is missing from the delivery details
		the zip code on my order is wrong
		you have my street name misspelled
		we moved house and the order still goes to the old place
		I typed the wrong house number
		the label on the order shows where I used to live
		I forgot to change the address to {city}
		order {n} is going to an address where I no longer live
		my profile still has my parents' address in {city}
		I live in {city} now and the old street is still in my profile
		~I have moved and order {n} still goes to the old street
		~you have the wrong zip code and house number
		~I forgot to change the old address in my profile
	`),
	asks: phrasings(`
		use my office address
		send it to my office in {city}
		change the delivery address
		ship it to {city} and not to my home
		update my street name
		correct the house number on order {n}
		put my new address on the order
		redirect the {p} to my place in {city}
		add the flat number to the address
		fix the zip code on the label
		replace the old address with the one in {city}
		send the {p} to my parents' house in {city}
		~redirect order {n} to my office
		~correct the street name on the label
		~use my new address in {city}
	`),
	topics: phrasings(`
		the delivery address
		my new address
		the change of address
		the wrong street on order {n}
		my house number
		the zip code on the label
		our move to {city}
		the address in my profile
		the missing flat number
		redirecting the {p} to my office
		the old address on my order
		my misspelled street name
		~the old street in my profile
		~the wrong house number
		~the address on the label
	`),
	solved: phrasings(`
		you updated the address
		the address is right now
		I changed the address on the site
		the new street is on the order
		your chat corrected the house number
		the parcel has the {city} address on it now
		the zip code was fixed
		the order now goes to my office
		my new address is in the profile
		you redirected the {p} to {city}
		the flat number is on the label now
		the old address has been replaced
		~the house number was corrected
		~the new address is on the label now
		~you updated the street in my profile
	`),
}

var deliveryDay = &intent{
	label: "delivery_day",
	kin:   "slot",
	says: phrasings(`
		nobody is at the door on {day}
		I am away on {day} so nobody can take the parcel
		{day} is no good for the delivery
		I work until six and your van comes at noon
		we are on vacation when the {p} is supposed to come
		the time slot you gave me doesn't suit me
		I can only receive the {p} on a weekend
		the slot on {day} clashes with my shift
		I am at the hospital on {day} when your van comes
		there is nobody home before five
		the delivery is planned for {day} and I am out of town
		the morning slot is impossible for us
		~there is nobody home on {day}
		~the morning slot clashes with my shift
		~I am out of town when your van comes
	`),
	asks: phrasings(`
		postpone the drop off to {day}
		deliver on {day} when I am home
		move the delivery to {day}
		bring it in the evening
		give me a later time slot
		come after six
		reschedule the delivery of the {p}
		hold the {p} until I am back from vacation
		book the weekend slot for my {p}
		let me pick another delivery day
		switch my slot from {day} to {day2}
		leave the van's visit for {day}
		~reschedule my slot to {day}
		~postpone the delivery until I am back
		~bring the {p} on a weekend
	`),
	topics: phrasings(`
		a later day for the drop off
		the delivery day
		moving the delivery to {day}
		the time slot
		the slot on {day}
		an evening delivery
		rescheduling the {p}
		the morning slot
		the day your van comes
		the weekend slot
		another delivery day
		the postponed drop off
		~a later time slot
		~rescheduling the drop off
		~an evening slot for the {p}
	`),
	solved: phrasings(`
		the later slot is fine now
		the courier moved the day for me
		I got a new time slot
		the drop off is on {day} now
		you booked the evening slot
		the delivery was moved to {day}
		the weekend slot is confirmed
		your van now comes after six
		my slot has been rescheduled
		you postponed the {p} as I wished
		the new delivery day suits us
		I picked another slot in the app
		~the new time slot suits us
		~the drop off was moved to the weekend
		~you rescheduled the {p} to {day}
	`),
}

var shippingCost = &intent{
	label: "shipping_cost",
	kin:   "fees",
	says: phrasings(`
		I don't understand the shipping fee
		{amt} postage for a {p} seems steep
		your banner says free shipping and I see a fee of {amt}
		the freight to {city} isn't listed anywhere
		the postage went up at the last step
		I would order more but the freight is too high
		express shipping costs more than the {p} itself
		I was promised free postage above {amt}
		the customs fee on my {p} came as a surprise
		your page doesn't say what postage to {city} costs
		I paid for express and it went by standard post
		the fee for shipping a {p} abroad looks odd
		~the postage to {city} seems too high
		~your banner says free postage and the fee is {amt}
		~I don't understand the customs fee
	`),
	asks: phrasings(`
		tell me what shipping to {city} costs
		waive the postage
		take the shipping fee off
		explain the {amt} freight
		quote me the postage for a {p}
		lower the shipping fee
		make the shipping free as your banner says
		list the fees for express shipping
		calculate the freight for two {p}s
		tell me from which amount shipping is free
		say whether customs fees are included
		let me choose the cheaper postage
		~quote me the freight to {city}
		~waive the shipping fee
		~explain what express postage costs
	`),
	topics: phrasings(`
		the shipping fee
		the postage
		the freight to {city}
		the {amt} postage
		the price of express shipping
		free shipping
		the customs fee
		what postage costs
		the fee for shipping abroad
		the freight charge on my {p}
		your free postage banner
		the cost of standard shipping
		~the postage to {city}
		~the price of standard postage
		~the freight fee
	`),
	solved: phrasings(`
		you waived the postage
		the shipping fee came off
		your chat explained the freight
		the postage turned out to be free
		I found the list of shipping fees
		you quoted me the postage
		the customs fee was paid back to us
		the freight to {city} is clear now
		the shipping was free in the end
		I understand the express fee now
		you lowered the postage to {amt}
		the fee for the freight has been waived
		~the freight was free in the end
		~you explained the shipping fee
		~the postage has been waived
	`),
}

var rudeCourier = &intent{
	label: "rude_courier",
	kin:   "courier",
	says: phrasings(`
		your driver shouted at my wife
		the courier threw my {p} over the fence
		the man who brought the {p} was very rude
		your driver refused to carry the {p} up the stairs and swore at me
		the delivery guy kicked the box
		your driver drove over our lawn
		the courier called me lazy to my face
		the driver slammed the gate and insulted us
		your courier was drunk as far as I can tell
		I have never been treated like this by a driver
		the driver blocked our driveway and laughed
		your delivery guy scared my kids with his yelling
		~the courier swore at my wife
		~the driver insulted me and kicked the gate
		~your delivery guy was very rude to my kids
	`),
	asks: phrasings(`
		have a word with your rude driver
		file a complaint about the driver
		make the courier apologize
		report the rude delivery guy to his boss
		take the driver off our street
		tell your drivers to behave
		note my complaint about the man who brought the {p}
		discipline the driver who swore at us
		teach your couriers some manners
		look into the behavior of your driver
		get me an apology from the courier
		speak to the courier who threw my {p}
		~report the driver who shouted at us
		~file a complaint about the courier's manners
		~make the rude driver apologize
	`),
	topics: phrasings(`
		the rude driver
		my complaint about the courier
		the behavior of your driver
		the man who threw my {p}
		the way your driver spoke to us
		the courier's bad manners
		the insult from your delivery guy
		the driver who shouted at my wife
		the scene your courier made
		our lawn that your driver drove over
		an apology from the driver
		the yelling at my kids
		~the courier who shouted at us
		~my complaint about the driver's behavior
		~the bad manners of your delivery guy
	`),
	solved: phrasings(`
		the driver apologized
		the rude courier said sorry
		the driver's boss rang to apologize
		your courier behaved like a gentleman this time
		my complaint about the driver was taken seriously
		a different driver comes now
		the courier shook my hand and said sorry
		the driver who swore at us no longer works for you
		I got an apology for the yelling
		the man who kicked the box wrote us a nice card
		you had a word with the driver
		the driver repaired our lawn
		~the rude driver said sorry
		~your courier apologized for the yelling
		~the man who threw the {p} apologized
	`),
}

var giftWrap = &intent{
	label: "gift_wrap",
	kin:   "gift",
	says: phrasings(`
		the {p} is a present and should come in gift paper
		I would love a ribbon around the {p}
		it's a birthday present for my {relative} and I want it wrapped
		I forgot to tick the gift wrapping box
		the greeting card should say happy birthday
		my {relative} shouldn't see the price because it's a present
		I can't find where to add a greeting card
		there was no ribbon and no wrapping paper around the present
		the present is for my {relative} and plain cardboard looks sad
		I paid for gift paper and the {p} came bare
		we want to surprise my {relative} with a wrapped {p}
		the text on my greeting card has a mistake in it
		~the {p} is a birthday present and should come wrapped
		~I forgot to add a greeting card to the present
		~I would love gift paper around the {p}
	`),
	asks: phrasings(`
		wrap the {p} as a present
		add a greeting card
		put a ribbon around it
		use the nice gift paper
		leave the price out of the present
		write happy birthday on the card
		gift wrap order {n}
		change the words on the greeting card
		pack the {p} as a surprise for my {relative}
		include the gift wrapping
		tie a ribbon around the {p}
		make the box look like a present
		~wrap order {n} in gift paper
		~put happy birthday on the greeting card
		~pack the {p} as a birthday present
	`),
	topics: phrasings(`
		the gift wrapping
		the greeting card
		the ribbon around the {p}
		the wrapping paper
		the birthday present for my {relative}
		the gift paper I paid for
		the words on the greeting card
		wrapping the {p}
		the surprise for my {relative}
		the present that came bare
		the card for my {relative}
		the gift box
		~the ribbon around the present
		~wrapping the birthday present
		~the gift paper for the {p}
	`),
	solved: phrasings(`
		the wrapping paper is taken care of
		you put a ribbon around the {p}
		the greeting card looks lovely
		I wrapped the {p} myself
		the gift paper came separately
		you fixed the words on the card
		the {p} came nicely wrapped
		my {relative} loved the ribbon
		the present is wrapped by now
		we bought a greeting card in town
		you added the gift wrapping
		the birthday surprise worked out
		~the present came nicely wrapped
		~you added the ribbon and the card
		~I bought gift paper in town
	`),
}
