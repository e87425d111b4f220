package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sweetspot/consumer"
)

// minimal is the least that a worker must be told.
var minimal = []string{
	"SWEET_MODEL=bundled",
	"SWEET_KAFKA_BROKERS=127.0.0.1:9092",
	"SWEET_KAFKA_TOPICS=texts",
	"SWEET_KAFKA_GROUP=sweet",
	"SWEET_DLQ=kafka:texts-dead",
	"SWEET_NATS_URL=nats://127.0.0.1:4222",
	"SWEET_NATS_STREAM=results",
}

func TestLoadMinimal(t *testing.T) {
	c, warnings, err := Load(t.Context(), minimal)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	if c.Kafka.Group != "sweet" || c.HTTPAddr != ":8080" || c.Intake.InFlight != 20000 || c.NATS.Subject != "sweet.{topic}.{label}" {
		t.Errorf("got %+v", c)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		add   []string
		wants []string // parts of the one error
	}{
		{"a misspelt name, and names the nearest", []string{"SWEET_KAFKA_GRUOP=x"}, []string{"SWEET_KAFKA_GRUOP", "the nearest is SWEET_KAFKA_GROUP"}},
		{"several faults at once", []string{"SWEET_THREADS=many", "SWEET_DRAIN=soon", "SWEET_MODE_=full"}, []string{"SWEET_THREADS=many", "SWEET_DRAIN=soon", "SWEET_MODE_ is not"}},
		{"a missing required variable", []string{"SWEET_NATS_STREAM="}, []string{"SWEET_NATS_STREAM is required"}},
		{"several values out of range at once", []string{"SWEET_IN_FLIGHT=0", "SWEET_CPU=sse", "SWEET_MODE=fast"}, []string{"SWEET_IN_FLIGHT=0", "SWEET_CPU=sse", "SWEET_MODE=fast"}},
		{"values that do not parse beside values out of range", []string{"SWEET_THREADS=many", "SWEET_IN_FLIGHT=0", "SWEET_DRAIN=soon"}, []string{"SWEET_THREADS=many", "SWEET_IN_FLIGHT=0", "SWEET_DRAIN=soon"}},
		{"messages larger than all that may be in flight", []string{"SWEET_MAX_MESSAGE_BYTES=100MiB"}, []string{"SWEET_MAX_MESSAGE_BYTES=100MiB", "SWEET_IN_FLIGHT_BYTES"}},
		{"a size without a unit it knows", []string{"SWEET_IN_FLIGHT_BYTES=64 bananas"}, []string{"SWEET_IN_FLIGHT_BYTES=64 bananas", "16MiB"}},
		{"a drain longer than the rebalance", []string{"SWEET_DRAIN=2m"}, []string{"SWEET_DRAIN=2m0s", "SWEET_KAFKA_REBALANCE_TIMEOUT"}},
		{"a dead letter topic that it reads itself", []string{"SWEET_DLQ=kafka:texts"}, []string{"SWEET_DLQ=kafka:texts", "for ever"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Load(t.Context(), append(slices.Clone(minimal), tt.add...))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not say %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestLoadReadsASecretOfEitherForm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("hunter two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	login := []string{"SWEET_KAFKA_SASL=scram-sha-512", "SWEET_KAFKA_USER=alice"}
	for _, tt := range []struct{ name, variable, printed string }{
		{"as text", "SWEET_KAFKA_PASSWORD=hunter two", "SWEET_KAFKA_PASSWORD=***"},
		{"as a file", "SWEET_KAFKA_PASSWORD_FILE=" + path, "SWEET_KAFKA_PASSWORD_FILE=" + path},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _, err := Load(t.Context(), slices.Concat(minimal, login, []string{tt.variable}))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Kafka.Password.Read(); got != "hunter two" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			var b strings.Builder
			if err := c.Print(&b); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(strings.Split(b.String(), "\n"), tt.printed) || strings.Contains(b.String(), "hunter") {
				t.Errorf("want %q in what is printed, and no password:\n%s", tt.printed, &b)
			}
		})
	}
	_, _, err := Load(t.Context(), slices.Concat(minimal, login, []string{"SWEET_KAFKA_PASSWORD_FILE=" + path + "x"}))
	if err == nil || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), "SWEET_KAFKA_PASSWORD_FILE") {
		t.Errorf("got %v of a file that is missing, want that one fault", err)
	}
}

func TestLoadWarnsOfAPasswordInTheOpen(t *testing.T) {
	_, warnings, err := Load(t.Context(), slices.Concat(minimal, []string{"SWEET_KAFKA_SASL=plain", "SWEET_KAFKA_USER=alice", "SWEET_KAFKA_PASSWORD=hunter2"}))
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "SWEET_KAFKA_TLS=false") || strings.Contains(warnings[0], "hunter2") {
		t.Errorf("got %v, %q; want one warning about SWEET_KAFKA_TLS", err, warnings)
	}
}

