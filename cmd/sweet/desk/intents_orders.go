package desk

var cancelOrder = &intent{
	label: "cancel_order",
	kin:   "order",
	says: phrasings(`
		I changed my mind and don't want the {p}
		I don't want the {p} any more
		I ordered the {p} by mistake
		I found the {p} cheaper elsewhere so I no longer need yours
		order {n} was an accident and must not ship
		my {relative} already bought a {p} so mine is pointless
		my toddler pressed the buy button
		I have no use for the {p} since we moved
		I clicked on buy without thinking
		we ordered the {p} for an event that was called off
		I regret ordering the {p}
		the {p} is pointless for me now so it must not ship
		~I ordered the {p} without thinking and don't want it
		~I have changed my mind about ordering the {p}
		~my {relative} already has a {p} so order {n} must not ship
	`),
	asks: phrasings(`
		drop the {p} from my order
		cancel the order
		cancel my {p}
		call off order {n}
		stop the order before it ships
		void my purchase of the {p}
		tear up order {n}
		cancel everything I ordered on {day}
		undo my purchase
		withdraw the order for the {p}
		make sure the {p} never ships
		annul the purchase
		~drop order {n} and void it
		~call off my {p}
		~cancel my purchase of the {p}
	`),
	topics: phrasings(`
		calling off the {p}
		cancelling the order
		the cancellation
		my wish to cancel
		the order I made by mistake
		cancelling order {n}
		dropping the {p} from my order
		stopping the order
		the accidental purchase
		voiding my purchase
		the order that must not ship
		the {p} I no longer want
		~the cancellation of the {p}
		~calling off order {n}
		~stopping my accidental order
	`),
	solved: phrasings(`
		the cancellation went through
		order {n} is cancelled
		you called off the order
		the {p} was dropped from my order
		I cancelled it in the app
		my accidental purchase was voided
		the order was stopped in time
		the {p} is off my order
		you confirmed the cancellation
		the purchase has been undone
		I cancelled the {p} by phone
		order {n} was called off
		~the {p} has been cancelled
		~order {n} was voided in time
		~you confirmed that the order is off
	`),
}

var changeOrder = &intent{
	label: "change_order",
	kin:   "order",
	says: phrasings(`
		I meant to order two {p}s and not one
		I picked the {col} {p} but wanted the {col2} one
		I forgot to add a {q} to order {n}
		the quantity on order {n} should be three
		I would like a {q} on top of the {p} in the same order
		one {p} in my basket is one too many
		I chose the wrong color for the {p}
		my order has four {p}s and should have two
		we need one more {p} in order {n}
		I want the {p} in {col} and the order says {col2}
		the order is missing a {q} because I forgot it
		I wanted to combine my two orders into one
		~I picked the wrong color and want {col}
		~the quantity should be two {p}s
		~I forgot to add one more {p} to the order
	`),
	asks: phrasings(`
		add a {q} to my order
		change the color of the {p} to {col}
		make it two {p}s
		edit the quantity on order {n}
		combine my two orders
		raise the quantity to three
		put one more {p} in the order
		switch the {p} from {col2} to {col}
		reduce the quantity to one
		include a {q} in order {n}
		amend the order
		take one of the two {p}s out of the basket
		~add one more {p} to order {n}
		~edit the color of the {p}
		~change the quantity to two
	`),
	topics: phrasings(`
		the quantity on order {n}
		the color of the {p}
		adding a {q} to the order
		the change to my order
		the extra {q} in order {n}
		editing the order
		combining my two orders
		the {p} in {col}
		the number of {p}s in the basket
		one more {p}
		the color I picked
		amending order {n}
		~the quantity in my basket
		~adding one more {p}
		~the color on order {n}
	`),
	solved: phrasings(`
		the quantity was edited
		you changed the color to {col}
		the {q} was added to the order
		both orders were combined
		order {n} shows two {p}s now
		I edited the basket myself
		the {p} comes in {col} now
		the order has the right quantity
		you amended order {n}
		the extra {p} is in the basket
		one {p} too many was taken out
		the color has been changed
		~the quantity on order {n} was changed
		~you added the extra {q}
		~the color of the {p} was edited
	`),
}

