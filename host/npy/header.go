package npy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxHeader bounds the header's length. NumPy itself refuses more than 10,000
// characters unless told to trust the file.
const maxHeader = 1 << 16

// maxAxes is NumPy's own limit.
const maxAxes = 64

// header is what the text in front of the values says.
type header struct {
	descr   string // "<f4"
	fortran bool
	shape   []int64
}

// parseHeader reads the Python dict of a .npy file. It knows just the literals
// that NumPy writes there, in any order and spacing.
func parseHeader(text string) (header, error) {
	p := parser{rest: text}
	h := header{}
	seen := map[string]bool{}
	if err := p.expect("{"); err != nil {
		return h, err
	}
	for !p.accept("}") {
		key, err := p.str()
		if err != nil {
			return h, err
		}
		if seen[key] {
			return h, fmt.Errorf("header has %q twice", key)
		}
		seen[key] = true
		if err := p.expect(":"); err != nil {
			return h, err
		}
		switch key {
		case "descr":
			h.descr, err = p.descr()
		case "fortran_order":
			h.fortran, err = p.boolean()
		case "shape":
			h.shape, err = p.tuple()
		default:
			err = fmt.Errorf("header has the unknown key %q", key)
		}
		if err != nil {
			return h, err
		}
		if !p.accept(",") {
			if err := p.expect("}"); err != nil {
				return h, err
			}
			break
		}
	}
	if p.space(); p.rest != "" {
		return h, fmt.Errorf("header has %s behind its end", clip(p.rest))
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return h, fmt.Errorf("header lacks %q", key)
		}
	}
	return h, nil
}

// errRecord is for descr lists, which stand for structured arrays.
var errRecord = errors.New("holds records (a structured dtype), want numbers: save one field, a['name']")

// parser walks over the header's text.
type parser struct{ rest string }

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n\f\v") }

func (p *parser) accept(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	p.rest = rest
	return ok
}

func (p *parser) expect(token string) error {
	if !p.accept(token) {
		return fmt.Errorf("header has %s, want %q", clip(p.rest), token)
	}
	return nil
}

// str reads a quoted string. Escapes do not occur in the keys and types of
// numeric arrays: the backslash stays and no known type matches.
func (p *parser) str() (string, error) {
	p.space()
	if p.rest == "" || p.rest[0] != '\'' && p.rest[0] != '"' {
		return "", fmt.Errorf("header has %s, want a quoted string", clip(p.rest))
	}
	end := strings.IndexByte(p.rest[1:], p.rest[0])
	if end < 0 {
		return "", fmt.Errorf("header has %s, a string without an end", clip(p.rest))
	}
	s := p.rest[1 : 1+end]
	p.rest = p.rest[2+end:]
	return s, nil
}

func (p *parser) descr() (string, error) {
	if p.accept("[") || p.accept("(") {
		return "", errRecord
	}
	return p.str()
}

func (p *parser) boolean() (bool, error) {
	switch {
	case p.accept("True"):
		return true, nil
	case p.accept("False"):
		return false, nil
	}
	return false, fmt.Errorf("header has fortran_order %s, want True or False", clip(p.rest))
}

// tuple reads (), (3,), (3, 4) and Python 2's (3L, 4L).
func (p *parser) tuple() ([]int64, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	shape := []int64{}
	for !p.accept(")") {
		p.space()
		n := 0
		for n < len(p.rest) && (p.rest[n] >= '0' && p.rest[n] <= '9' || n == 0 && p.rest[n] == '-') {
			n++
		}
		length, err := strconv.ParseInt(p.rest[:n], 10, 64)
		if err != nil || length < 0 {
			return nil, fmt.Errorf("header has the length %s in its shape, want an integer of at least 0", clip(p.rest))
		}
		if shape = append(shape, length); len(shape) > maxAxes {
			return nil, fmt.Errorf("header has more than %d axes", maxAxes)
		}
		p.rest = p.rest[n:]
		p.accept("L")
		if !p.accept(",") {
			if err := p.expect(")"); err != nil {
				return nil, err
			}
			break
		}
	}
	return shape, nil
}

// clip quotes the beginning of a text for an error.
func clip(s string) string {
	const most = 20
	if s == "" {
		return "nothing"
	}
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
