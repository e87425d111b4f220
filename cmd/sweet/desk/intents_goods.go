package desk

var wrongItem = &intent{
	label: "wrong_item",
	kin:   "contents",
	says: phrasings(`
		I ordered a {p} and got a {q}
		you sent me somebody else's {q}
		there was a {q} in the box and not my {p}
		the thing in the parcel isn't what I ordered
		you mixed up my order with another customer's
		I opened the box and found a {q}
		a {q} came although my order says {p}
		this is a different model from the {p} on the receipt
		you packed the wrong {p}
		what am I supposed to do with a {q} I never ordered
		my box had a stranger's {q} in it
		the article number on the box belongs to a {q}
		~I opened the parcel and there was a {q} and not my {p}
		~you packed a {q} although I ordered a {p}
		~the {p} in the box is a different model
	`),
	asks: phrasings(`
		get me the correct item
		send me the right {p}
		swap the {q} for the {p} I ordered
		send the item I really ordered
		pick up the {q} that isn't mine
		sort out the mix-up
		tell me what to do with the {q} I never ordered
		deliver the {p} that is on my receipt
		put the mix-up right
		take the stranger's {q} away
		exchange the wrong item for the right one
		find out who got my {p} by mistake
		~swap the wrong item for the right {p}
		~pick up the wrong {q}
		~send the {p} that is on the receipt
	`),
	topics: phrasings(`
		the item that isn't mine
		the wrong item
		the mix-up in the box
		the {q} I never ordered
		somebody else's {q}
		the wrong model
		the {q} that came in place of my {p}
		the mixed up order
		getting the correct {p}
		the stranger's {q}
		the wrong article in the parcel
		the {q} in my box
		~the stranger's item in my box
		~the mix-up with the {q}
		~the wrong {q} in the parcel
	`),
	solved: phrasings(`
		the correct {p} was swapped in
		the right {p} has come
		the mix-up was put right
		you picked up the wrong {q}
		the right item is here now
		my {p} came in exchange for the {q}
		the stranger's {q} has been collected
		I have the model I ordered now
		you swapped the wrong item
		the {q} went to its real owner
		we got the article from the receipt
		the mixed up boxes were exchanged
		~the correct item has come
		~the wrong {q} was swapped
		~the stranger's box has been collected
	`),
}

var damagedItem = &intent{
	label:    "damaged_item",
	kin:      "broken",
	products: fragile,
	says: phrasings(`
		there is a dent in my {p}
		my {p} arrived broken
		the {p} came with a big crack
		the {p} was in pieces when I opened the box
		the box was crushed and the {p} is bent
		my new {p} is scratched all over
		the glass on the {p} is shattered
		a corner of the {p} was snapped off on arrival
		there is a hole in the side of the {p}
		water got into the parcel and the {p} is ruined
		the {p} looks as if somebody had dropped it
		I unpacked a {p} with a bent corner
		~the {p} arrived with a dent and a crack
		~the box was crushed and the glass is shattered
		~I opened the box and the {p} was bent
	`),
	asks: phrasings(`
		replace the broken {p}
		send a new {p} for the cracked one
		take a look at photos of the damage
		get me a {p} without a dent
		send somebody to see the scratched {p}
		make good the damage to the {p}
		replace the shattered glass
		accept my photos of the crushed box
		record the damage to order {n}
		give me an undamaged {p}
		look at the crack in my {p}
		ship an intact {p} for the bent one
		~replace the cracked {p}
		~look at my photos of the dent
		~send an undamaged {p} for the scratched one
	`),
	topics: phrasings(`
		the dent in the {p}
		my dented {p}
		the broken {p}
		the damage to the {p}
		the cracked {p}
		the scratch on my new {p}
		the crushed box
		the shattered glass
		the hole in the {p}
		the bent corner
		the ruined {p}
		the damage from transport
		~the crack in the {p}
		~the scratched {p}
		~the damage to my new {p}
	`),
	solved: phrasings(`
		I fixed the dent
		the broken {p} has been replaced
		I glued the crack myself
		you sent a new {p} for the cracked one
		the scratch on the {p} polished out
		the bent corner has been straightened
		an undamaged {p} has come
		the shattered glass was replaced
		my son repaired the dented {p}
		the damage was smaller than it looked
		you made good the damage
		an intact {p} is standing here now
		~I polished out the scratch
		~the cracked {p} has been replaced
		~the dent in the {p} was fixed
	`),
}

