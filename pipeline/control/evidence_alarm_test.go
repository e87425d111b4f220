package control_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"sweetspot/pipeline/control"
)

const alarmRecord = `{"rung":3,"audits":614,"disagreements":27,"time":"2026-03-01T09:30:00.25Z","worker":"texts-0"}`

func alarmOfRung3() control.Alarm {
	return control.Alarm{
		Rung: 3, Audits: 614, Disagreements: 27,
		Time: time.Date(2026, 3, 1, 9, 30, 0, 250_000_000, time.UTC), Worker: "texts-0",
	}
}

func TestAlarmEncodes(t *testing.T) {
	a := alarmOfRung3()
	a.Time = a.Time.In(time.FixedZone("", 2*60*60))
	got, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != alarmRecord {
		t.Errorf("got %s, want %s", got, alarmRecord)
	}
}

func TestAlarmDecodes(t *testing.T) {
	got, err := control.DecodeAlarm([]byte(" " + alarmRecord + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if want := alarmOfRung3(); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Every field is in the record: one that is added to the type and forgotten in
// the record would be lost on the way to the next worker.
func TestAlarmRoundTripsEveryField(t *testing.T) {
	a := alarmOfRung3()
	for i := range reflect.TypeFor[control.Alarm]().NumField() {
		if reflect.ValueOf(a).Field(i).IsZero() {
			t.Errorf("the test leaves out %s", reflect.TypeFor[control.Alarm]().Field(i).Name)
		}
	}
	encoded, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := control.DecodeAlarm(encoded); err != nil || got != a {
		t.Errorf("got %v, %v, want %v", got, err, a)
	}
}

func TestAlarmRefusesToDecode(t *testing.T) {
	tests := []struct {
		name, record, want string
	}{
		{"nothing", "", "EOF"},
		{"no JSON", "rung 3", "invalid character"},
		{"half a record", alarmRecord[:40], "unexpected EOF"},
		{"two records", alarmRecord + alarmRecord, "more follows after the record"},
		{"a stray bracket", alarmRecord + "}", "more follows after the record"},
		{"a list", "[" + alarmRecord + "]", "cannot unmarshal array"},
		{"null", "null", "rung: missing\naudits: missing\ndisagreements: missing\ntime: missing\nworker: missing"},
		{"an unknown field", strings.Replace(alarmRecord, "worker", "pod", 1), `unknown field "pod"`},
		{"no rung", strings.Replace(alarmRecord, `"rung":3,`, "", 1), "rung: missing"},
		{"a rung that is null", strings.Replace(alarmRecord, "3", "null", 1), "rung: missing"},
		{"a rung in words", strings.Replace(alarmRecord, "3", `"three"`, 1), "cannot unmarshal string"},
		{"half a rung", strings.Replace(alarmRecord, "3", "3.5", 1), "cannot unmarshal number 3.5"},
		{"full depth", strings.Replace(alarmRecord, "3", "0", 1), "rung: 0, want at least 1"},
		{"audits below none", strings.Replace(alarmRecord, "614", "-1", 1), "audits: -1, want at least 0"},
		{"more disagreements than audits", strings.Replace(alarmRecord, "614", "26", 1), "disagreements: 27 of 26 audits"},
		{"a time of day alone", strings.Replace(alarmRecord, "2026-03-01T", "", 1), "parsing time"},
		{"no time", strings.Replace(alarmRecord, "2026-03-01T09:30:00.25Z", "0001-01-01T00:00:00Z", 1), "time: missing"},
		{"the year 0", strings.Replace(alarmRecord, "2026-", "0000-", 1), "time: the year 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := control.DecodeAlarm([]byte(tt.record))
			if err == nil || !strings.HasPrefix(err.Error(), "decoding an alarm: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error with %q", got, err, tt.want)
			}
			if got != (control.Alarm{}) {
				t.Errorf("got %v beside an error, want none", got)
			}
		})
	}
}

func TestAlarmRefusesToEncode(t *testing.T) {
	a := control.Alarm{Audits: -2, Disagreements: 1, Time: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}
	got, err := a.Encode()
	const want = "encoding an alarm: rung: 0, want at least 1: full depth is never withdrawn\n" +
		"audits: -2, want at least 0\ndisagreements: 1 of -2 audits\ntime: the year 10000, want 1 to 9999"
	if err == nil || err.Error() != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestAlarmsMerge(t *testing.T) {
	first := alarmOfRung3()
	later, lower := first, first
	later.Time = first.Time.Add(time.Minute)
	lower.Rung, lower.Time = 2, first.Time.Add(time.Hour)
	tests := []struct {
		name       string
		a, b, want control.Alarm
	}{
		{"one with itself", first, first, first},
		{"the lower rung, though it came later", first, lower, lower},
		{"of one rung the earlier", later, first, first},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.Merge(tt.b); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Workers meet each other's alarms in any order and more than once, and must
// end with the same.
func TestAlarmsMergeInAnyOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	one := func() control.Alarm {
		return control.Alarm{
			Rung: 1 + random.IntN(2), Audits: 2 + random.IntN(2), Disagreements: random.IntN(2),
			Time: time.Unix(int64(random.IntN(2)), 0), Worker: string(rune('a' + random.IntN(2))),
		}
	}
	for range 5000 {
		a, b, c := one(), one(), one()
		if got, want := a.Merge(b), b.Merge(a); got != want {
			t.Fatalf("%v with %v: got %v, and the other way %v", a, b, got, want)
		}
		if got, want := a.Merge(b).Merge(c), a.Merge(b.Merge(c)); got != want {
			t.Fatalf("%v, %v and %v: got %v from the left and %v from the right", a, b, c, got, want)
		}
		if got := a.Merge(b).Rung; got != min(a.Rung, b.Rung) {
			t.Fatalf("%v with %v: got rung %v", a, b, got)
		}
	}
}

func FuzzDecodeAlarm(f *testing.F) {
	f.Add([]byte(alarmRecord))
	f.Add([]byte(`{"rung":1,"audits":0,"disagreements":0,"time":"9999-12-31T23:59:59-23:59","worker":""}`))
	f.Add([]byte(`{"rung":1e3,"worker":"\ud800"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := control.DecodeAlarm(data)
		if err != nil {
			return
		}
		encoded, err := a.Encode()
		if err != nil {
			t.Fatalf("%q decodes to %v, which does not encode: %v", data, a, err)
		}
		if again, err := control.DecodeAlarm(encoded); err != nil || again != a {
			t.Fatalf("%v: got %v, %v after a round trip", a, again, err)
		}
	})
}
