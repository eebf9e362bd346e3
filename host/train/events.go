package train

import (
	"fmt"
	"math"

	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/tensorboard"
)

// Names of what TensorBoard shows of a run. Steps are those of log.tsv and
// valid.tsv.
const (
	tagOverall    = "train/overall_loss"
	tagRelevant   = "train/relevant_loss"
	tagRate       = "train/learning_rate"
	tagSeconds    = "train/step_seconds"
	tagValidLoss  = "valid/loss"
	tagValidError = "valid/cell_error"
	tagLabelError = "valid/label_error"
	tagPicture    = "prediction"
)

// eventLog is what the loop needs of a [tensorboard.Writer].
type eventLog interface {
	Scalars(step int64, values ...tensorboard.Scalar) error
	Image(step int64, tag string, png []byte) error
	Flush() error
	Sync() error
	Close() error
}

var _ eventLog = (*tensorboard.Writer)(nil)

// openEvents begins a new event file at the checkpoint's step. Where there are
// none yet it tells the whole run so far, from its logs.
func (r *Run) openEvents() (eventLog, error) {
	dir, from := r.path(eventsName), r.state.step
	has, err := tensorboard.Has(dir)
	if err != nil {
		return nil, err
	}
	if !has {
		from = 0
	}
	return r.disk.CreateEvents(dir, from, func(events eventLog) error { return r.tell(events, from) })
}

// tell writes what the logs have from a step on. A validation at the step of the
// checkpoint itself is told again: the new file has made it void.
func (r *Run) tell(events eventLog, from int64) error {
	if from < r.state.step {
		log, err := report.ReadLog(r.path(logName))
		if err != nil {
			return err
		}
		rate := r.state.settings.RateAt
		if r.state.settings.Schedule.Kind == ScheduleCosine { // a longer run has another curve than these steps had
			rate = func(int64) float64 { return math.NaN() }
		}
		for i := from; i < min(r.state.step, int64(log.Len())); i++ {
			line := report.LogLine{Step: i, Overall: log.Overall[i], Seconds: log.Seconds[i], Relevant: log.Relevant[i]}
			if err := tellStep(events, line, rate(i)); err != nil {
				return err
			}
		}
	}
	if r.state.valid == nil {
		return nil
	}
	valid, err := report.ReadValidLog(r.path(validName))
	if err != nil {
		return err
	}
	for i, step := range valid.Steps {
		if step < from || step > r.state.step {
			continue
		}
		if err := tellValid(events, report.ValidLine{Step: step, Loss: valid.Loss[i], Error: valid.Error[i], LabelError: valid.LabelError[i]}); err != nil {
			return err
		}
	}
	return nil
}

func tellStep(events eventLog, line report.LogLine, rate float64) error {
	return events.Scalars(line.Step, tensorboard.Scalar{Tag: tagOverall, Value: line.Overall}, tensorboard.Scalar{Tag: tagRelevant, Value: line.Relevant},
		tensorboard.Scalar{Tag: tagRate, Value: rate}, tensorboard.Scalar{Tag: tagSeconds, Value: line.Seconds})
}

func tellValid(events eventLog, line report.ValidLine) error {
	return events.Scalars(line.Step, tensorboard.Scalar{Tag: tagValidLoss, Value: line.Loss},
		tensorboard.Scalar{Tag: tagValidError, Value: line.Error}, tensorboard.Scalar{Tag: tagLabelError, Value: line.LabelError})
}

// WriteEvents writes the event files of a run that is done and has none.
func (r *Run) WriteEvents() error {
	if has, err := tensorboard.Has(r.path(eventsName)); has || err != nil {
		return err
	}
	events, err := r.openEvents()
	if err != nil {
		return err
	}
	return events.Close()
}

// picture shows what the model answers after so many steps, once for each step.
func (l *loop) picture(done int64) error {
	if l.events == nil || l.see.Picture == nil || l.pictured == done {
		return nil
	}
	png, err := l.see.Picture(done)
	if err == nil && png != nil {
		err = l.events.Image(done, tagPicture, png)
	}
	if err == nil {
		err = l.events.Flush()
	}
	if err != nil {
		return l.run.kept(fmt.Errorf("picture after step %d: %w", done, err))
	}
	l.pictured = done
	return nil
}