var missingPart = &intent{
	label:    "missing_part",
	kin:      "contents",
	products: machines,
	says: phrasings(`
		there are no screws in the box
		the cable for the {p} is missing
		one bolt is missing from the bag
		the lid of the {p} wasn't packed
		the {p} came without its charger
		half of the parts on the list aren't in the box
		I counted the screws twice and three are missing
		the remote that belongs to the {p} wasn't included
		the bag with the bolts was empty
		the {p} came without the adapter on the picture
		I got the {p} but not the spare bulb
		a hinge is missing so the {p} is incomplete
		~the charger for the {p} is missing
		~the {p} came without the bag of screws
		~one hinge wasn't packed so the {p} is incomplete
	`),
	asks: phrasings(`
		send me the missing screws
		post the missing cable
		mail me the charger for the {p}
		send the bag of bolts
		supply the missing lid
		complete my incomplete {p}
		ship the part that wasn't packed
		get me the adapter that belongs to the {p}
		send the spare hinge
		add the forgotten remote to my next parcel
		check which parts were left out
		post a spare bolt for the {p}
		~send me the missing charger
		~post the bolts that were left out
		~supply the hinge that wasn't packed
	`),
	topics: phrasings(`
		the missing screws
		the missing cable
		the part that wasn't packed
		the charger that was left out
		the incomplete {p}
		the bag of bolts
		the forgotten remote
		the missing lid of the {p}
		the spare hinge
		the empty bag of screws
		the adapter for the {p}
		the list of missing parts
		~the missing bolts
		~the charger that wasn't packed
		~the forgotten cable
	`),
	solved: phrasings(`
		the missing screws came in an envelope
		I found the cable under the foam
		the bag of bolts was in the lid
		you posted the missing charger
		the {p} is complete now
		I had a spare screw in the garage
		the forgotten remote has come
		the missing hinge was in the foam
		the adapter came in a separate envelope
		we found the lid at the bottom of the box
		you sent the part that wasn't packed
		all the parts are here now
		~the missing cable came in an envelope
		~I found the bolts at the bottom of the box
		~the charger was under the lid
	`),
}

var exchangeSize = &intent{
	label:    "exchange_size",
	kin:      "fit",
	products: clothes,
	says: phrasings(`
		the {p} is too tight around the shoulders
		the {p} is one size too small
		I need the {p} a size larger
		the sleeves of the {p} are too short
		I ordered the {p} in medium and it hangs on me like a sack
		the {p} runs small so I need a large
		the {p} is too wide at the waist
		my usual size doesn't fit in your {p}
		the {p} fits my {relative} but I am taller
		I swim in this {p} because it is huge
		my toes touch the front so I need a bigger size
		your size chart made me pick too small a {p}
		~the {p} is too tight so I need a larger size
		~the sleeves are too short and the {p} is too small
		~I ordered my usual size and the {p} is too wide
	`),
	asks: phrasings(`
		exchange the {p} for a larger size
		swap the medium for a large
		send me the {p} one size up
		trade the {p} for a smaller size
		change the {p} to size {size}
		get me the {p} in a wider fit
		switch my {p} to a small
		let me swap sizes
		ship the {p} in size {size}
		exchange the tight {p}
		give me a longer {p}
		advise me on the right size
		~swap the {p} for one size up
		~exchange the {p} for a wider fit
		~send the {p} in a smaller size
	`),
	topics: phrasings(`
		the size of the {p}
		swapping the medium for a large
		the tight {p}
		the exchange for a larger size
		the short sleeves
		a bigger {p}
		size {size}
		the {p} that doesn't fit
		your size chart
		the {p} that is too small
		the wrong fit
		a wider fit
		~the exchange for a wider fit
		~a larger {p}
		~the size that doesn't fit
	`),
	solved: phrasings(`
		the larger {p} fits like a glove
		I swapped the medium for a large in town
		the {p} stretched and fits now
		you exchanged the {p} for size {size}
		the bigger size has come
		the smaller {p} is perfect
		my {relative} took the tight {p}
		the {p} in size {size} fits well
		a tailor made the sleeves longer
		the new size is just right
		the {p} fits after a week of wearing
		the size swap is done
		~the {p} in a larger size fits well
		~the smaller size is just right
		~you swapped the tight {p}
	`),
}

