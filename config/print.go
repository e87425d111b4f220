package config

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"

	"sweetspot/config/access"
)

// Fields lists the worker's variables in the order of their declaration.
func Fields() []Field {
	var c Config
	var all []Field
	for f := range fields(reflect.ValueOf(&c).Elem()) {
		all = append(all, f)
	}
	return all
}

// Print writes the effective values as NAME=value lines, secrets masked. What is
// only known once the model, the device or a server has been asked stands in a
// line that begins with #.
func (c *Config) Print(w io.Writer) error {
	for f := range fields(reflect.ValueOf(c).Elem()) {
		line := fmt.Sprintf("%s=%s", f.Name, shown(f, text(f.value)))
		if s, is := reflect.TypeAssert[access.Secret](f.value); is && s.File() != "" {
			line = fmt.Sprintf("%s_FILE=%s", f.Name, s.File())
		}
		if f.Unset != "" && f.value.IsZero() {
			line = fmt.Sprintf("# %s= unset: %s", f.Name, f.Unset)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// Table returns the README's table of variables, in Markdown.
func Table() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, f := range Fields() {
		d := f.Default
		switch {
		case f.Required:
			d = "required"
		case d == "" && f.Unset != "":
			d = f.Unset
		case d == "":
			d = "–"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, d, strings.ReplaceAll(f.Doc, "|", `\|`))
	}
	return b.String()
}

// userinfo matches who connects, in a list of addresses with or without scheme.
var userinfo = regexp.MustCompile(`(^|,|://)[^/,]*@`)

// shown returns v as logs and people may see it.
func shown(f Field, v string) string {
	switch {
	case f.Secret && v != "":
		return "***"
	case f.Userinfo:
		return userinfo.ReplaceAllString(v, "$1***@")
	}
	return v
}

// text returns a field's value as the environment would write it.
func text(v reflect.Value) string {
	if s, ok := reflect.TypeAssert[fmt.Stringer](v); ok {
		return s.String()
	}
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v.Interface())
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = text(v.Index(i))
	}
	return strings.Join(parts, ",")
}
