package report

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// fullRun is a run with everything that a page can show.
func fullRun() Run {
	r := sampleRun(400)
	random := rand.New(rand.NewPCG(7, 7))
	for i := range r.Log.Overall {
		r.Log.Overall[i] *= 1 + 0.3*random.Float64()
	}
	for i := int64(0); i <= 400; i += 25 {
		loss := 0.3/float64(i/4+1) + 0.002 + 1e-5*math.Max(0, float64(i)-250)
		r.Valid.Append(ValidLine{i, loss, 0.9 / float64(i/20+1), 0.8 / float64(i/30+1), 0.1})
	}
	r.BestStep = 250
	for _, p := range []*Picture{r.Before, r.After} {
		*p = volume(12, 9, 11)
	}
	c := confusionOf(10)
	s := digits(20)
	a := waves(12, 16, "++", "+-", "-+", "--")
	r.Confusion, r.Sheet, r.Activity = &c, &s, &a
	r.Task, r.Warning = "mnist", "stopped at step 399: a sample of a warning"
	return r
}

// volume is a ball with a rough copy of itself as its prediction.
func volume(depth, rows, cols int) Picture {
	p := gridPicture(depth, rows, cols)
	p.Title = "a ball"
	for i := range p.Truth {
		z, y, x := float64(i/(rows*cols))-float64(depth)/2, float64(i/cols%rows)-float64(rows)/2, float64(i%cols)-float64(cols)/2
		p.Truth[i] = float32(1 / (1 + math.Exp(math.Sqrt(x*x+y*y+z*z)-4)))
		p.Prediction[i] = 0.8*p.Truth[i] + 0.3*p.Prediction[i]
	}
	return p
}

// confusionOf has mistakes between neighbours, and no sample of the last class
// but one.
func confusionOf(classes int) Confusion {
	c := Confusion{Title: "Test images", Unit: "images"}
	for i := range classes {
		c.Classes = append(c.Classes, fmt.Sprint(i))
		row := make([]int64, classes)
		for j := range row {
			switch d := abs(i - j); {
			case i == classes-2 && classes > 2:
			case d == 0:
				row[j] = 980
			case d == 1:
				row[j] = int64(10 + i)
			case d == 3:
				row[j] = 1
			}
		}
		c.Counts = append(c.Counts, row)
	}
	return c
}

// digits is a sheet of rings and bars with class maps.
func digits(n int) Sheet {
	s := Sheet{Title: "Test set", Classes: []string{"background", "ring", "bar"}}
	for i := range n {
		const side = 28
		input := Tile{Rows: side, Cols: side, Values: make([]float32, side*side)}
		truth := Tile{Rows: side, Cols: side, Class: make([]int32, side*side)}
		prediction := Tile{Rows: side, Cols: side, Class: make([]int32, side*side)}
		class := int32(1 + i%2)
		for j := range input.Values {
			y, x := float64(j/side)-13.5, float64(j%side)-13.5
			d := math.Abs(math.Hypot(x, y) - 9)
			if class == 2 {
				d = math.Abs(x - y/3)
			}
			input.Values[j] = float32(math.Exp(-d * d / 4))
			if d < 2 {
				truth.Class[j], prediction.Class[j] = class, class
				if i%5 == 3 {
					prediction.Class[j] = 3 - class
				}
			}
		}
		item := SheetItem{Caption: fmt.Sprintf("truth %s", s.Classes[class]), Input: input, Truth: truth, Prediction: prediction, Wrong: i%5 == 3}
		if item.Wrong {
			item.Caption += ", predicted " + s.Classes[3-class]
		}
		s.Items = append(s.Items, item)
	}
	return s
}

// waves is an activity of 8 units that fade along each direction.
func waves(rows, cols int, signs ...string) Activity {
	a := Activity{Title: "layer 0, plain, 8 units, after step 400", Shape: []int{rows, cols},
		Input: Tile{Rows: rows, Cols: cols, Values: make([]float32, rows*cols)}}
	for i := range a.Input.Values {
		a.Input.Values[i] = float32(math.Exp(-math.Hypot(float64(i/cols-4), float64(i%cols-6)) / 2))
	}
	for _, sign := range signs {
		d := ActivityDirection{Signs: sign}
		for i := range rows * cols {
			r, c := i/cols, i%cols
			if sign[0] == '-' {
				r = rows - 1 - r
			}
			if sign[1] == '-' {
				c = cols - 1 - c
			}
			for unit := range 8 {
				d.H = append(d.H, float32(math.Sin(float64(unit+1)*float64(r+2*c)/9)*math.Exp(-float64(r+c)/20)))
			}
		}
		a.Directions = append(a.Directions, d)
	}
	return a
}

// fullComparison is of twelve runs that have little in common.
func fullComparison() Comparison {
	c := Comparison{PublishedSource: "the seed", Published: []Published{{Model: "MD_LSTM", Overall: "0.0145", Relevant: "0.0010", StepTime: "24 ms"}}}
	for i := range 12 {
		r := sampleRun(20 + 300*i)
		r.Before, r.After, r.BestStep = nil, nil, -1
		r.Name = fmt.Sprintf("runs/a-run-with-a-long-name-%d", i)
		if i > 0 {
			r.Model = fmt.Sprintf("MD_LSTM %s", r.Name)
		}
		r.Task = []string{"diagonal 8x8", "mnist", "arrays of volumes"}[i%3]
		for j := range r.Log.Overall {
			r.Log.Overall[j] *= math.Pow(1.5, float64(i))
			if i%3 > 0 {
				r.Log.Relevant[j] = math.NaN()
			}
		}
		if i%3 == 1 {
			for j := int64(10); j < int64(r.Log.Len()); j += 100 {
				r.Valid.Append(ValidLine{j, math.Pow(1.5, float64(i)) / float64(j), 0.5 / float64(j), 0.9 / math.Sqrt(float64(j)), 0.2})
			}
			r.BestStep = 10
		}
		c.Runs = append(c.Runs, r)
	}
	c.Runs[11].Log, c.Runs[11].Parameters = Columns{}, 0
	return c
}

// fullPages are the pages that the browser is shown.
func fullPages() (map[string][]outFile, error) {
	pages := map[string][]outFile{}
	whole := fullRun()
	many := confusionOf(60)
	plain := sampleRun(1000)
	plain.Confusion = &many
	a := waves(70, 100, "++")
	plain.Activity = &a
	three := fullComparison()
	three.Runs = three.Runs[:3]
	three.Runs[1].Sheet, three.Runs[1].Activity = whole.Sheet, whole.Activity
	for name, files := range map[string]func() ([]outFile, error){
		"run": whole.files, "plain": plain.files, "comparison": fullComparison().files, "three": three.files,
	} {
		var err error
		if pages[name], err = files(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return pages, nil
}