var doubleCharge = &intent{
	label: "double_charge",
	kin:   "payment",
	says: phrasings(`
		there is a duplicate of the {amt} payment
		you charged me twice for the {p}
		there are two payments of {amt} on my statement
		{amt} was taken from my card two times
		I have been billed twice
		my statement lists order {n} twice
		you debited {amt} on {day} and again on {day2}
		I paid {amt} and the same {amt} went out again
		my card was hit two times for one {p}
		the identical amount left my account twice
		you took the money for the {p} double
		the bank shows two identical debits of {amt}
		~my bank shows the same {amt} twice
		~there are two identical debits for order {n}
		~you billed my card twice for the {p}
	`),
	asks: phrasings(`
		sort out the double charge
		reverse the duplicate charge
		explain why I was charged twice
		look into the two identical payments
		give back the {amt} you took twice
		undo the extra debit
		return the duplicate {amt}
		find out why my card was debited two times
		correct the double billing
		reverse one of the two debits
		check my statement for the duplicate
		remove the doubled payment
		~reverse the double debit
		~explain the duplicate {amt}
		~sort out why I was billed twice
	`),
	topics: phrasings(`
		the duplicate on my card
		the double charge
		the extra payment
		being billed twice
		the {amt} taken twice
		the two identical debits
		the duplicate debit
		the doubled payment for the {p}
		my card being hit twice
		the double billing
		the identical {amt} on my statement
		the extra debit of {amt}
		~the duplicate payment
		~being charged twice
		~the double debit of {amt}
	`),
	solved: phrasings(`
		the duplicate charge has vanished from my statement
		the bank sorted out the double payment
		the extra debit was reversed
		you gave back the doubled {amt}
		the two debits are down to one
		the duplicate is off my card
		the double charge was undone
		my statement shows just one payment now
		the {amt} you took twice was corrected
		the double billing was a display error
		my bank removed the duplicate
		you reversed the extra {amt}
		~the duplicate debit was reversed
		~the double billing was corrected
		~the bank removed the extra charge
	`),
}

var refundStatus = &intent{
	label: "refund_status",
	kin:   "money_back",
	says: phrasings(`
		the money you promised is outstanding
		I sent the {p} in and my refund isn't here
		the {amt} you owe me has not reached my account
		there is still no refund for the {p}
		you promised to refund me by {day} and I see nothing
		my refund has been pending for {mon} weeks
		I am still owed {amt} for the {p}
		your mail said refunded and my account says nothing of the kind
		the refund for order {n} never came
		I keep looking at my account for the refund
		my refund seems to have got lost
		half of my refund is missing
		~the refund you promised has not reached me
		~I am still owed the refund for order {n}
		~my refund of {amt} has been pending since {day}
	`),
	asks: phrasings(`
		find out why the refund is taking forever
		tell me where my refund is
		check when I get my money
		chase up the refund
		pay out the refund you owe me
		release the pending refund
		give me a date for the refund of {amt}
		transfer the money you promised
		look up the refund for order {n}
		refund the {amt} you owe me
		pay the missing half of my refund
		hurry up with my refund
		~find out where the pending refund is
		~transfer the refund you owe me
		~give me a date for the money you promised
	`),
	topics: phrasings(`
		the outstanding {amt} refund
		the refund that never came
		my missing refund
		the money you still owe me
		the pending refund
		the refund for order {n}
		the date of my refund
		the {amt} I am owed
		the refund you promised
		the slow refund
		the refund for the {p}
		the money I am waiting for
		~the outstanding refund
		~the money I am owed
		~the refund I am waiting for
	`),
	solved: phrasings(`
		the refund came through
		my money is on the account
		the refund for the {p} is here
		you paid the {amt} you owed me
		the pending refund was released
		I got the refund on {day}
		the bank shows the refund now
		the {amt} refund has reached me
		the missing half of the refund came
		you transferred what you owed me
		my refund was on the card all along
		the outstanding money has been paid
		~the refund of {amt} came through
		~you released the refund
		~the money you owed me is here
	`),
}

