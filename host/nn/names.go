package nn

// The views: how the grid is read before the first layer.
const (
	ViewGrid  = "grid"  // as it is
	ViewRows  = "rows"  // each line along the last axis is a sequence
	ViewSnake = "snake" // all cells in row-major order are one sequence
)

// The types of layers.
const (
	TypeMDLSTM = "mdlstm"
	TypeDense  = "dense"
	TypeSum    = "sum"
)

// The cells of an mdlstm layer. Package ref has their equations.
const (
	CellLayerNorm = "layernorm"
	CellPlain     = "plain"
	CellGraves    = "graves"
	CellStable    = "stable"
	CellLeakyLP   = "leakylp"
)

// What becomes of the outputs of an mdlstm layer's directions.
const (
	CombineConcat = "concat" // one behind the other, in the order listed
	CombineSum    = "sum"
	CombineMean   = "mean"
)

// Activations. Softmax belongs to the head only.
const (
	Tanh    = "tanh"
	Sigmoid = "sigmoid"
	Linear  = "linear"
	Softmax = "softmax"
)

// Losses.
const (
	MSE                = "mse"
	CrossEntropy       = "cross_entropy"
	BinaryCrossEntropy = "binary_cross_entropy"
)

// reservedCTC is a loss that the format keeps free for later.
const reservedCTC = "ctc"

// Cells lists the names of all cells.
var Cells = []string{CellLayerNorm, CellPlain, CellGraves, CellStable, CellLeakyLP}

var (
	views       = []string{ViewGrid, ViewRows, ViewSnake}
	layerTypes  = []string{TypeMDLSTM, TypeDense, TypeSum}
	combines    = []string{CombineConcat, CombineSum, CombineMean}
	activations = []string{Tanh, Sigmoid, Linear}
	losses      = []string{MSE, CrossEntropy, BinaryCrossEntropy}
)

// headActivations lists what a head may have under each loss.
var headActivations = map[string][]string{
	MSE:                {Sigmoid, Tanh, Linear},
	CrossEntropy:       {Softmax},
	BinaryCrossEntropy: {Sigmoid},
}

// layerKeys lists the JSON keys of each type of layer.
var layerKeys = map[string][]string{
	TypeMDLSTM: {"type", "cell", "hidden", "directions", "combine", "forget_bias", "clip_error", "dropout", "window"},
	TypeDense:  {"type", "units", "activation", "bias", "window"},
	TypeSum:    {"type", "axis"},
}
