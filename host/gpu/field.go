package gpu

// field is what one stage hands to the next: width features for each row of a
// level, a row of zeros behind them, and the gradient that comes back. The
// consumer writes every row of grad exactly once.
type field struct {
	*level
	width int
	back  bool  // a gradient is wanted: not of the model's inputs
	data  array // [C+1, width]
	grad  array
}

// newField takes a field's arrays.
func (p *plan) newField(l *level, width int, back bool) *field {
	f := &field{level: l, width: width, back: back, data: p.work.takeRows(1, l.rows, width)}
	if back {
		f.grad = p.work.takeRows(1, l.rows, width)
	}
	return f
}

// args are the rows of a kernel whose result has a row for each of the level's.
func (l *level) args() RowsArgs { return RowsArgs{Rows: l.dims.address(), Capacity: l.rows} }
