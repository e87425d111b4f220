package simulate

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Markdown writes the tables of comparisons of one worker.
func Markdown(w io.Writer, of *Worker, comparisons []Comparison, throughputs []Throughput) error {
	var t strings.Builder
	for i := range comparisons {
		comparisons[i].markdown(&t, of)
	}
	throughputTable(&t, throughputs)
	_, err := io.WriteString(w, t.String())
	return err
}

func (c *Comparison) markdown(t *strings.Builder, of *Worker) {
	capacity := of.Cost.Capacity()
	fmt.Fprintf(t, "\n## %s\n\n%.0f messages expected in %v, at most %.0f a second: %.2f times what full depth carries, %.0f.\n\n",
		c.Load.Name, c.Load.Messages(), c.Load.End, c.Load.Peak(), c.Load.Peak()/capacity, capacity)
	fmt.Fprintf(t, "| | over %v | age p50 | age p99 | layers | agreement | moves |\n|---|---|---|---|---|---|---|\n", of.Control.TargetAge)
	for _, e := range c.Entries {
		r := e.Result
		fmt.Fprintf(t, "| %s | %.2f %% | %s | %s | %.2f | %.2f %% | %d |\n", e.Name, 100*r.LateShare(),
			brief(r.Ages.Quantile(0.5)), brief(r.Ages.Quantile(0.99)), r.MeanLayers(), 100*e.Agreement, r.Moves)
	}
	ours, equal, oracle := c.entry(oursName), c.entry(equalName), c.entry(oracleName)
	fmt.Fprintf(t, "\nOver the target: ours %.3f %%, the best fixed rung at our agreement %.3f %%. Layers of the oracle: %.2f times ours.\n",
		100*ours.Result.LateShare(), 100*equal.Result.LateShare(), oracle.Result.MeanLayers()/ours.Result.MeanLayers())
}

// entry returns the entry whose name begins with the given one.
func (c *Comparison) entry(name string) *Entry {
	for i := range c.Entries {
		if strings.HasPrefix(c.Entries[i].Name, name) {
			return &c.Entries[i]
		}
	}
	return nil
}

// brief writes a duration with three digits.
func brief(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", d.Seconds()*1e3)
	case d < 1000*time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

func throughputTable(t *strings.Builder, throughputs []Throughput) {
	if len(throughputs) == 0 {
		return
	}
	t.WriteString("\n## Throughput with a full queue\n\nMessages a second, and as a share of the reciprocal of Σ reach × stage time, of full runs.\n\n")
	t.WriteString("| rung | regrouped | without regrouping | batch size one |\n|---|---|---|---|\n")
	for _, p := range throughputs {
		fmt.Fprintf(t, "| %d |", p.Rung)
		for _, rate := range []float64{p.Regrouped, p.Apart, p.Single} {
			fmt.Fprintf(t, " %.0f (%.2f) |", rate, rate/p.Ideal)
		}
		t.WriteString("\n")
	}
}
