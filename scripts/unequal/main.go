// Unequal makes the pictures that scripts/unequal.sh trains on: two collections of
// unequal sizes, each also in equal sizes with as many pixels, and padded to its
// largest picture. Pixels are noise; what is measured depends on sizes only.
//
//	go run ./scripts/unequal LICENSE DIR
//
//	sides  256 pictures, both sides uniform between 20 and 60
//	words  the words of a text in its order, as if printed: 16 pixels high and 8
//	       wide for each letter
//
// DIR/COLLECTION/unequal|equal|padded/images and masks are made, and
// DIR/sizes.tsv: collection, variant, pictures, pixels, the largest size.
package main

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "unequal: %v\n", err)
		os.Exit(1)
	}
}

// size is height and width.
type size [2]int

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: unequal TEXT DIR")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	dir := args[1]
	table := "collection\tvariant\tpictures\tpixels\tlargest\n"
	for _, collection := range []struct {
		name  string
		sizes []size
	}{{"sides", sides(256)}, {"words", words(string(text), 512)}} {
		for _, variant := range []struct {
			name  string
			sizes []size
		}{
			{"unequal", collection.sizes},
			{"equal", equal(collection.sizes)},
			{"padded", padded(collection.sizes)},
		} {
			if err := draw(filepath.Join(dir, collection.name, variant.name), variant.sizes); err != nil {
				return err
			}
			largest := padded(variant.sizes)[0]
			table += fmt.Sprintf("%s\t%s\t%d\t%d\t%dx%d\n", collection.name, variant.name, len(variant.sizes), pixels(variant.sizes), largest[0], largest[1])
		}
	}
	return os.WriteFile(filepath.Join(dir, "sizes.tsv"), []byte(table), 0o666)
}

// sides are n sizes whose longest sides are three times the shortest.
func sides(n int) []size {
	r := rand.New(rand.NewPCG(1, 1))
	list := make([]size, n)
	for i := range list {
		list[i] = size{20 + r.IntN(41), 20 + r.IntN(41)}
	}
	return list
}

// words are the sizes of the first n words of a text.
func words(text string, n int) []size {
	var list []size
	for word := range strings.FieldsSeq(text) {
		if len(list) == n {
			break
		}
		list = append(list, size{16, 8 * utf8.RuneCountInString(word)})
	}
	return list
}

// equal are as many equal sizes of the same proportions, on average, with as many
// pixels, but for what rounding changes.
func equal(list []size) []size {
	var height, width float64
	for _, s := range list {
		height, width = height+float64(s[0]), width+float64(s[1])
	}
	mean := float64(pixels(list)) / float64(len(list))
	h := math.Round(math.Sqrt(mean * height / width))
	same := make([]size, len(list))
	for i := range same {
		same[i] = size{int(h), int(math.Round(mean / h))}
	}
	return same
}

// padded are as many sizes that hold each of the list.
func padded(list []size) []size {
	var largest size
	for _, s := range list {
		largest = size{max(largest[0], s[0]), max(largest[1], s[1])}
	}
	same := make([]size, len(list))
	for i := range same {
		same[i] = largest
	}
	return same
}

func pixels(list []size) int {
	n := 0
	for _, s := range list {
		n += s[0] * s[1]
	}
	return n
}

// draw writes pictures of noise, and masks that say which pixels are bright.
func draw(dir string, sizes []size) error {
	r := rand.New(rand.NewPCG(2, 2))
	for _, kind := range []string{"images", "masks"} {
		if err := os.MkdirAll(filepath.Join(dir, kind), 0o777); err != nil {
			return err
		}
	}
	for i, s := range sizes {
		picture := image.NewGray(image.Rect(0, 0, s[1], s[0]))
		mask := image.NewGray(picture.Rect)
		for j := range picture.Pix {
			picture.Pix[j] = byte(r.Uint32())
			mask.Pix[j] = picture.Pix[j] >> 7
		}
		name := fmt.Sprintf("%04d.png", i)
		if err := save(filepath.Join(dir, "images", name), picture); err != nil {
			return err
		}
		if err := save(filepath.Join(dir, "masks", name), mask); err != nil {
			return err
		}
	}
	return nil
}

func save(path string, m image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, m), f.Close())
}
