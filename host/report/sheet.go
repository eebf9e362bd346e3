package report

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
)

// Sheet is a page of small pictures: what the model saw and what it said.
type Sheet struct {
	Title   string
	Items   []SheetItem // the first 48 are drawn
	Classes []string    // names for the key of class maps, from class 0; nil = numbers
}

// SheetItem is one sample of a sheet.
type SheetItem struct {
	Caption string // "truth 7, predicted 1"
	Wrong   bool   // the item is marked

	Input, Truth, Prediction Tile // empty ones are left out
}

// Bounds of a sheet.
const (
	maxItems    = 48
	maxTileSide = 128 // pixels of a tile's longer side; beyond it one of several cells is drawn
	maxKey      = 24  // classes in the key
)

// wrongMark is the colour of what is marked as wrong, beside its word or cross.
var wrongMark = curveColours[1]

// tiles are those that an item has, with their names.
func (s SheetItem) tiles() (tiles []Tile, names []string) {
	for i, t := range []Tile{s.Input, s.Prediction, s.Truth} {
		if !t.empty() {
			tiles, names = append(tiles, t), append(names, []string{"input", "prediction", "truth"}[i])
		}
	}
	return tiles, names
}

// check names the first item that cannot be drawn.
func (s Sheet) check() error {
	if len(s.Items) == 0 {
		return fmt.Errorf("sheet %q: no items, want 1 or more", s.Title)
	}
	for i, item := range s.shown() {
		tiles, names := item.tiles()
		if len(tiles) == 0 {
			return fmt.Errorf("sheet %q: item %d: no input, truth or prediction", s.Title, i)
		}
		for j, t := range tiles {
			if err := t.check(); err != nil {
				return fmt.Errorf("sheet %q: item %d: %s: %w", s.Title, i, names[j], err)
			}
		}
	}
	return nil
}

func (s Sheet) shown() []SheetItem { return s.Items[:min(len(s.Items), maxItems)] }

// note says how many items there are, how many of them are wrong, and in which
// order their tiles lie.
func (s Sheet) note() string {
	wrong := 0
	for _, item := range s.shown() {
		if item.Wrong {
			wrong++
		}
	}
	text := counted(len(s.Items), "sample")
	if len(s.Items) > maxItems {
		text = fmt.Sprintf("the first %d of %s", maxItems, text)
	}
	if wrong > 0 {
		text += fmt.Sprintf(", %d wrong", wrong)
	}
	if order := s.order(); order != "" {
		text += ": " + order
	}
	return text
}

// order names the tiles of an item from left to right, "" for a single one.
func (s Sheet) order() string {
	_, names := s.Items[0].tiles()
	switch len(names) {
	case 2:
		return names[0] + " left, " + names[1] + " right"
	case 3:
		return names[0] + ", " + names[1] + ", " + names[2]
	}
	return ""
}

// key is the name and the colour of each class that a map of the sheet shows; nil
// when there is no map.
func (s Sheet) key() (names []string, colours []color.RGBA) {
	most := -1
	var background *int
	for _, item := range s.shown() {
		tiles, _ := item.tiles()
		for _, t := range tiles {
			if t.Class != nil {
				background = t.Background
			}
			for _, class := range t.Class {
				if t.Ignore == nil || int(class) != *t.Ignore {
					most = max(most, int(class))
				}
			}
		}
	}
	for class := range min(most+1, maxKey) {
		name := fmt.Sprint(class)
		if class < len(s.Classes) {
			name = s.Classes[class]
		}
		names, colours = append(names, name), append(colours, classColour(class, background))
	}
	return names, colours
}

