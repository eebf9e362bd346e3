package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/nn/tensorfile"
)

// stateFormat tags a checkpoint.
const stateFormat = "mdlstm-state-1"

// Keys of a checkpoint's metadata.
const (
	keyFormat   = "format"      // stateFormat
	keyConfig   = "config"      // the model's JSON, as in a model file
	keySettings = "settings"    // Settings as JSON
	keyEngine   = "engine"      // EngineInfo as JSON: what computed it
	keyStep     = "step"        // steps done, which is the next step's number
	keySeed     = "seed"        // Settings.Seed
	keyUpdates  = "updates"     // optimizer updates done
	keyLogBytes = "log_bytes"   // length of log.tsv
	keyData     = "data_sha256" // hash of the data
	keyChecksum = "sha256"      // over all other metadata and the tensors

	// Of runs with validation only.
	keyValidBytes = "valid_bytes" // length of valid.tsv
	keyValidStep  = "valid_step"  // of the newest validation
	keyStale      = "stale"       // validations since the best one
	// Of the best validation, where there was one.
	keyBestStep  = "best_step"
	keyBestLoss  = "best_loss"
	keyBestError = "best_error"
	keyBestLabel = "best_label_error"
)

// state is a checkpoint in memory. Parameters and moments are flat, in the
// order of model.Params. In the file each tensor of the model appears three
// times: under its own name, and with the prefixes "m." and "v."; a fourth time
// with "best." where a validation found the best model so far.
type state struct {
	settings Settings
	engine   EngineInfo
	dataHash string

	step     int64 // steps done
	updates  int64
	logBytes int64

	model        *nn.Model
	params, m, v []float32 // [model.Size()]

	valid *validState // nil for a run without validation
}

// statePrefixes stand before the tensor names of parameters, m, v and the best
// parameters.
var statePrefixes = [4]string{"", "m.", "v.", "best."}

// flats are the flat arrays in the order of statePrefixes.
func (s *state) flats() [][]float32 {
	list := [][]float32{s.params, s.m, s.v}
	if s.valid != nil && s.valid.params != nil {
		list = append(list, s.valid.params)
	}
	return list
}

// tensors lists the state's tensors; their data are slices of the state's.
func (s *state) tensors() []tensorfile.Tensor {
	flats := s.flats()
	list := make([]tensorfile.Tensor, 0, len(flats)*len(s.model.Params))
	for i, flat := range flats {
		for _, p := range s.model.Params {
			list = append(list, tensorfile.Tensor{
				Name:  statePrefixes[i] + p.Name,
				Shape: p.Shape,
				Data:  flat[p.Offset : p.Offset+p.Size()],
			})
		}
	}
	return list
}

// encode writes the state as a safetensors file.
func (s *state) encode(w io.Writer) error {
	settings, err := json.Marshal(s.settings)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	config, err := s.model.Config.JSON()
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	info, err := json.Marshal(s.engine)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	meta := map[string]string{
		keyFormat:   stateFormat,
		keyConfig:   string(config),
		keySettings: string(settings),
		keyEngine:   string(info),
		keyStep:     strconv.FormatInt(s.step, 10),
		keySeed:     strconv.FormatUint(s.settings.Seed, 10),
		keyUpdates:  strconv.FormatInt(s.updates, 10),
		keyLogBytes: strconv.FormatInt(s.logBytes, 10),
		keyData:     s.dataHash,
	}
	s.valid.encode(meta)
	tensors := s.tensors()
	meta[keyChecksum] = checksum(tensors, meta)
	return tensorfile.Encode(w, tensors, meta)
}

