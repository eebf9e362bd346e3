package nn

// Config is the architecture, head and loss of a model: the JSON under "config"
// in a model file's metadata. [ParseConfig] reads it strictly and fills in the
// defaults, [Config.Validate] refuses what cannot be built.
type Config struct {
	View   string  `json:"view,omitempty"` // "grid" (default), "rows", "snake"
	Input  int     `json:"input"`          // K, channels of a cell
	Layers []Layer `json:"layers"`
	Head   Head    `json:"head"`
	Loss   string  `json:"loss"` // "mse", "cross_entropy", "binary_cross_entropy"

	ClassWeights []float64 `json:"class_weights,omitempty"` // [units], cross_entropy only
	IgnoreIndex  *int      `json:"ignore_index,omitempty"`  // cross_entropy only
}

// Layer is one layer. Which fields it has depends on Type.
type Layer struct {
	Type string `json:"type"` // "mdlstm", "dense", "sum"

	// mdlstm
	Cell       string   `json:"cell,omitempty"` // one of [Cells]
	Hidden     int      `json:"hidden,omitempty"`
	Directions []string `json:"directions,omitempty"` // one sign an axis each, "+-"
	Combine    string   `json:"combine,omitempty"`    // "concat" (default), "sum", "mean"
	ForgetBias float64  `json:"forget_bias,omitempty"`
	ClipError  *float64 `json:"clip_error,omitempty"` // default 1 for layernorm, 0 = off for the others
	Dropout    float64  `json:"dropout,omitempty"`

	// dense
	Units      int    `json:"units,omitempty"`
	Activation string `json:"activation,omitempty"` // "tanh", "sigmoid", "linear", …
	Bias       *bool  `json:"bias,omitempty"`       // default true

	// mdlstm and dense: cells that become one; nil = 1 on every axis
	Window []int `json:"window,omitempty"`

	// sum
	Axis *int `json:"axis,omitempty"`
}

// Head is the last dense layer, always with a bias.
type Head struct {
	Units      int    `json:"units"`
	Activation string `json:"activation"` // "sigmoid", "softmax", "linear", "tanh"
}
