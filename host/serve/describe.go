package serve

import (
	"encoding/json"
	"fmt"
	"net/http"

	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/palette"
)

// Description is what GET /model says.
type Description struct {
	Axes     int    `json:"axes"`     // of the grid; 0 = any
	Channels int    `json:"channels"` // of a cell, last in an array
	Units    int    `json:"units"`    // outputs of a cell
	Loss     string `json:"loss"`
	Pictures bool   `json:"pictures"` // whether PNG and JPEG bodies are taken
	Window   []int  `json:"window"`   // input cells that share an output cell, on each axis; of models that take pictures

	Classes []Class `json:"classes,omitempty"` // with cross_entropy

	MaxBody  int64 `json:"max_body_bytes"`
	MaxCells int   `json:"max_cells"` // of a sample
}

// Class is one of a model's classes.
type Class struct {
	Number int    `json:"number"`
	Value  int32  `json:"value"`          // what masks hold for it
	Name   string `json:"name,omitempty"` // where the training masks' classes have names
	Colour string `json:"colour"`         // "#rrggbb", in masks of numbers (/predict?mask=numbers)
}

// describe answers GET /model.
func (s *Server) describe(w http.ResponseWriter, _ *http.Request) {
	body, err := json.Marshal(description(s.model, s.options))
	if err != nil {
		s.log.Printf("model: %v", err)
		tell(w, faultf(http.StatusInternalServerError, "the server cannot describe its model: its log says why"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(append(body, '\n'))
}

func description(m *nn.Model, o Options) Description {
	d := Description{
		Channels: m.Config.Input, Units: m.Units(), Loss: m.Config.Loss,
		Pictures: m.Pictures() == nil, MaxBody: o.MaxBody, MaxCells: o.MaxCells,
	}
	if axes := m.Axes(); axes != nn.AnyAxes {
		d.Axes = axes
	}
	if d.Pictures {
		d.Window = m.Windows(2)
	}
	if m.Config.Loss == nn.CrossEntropy {
		for i := range m.Units() {
			c := palette.Class(i)
			class := Class{Number: i, Value: int32(i), Colour: fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)}
			if o.Labels != nil {
				class.Value, class.Name = o.Labels[i].Value, o.Labels[i].Name
			}
			d.Classes = append(d.Classes, class)
		}
	}
	return d
}
