package config

import (
	"iter"
	"reflect"
	"strings"

	"sweetspot/config/access"
)

// prefix starts the name of every environment variable of the worker.
const prefix = "SWEET_"

// A Field is one environment variable, as its struct field declares it.
//
// The tag `env:"NAME, default=value"` is go-envconfig's. `doc` is the one line
// that the README shows, and `unset` what the variable means where it has no
// default. An [access.Secret] is never shown, and may come from a file named by
// NAME_FILE. `secret:"userinfo"` marks addresses that may hold a user and a
// password, which are not shown.
type Field struct {
	Name     string // with the prefix, e.g. SWEET_KAFKA_GROUP
	Default  string // "" where there is none
	Unset    string // what an unset variable without a default means, for people
	Required bool
	Secret   bool
	Userinfo bool // the value is addresses that may hold a user and a password
	Doc      string

	tag   string // the env tag, with the full name
	value reflect.Value
}

// fields yields every variable under the struct v, in the order of
// declaration. Nested structs add their own prefix.
func fields(v reflect.Value) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		walk(v, prefix, yield)
	}
}

func walk(v reflect.Value, prefix string, yield func(Field) bool) bool {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		tag, tagged := sf.Tag.Lookup("env")
		if sf.Type.Kind() == reflect.Struct && (!tagged || strings.HasPrefix(tag, ",")) {
			if !walk(v.Field(i), prefix+option(tag, "prefix"), yield) {
				return false
			}
			continue
		}
		if !tagged || !sf.IsExported() {
			continue
		}
		if !yield(leaf(sf, v.Field(i), tag, prefix)) {
			return false
		}
	}
	return true
}

func leaf(sf reflect.StructField, v reflect.Value, tag, prefix string) Field {
	name, rest, _ := strings.Cut(tag, ",")
	full := prefix + strings.TrimSpace(name)
	return Field{
		Name:     full,
		Default:  option(rest, "default"),
		Unset:    sf.Tag.Get("unset"),
		Required: has(rest, "required"),
		Secret:   sf.Type == reflect.TypeFor[access.Secret](),
		Userinfo: sf.Tag.Get("secret") == "userinfo",
		Doc:      sf.Tag.Get("doc"),
		tag:      strings.TrimSuffix(full+","+rest, ","),
		value:    v,
	}
}

// option returns the value of key=value in the options of an env tag. A
// default may hold commas: it is the last option and takes the rest.
func option(options, key string) string {
	_, after, ok := strings.Cut(options, key+"=")
	if !ok {
		return ""
	}
	if key != "default" {
		after, _, _ = strings.Cut(after, ",")
	}
	return strings.TrimSpace(after)
}

func has(options, word string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if strings.TrimSpace(o) == word {
			return true
		}
	}
	return false
}