var returnItem = &intent{
	label: "return_item",
	kin:   "money_back",
	says: phrasings(`
		the {p} doesn't suit me and I want to give it back
		I would like to return the {p}
		the {p} isn't for me so it has to go back
		I don't like the {p} now that I have seen it
		I printed no return label because there was none in the box
		we no longer need the {p} and want to send it back
		I would give the {p} back but nobody collects it
		the {p} I got {ago} should go back to you
		I don't know how to return order {n}
		the return portal doesn't know my order
		I packed the {p} up again to give it back
		my {relative} doesn't like the {p} so back it goes
		~I don't like the {p} and want to return it
		~we packed the {p} up to send it back
		~I would like to give order {n} back
	`),
	asks: phrasings(`
		send me a return label
		let me return the {p}
		take the {p} back
		arrange a pick-up for the return
		tell me how to send the {p} back
		accept my return of order {n}
		collect the {p} from my home
		book a courier for the return
		register my return
		mail me the label to send it back
		give me the address for returns
		open the return portal for order {n}
		~arrange a return label for the {p}
		~tell me how to return order {n}
		~collect the {p} I send back
	`),
	topics: phrasings(`
		the return
		returning the {p}
		the return label
		sending the {p} back
		the pick-up of the return
		my return of order {n}
		giving the {p} back
		the return portal
		the courier for the return
		the {p} that should go back
		how to return the {p}
		my return parcel
		~the return of the {p}
		~the label for the return
		~sending order {n} back
	`),
	solved: phrasings(`
		the return label came
		I have dropped off the return
		the return has been collected
		the {p} is on its way back to you
		you accepted my return
		the courier picked up the return
		I took the {p} back to the shop
		the return portal worked
		my return of order {n} is registered
		the {p} went back on {day}
		I printed the return label
		the pick-up of the return went well
		~the {p} was collected for the return
		~I took the return to the courier
		~you registered the return of the {p}
	`),
}

var warranty = &intent{
	label:    "warranty",
	kin:      "broken",
	products: machines,
	says: phrasings(`
		my {p} gave up and the guarantee should cover it
		the {p} stopped working after {mon} months and is still under warranty
		the {p} died and the guarantee runs two years
		after {mon} months of use the {p} is dead
		the motor of the {p} burned out within the warranty
		I was told the two year guarantee covers my {p}
		my warranty claim for the {p} was never answered
		the {p} worked for {mon} months and then quit
		the repair shop wants my guarantee papers
		I registered the warranty and now the {p} has quit
		the {p} has a fault that the warranty ought to cover
		the guarantee on my {p} runs out next month and it has a fault
		~my {p} quit after {mon} months under guarantee
		~the motor died and the warranty should cover it
		~the {p} has a fault and the guarantee runs out next month
	`),
	asks: phrasings(`
		open a claim for the repair
		repair the {p} under warranty
		start a warranty claim for the {p}
		tell me if the guarantee covers my {p}
		have the dead motor repaired
		answer my warranty claim
		honor the two year guarantee
		extend the warranty on my {p}
		send the {p} to the repair shop
		tell me how long the guarantee runs
		mend the {p} under the guarantee
		register the warranty for my {p}
		~open a guarantee claim for the {p}
		~have the {p} repaired under warranty
		~tell me how long the warranty covers the motor
	`),
	topics: phrasings(`
		the warranty claim
		the guarantee on the {p}
		the repair
		the two year guarantee
		the dead motor
		the warranty on my {p}
		the repair under guarantee
		my claim for the {p}
		the {p} that quit after {mon} months
		the fault in the motor
		the guarantee papers
		extending the warranty
		~the guarantee claim
		~the repair of the motor
		~the fault that the warranty covers
	`),
	solved: phrasings(`
		my {p} was repaired
		the repair shop mended the {p} under guarantee
		the warranty claim was accepted
		the guarantee covered the {p}
		the motor runs again since the repair
		you honored the guarantee
		the {p} is back from the repair shop
		the warranty was extended
		the claim for the {p} is settled
		the fault in the motor was mended
		my warranty papers turned up
		you repaired the dead {p} at no cost
		~the guarantee claim was accepted
		~the motor was repaired
		~the {p} was mended under warranty
	`),
}