func TestKafkaAccessReadsNothingElse(t *testing.T) {
	a, err := KafkaAccess(t.Context(), []string{"SWEET_KAFKA_SASL=plain", "SWEET_KAFKA_USER=alice", "SWEET_KAFKA_PASSWORD=pw", "SWEET_THREADS=many"})
	if err != nil || a.SASL != consumer.Plain || a.User != "alice" || !a.Password.IsSet() || a.TLS {
		t.Errorf("got %+v, %v", a, err)
	}
	_, err = KafkaAccess(t.Context(), []string{"SWEET_KAFKA_TLS=perhaps", "SWEET_KAFKA_USER=alice"})
	for _, want := range []string{"SWEET_KAFKA_TLS=perhaps", "SWEET_KAFKA_USER is set"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestLoadIgnoresServiceLinks(t *testing.T) {
	_, warnings, err := Load(t.Context(), append(slices.Clone(minimal),
		"SWEET_WORKER_SERVICE_HOST=10.0.0.1", "SWEET_WORKER_SERVICE_PORT_HTTP=8080",
		"SWEET_WORKER_PORT=tcp://10.0.0.1:8080", "SWEET_WORKER_PORT_8080_TCP_ADDR=10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 4 {
		t.Errorf("%d warnings, want one for each of the 4 variables: %v", len(warnings), warnings)
	}
}

func TestLoadWarnsWhereWhatIsShedIsLost(t *testing.T) {
	const shed, drop = "SWEET_OVERLOAD=shed", "SWEET_DLQ=drop"
	for _, tt := range []struct {
		name  string
		add   []string
		warns bool
	}{
		{"shed into a topic", []string{shed}, false},
		{"only poison is dropped", []string{drop}, false},
		{"what is shed is dropped", []string{shed, drop}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, warnings, err := Load(t.Context(), append(slices.Clone(minimal), tt.add...))
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) > 1 || (len(warnings) == 1) != tt.warns {
				t.Fatalf("warnings: %q, want one: %v", warnings, tt.warns)
			}
			if tt.warns && (!strings.Contains(warnings[0], shed) || !strings.Contains(warnings[0], drop)) {
				t.Errorf("got %q, want both settings named", warnings[0])
			}
		})
	}
}

func TestPrintShowsEveryVariable(t *testing.T) {
	c, _, err := Load(t.Context(), minimal)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, f := range Fields() {
		if !strings.Contains(b.String(), f.Name+"=") {
			t.Errorf("%s is not printed", f.Name)
		}
	}
	again, _, err := Load(t.Context(), strings.Split(strings.TrimSpace(b.String()), "\n"))
	if err != nil {
		t.Errorf("what is printed does not load: %v", err)
	}
	if got := again.Kafka.FetchBytes; got != c.Kafka.FetchBytes {
		t.Errorf("fetch bytes come back as %v, were %v", got, c.Kafka.FetchBytes)
	}
}

func TestSecretFromFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("hunter two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	field := Field{Name: "SWEET_NATS_PASSWORD", Secret: true}
	for _, tt := range []struct {
		name    string
		environ []string
		want    string
		ok      bool
	}{
		{"the variable itself", []string{"SWEET_NATS_PASSWORD=a b"}, "a b", true},
		{"a file, its last newline dropped", []string{"SWEET_NATS_PASSWORD_FILE=" + path}, "hunter two", true},
		{"both", []string{"SWEET_NATS_PASSWORD=a", "SWEET_NATS_PASSWORD_FILE=" + path}, "", false},
		{"a file that is missing", []string{"SWEET_NATS_PASSWORD_FILE=" + path + "x"}, "", false},
		{"neither", nil, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := newEnvironment(tt.environ).secret(field)
			got, readErr := s.Read()
			if got != tt.want || (err == nil) != tt.ok || readErr != nil {
				t.Errorf("got %q, %v, %v; want %q, ok %v", got, err, readErr, tt.want, tt.ok)
			}
		})
	}
}

func TestFieldsAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Fields() {
		if f.Doc == "" {
			t.Errorf("%s has no doc tag", f.Name)
		}
		if seen[f.Name] {
			t.Errorf("%s is declared twice", f.Name)
		}
		seen[f.Name] = true
	}
	for _, want := range []string{"SWEET_MODEL", "SWEET_KAFKA_START", "SWEET_NATS_PENDING", "SWEET_DRAIN", "SWEET_DLQ"} {
		if !seen[want] {
			t.Errorf("%s is missing", want)
		}
	}
}

// The README's table of variables is the one that the structs declare.
func TestReadmeHoldsTheTable(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), Table()) {
		t.Errorf("README.md does not hold the table of variables; it must be exactly:\n\n%s", Table())
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("SWEET_THREADS", "4")
	f.Add("SWEET_KAFKA_BROKERS", "a:1,b:2")
	f.Add("SWEET_NATS_PASSWORD_FILE", "/nowhere")
	f.Add("SWEET_", "\x00=")
	f.Fuzz(func(t *testing.T, name, value string) {
		_, _, err := Load(t.Context(), append(slices.Clone(minimal), name+"="+value))
		_ = err // any answer will do, as long as there is one
	})
}
