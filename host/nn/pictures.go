package nn

import "fmt"

// Pictures says why the model cannot be run on pictures, nil when it can: its
// inputs are grids of two axes with 1 channel (grey) or 3 (RGB), and so are its
// outputs, or they are classes.
func (m *Model) Pictures() error {
	const advice = "give the pictures as a .npy file"
	if axes := m.Axes(); axes != AnyAxes && axes != 2 {
		return fmt.Errorf("it takes grids of %d axes, pictures have 2: give an array [samples, grid …, channels] as a .npy file", axes)
	}
	if k := m.Config.Input; k != 1 && k != 3 {
		return fmt.Errorf("it takes %d channels, pictures have 1 (grey) or 3 (RGB): %s", k, advice)
	}
	for i := range m.Stages {
		if s := &m.Stages[i]; s.Type == TypeSum {
			return fmt.Errorf("%s sums over an axis, so its output is no picture: %s", s.Name, advice)
		}
	}
	if n := m.Units(); m.Config.Loss != CrossEntropy && n != 1 && n != 3 {
		return fmt.Errorf("it puts out %d values, a picture has 1 (grey) or 3 (RGB): %s", n, advice)
	}
	return nil
}
