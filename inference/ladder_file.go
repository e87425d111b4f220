package inference

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// Why a ladder cannot be used. All of them lead to full depth.
var (
	ErrNoLadder         = errors.New("no ladder")                        // no ladder.json, or no entry for the precision
	ErrOtherModel       = errors.New("ladder is for another model")      // measured on a model with another digest
	ErrOtherLimits      = errors.New("ladder is for other token limits") // measured with another max_tokens or truncate
	ErrUnreadableLadder = errors.New("ladder cannot be read")            // malformed or out of range
)

// LoadLadder reads the entry of ladder.json for one precision and checks it
// against the model's digest and number of stages. The second result is the
// ladder digest: the hex SHA-256 of the entry as compact JSON with sorted keys,
// without its date. The error is one of ErrNoLadder, ErrOtherModel and
// ErrUnreadableLadder, with what was found.
func LoadLadder(fsys fs.FS, p Precision, digest string, stages int) (Ladder, string, error) {
	data, err := fs.ReadFile(fsys, ladderName)
	if errors.Is(err, fs.ErrNotExist) {
		return Ladder{}, "", fmt.Errorf("%w: the model directory has no %s", ErrNoLadder, ladderName)
	}
	if err != nil {
		return Ladder{}, "", fmt.Errorf("%w: %w", ErrUnreadableLadder, err)
	}
	entries, err := parseLadders(data)
	if err != nil {
		return Ladder{}, "", fmt.Errorf("%w: %s: %w", ErrUnreadableLadder, ladderName, err)
	}
	entry, ok := entries[p]
	if !ok {
		return Ladder{}, "", fmt.Errorf("%w: %s has none for %s, only for: %s", ErrNoLadder, ladderName, p, listed(entries))
	}
	l, err := parseLadder(entry, digest, stages)
	if err != nil {
		if !errors.Is(err, ErrOtherModel) {
			err = fmt.Errorf("%w: %s: %s: %w", ErrUnreadableLadder, ladderName, p, err)
		}
		return Ladder{}, "", err
	}
	hash, err := ladderDigest(entry)
	if err != nil {
		return Ladder{}, "", fmt.Errorf("%w: %s: %s: %w", ErrUnreadableLadder, ladderName, p, err)
	}
	return l, hash, nil
}

// SaveLadder writes l as the entry for precision p into dir's ladder.json,
// beside those for other precisions, and returns its digest. l must fit a model
// of so many stages as it has temperatures.
func SaveLadder(dir string, p Precision, l Ladder) (string, error) {
	if err := l.Validate(len(l.Temperatures)); err != nil {
		return "", fmt.Errorf("%s: %s: %w", ladderName, p, err)
	}
	entries, err := savedLadders(dir)
	if err != nil {
		return "", err
	}
	entry, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w", ladderName, p, err)
	}
	hash, err := ladderDigest(entry)
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w", ladderName, p, err)
	}
	entries[p] = entry
	data, err := json.MarshalIndent(entries, "", "  ")
	if err != nil {
		return "", fmt.Errorf("%s: %w", ladderName, err)
	}
	return hash, replaceFile(dir, ladderName, append(data, '\n'))
}

// CheckLadderFile reports what would keep SaveLadder from keeping the entries of
// dir's ladder.json: measuring takes long, so ask before.
func CheckLadderFile(dir string) error {
	_, err := savedLadders(dir)
	return err
}

// savedLadders returns the entries of dir's ladder.json, none where there is no
// such file.
func savedLadders(dir string) (map[Precision]json.RawMessage, error) {
	data, err := fs.ReadFile(os.DirFS(dir), ladderName)
	if errors.Is(err, fs.ErrNotExist) {
		return map[Precision]json.RawMessage{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the %s that is there: %w", ladderName, err)
	}
	entries, err := parseLadders(data)
	if err != nil {
		return nil, fmt.Errorf("reading the %s that is there, delete it or repair it: %w", ladderName, err)
	}
	return entries, nil
}

// parseLadders splits ladder.json into its entries. One that is of another
// program's making is not ours to understand until its precision is asked for.
func parseLadders(data []byte) (map[Precision]json.RawMessage, error) {
	members, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	entries := make(map[Precision]json.RawMessage, len(members))
	for _, m := range members {
		entries[Precision(m.key)] = m.value
	}
	return entries, nil
}

func parseLadder(entry json.RawMessage, digest string, stages int) (Ladder, error) {
	var l Ladder
	if err := json.Unmarshal(entry, &l); err != nil {
		return Ladder{}, jsonError(err)
	}
	if l.Model != "" && l.Model != digest {
		return Ladder{}, fmt.Errorf("%w: %s was measured on model %s, this is %s", ErrOtherModel, ladderName, l.Model, digest)
	}
	return l, l.Validate(stages)
}

// ladderDigest hashes an entry by its meaning, not its layout. Keys that this
// program does not know count as well.
func ladderDigest(entry json.RawMessage) (string, error) {
	d := json.NewDecoder(bytes.NewReader(entry))
	d.UseNumber() // so that a number is hashed as it is written
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return "", jsonError(err)
	}
	delete(fields, "date")
	var compact bytes.Buffer
	e := json.NewEncoder(&compact) // sorts keys
	e.SetEscapeHTML(false)
	if err := e.Encode(fields); err != nil {
		return "", err
	}
	sum := sha256.Sum256(bytes.TrimSuffix(compact.Bytes(), []byte("\n")))
	return hex.EncodeToString(sum[:]), nil
}

func listed(entries map[Precision]json.RawMessage) string {
	if len(entries) == 0 {
		return "nothing"
	}
	var names []string
	for _, p := range slices.Sorted(maps.Keys(entries)) {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}
