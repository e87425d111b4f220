package simulate

// A ring is a queue of messages that uses its memory again.
type ring struct {
	buf   []message // a power of two
	first int
	n     int
}

func (q *ring) push(m message) {
	if q.n == len(q.buf) {
		grown := make([]message, max(1024, 2*len(q.buf)))
		for i := range q.n {
			grown[i] = q.buf[(q.first+i)&(len(q.buf)-1)]
		}
		q.buf, q.first = grown, 0
	}
	q.buf[(q.first+q.n)&(len(q.buf)-1)] = m
	q.n++
}

func (q *ring) front() *message { return &q.buf[q.first] }

func (q *ring) pop() message {
	m := q.buf[q.first]
	q.first = (q.first + 1) & (len(q.buf) - 1)
	q.n--
	return m
}