// loadState reads and checks one checkpoint. A file that is truncated, foreign
// or changed gives an error that wraps [ErrDamaged]; one that is missing gives
// fs.ErrNotExist; a whole one of another format gives neither.
func loadState(path string) (*state, error) {
	f, size, err := tensorfile.OpenRegular(path)
	if errors.Is(err, tensorfile.ErrNotRegular) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	s, err := decodeState(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// decodeState reads a checkpoint of size bytes.
func decodeState(r io.Reader, size int64) (*state, error) {
	byName, meta, err := tensorfile.Decode(r, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	tensors := make([]tensorfile.Tensor, 0, len(byName))
	for name, t := range byName {
		t.Name = name
		tensors = append(tensors, t)
	}
	if got, want := checksum(tensors, meta), meta[keyChecksum]; got != want {
		return nil, fmt.Errorf("%w: its contents have the SHA-256 %s, its metadata say %q", ErrDamaged, got, want)
	}
	// From here on the file is as it was written: what does not fit is not
	// damage but the work of another program.
	if meta[keyFormat] != stateFormat {
		return nil, fmt.Errorf("format %q, want %q: use the program that wrote it", meta[keyFormat], stateFormat)
	}
	s := &state{dataHash: meta[keyData]}
	if s.settings, err = ParseSettings([]byte(meta[keySettings])); err != nil {
		return nil, err
	}
	if err := strictJSON([]byte(meta[keyEngine]), &s.engine); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	for key, dst := range map[string]*int64{keyStep: &s.step, keyUpdates: &s.updates, keyLogBytes: &s.logBytes} {
		if *dst, err = strconv.ParseInt(meta[key], 10, 64); err != nil || *dst < 0 {
			return nil, fmt.Errorf("metadata %s %q: want a count", key, meta[key])
		}
	}
	if s.valid, err = decodeValid(meta); err != nil {
		return nil, err
	}
	if s.model, err = nn.New(s.settings.Model); err != nil {
		return nil, err
	}
	return s, s.take(byName, meta[keyBestStep] != "")
}

// encode adds what is known about validations to a checkpoint's metadata.
func (v *validState) encode(meta map[string]string) {
	if v == nil {
		return
	}
	meta[keyValidBytes] = strconv.FormatInt(v.bytes, 10)
	meta[keyValidStep] = strconv.FormatInt(v.last, 10)
	meta[keyStale] = strconv.FormatInt(v.stale, 10)
	if v.params == nil {
		return
	}
	meta[keyBestStep] = strconv.FormatInt(v.best.Step, 10)
	for key, x := range map[string]float64{keyBestLoss: v.best.Loss, keyBestError: v.best.Error, keyBestLabel: v.best.LabelError} {
		meta[key] = strconv.FormatFloat(x, 'g', -1, 64)
	}
}

// decodeValid is the inverse of encode, but for the parameters.
func decodeValid(meta map[string]string) (*validState, error) {
	if meta[keyValidBytes] == "" {
		return nil, nil
	}
	v := &validState{}
	counts := map[string]*int64{keyValidBytes: &v.bytes, keyValidStep: &v.last, keyStale: &v.stale}
	if meta[keyBestStep] != "" {
		counts[keyBestStep] = &v.best.Step
		for key, dst := range map[string]*float64{keyBestLoss: &v.best.Loss, keyBestError: &v.best.Error, keyBestLabel: &v.best.LabelError} {
			var err error
			if *dst, err = strconv.ParseFloat(meta[key], 64); err != nil {
				return nil, fmt.Errorf("metadata %s %q: want a number", key, meta[key])
			}
		}
	}
	for key, dst := range counts {
		var err error
		if *dst, err = strconv.ParseInt(meta[key], 10, 64); err != nil || *dst < 0 {
			return nil, fmt.Errorf("metadata %s %q: want a count", key, meta[key])
		}
	}
	return v, nil
}

// take copies the tensors of a file into the state's flat arrays. Those are
// made when all shapes are known to fit: settings may claim a model of any size.
func (s *state) take(byName map[string]tensorfile.Tensor, hasBest bool) error {
	hasBest = hasBest && s.valid != nil
	prefixes := statePrefixes[:3]
	if hasBest {
		prefixes = statePrefixes[:]
	}
	if got, want := len(byName), len(prefixes)*len(s.model.Params); got != want {
		return fmt.Errorf("%d tensors, want %d", got, want)
	}
	for _, prefix := range prefixes {
		for _, p := range s.model.Params {
			name := prefix + p.Name
			t, ok := byName[name]
			if !ok {
				return fmt.Errorf("tensor %q is missing", name)
			}
			if !slices.Equal(t.Shape, p.Shape) {
				return fmt.Errorf("tensor %q: shape %v, want %v", name, t.Shape, p.Shape)
			}
		}
	}
	s.alloc()
	if hasBest {
		s.valid.params = make([]float32, s.model.Size())
	}
	for _, t := range s.tensors() {
		copy(t.Data, byName[t.Name].Data)
	}
	return nil
}

// alloc makes the flat arrays, all zero.
func (s *state) alloc() {
	n := s.model.Size()
	s.params, s.m, s.v = make([]float32, n), make([]float32, n), make([]float32, n)
}

// nonFinite names the first tensor of parameters or moments that holds NaN or
// infinity, "" when there is none. Such a state is of no use to anybody.
func (s *state) nonFinite() string {
	for i, t := range s.tensors() {
		for _, x := range t.Data {
			if x-x == 0 { // true of every number but NaN and ±Inf
				continue
			}
			if n := len(s.model.Params); i < n || i >= 3*n {
				return "parameter " + t.Name
			}
			return "moment " + t.Name
		}
	}
	return ""
}

// checksum is the SHA-256, in hexadecimal, over all metadata but the checksum
// itself and over names, shapes and values of all tensors, each in the order of
// their names and each text with its length before it.
func checksum(tensors []tensorfile.Tensor, meta map[string]string) string {
	h := sha256.New()
	keys := make([]string, 0, len(meta))
	for k := range meta {
		if k != keyChecksum {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	hashInts(h, len(keys))
	for _, k := range keys {
		hashText(h, k)
		hashText(h, meta[k])
	}
	order := slices.Clone(tensors)
	slices.SortFunc(order, func(a, b tensorfile.Tensor) int {
		return strings.Compare(a.Name, b.Name)
	})
	for _, t := range order {
		hashText(h, t.Name)
		hashInts(h, len(t.Shape))
		hashInts(h, t.Shape...)
		hashFloats(h, t.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// hashText adds a text and, before it, its length.
func hashText(h hash.Hash, text string) {
	hashInts(h, len(text))
	io.WriteString(h, text)
}

// hashFloats adds the bits of numbers. A hash never fails to write.
func hashFloats(h hash.Hash, numbers []float32) {
	var buf [4096]byte
	for len(numbers) > 0 {
		n := min(len(numbers), len(buf)/4)
		for i, x := range numbers[:n] {
			binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(x))
		}
		h.Write(buf[:4*n])
		numbers = numbers[n:]
	}
}

// hashInts adds whole numbers, eight bytes each.
func hashInts(h hash.Hash, numbers ...int) {
	var buf [8]byte
	for _, n := range numbers {
		binary.LittleEndian.PutUint64(buf[:], uint64(n))
		h.Write(buf[:])
	}
}
