package desk

// A condition is something a request may depend on, with facts that settle it.
// A fact alone favors no intent: which request it selects is up to the frame.
type condition struct {
	clauses wordings // completes "if"
	met     wordings
	unmet   wordings
	suits   []*intent // intents whose requests make sense under it
	// products are what {p} may stand for; none means anything.
	products []string
}

func (c *condition) facts(t truth) *wordings {
	if t == holds {
		return &c.met
	}
	return &c.unmet
}

var conditions = []*condition{
	{
		clauses: phrasings(`
			it has already shipped
			the parcel has left your warehouse
			it is already on its way
			~it has already left your warehouse
			~the parcel has already shipped
			~the parcel is already on its way
		`),
		met: phrasings(`
			the tracking page says it left on {day}
			I just got the mail that it is on its way
			the status says shipped
			the courier has had it since {day}
			your chat told me it went out this morning
			the page shows it as dispatched
			a text says it is out for delivery
			your colleague saw the truck pick it up
			the status jumped to dispatched an hour ago
			~the page says it left this morning
			~your chat told me it was dispatched on {day}
			~the status says it is out for delivery
		`),
		unmet: phrasings(`
			it is still being packed, says the page
			the status hasn't moved from your warehouse
			your chat told me it is still on the shelf
			the courier says nothing has been handed over
			the page shows it as being prepared
			your colleague said nobody has packed it yet
			a text says it is waiting for a box
			the tracking page is still empty
			the status says packing
			~the page says nobody has packed it yet
			~your chat told me it is still waiting for a box
			~the status says it is being prepared
		`),
		suits: []*intent{cancelOrder, changeAddress, deliveryDay, changeOrder, giftWrap, voucher, shippingCost, returnItem, lateParcel, priceDrop},
	},
	{
		clauses: phrasings(`
			you can get it here by {day}
			it makes it here by {day}
			it can be here by {day}
			~you can get it by {day}
			~it makes it by {day}
			~you can have it here by {day}
		`),
		met: phrasings(`
			the courier told me {day} is no problem
			your chat said it will make it in time
			your colleague says it will be here early
			the app shows a date before {day}
			the hotline promised it in time
			the calendar on your page says a day earlier
			the depot said it arrives tomorrow
			your mail says it comes tonight
			~the hotline says it will be here early
			~your chat said {day} is no problem
			~the app promised it in time
		`),
		unmet: phrasings(`
			the courier told me it won't be before next week
			your chat said it can't make it in time
			your colleague says it will be a week late
			the app shows a date after {day}
			the hotline said {day} is out of the question
			the calendar on your page says a week later
			the depot said it is snowed in
			your mail says it comes next month
			~the hotline says it will be a week late
			~your chat said {day} is out of the question
			~the app says it can't make it in time
		`),
		suits: []*intent{cancelOrder, deliveryDay, changeAddress, human, giftWrap, missingPart, exchangeSize, wrongItem, shippingCost, refundStatus},
	},
	{
		clauses: phrasings(`
			the {col} one is still available
			there is a {col} one left
			you still have the {col} one
			~you still have a {col} one left
			~the {col} one is still there
			~there is still a {col} one
		`),
		met: phrasings(`
			I just looked and there are three left
			your site lists it in plenty
			the page shows dozens of them
			your store told me they have one
			the counter on the page says five left
			I could put it in my basket a minute ago
			your colleague has one in her hands
			a whole pallet came in, says your chat
			~your chat says there are three left
			~I just looked and the page shows plenty of them
			~your colleague told me they have dozens
		`),
		unmet: phrasings(`
			I just looked and there are none left
			your site lists zero of them
			the page shows it crossed out
			your store told me theirs is gone
			the counter on the page says nil
			I could not put it in my basket a minute ago
			your colleague sold the last one
			nothing came in, says your chat
			~your chat says there are none left
			~I just looked and the page shows zero of them
			~your colleague told me it is gone
		`),
		suits: []*intent{wrongItem, cancelOrder, stock, damagedItem, returnItem, exchangeSize, changeOrder, missingPart, giftCard, refundStatus},
	},
	{
		clauses: phrasings(`
			I am still within thirty days
			the thirty days are not over
			I am in time for the thirty days
			~I am still in time for the thirty days
			~I am within the thirty days
			~the thirty days are still not over
		`),
		met: phrasings(`
			I bought it last week
			the receipt is four days old
			it has been barely a fortnight
			I have had it for six days
			I paid for it the day before yesterday
			my card was charged ten days ago
			it is only day twelve
			it came into the house on Monday this week
			~the receipt is from last week
			~I have had it for barely a fortnight
			~I paid for it four days ago
		`),
		unmet: phrasings(`
			I bought it half a year ago
			the receipt is from last winter
			it has been three months by now
			I have had it for eighty days
			I paid for it two summers ago
			my card was charged ten months ago
			it is day ninety already
			it has been in the house since last Christmas
			~the receipt is half a year old
			~I have had it for three months
			~I paid for it last winter
		`),
		suits: []*intent{returnItem, warranty, damagedItem, exchangeSize, priceDrop, refundStatus, wrongItem, loyaltyPoints, voucher},
	},
	{
		clauses: phrasings(`
			my bank lets the payment through
			the payment goes through at my bank
			my bank agrees
			~my bank lets it through
			~the bank agrees to the payment
			~the payment goes through
		`),
		met: phrasings(`
			they have just approved it
			the payment shows as done
			the bank gave the green light
			my banking app says approved
			the clerk at the bank said yes
			the money is gone from my account
			I got a text that it was cleared
			the line in my banking app is green
			~the bank has just approved it
			~the clerk at the bank gave the green light
			~my banking app says it was cleared
		`),
		unmet: phrasings(`
			they have just blocked it
			the payment shows as refused
			the bank gave the red light
			my banking app says stopped
			the clerk at the bank said no
			the money never left my account
			I got a text that it was turned down
			the line in my banking app is red
			~the bank has just blocked it
			~the clerk at the bank turned it down
			~my banking app says refused
		`),
		suits: []*intent{doubleCharge, cancelOrder, voucher, human, invoice, paymentFailed, giftCard, shippingCost, refundStatus, loyaltyPoints},
	},
	{
		clauses: phrasings(`
			my profile page opens again
			I can see my profile page
			the profile page is up
			~the profile page opens again
			~I can see the profile page again
			~my profile page is up
		`),
		met: phrasings(`
			it just loaded with my picture on it
			I am looking at it right now
			it opens in two seconds
			my son got it on his phone
			the page greets me by name
			I was able to scroll all the way down
			it came up after a restart
			it is there with all the buttons
			~it just came up with all the buttons
			~I am looking at my picture right now
			~it opens on his phone
		`),
		unmet: phrasings(`
			it just loaded a blank screen
			I am looking at an hourglass right now
			it hangs for minutes
			my son can't get it on his phone
			the page says not found
			I was not able to scroll at all
			it stayed dark after a restart
			it is a white wall without any buttons
			~it just hangs without any buttons
			~I am looking at a blank screen right now
			~it stayed dark on his phone
		`),
		suits: []*intent{login, deleteAccount, newsletter, loyaltyPoints, invoice, human, voucher, giftCard, changeAddress, praise, setupHelp},
	},
	{
		clauses: phrasings(`
			my neighbor has the parcel
			the parcel is next door
			it was left next door
			~my neighbor has it
			~the parcel was left next door
			~it is next door
		`),
		met: phrasings(`
			she just carried it over to me
			I can see the box through her window
			she waved with it from the balcony
			he says it is in his kitchen
			her kids told me they took it in
			he put a note on my door that he has it
			she texted me a picture of the box in her hall
			I rang and he came out with it
			~she texted me that it is in her kitchen
			~he came out and carried it over to me
			~her kids have the box in the hall
		`),
		unmet: phrasings(`
			she just told me she has nothing
			I can see through her window and there is no box
			she shook her head from the balcony
			he says his kitchen is empty
			her kids told me they took nothing in
			he put a note on my door that nobody came
			she texted me that nothing came
			I rang and he came out without it
			~she texted me that she has nothing
			~he came out and shook his head
			~her kids told me there is no box
		`),
		suits: []*intent{missingParcel, lateParcel, rudeCourier, praise, human, deliveryDay, refundStatus, giftWrap},
	},
	{
		clauses: phrasings(`
			the {p} works after all
			the {p} runs now
			the {p} starts
			~the {p} starts after all
			~the {p} works now
			~the {p} runs after all
		`),
		met: phrasings(`
			I pressed the button and it hums
			it lit up at once
			it has been going all evening
			my {relative} got it going in a minute
			it purrs like a kitten
			one push and it was alive
			I am using it as I write this
			it made three rounds already
			~I pressed the button and it lit up at once
			~it has been alive all evening
			~it purrs as I write this
		`),
		unmet: phrasings(`
			I pressed the button and it is silent
			it stayed dark
			it has been dead all evening
			my {relative} couldn't get it going
			it just lies there like a stone
			one push and it smoked
			I am kicking it as I write this
			it gave one cough and that was it
			~I pressed the button and it stayed dark
			~it has been silent all evening
			~it lies there as I write this
		`),
		products: machines,
		suits:    []*intent{setupHelp, warranty, returnItem, praise, missingPart, human, rudeCourier, priceDrop, invoice},
	},
	{
		clauses: phrasings(`
			your office is open today
			you are open today
			somebody is in your office today
			~your office is open
			~somebody is there today
			~you are in your office today
		`),
		met: phrasings(`
			the sign on your site says open
			the lights are on
			the map shows you until six
			your answering machine gives the usual hours for today
			I can hear people in there
			the banner says business as usual
			your chat says they are all at their desks
			I saw the door standing wide open
			~the sign says business as usual
			~I saw the lights are on
			~your chat says open until six
		`),
		unmet: phrasings(`
			the sign on your site says closed
			the lights are off
			the map shows you shut until next week
			your answering machine says public holiday
			I can hear a pin drop in there
			the banner says team outing
			your chat says they all left
			I saw the door locked
			~the sign says public holiday
			~I saw the lights are off
			~your chat says closed until next week
		`),
		suits: []*intent{human, praise, rudeCourier, newsletter, deleteAccount, login, setupHelp, paymentFailed, giftCard, stock, doubleCharge},
	},
}

// suiting returns the conditions under which a request of in makes sense.
func suiting(in *intent) []*condition {
	var found []*condition
	for _, c := range conditions {
		for _, s := range c.suits {
			if s == in {
				found = append(found, c)
			}
		}
	}
	return found
}
