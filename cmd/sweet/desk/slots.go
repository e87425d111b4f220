package desk

import (
	"math/rand/v2"
	"slices"
	"strconv"
)

// Products start with a consonant, so that "a" is always right, and take a
// plain s in the plural.
var (
	machines = []string{"blender", "drill", "vacuum cleaner", "coffee machine", "fan heater", "sewing machine", "printer", "food mixer", "robot mower", "rice cooker", "speaker", "camera"}
	fragile  = []string{"mirror", "lamp", "kettle", "coffee machine", "teapot", "picture frame", "vase", "tablet", "microwave", "camera", "bookcase", "fan heater"}
	clothes  = []string{"jacket", "raincoat", "sweater", "hoodie", "dress", "winter coat", "ski suit", "wetsuit", "fleece", "shirt"}
	anything = slices.Concat(machines, fragile[:5], []string{"desk", "tent", "backpack", "headset", "toaster", "suitcase", "rug", "bike helmet", "keyboard", "sofa", "jacket", "sweater", "raincoat"})
)

var (
	days      = []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	colors    = []string{"blue", "green", "black", "red", "gray", "white", "yellow"}
	agos      = []string{"two weeks ago", "ten days ago", "last month", "last week", "a month ago", "three weeks ago"}
	cities    = []string{"Leeds", "Porto", "Graz", "Lyon", "Turin", "Bergen", "Ghent", "Malmo", "Basel", "Galway"}
	names     = []string{"Anna", "Tom", "Priya", "Jonas", "Maria", "Felix", "Olga", "Ben", "Lucy", "Karim", "Ines", "Henrik"}
	relatives = []string{"mother", "brother", "sister", "daughter", "uncle", "aunt", "nephew", "wife", "husband", "grandson"}
	counts    = []string{"three", "five", "eight", "eleven", "nine"}
	sizes     = []string{"38", "40", "42", "44", "46"}
	amounts   = []string{"5", "9", "12", "20", "35", "49", "80", "120", "19.99", "7.50"}
)

// slots are the particulars of one intent in one message: whatever the message
// says about it, it is the same lamp and the same Tuesday.
type slots map[string]string

// drawSlots fills every slot. The product is that of the rest of the message
// more often than not, where the intent can be about it.
func drawSlots(r *rand.Rand, products []string, product string) slots {
	if products == nil {
		products = anything
	}
	if !slices.Contains(products, product) || r.Float64() < 0.4 {
		product = oneOf(r, products)
	}
	day, color, name := oneOf(r, days), oneOf(r, colors), oneOf(r, names)
	return slots{
		"p": product, "q": oneBut(r, products, product),
		"day": day, "day2": oneBut(r, days, day),
		"col": color, "col2": oneBut(r, colors, color),
		"ago": oneOf(r, agos), "city": oneOf(r, cities), "name": name, "name2": oneBut(r, names, name),
		"relative": oneOf(r, relatives), "mon": oneOf(r, counts), "size": oneOf(r, sizes),
		"step": strconv.Itoa(3 + r.IntN(7)), "n": strconv.Itoa(1000 + r.IntN(9000)),
		"amt": oneOf(r, []string{"$", "$", "£", "€"}) + oneOf(r, amounts),
	}
}

// oneBut draws one of several that is not the given one.
func oneBut(r *rand.Rand, of []string, not string) string {
	for {
		if s := oneOf(r, of); s != not {
			return s
		}
	}
}