// itemImage is an item's tiles beside each other, with a pixel a cell times k.
func (s SheetItem) itemImage(side int) *image.RGBA {
	tiles, _ := s.tiles()
	var images []*image.RGBA
	var size image.Point
	for i, t := range tiles {
		img := t.image(maxTileSide)
		img = enlarged(img, max(1, side/max(img.Rect.Dx(), img.Rect.Dy())))
		images = append(images, img)
		size.X += img.Rect.Dx()
		size.Y = max(size.Y, img.Rect.Dy())
		if i > 0 {
			size.X += tileGap
		}
	}
	all := image.NewRGBA(image.Rectangle{Max: size})
	x := 0
	for _, img := range images {
		draw.Draw(all, img.Rect.Add(image.Pt(x, 0)), img, image.Point{}, draw.Src)
		x += img.Rect.Dx() + tileGap
	}
	return all
}

// Sizes of sheet.png in pixels.
const (
	tileGap    = 6
	sheetTile  = 132 // a tile's longer side at least, where cells fill it evenly
	sheetWidth = 1344
	sheetGap   = 34
	captionTop = 27
)

// SheetPNG draws the items of a sheet in rows, each with its caption below and a
// frame and a cross where it is wrong, and the key of the classes. Errors name
// the item at fault.
func SheetPNG(s Sheet) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	var images []*image.RGBA
	var cell image.Point
	for _, item := range s.shown() {
		img := item.itemImage(sheetTile)
		images = append(images, img)
		cell.X, cell.Y = max(cell.X, img.Rect.Dx(), sheetTile), max(cell.Y, img.Rect.Dy())
	}
	const margin, top = 28, 132
	across := max(1, (sheetWidth-2*margin+sheetGap)/(cell.X+sheetGap))
	across = min(across, len(images))
	step := cell.Add(image.Pt(sheetGap, captionTop+sheetGap))
	size := image.Pt(max(2*margin+across*step.X-sheetGap, leastWidth), top+ceilDiv(len(images), across)*step.Y)
	names, colours := s.key()
	rows := keyRows(names, size.X-2*margin)
	size.Y += len(rows)*34 + 8
	img := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(img, img.Rect, image.White, image.Point{}, draw.Src)

	dark, muted := color.Gray{0x1C}, color.Gray{0x60}
	w := textWriter{img: img}
	w.line(s.Title, image.Pt(margin, 50), alignLeft, 32, size.X-2*margin, dark)
	w.line(s.note(), image.Pt(margin, 90), alignLeft, 25, size.X-2*margin, muted)
	for i, picture := range images {
		at := image.Pt(margin+i%across*step.X, top+i/across*step.Y)
		r := picture.Rect.Add(at)
		draw.Draw(img, r, picture, image.Point{}, draw.Over)
		caption, colour := s.Items[i].Caption, color.Color(dark)
		frame(img, r.Inset(-1), 1, color.Gray{0x88})
		if s.Items[i].Wrong {
			frame(img, r.Inset(-5), 4, wrongMark)
			caption, colour = "× "+caption, wrongMark
		}
		w.line(caption, image.Pt(at.X, r.Max.Y+captionTop), alignLeft, 21, cell.X+sheetGap-10, colour)
	}
	for i, row := range rows {
		y := size.Y - 22 - 34*(len(rows)-1-i)
		for _, e := range row {
			x := margin + e.x
			fill(img, image.Rect(x, y-18, x+18, y), colours[e.index])
			w.line(names[e.index], image.Pt(x+26, y), alignLeft, 22, size.X-2*margin, dark)
		}
	}
	if w.err != nil {
		return nil, fmt.Errorf("sheet %q: %w", s.Title, w.err)
	}
	data, err := encodePNG(img)
	if err != nil {
		return nil, fmt.Errorf("sheet %q: %w", s.Title, err)
	}
	return data, nil
}

// keyEntry is a class of the key and how far from the left it lies.
type keyEntry struct{ index, x int }

// keyRows sets names in as many rows of that width as they take.
func keyRows(names []string, width int) (rows [][]keyEntry) {
	face := faceOf(22)
	defer face.Close()
	x := 0
	for i, name := range names {
		need := 26 + measure(face, plainText(name)) + 24
		if rows == nil || x+need > width {
			rows, x = append(rows, nil), 0
		}
		last := len(rows) - 1
		rows[last] = append(rows[last], keyEntry{i, x})
		x += need
	}
	return rows
}
