package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"mdlstm-gpu/configs"
)

// readConfig reads a TOML file, whose keys are flags without their dashes, into
// dst and returns which of them it sets, and the text. A path that does not exist
// may be the name of a ready configuration. Unknown keys, wrong types and syntax
// errors are errors with the file and the line.
func readConfig(path string, dst any, options []option) (given, []byte, error) {
	data, err := readLimited(path, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		var ok bool
		if data, ok = configs.Read(path); !ok {
			return nil, nil, fmt.Errorf("--config %s: %w; ready ones are %s%s", path, fs.ErrNotExist, strings.Join(configs.Names(), ", "), didYouMean(path, configs.Names(), ""))
		}
	} else if err != nil {
		return nil, nil, fmt.Errorf("--config %w", err)
	}
	decoder := toml.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(dst); err != nil {
		return nil, nil, configError(path, data, err, options)
	}
	var keys map[string]any
	if err := toml.Unmarshal(data, &keys); err != nil {
		return nil, nil, configError(path, data, err, options)
	}
	if err := exactKeys(path, data, keys, options); err != nil {
		return nil, nil, err
	}
	set := given{}
	for key := range keys {
		set[key] = true
	}
	return set, data, nil
}

// exactKeys refuses keys in other letters, Schedule for schedule, which the decoder
// takes for the same and nobody else here does.
func exactKeys(path string, data []byte, keys map[string]any, options []option) error {
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if tableKeys[key] == nil {
			if names := optionNames(options); !slices.Contains(names, key) {
				return noKey(path+lineOf(data, key), "", key, names)
			}
			continue
		}
		tables, ok := keys[key].([]any)
		if !ok {
			tables = []any{keys[key]}
		}
		for _, table := range tables {
			fields, _ := table.(map[string]any)
			for _, name := range slices.Sorted(maps.Keys(fields)) {
				if names := tableKeys[key]; !slices.Contains(names, name) {
					return noKey(path+lineOf(data, name), key, name, names)
				}
			}
		}
	}
	return nil
}

// noKey refuses a key that is none of names, of a table or, without one, of the
// top level.
func noKey(where, table, key string, names []string) error {
	if table != "" {
		return usagef("%s: no key %.40q in %s: want %s%s", where, key, table, strings.Join(names, ", "), didYouMean(key, names, ""))
	}
	return usagef("%s: no key %.40q%s", where, key, didYouMean(key, names, ""))
}

// lineOf is ":" and the first line, counted from 1, that begins with a key; "" where
// none does, as of a key in quotes.
func lineOf(data []byte, key string) string {
	for i, line := range bytes.Split(data, []byte("\n")) {
		if rest, ok := bytes.CutPrefix(bytes.TrimLeft(line, " \t["), []byte(key)); ok && (len(rest) == 0 || bytes.IndexByte([]byte(" \t=.]"), rest[0]) >= 0) {
			return fmt.Sprintf(":%d", i+1)
		}
	}
	return ""
}

// maxConfig bounds a file of settings: beyond it it is another file. What TOML
// makes of a long one takes up to a thousand times as much memory, and of many
// wrong keys a time that grows with their square.
const maxConfig = 64 << 10

// readLimited reads a file, or what comes out of a pipe, of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: more than %d KiB: want a file of settings", path, limit>>10)
	}
	return data, nil
}

// configError names file, line and key.
func configError(path string, data []byte, err error, options []option) error {
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &unknown) && len(unknown.Errors) > 0:
		first := &unknown.Errors[0]
		line, _ := first.Position()
		key := strings.Join(first.Key(), ".")
		if slices.Contains(optionNames(options), key) {
			return usagef("%s:%d: key %q: only the command line takes it, as --%s", path, line, key, key)
		}
		if isTable(data, line) {
			return usagef("%s:%d: [%s] begins a table: only [[layers]] and [head] do: write the keys at the top level", path, line, key)
		}
		if table, name, ok := strings.Cut(key, "."); ok && tableKeys[table] != nil {
			return noKey(fmt.Sprintf("%s:%d", path, line), table, name, tableKeys[table])
		}
		return noKey(fmt.Sprintf("%s:%d", path, line), "", key, optionNames(options))
	case errors.As(err, &wrong):
		line, _ := wrong.Position()
		key := strings.Join(wrong.Key(), ".")
		table, name, _ := strings.Cut(key, ".")
		switch {
		case tableKeys[table] != nil && layerWants[name] != "":
			return usagef("%s:%d: key %q: want %s", path, line, name, layerWants[name])
		case table == "layers":
			return usagef("%s:%d: key \"layers\": want a table [[layers]] for each layer; text goes on the command line, as --layers", path, line)
		case table == "head":
			return usagef("%s:%d: key \"head\": want a table [head]", path, line)
		}
		for _, o := range options {
			if o.name == key && isTable(data, line) {
				return usagef("%s:%d: [%s] begins a table: no tables: write %s = VALUE at the top level", path, line, key, key)
			}
			if o.name == key {
				return usagef("%s:%d: key %q: want %s", path, line, key, o.want())
			}
		}
		return usagef("%s:%d: %s", path, line, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	return usagef("%s: %w", path, err)
}

// isTable says whether a line, counted from 1, begins a table.
func isTable(data []byte, line int) bool {
	lines := bytes.Split(data, []byte("\n"))
	return line >= 1 && line <= len(lines) && bytes.HasPrefix(bytes.TrimSpace(lines[line-1]), []byte("["))
}