var paymentFailed = &intent{
	label: "payment_failed",
	kin:   "payment",
	says: phrasings(`
		my card is declined at checkout
		the checkout rejects my card every time
		the payment page freezes at the last step
		I can't pay because your checkout doesn't accept my card
		the payment for the {p} keeps failing
		your checkout throws an error after I type the card number
		my credit card works everywhere except on your payment page
		paying by transfer isn't offered for the {p}
		the checkout spins forever and never finishes
		your payment page says transaction declined
		I tried three cards and all were rejected
		the pay button does nothing
		~my card is rejected on your payment page
		~the checkout freezes after I type the card number
		~the payment keeps failing at the last step
	`),
	asks: phrasings(`
		let me pay another way
		find out why my card is declined
		fix the checkout
		accept my credit card
		tell me which cards you accept
		send me a payment link
		take the payment by phone
		get the payment page working
		offer me payment by transfer
		check why the transaction was rejected
		unblock my card at checkout
		try my card again
		~find out why the checkout rejects my card
		~offer me a payment link
		~get the pay button working
	`),
	topics: phrasings(`
		the declined card
		the payment page
		the failing checkout
		my rejected card
		the frozen checkout
		paying by transfer
		the pay button
		the declined transaction
		paying with my credit card
		the payment link
		the error at checkout
		the payment that keeps failing
		~the rejected transaction
		~the failing payment page
		~paying at checkout
	`),
	solved: phrasings(`
		the card was accepted on a new try
		the checkout works again
		I paid with another card
		the payment went through
		your payment link did the trick
		the pay button reacts now
		my bank unblocked the card
		the transfer was accepted
		the payment page loads again
		I was able to pay by phone
		the checkout finished at last
		my credit card is accepted now
		~the payment page works again
		~the checkout accepted my card
		~I was able to pay with the payment link
	`),
}

var invoice = &intent{
	label: "invoice",
	kin:   "papers",
	says: phrasings(`
		I need the bill as a pdf
		I never got an invoice for order {n}
		my accountant needs the bill for the {p}
		there is no tax number on the invoice
		the invoice has the wrong company name
		I can't download the bill from your site
		my boss won't pay me without an invoice for the {p}
		the tax office wants a proper invoice from me
		the mail about order {n} had no invoice attached
		the pdf of the bill won't open
		the invoice lists the {p} under a private name
		I lost the paper bill for the {p}
		~my accountant needs a proper invoice
		~the bill for order {n} has the wrong tax number
		~I can't open the pdf of the invoice
	`),
	asks: phrasings(`
		send me the invoice
		email me a copy of the bill
		put my company name on the invoice
		mail me the bill as a pdf
		print the tax number on the bill
		issue an invoice for order {n}
		attach the invoice to a mail
		make out the bill to my company
		resend the pdf of the invoice
		correct the name on the bill
		give me a proper bill for the {p}
		post me a paper invoice
		~email me the invoice for order {n}
		~put the tax number on the invoice
		~send me a proper bill as a pdf
	`),
	topics: phrasings(`
		the invoice
		a copy of the bill
		the missing invoice
		the proper bill
		the bill for order {n}
		the tax number on the invoice
		the company name on the bill
		the invoice my accountant needs
		the pdf of the bill
		an invoice for the {p}
		the paper invoice
		the bill for the {p}
		~a copy of the invoice
		~the pdf of the invoice
		~the bill my accountant needs
	`),
	solved: phrasings(`
		I found the invoice in my inbox
		the invoice came by mail
		I downloaded the bill
		my accountant has the invoice
		you emailed the pdf of the bill
		the company name on the bill is right now
		the tax number was put on the invoice
		the bill for order {n} opened fine
		you reissued the invoice
		the bill turned up in a drawer
		a copy of the invoice was in the box
		the tax office has the bill
		~the bill came by mail
		~my accountant found the invoice
		~you emailed a copy of the bill
	`),
}

var voucher = &intent{
	label: "voucher",
	kin:   "discount",
	says: phrasings(`
		my promo code is refused
		my coupon has expired, says the site
		my discount code doesn't work
		the voucher was refused at the till
		the {amt} coupon isn't taken off the total
		your mail promised ten percent off and the code is invalid
		the promo box says my code is unknown
		I typed in the coupon and the total stayed the same
		the welcome discount never showed up on my total
		my voucher can't be combined with the sale
		the code from your flyer is invalid
		I lost my discount because the promo code timed out
		~the promo code from your flyer is refused
		~I typed in the voucher and it says invalid
		~my coupon isn't taken off the total
	`),
	asks: phrasings(`
		apply my voucher
		give me a new discount code
		take the coupon off the total
		make the promo code work
		accept the code from the flyer
		renew my expired coupon
		honor the ten percent off
		redeem my voucher for me
		tell me why the promo code is invalid
		take ten percent off the {p}
		send me the welcome discount
		check my coupon
		~renew my expired promo code
		~apply the discount code to the {p}
		~redeem the coupon from the flyer
	`),
	topics: phrasings(`
		the promo discount
		the voucher
		the discount code
		my coupon
		the promo code
		the expired coupon
		the ten percent off
		the welcome discount
		the code from the flyer
		the invalid promo code
		the {amt} coupon
		the voucher that was refused
		~the expired voucher
		~the coupon from the flyer
		~the invalid discount code
	`),
	solved: phrasings(`
		the voucher worked in the end
		the discount was taken off
		the coupon was renewed
		you sent me a fresh promo code
		the promo code was accepted
		I redeemed the voucher
		the ten percent came off the total
		the code from the flyer works now
		you honored the coupon
		my welcome discount has shown up
		the {amt} coupon was applied
		the till took my voucher
		~the promo code works now
		~the discount was applied to the total
		~you renewed the voucher
	`),
}

