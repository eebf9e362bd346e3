// Package configs holds ready configurations for `mdlstm-gpu train --config NAME`:
// the models of the literature and starting points for one's own. Each file says
// what it is, where it comes from and what differs.
package configs

import (
	"embed"
	"strings"
)

//go:embed *.toml
var files embed.FS

const suffix = ".toml"

// Names lists the configurations, sorted, without ".toml".
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // it is part of the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), suffix))
	}
	return names
}

// Read is the text of a configuration by its name, with or without ".toml"; false
// when there is none.
func Read(name string) ([]byte, bool) {
	data, err := files.ReadFile(strings.TrimSuffix(name, suffix) + suffix)
	return data, err == nil
}
