package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sweetspot/config/access"
)

// An environment is the process's variables, without empty ones: an empty
// variable counts as unset, as charts write it for a value left out.
type environment map[string]string

func newEnvironment(environ []string) environment {
	e := make(environment, len(environ))
	for _, kv := range environ {
		switch k, v, _ := strings.Cut(kv, "="); v {
		case "":
			delete(e, k)
		default:
			e[k] = v
		}
	}
	return e
}

// secret returns the secret of f, from its variable or from the file that the
// variable with _FILE added names. The file must be there and hold something.
func (e environment) secret(f Field) (access.Secret, error) {
	text, given := e[f.Name]
	path, file := e[f.Name+"_FILE"]
	switch {
	case given && file:
		return access.Secret{}, fmt.Errorf("%s and %s_FILE are both set: keep one", f.Name, f.Name)
	case !file:
		return access.SecretText(text), nil
	}
	s := access.SecretFile(path)
	if _, err := s.Read(); err != nil {
		return access.Secret{}, fmt.Errorf("%s_FILE: %w", f.Name, err)
	}
	return s, nil
}

// serviceLink matches the variables that Kubernetes sets in every pod for a
// service whose name starts with "sweet".
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// unknown returns a fault for every variable with the worker's prefix that no
// field has, and the names that look like Kubernetes service links instead.
func (e environment) unknown(known []Field) (faults []error, links []string) {
	names := make([]string, 0, len(known))
	for _, f := range known {
		names = append(names, f.Name)
		if f.Secret {
			names = append(names, f.Name+"_FILE")
		}
	}
	for name := range e {
		switch {
		case !strings.HasPrefix(name, prefix) || slices.Contains(names, name):
		case serviceLink.MatchString(name):
			links = append(links, name)
		default:
			faults = append(faults, fmt.Errorf("%s is not a variable of this worker; the nearest is %s", name, nearest(name, names)))
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	slices.Sort(links)
	return faults, links
}

// nearest returns the name with the smallest edit distance to s.
func nearest(s string, names []string) string {
	return slices.MinFunc(names, func(a, b string) int { return distance(s, a) - distance(s, b) })
}

// distance is the Levenshtein distance between a and b, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
