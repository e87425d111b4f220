package desk

import "slices"

// An intent is one thing a customer may want done, with its phrasings in four
// forms. Frames rely on the forms: each phrasing starts in lower case, has no
// mark at its end, and contains none of the words that frames decide by, such as
// first, second, instead, rather, unless or otherwise.
type intent struct {
	label string
	// kin names a group of intents too close to meet in one message: what
	// solves one of them could be read as solving the other.
	kin string
	// products are what {p} and {q} may stand for; none means anything.
	products []string

	says   wordings // a clause about what is the matter: "my parcel is late"
	asks   wordings // a request as a bare verb: "trace the parcel"
	topics wordings // a noun phrase in the singular: "the late parcel"
	solved wordings // a clause that says it needs nothing more: "the parcel came"
}

// form finds a form by the name that frames use.
func (in *intent) form(name string) *wordings {
	switch name {
	case "says":
		return &in.says
	case "ask":
		return &in.asks
	case "topic":
		return &in.topics
	case "solved":
		return &in.solved
	}
	return nil
}

// other is the label of a message that wants nothing a desk could do.
const other = "other"

var intents = []*intent{
	lateParcel, missingParcel, changeAddress, deliveryDay, shippingCost, rudeCourier, giftWrap,
	wrongItem, damagedItem, missingPart, exchangeSize, returnItem, warranty, setupHelp, stock,
	cancelOrder, changeOrder, doubleCharge, refundStatus, paymentFailed, invoice, voucher, priceDrop, giftCard,
	login, deleteAccount, newsletter, loyaltyPoints, human, praise,
}

// Labels returns every label a message may carry, sorted.
func Labels() []string {
	labels := []string{other}
	for _, in := range intents {
		labels = append(labels, in.label)
	}
	slices.Sort(labels)
	return labels
}