var priceDrop = &intent{
	label: "price_drop",
	kin:   "price",
	says: phrasings(`
		I bought the {p} on {day} and a day later it was {amt} cheaper
		you lowered the price right after I ordered
		the {p} I paid full price for is on sale now
		another shop sells the same {p} for {amt} less
		the price of the {p} fell by {amt} overnight
		your ad shows a lower price than the one I paid
		I overpaid for the {p} by {amt}
		the price tag said {amt} less than the receipt
		your competitor undercuts you on the {p}
		the {p} got cheaper while mine was still in the van
		I feel cheated because the {p} is {amt} less today
		you advertise a lowest price promise and the {p} costs less elsewhere
		~the price of the {p} fell right after I bought it
		~I paid full price and the {p} is {amt} cheaper today
		~another shop sells the {p} at a lower price
	`),
	asks: phrasings(`
		match the lower price
		pay me the price difference
		give me the sale price for the {p}
		credit the {amt} difference
		adjust the price I paid
		honor your lowest price promise
		meet the price of your competitor
		sell me the {p} at the advertised price
		reprice my {p}
		charge me what your ad says
		give me the {p} at today's price
		make up for the price fall
		~match your competitor's price
		~credit me the price difference for the {p}
		~adjust the {p} to the sale price
	`),
	topics: phrasings(`
		the price difference
		the lower price
		your lowest price promise
		the sale price of the {p}
		the price fall
		the {amt} difference in price
		matching the competitor's price
		the cheaper {p} in your ad
		the price I paid
		the {p} that got cheaper
		the full price I paid
		the advertised price
		~the lowest price for the {p}
		~the price in your ad
		~the difference from the price I paid
	`),
	solved: phrasings(`
		you credited the price difference
		the lower price was matched
		I got the sale price
		the price was adjusted
		you honored the lowest price promise
		the {amt} difference was credited
		the {p} went back up in price
		my order was repriced
		you met the competitor's price
		I paid the advertised price in the end
		the ad with the lower price was a mistake
		the price tag was read wrong by me
		~you matched the lower price
		~the difference in price was credited
		~I got the {p} at the advertised price
	`),
}

var giftCard = &intent{
	label: "gift_card",
	kin:   "discount",
	says: phrasings(`
		I can't see the balance of my gift card
		the gift card I bought never came by mail
		my gift card shows a balance of zero
		the scratch field on the gift card can't be read
		I got a {amt} gift card and the site doesn't know its number
		the pin of my gift card is smudged
		my {relative} gave me a gift card and I don't know how to use it
		the balance on my gift card dropped by itself
		I deleted the mail with the digital gift card
		the gift card runs out and there is {amt} on it
		I want to load more money on my gift card
		the gift card I sent my {relative} was never opened
		~the balance on my {amt} gift card can't be read
		~I don't know the pin of the gift card
		~the digital gift card never came
	`),
	asks: phrasings(`
		tell me the balance of my gift card
		resend the digital gift card
		activate my gift card
		load {amt} on the gift card
		read me the pin of the gift card
		check the number of my gift card
		extend the gift card that runs out
		send a {amt} gift card to my {relative}
		replace the smudged gift card
		tell me how to use the gift card
		move the balance to a new gift card
		find the gift card I bought on {day}
		~resend the {amt} gift card
		~check the balance of the digital gift card
		~tell me the pin of my gift card
	`),
	topics: phrasings(`
		my gift card
		the balance of the gift card
		the digital gift card
		the gift card pin
		the {amt} gift card
		activating the gift card
		the gift card for my {relative}
		the smudged gift card
		the gift card that never came
		the scratch field
		loading money on the gift card
		the zero balance
		~the pin of the gift card
		~the gift card balance
		~the digital card for my {relative}
	`),
	solved: phrasings(`
		the gift card shows its balance again
		the digital gift card came
		my gift card was activated
		I could read the pin with a lamp
		you replaced the smudged gift card
		the {amt} is on the gift card now
		my {relative} opened the gift card
		the gift card was extended
		I used up the gift card
		the gift card number is known now
		the balance was moved to a new gift card
		I found the mail with the gift card
		~the {amt} gift card was activated
		~the balance of the gift card is known now
		~you found the digital gift card
	`),
}