var setupHelp = &intent{
	label:    "setup_help",
	kin:      "setup",
	products: machines,
	says: phrasings(`
		I can't figure out how to put the {p} together
		step {step} of the assembly manual makes no sense to me
		the instructions for the {p} are only in Dutch
		I don't know which button pairs the {p} with my phone
		the drawing in the manual shows a different side up
		the {p} blinks at me and the manual doesn't explain it
		we have been assembling the {p} for three hours
		I lost the manual for my {p}
		I don't get how to clean the filter of the {p}
		the setup of the {p} stops at the wifi step
		I can't tell which way round the panel goes
		the app for the {p} asks for a pairing code
		~the manual doesn't explain how to put the {p} together
		~I can't figure out which button stops the setup
		~the assembly video makes no sense to me
	`),
	asks: phrasings(`
		explain how to assemble the {p}
		send me the manual for the {p}
		show me how to set up the {p}
		walk me through step {step} of the assembly
		tell me which button pairs it with my phone
		email me English instructions
		explain the blinking light
		tell me how to clean the filter
		link me to the assembly video
		help me put the {p} together
		tell me the pairing code
		describe how the panel goes in
		~walk me through the setup of the {p}
		~send me the assembly instructions
		~explain the pairing of the {p} with my phone
	`),
	topics: phrasings(`
		the assembly of the {p}
		the manual
		putting the {p} together
		step {step} of the instructions
		the pairing code
		the setup of my {p}
		the blinking light
		how to clean the filter
		the assembly video
		the drawing in the manual
		pairing the {p} with my phone
		the instructions in Dutch
		~the manual for the {p}
		~assembling the {p}
		~the setup instructions
	`),
	solved: phrasings(`
		I put the {p} together with a video
		the {p} is set up now
		my {relative} assembled the {p}
		I found the manual online
		the pairing worked
		we figured out the blinking light
		step {step} of the assembly makes sense now
		your video explained the setup
		the {p} talks to my phone now
		I worked out how to clean the filter
		the English manual came
		the panel went in the right way round
		~the video explained the assembly
		~we put the {p} together
		~the {p} is assembled now
	`),
}

var stock = &intent{
	label: "stock",
	kin:   "stock",
	says: phrasings(`
		the {p} is unavailable on your site
		your site says the {p} is sold out
		I would love a {p} in {col} but there are none
		the {col} {p} has been out of stock for weeks
		you seem to have run out of the {col} {p}
		the page says coming soon for the {p}
		I can't put the {p} in my cart because it is sold out
		the {p} I am after is never in stock
		every store near {city} has run out of the {p}
		the {col} version of the {p} is gone from your catalog
		I keep checking for the {p} and it is always unavailable
		the restock date for the {p} has passed
		~the {col} {p} is sold out
		~you seem to have run out of the {p} in {col}
		~the {p} has been unavailable for weeks
	`),
	asks: phrasings(`
		tell me when the {p} is back in stock
		let me know if you have the {p} in {col}
		check whether any {col} {p} is left
		put me on the waiting list for the {p}
		say when the {p} can be bought again
		restock the {col} {p}
		notify me when the {p} is available
		look for a {col} {p} in your stores
		reserve the next {p} that comes in
		tell me whether the store in {city} has the {p}
		find me a {p} in {col}
		say if the sold out {p} is coming back
		~tell me when the {p} is available again
		~check whether the store in {city} has a {col} {p}
		~notify me when you restock the {p}
	`),
	topics: phrasings(`
		the sold out {p}
		whether the {p} is in stock
		the {col} {p} you don't have
		the restock date
		the waiting list for the {p}
		when the {p} will be available
		the {p} that is out of stock
		the {col} version of the {p}
		whether {col} ones are available again
		the empty shelf in {city}
		reserving the next {p}
		the {p} missing from your catalog
		~the {p} that is sold out
		~when the {col} {p} is in stock
		~the restock of the {p}
	`),
	solved: phrasings(`
		I saw the {p} is back in stock
		I got a {col} one in your store
		the {p} is available again
		the sold out {p} has been restocked
		you notified me that the {p} is back
		the waiting list worked and I have my {p}
		the store in {city} had a {col} {p}
		I found the {col} version in the catalog
		you reserved a {p} for me
		the shelf in {city} is full of them again
		I bought the last {col} {p}
		the restock came early
		~the {col} {p} is back in stock
		~the store in {city} has restocked the {p}
		~I found the sold out {p} in your store
	`),
}
