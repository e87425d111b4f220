package compare

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Markdown writes the tables of a comparison: every exit of every method, and
// the paired differences between the first method run and the others.
func Markdown(w io.Writer, runs []Run) error {
	groups := Groups(runs)
	if len(groups) == 0 {
		return nil
	}
	t := &tables{groups: groups, base: runs[0].Method}
	t.settings(runs)
	t.exits()
	t.customs()
	t.differences()
	t.costs()
	_, err := io.WriteString(w, t.text.String())
	return err
}

type tables struct {
	groups []Group
	base   string // the method that others are compared with
	text   strings.Builder
}

func (t *tables) f(format string, args ...any) { fmt.Fprintf(&t.text, format, args...) }

// settings says what the runs have in common and how many there are.
func (t *tables) settings(runs []Run) {
	t.f("# Comparison of training methods\n\n")
	t.f("%d runs. Accuracies are percent of the test texts; ± is the standard deviation over seeds, where there are several.\n", len(runs))
	t.f("`@c` is the accuracy at relative cost c, in layers, where texts leave by one threshold on the largest probability; `area` is its mean from the cost\n")
	t.f("of the first exit to that of full depth. Multi-Model pays for every model that a text runs. Temperatures are fitted on the dev texts.\n")
	for _, c := range t.cells() {
		g := t.of(c)[0]
		t.f("\n- %s, %s: %d training texts, %d test texts, %d epochs, batch %d, learning rate %g, dropout %g, at most %d tokens, exits after %s",
			c.Task, c.Pool, c.Rows, g.Runs[0].Test, c.Epochs, c.Batch, c.Rate, c.Dropout, c.MaxTokens, strings.ReplaceAll(c.Exits, " ", ", "))
	}
	t.f("\n")
}

// cells lists the cells, each once, in order.
func (t *tables) cells() []Cell {
	var cells []Cell
	for _, g := range t.groups {
		if !slices.Contains(cells, g.Cell) {
			cells = append(cells, g.Cell)
		}
	}
	return cells
}

// of returns the groups of a cell.
func (t *tables) of(c Cell) []Group {
	var groups []Group
	for _, g := range t.groups {
		if g.Cell == c {
			groups = append(groups, g)
		}
	}
	return groups
}

// most returns the largest number of exits of any group.
func (t *tables) most() int {
	return slices.MaxFunc(t.groups, func(a, b Group) int { return cmp.Compare(a.exits(), b.exits()) }).exits()
}

