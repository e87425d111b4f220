package compare

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"

	"gonum.org/v1/plot"

	"sweetspot/cmd/sweet/picture"
)

// A Conflict is how far the losses of two exits agree, at one step of a run of
// Early-Exit, on where the parameters of one layer should go.
type Conflict struct {
	Task, Pool       string
	Seed             uint64
	Step             int     // from 1
	Layer            int     // from 1; 0 is the embeddings
	Exit, Deeper     int     // from 1
	Cosine           float64 // between the two gradients; below 0 one undoes what the other does
	Norm, DeeperNorm float64 // of the two gradients
}

var conflictHeader = []string{"task", "pool", "seed", "step", "layer", "exit", "deeper_exit", "cosine", "norm", "deeper_norm"}

// AppendConflicts adds conflicts to a file, with a header where it is new.
func AppendConflicts(path string, conflicts []Conflict) error {
	rows := make([][]string, len(conflicts))
	for i, c := range conflicts {
		rows[i] = []string{
			c.Task, c.Pool, strconv.FormatUint(c.Seed, 10), strconv.Itoa(c.Step), strconv.Itoa(c.Layer), strconv.Itoa(c.Exit), strconv.Itoa(c.Deeper),
			format(c.Cosine), format(c.Norm), format(c.DeeperNorm),
		}
	}
	if err := appendRows(path, conflictHeader, rows); err != nil {
		return fmt.Errorf("adding conflicts to %s: %w", path, err)
	}
	return nil
}

// ReadConflicts reads what AppendConflicts wrote. A file that is not there holds
// none. What was measured twice, because the first run did not come to its end,
// counts once.
func ReadConflicts(path string) ([]Conflict, error) {
	all, err := readFile(path, "conflicts", parseConflicts)
	if err != nil {
		return nil, err
	}
	seen := make(map[Conflict]bool, len(all))
	return slices.DeleteFunc(all, func(c Conflict) bool {
		c.Cosine, c.Norm, c.DeeperNorm = 0, 0, 0
		again := seen[c]
		seen[c] = true
		return again
	}), nil
}

func parseConflicts(r io.Reader) ([]Conflict, error) {
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || !slices.Equal(rows[0], conflictHeader) {
		return nil, fmt.Errorf("its columns are not %v", conflictHeader)
	}
	conflicts := make([]Conflict, 0, len(rows)-1)
	for i, row := range rows[1:] {
		whole, err := split(row[2:7], strconv.Atoi)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		numbers, err := split(row[7:], parse)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		conflicts = append(conflicts, Conflict{
			Task: row[0], Pool: row[1], Seed: uint64(whole[0]), Step: whole[1], Layer: whole[2], Exit: whole[3], Deeper: whole[4],
			Cosine: numbers[0], Norm: numbers[1], DeeperNorm: numbers[2],
		})
	}
	return conflicts, nil
}

// A pair is two exits, the shallower first.
type pair struct{ exit, deeper int }

// ConflictPlots draws, for every pooling, the mean cosine of each pair of exits
// by layer, one panel a task. It returns the names of the files.
func ConflictPlots(dir string, conflicts []Conflict) ([]string, error) {
	var pools []string
	for _, c := range conflicts {
		if !slices.Contains(pools, c.Pool) {
			pools = append(pools, c.Pool)
		}
	}
	var names []string
	for _, pool := range pools {
		var panels []*plot.Plot
		for _, task := range tasksOf(conflicts, pool) {
			p, err := conflictPanel(task, pool, conflicts)
			if err != nil {
				return nil, fmt.Errorf("drawing the conflict of %s: %w", task, err)
			}
			panels = append(panels, p)
		}
		base := "conflict-" + pool
		if err := save(dir, base, panels); err != nil {
			return nil, fmt.Errorf("drawing %s: %w", base, err)
		}
		names = append(names, base+".svg", base+".png")
	}
	return names, nil
}

// tasksOf returns the tasks with a pooling, sorted.
func tasksOf(conflicts []Conflict, pool string) []string {
	var tasks []string
	for _, c := range conflicts {
		if c.Pool == pool && !slices.Contains(tasks, c.Task) {
			tasks = append(tasks, c.Task)
		}
	}
	slices.Sort(tasks)
	return tasks
}

func conflictPanel(task, pool string, conflicts []Conflict) (*plot.Plot, error) {
	p := picture.Panel(task, "layer, 0: embeddings", "cosine of the exits' gradients")
	p.Y.Min, p.Y.Max = -1, 1
	values := map[pair]map[int][]float64{} // by layer
	deepest := 0
	for _, c := range conflicts {
		if c.Task != task || c.Pool != pool {
			continue
		}
		of := pair{c.Exit, c.Deeper}
		if values[of] == nil {
			values[of] = map[int][]float64{}
		}
		values[of][c.Layer] = append(values[of][c.Layer], c.Cosine)
		deepest = max(deepest, c.Layer)
	}
	var ticks plot.ConstantTicks
	for l := range deepest + 1 {
		ticks = append(ticks, plot.Tick{Value: float64(l), Label: strconv.Itoa(l)})
	}
	p.X.Tick.Marker = ticks
	for i, of := range sortedPairs(values) {
		var x, mean, deviation []float64
		for l := range deepest + 1 {
			if v := values[of][l]; len(v) > 0 {
				m, d := meanAndDeviation(v)
				x, mean, deviation = append(x, float64(l)), append(mean, m), append(deviation, d)
			}
		}
		color := picture.Color(i)
		if err := drawCurve(p, fmt.Sprintf("exits %d and %d", of.exit, of.deeper), color, x, mean, deviation); err != nil {
			return nil, err
		}
		if err := drawMarks(p, color, x, mean); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func sortedPairs(values map[pair]map[int][]float64) []pair {
	var pairs []pair
	for of := range values {
		pairs = append(pairs, of)
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if a.exit != b.exit {
			return a.exit - b.exit
		}
		return a.deeper - b.deeper
	})
	return pairs
}
