package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn/tensorfile"
)

// recordFormat tags config.json.
const recordFormat = "mdlstm-run-1"

// Record is config.json: what a run is, what computes it and on which data.
// It is for people and reports; a run is resumed from its checkpoint alone.
type Record struct {
	Format     string     `json:"format"`
	Settings   Settings   `json:"settings"`
	Engine     EngineInfo `json:"engine"`
	DataSHA256 string     `json:"data_sha256"`
}

// EngineInfo is [engine.Info] as JSON.
type EngineInfo struct {
	Engine   string            `json:"engine"`
	Device   string            `json:"device"`
	Settings map[string]string `json:"settings,omitempty"`
}

func engineInfo(i engine.Info) EngineInfo {
	return EngineInfo{Engine: i.Engine, Device: i.Device, Settings: i.Settings}
}

// ReadRecord reads config.json of a run folder, strictly. It takes no lock, so
// it also serves for a run that is under way.
func ReadRecord(dir string) (Record, error) {
	path := filepath.Join(dir, configName)
	data, err := readRegular(path)
	if err != nil {
		return Record{}, err
	}
	r, err := decodeRecord(data)
	if err != nil {
		return Record{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// decodeRecord is the inverse of encode.
func decodeRecord(data []byte) (Record, error) {
	var r Record
	if err := strictJSON(data, &r); err != nil {
		return Record{}, err
	}
	if r.Format != recordFormat {
		return Record{}, fmt.Errorf("format %q, want %q", r.Format, recordFormat)
	}
	return r, r.Settings.Validate()
}

// encode returns the record as indented JSON with a newline at its end.
func (r Record) encode() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// differs says in words what is not the same in two engines, "" when all is.
func (a EngineInfo) differs(b EngineInfo) string {
	var list []string
	say := func(what, from, to string) {
		if from != to {
			list = append(list, fmt.Sprintf("%s %q to %q", what, from, to))
		}
	}
	say("engine", a.Engine, b.Engine)
	say("device", a.Device, b.Device)
	keys := maps.Clone(a.Settings)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, b.Settings)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		say(key, a.Settings[key], b.Settings[key])
	}
	return strings.Join(list, ", ")
}

// maxRecord bounds config.json: the most classes with long names need less.
const maxRecord = 16 << 20

// readRegular reads a regular file of at most maxRecord bytes.
func readRegular(path string) ([]byte, error) {
	f, size, err := tensorfile.OpenRegular(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	if size > maxRecord {
		return nil, fmt.Errorf("%s: %d bytes, want at most %d: this is not the settings of a run", path, size, maxRecord)
	}
	return io.ReadAll(io.LimitReader(f, maxRecord))
}

// record returns what config.json should hold.
func (r *Run) record() ([]byte, error) {
	record := Record{Format: recordFormat, Settings: r.state.settings, Engine: r.state.engine, DataSHA256: r.state.dataHash}
	data, err := record.encode()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.path(configName), err)
	}
	return data, nil
}

// refreshRecord writes config.json again when it is not that of the state: the
// user may have lost it, and a kill may leave it one change behind.
func (r *Run) refreshRecord() error {
	want, err := r.record()
	if err != nil {
		return err
	}
	if got, err := readRegular(r.path(configName)); err == nil && bytes.Equal(got, want) {
		return nil
	}
	return r.writeRecord()
}

// writeRecord replaces config.json.
func (r *Run) writeRecord() error {
	data, err := r.record()
	if err != nil {
		return err
	}
	return replace(r.disk, r.path(configName), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