// head writes the head of a table.
func (t *tables) head(names ...string) {
	t.f("\n| %s |\n|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
}

// exitNames are the column heads of the exits.
func (t *tables) exitNames() []string {
	names := make([]string, t.most())
	for i := range names {
		names[i] = fmt.Sprintf("exit %d", i+1)
	}
	return names
}

// costs at which accuracies are given.
var costs = []float64{0.25, 0.5, 0.75}

func (t *tables) exits() {
	t.f("\n## Accuracy by exit\n")
	names := append([]string{"task", "pool", "method", "seeds"}, t.exitNames()...)
	for _, c := range costs {
		names = append(names, fmt.Sprintf("@%g", c))
	}
	t.head(append(names, "area", "T")...)
	for _, g := range t.groups {
		cells := []string{g.Cell.Task, g.Cell.Pool, g.Method, strconv.Itoa(len(g.Runs))}
		cells = append(cells, t.exitCells(g, func(r *Run, e int) float64 { return 100 * r.Accuracy[e] })...)
		for _, c := range costs {
			cells = append(cells, spread(g.each(func(r *Run) float64 { return 100 * Interpolate(r.LayerCurve(), c) })))
		}
		cells = append(cells, spread(g.each(func(r *Run) float64 { return 100 * r.AUC() })))
		t.row(append(cells, join(g.Runs[0].Temperatures, func(v float64) string { return fmt.Sprintf("%.2f", v) })))
	}
}

func (t *tables) row(cells []string) { t.f("| %s |\n", strings.Join(cells, " | ")) }

// exitCells writes one value of every exit, and nothing for exits that the
// group's models do not have.
func (t *tables) exitCells(g Group, value func(r *Run, exit int) float64) []string {
	cells := make([]string, t.most())
	for e := range g.exits() {
		cells[e] = spread(g.each(func(r *Run) float64 { return value(r, e) }))
	}
	return cells
}

// spread writes a mean, and the deviation where there are several values.
func spread(values []float64) string {
	mean, deviation := meanAndDeviation(values)
	if len(values) < 2 {
		return fmt.Sprintf("%.1f", mean)
	}
	return fmt.Sprintf("%.1f ± %.1f", mean, deviation)
}

// custom is the measure that GLUE asks for beside or in place of accuracy.
var custom = map[string]struct {
	name  string
	value func(r *Run, exit int) float64
}{
	"cola": {"Matthews correlation", func(r *Run, e int) float64 { return 100 * r.MCC[e] }},
	"mrpc": {"F1", func(r *Run, e int) float64 { return 100 * r.F1[e] }},
	"qqp":  {"F1", func(r *Run, e int) float64 { return 100 * r.F1[e] }},
}

func (t *tables) customs() {
	asks := func(g Group) bool { _, ok := custom[g.Cell.Task]; return ok }
	if !slices.ContainsFunc(t.groups, asks) {
		return
	}
	t.f("\n## What the task's custom asks for\n")
	t.head(append([]string{"task", "measure, × 100", "pool", "method", "seeds"}, t.exitNames()...)...)
	for _, g := range t.groups {
		if m, ok := custom[g.Cell.Task]; ok {
			cells := []string{g.Cell.Task, m.name, g.Cell.Pool, g.Method, strconv.Itoa(len(g.Runs))}
			t.row(append(cells, t.exitCells(g, m.value)...))
		}
	}
}

// differences writes what every other method has over the base: by cell, and
// over all tasks of a pooling.
func (t *tables) differences() {
	t.f("\n## Differences to %s, in points\n\n", t.base)
	t.f("Of runs with the same rows and seed. A cell's difference is the mean over its seeds; the lines *all* are means over tasks, with a 95 %% interval\n")
	t.f("(Student's t) and in brackets the two-sided p of the exact sign-flip test over tasks.\n")
	t.head(append(append([]string{"task", "pool", "difference", "seeds"}, t.exitNames()...), "area")...)
	for _, method := range t.methods() {
		for _, pool := range t.pools() {
			t.differencesOf(method, pool)
		}
	}
}

func (t *tables) methods() []string {
	var methods []string
	for _, g := range t.groups {
		if g.Method != t.base && !slices.Contains(methods, g.Method) {
			methods = append(methods, g.Method)
		}
	}
	return methods
}

func (t *tables) pools() []string {
	var pools []string
	for _, g := range t.groups {
		if !slices.Contains(pools, g.Cell.Pool) {
			pools = append(pools, g.Cell.Pool)
		}
	}
	return pools
}

func (t *tables) differencesOf(method, pool string) {
	columns := make([]taskMeans, t.most()+1) // by exit, then the area
	name := method + " − " + t.base
	for _, c := range t.cells() {
		groups := t.of(c)
		is := func(m string) func(Group) bool { return func(g Group) bool { return g.Method == m } }
		a, b := slices.IndexFunc(groups, is(method)), slices.IndexFunc(groups, is(t.base))
		if c.Pool != pool || a < 0 || b < 0 {
			continue
		}
		cells := make([]string, len(columns))
		seeds := 0
		for e := range columns {
			value := func(r *Run) float64 { return 100 * r.AUC() }
			if e < t.most() {
				if e >= groups[a].exits() {
					continue
				}
				value = func(r *Run) float64 { return 100 * r.Accuracy[e] }
			}
			d := Differences(groups[a], groups[b], value)
			if seeds = len(d); seeds == 0 {
				break
			}
			mean, deviation := meanAndDeviation(d)
			columns[e].add(c.Task, mean)
			cells[e] = fmt.Sprintf("%+.1f", mean)
			if seeds > 1 {
				cells[e] += fmt.Sprintf(" ± %.1f", deviation)
			}
		}
		if seeds > 0 {
			t.row(append([]string{c.Task, pool, name, strconv.Itoa(seeds)}, cells...))
		}
	}
	tasks := len(columns[len(columns)-1].tasks)
	if tasks < 2 {
		return
	}
	cells := []string{fmt.Sprintf("*all %d*", tasks), pool, "*" + name + "*", ""}
	for i := range columns {
		d := columns[i].means()
		if len(d) < 2 {
			cells = append(cells, "") // these models have fewer exits
			continue
		}
		p := Pair(d)
		cells = append(cells, fmt.Sprintf("**%+.1f** %+.1f…%+.1f (%.3f)", p.Mean, p.Low, p.High, p.P))
	}
	t.row(cells)
}

// taskMeans are one number of every task, the mean where it was compared under
// several settings.
type taskMeans struct {
	tasks  []string
	values [][]float64 // by task
}

func (m *taskMeans) add(task string, value float64) {
	i := slices.Index(m.tasks, task)
	if i < 0 {
		i = len(m.tasks)
		m.tasks, m.values = append(m.tasks, task), append(m.values, nil)
	}
	m.values[i] = append(m.values[i], value)
}

func (m *taskMeans) means() []float64 {
	means := make([]float64, len(m.tasks))
	for i, v := range m.values {
		means[i], _ = meanAndDeviation(v)
	}
	return means
}

// costs writes what training and serving take.
func (t *tables) costs() {
	t.f("\n## Time\n\nMilliseconds are those of one text up to an exit, in full batches, the least over batches and seeds; training as it ran, perhaps beside other work.\n")
	names := append([]string{"task", "pool", "method"}, t.exitNames()...)
	t.head(append(names, "training, s", "tokens/s")...)
	for _, g := range t.groups {
		cells := []string{g.Cell.Task, g.Cell.Pool, g.Method}
		exits := make([]string, t.most())
		sum := 0.0
		for s, ms := range g.stageMillis() {
			sum += ms
			exits[s] = fmt.Sprintf("%.2f ms", sum)
		}
		cells = append(cells, exits...)
		seconds, _ := meanAndDeviation(g.each(func(r *Run) float64 { return r.TrainSeconds }))
		tokens, _ := meanAndDeviation(g.each(func(r *Run) float64 { return r.TokensPerSecond }))
		t.row(append(cells, fmt.Sprintf("%.0f", seconds), fmt.Sprintf("%.0f", tokens)))
	}
}
