package control

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// An Alarm is the record of rungs withdrawn, as workers that use the same ladder
// share it: the value of one key, which names the ladder by its digest.
type Alarm struct {
	Rung          int       `json:"rung"`          // this rung and all cheaper ones are withdrawn; at least 1, for full depth always stays
	Audits        int       `json:"audits"`        // that the evidence rests on, of all rungs
	Disagreements int       `json:"disagreements"` // among those
	Time          time.Time `json:"time"`          // when it was raised; years 1 to 9999
	Worker        string    `json:"worker"`        // who raised it, for people; may be empty
}

// Validate reports every field that is out of range.
func (a Alarm) Validate() error {
	var faults []error
	if a.Rung < 1 {
		faults = append(faults, fmt.Errorf("rung: %d, want at least 1: full depth is never withdrawn", a.Rung))
	}
	if a.Audits < 0 {
		faults = append(faults, fmt.Errorf("audits: %d, want at least 0", a.Audits))
	}
	if a.Disagreements < 0 || a.Disagreements > a.Audits {
		faults = append(faults, fmt.Errorf("disagreements: %d of %d audits", a.Disagreements, a.Audits))
	}
	if a.Time.IsZero() {
		faults = append(faults, errors.New("time: missing"))
	} else if year := a.Time.UTC().Year(); year < 1 || year > 9999 {
		faults = append(faults, fmt.Errorf("time: the year %d, want 1 to 9999", year))
	}
	return errors.Join(faults...)
}

// Encode returns a as JSON, its time in UTC. It is an error if a is not valid.
func (a Alarm) Encode() ([]byte, error) {
	if err := a.Validate(); err != nil {
		return nil, fmt.Errorf("encoding an alarm: %w", err)
	}
	a.Time = a.Time.UTC()
	record, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encoding an alarm: %w", err)
	}
	return record, nil
}

// DecodeAlarm reads what Encode wrote; the time is in UTC. A field that is missing, unknown or out
// of range is an error, and so is anything after the record. Whoever meets such
// an error does not know which rungs are withdrawn, and is safe only at full
// depth.
func DecodeAlarm(record []byte) (Alarm, error) {
	var in struct {
		Rung          *int       `json:"rung"`
		Audits        *int       `json:"audits"`
		Disagreements *int       `json:"disagreements"`
		Time          *time.Time `json:"time"`
		Worker        *string    `json:"worker"`
	}
	decoder := json.NewDecoder(bytes.NewReader(record))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return Alarm{}, fmt.Errorf("decoding an alarm: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Alarm{}, errors.New("decoding an alarm: more follows after the record")
	}
	var faults []error
	for _, f := range []struct {
		name    string
		missing bool
	}{
		{"rung", in.Rung == nil},
		{"audits", in.Audits == nil},
		{"disagreements", in.Disagreements == nil},
		{"time", in.Time == nil},
		{"worker", in.Worker == nil},
	} {
		if f.missing {
			faults = append(faults, fmt.Errorf("%s: missing", f.name))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return Alarm{}, fmt.Errorf("decoding an alarm: %w", err)
	}
	a := Alarm{Rung: *in.Rung, Audits: *in.Audits, Disagreements: *in.Disagreements, Time: in.Time.UTC(), Worker: *in.Worker}
	if err := a.Validate(); err != nil {
		return Alarm{}, fmt.Errorf("decoding an alarm: %w", err)
	}
	return a, nil
}

// Merge returns the one of two alarms of the same ladder that holds: the lower
// rung, for it withdraws what the other does. Of the same rung it is the
// earlier, so that a rung withdrawn twice keeps the record of its first time,
// and then any one of the two, whichever is asked.
func (a Alarm) Merge(b Alarm) Alarm {
	if cmp.Or(
		cmp.Compare(a.Rung, b.Rung),
		a.Time.Compare(b.Time),
		cmp.Compare(a.Worker, b.Worker),
		cmp.Compare(a.Audits, b.Audits),
		cmp.Compare(a.Disagreements, b.Disagreements),
	) <= 0 {
		return a
	}
	return b
}
