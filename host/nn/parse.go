package nn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// ParseConfig reads a configuration from JSON, checks it as [Config.Validate]
// does, and fills in the defaults. It is stricter than encoding/json: a key
// that does not exist or does not belong to the layer's type, a key given
// twice, null, a value of another type and anything behind the object are
// errors that name the key by its path, "layers[1].hidden".
func ParseConfig(data []byte) (Config, error) {
	var c Config
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return Config{}, fmt.Errorf("config: not JSON: %w", err)
	}
	p := parser{dec: json.NewDecoder(bytes.NewReader(data)), seen: map[string]bool{}}
	p.dec.UseNumber()
	if err := p.value("", reflect.ValueOf(&c).Elem()); err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	for i, l := range c.Layers {
		keys, known := layerKeys[l.Type]
		for _, key := range jsonKeys(reflect.TypeFor[Layer]()) {
			path := fmt.Sprintf("layers[%d].%s", i, key)
			if known && p.seen[path] && !slices.Contains(keys, key) {
				return Config{}, fmt.Errorf("config: %w", foreignKey(path, l.Type))
			}
		}
	}
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c.WithDefaults(), nil
}

// foreignKey says that a layer has a key of another type of layer.
func foreignKey(path, layerType string) error {
	return fmt.Errorf("%s does not belong to a %s layer: it takes %s", path, layerType, strings.Join(layerKeys[layerType], ", "))
}

// parser walks JSON that is known to be well formed and a Go value side by
// side.
type parser struct {
	dec  *json.Decoder
	seen map[string]bool // paths of the keys met
}

// value reads the next JSON value into v, which lies at path.
func (p *parser) value(path string, v reflect.Value) error {
	token, err := p.dec.Token()
	if err != nil {
		return err
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		if token == json.Delim('{') {
			return p.object(path, v)
		}
		return mismatch(path, token, "an object")
	case reflect.Slice:
		if token == json.Delim('[') {
			return p.list(path, v)
		}
		return mismatch(path, token, "a list")
	}
	return scalar(path, token, v)
}

// object reads the keys of an object whose brace is already read.
func (p *parser) object(path string, v reflect.Value) error {
	keys := jsonKeys(v.Type())
	for p.dec.More() {
		token, err := p.dec.Token()
		if err != nil {
			return err
		}
		key := token.(string) // in well-formed JSON it is one
		full := strings.TrimPrefix(path+"."+key, ".")
		field := slices.Index(keys, key)
		if field < 0 {
			return fmt.Errorf("key %q does not exist: want %s", full, strings.Join(keys, ", "))
		}
		if p.seen[full] {
			return fmt.Errorf("key %q is given twice", full)
		}
		p.seen[full] = true
		if err := p.value(full, v.Field(field)); err != nil {
			return err
		}
	}
	_, err := p.dec.Token() // the brace
	return err
}

// list reads the entries of a list whose bracket is already read.
func (p *parser) list(path string, v reflect.Value) error {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for p.dec.More() {
		entry := reflect.New(v.Type().Elem()).Elem()
		if err := p.value(fmt.Sprintf("%s[%d]", path, v.Len()), entry); err != nil {
			return err
		}
		v.Set(reflect.Append(v, entry))
	}
	_, err := p.dec.Token() // the bracket
	return err
}

// scalar stores a string, number or truth value.
func scalar(path string, token json.Token, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		text, ok := token.(string)
		if !ok {
			return mismatch(path, token, "a string")
		}
		v.SetString(text)
	case reflect.Bool:
		truth, ok := token.(bool)
		if !ok {
			return mismatch(path, token, "true or false")
		}
		v.SetBool(truth)
	case reflect.Int:
		number, ok := token.(json.Number)
		n, err := strconv.ParseInt(number.String(), 10, strconv.IntSize)
		if !ok || err != nil {
			return mismatch(path, token, "a whole number")
		}
		v.SetInt(n)
	case reflect.Float64:
		number, ok := token.(json.Number)
		x, err := strconv.ParseFloat(number.String(), 64)
		if !ok || err != nil || math.IsInf(x, 0) {
			return mismatch(path, token, "a number")
		}
		v.SetFloat(x)
	}
	return nil
}

// mismatch says that the value at path is of the wrong type.
func mismatch(path string, token json.Token, want string) error {
	got := fmt.Sprintf("%v", token)
	switch t := token.(type) {
	case nil:
		got = "null"
	case string:
		got = strconv.Quote(t)
	case json.Delim:
		got = map[json.Delim]string{'{': "an object", '[': "a list"}[t]
	}
	if path == "" {
		return fmt.Errorf("got %s, want %s", got, want)
	}
	return fmt.Errorf("%s: got %s, want %s", path, got, want)
}

// jsonKeys lists the keys of a struct, in the order of its fields.
func jsonKeys(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return keys
}
