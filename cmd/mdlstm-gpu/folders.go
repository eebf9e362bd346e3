package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// folderOptions name folders with a file for each sample and its mask: the tasks
// images and volumes.
type folderOptions struct {
	Images       string `toml:"images"`
	Volumes      string `toml:"volumes"`
	Masks        string `toml:"masks"`
	ValidImages  string `toml:"valid-images"`
	ValidVolumes string `toml:"valid-volumes"`
	ValidMasks   string `toml:"valid-masks"`
	Classes      string `toml:"classes"`
	SkipBad      bool   `toml:"skip-bad"`
	Flip         string `toml:"flip"`
	Crop         string `toml:"crop"`

	say io.Writer // is told about folders that take a while to read; nil for nobody
}

func (f *folderOptions) options() []option {
	return []option{
		{name: "images", arg: "DIR", group: "Data", usage: "images: folder of PNG and JPEG files of any sizes; --channels 1 reads them as grey, 3 as RGB", dest: &f.Images},
		{name: "volumes", arg: "DIR", group: "Data", usage: "volumes: folder of .npy files [depth, height, width] or [depth, height, width, channels] of any sizes", dest: &f.Volumes},
		{name: "masks", arg: "DIR", group: "Data", usage: "images, volumes: folder of their masks by the same names: PNG files with a palette or grey, .npy files of integers", dest: &f.Masks},
		{name: "classes", arg: "N|NAMES", group: "Data", usage: "images, volumes: how many classes, or their names such as bg,road,car (values 0, 1, 2) or bg=0,road=128; without it a class for each value in the masks", dest: &f.Classes},
		{name: "skip-bad", group: "Data", usage: "images, volumes: leave out and count samples that cannot be used", dest: &f.SkipBad},
	}
}

// trainOptions are those that only a training has.
func (f *folderOptions) trainOptions() []option {
	return []option{
		{name: "valid-images", arg: "DIR", group: "Data", usage: "images: validate on images of their own, with --valid-masks", dest: &f.ValidImages},
		{name: "valid-volumes", arg: "DIR", group: "Data", usage: "volumes: validate on volumes of their own, with --valid-masks", dest: &f.ValidVolumes},
		{name: "valid-masks", arg: "DIR", group: "Data", usage: "images, volumes: their masks", dest: &f.ValidMasks},
		{name: "flip", arg: "AXES", group: "Data", usage: "images, volumes: mirror training samples at random: all, or axes from 0 such as 1 (left and right of images)", dest: &f.Flip},
		{name: "crop", arg: "64x64", group: "Data", usage: "images, volumes: train on a part of each sample, another one in every epoch; shorter axes stay whole", dest: &f.Crop},
	}
}

// manySamples are so many that reading them is worth a line.
const manySamples = 200

// ofFolders says whether a task reads folders of samples and masks.
func ofFolders(name string) bool { return name == taskImages || name == taskVolumes }

// ofFiles says whether a task's samples are the user's, and an epoch has an end.
func ofFiles(name string) bool { return name == taskArrays || name == taskMNIST || ofFolders(name) }

// check refuses folders without the others that belong to them.
func (f *folderOptions) check(name string) error {
	if !ofFolders(name) {
		return nil
	}
	inputs, valid := f.inputs(name)
	switch {
	case inputs == "":
		return usagef("--task %s needs --%s DIR", name, name)
	case f.Masks == "":
		return usagef("--%s needs --masks DIR, the folder of their masks", name)
	case (valid == "") != (f.ValidMasks == ""):
		return usagef("--valid-%s and --valid-masks go together", name)
	}
	return nil
}

// inputs are the folders of samples to train and to validate on.
func (f *folderOptions) inputs(name string) (inputs, valid string) {
	if name == taskVolumes {
		return f.Volumes, f.ValidVolumes
	}
	return f.Images, f.ValidImages
}

// openFolders reads the samples of the tasks images and volumes.
func (d dataOptions) openFolders() (task.Split, error) {
	inputs, valid := d.inputs(d.Task)
	o := task.FolderOptions{
		Inputs: inputs, Masks: d.Masks, ValidInputs: valid, ValidMasks: d.ValidMasks, Valid: d.Valid,
		Channels: d.Channels, IgnoreIndex: d.IgnoreIndex, SkipBad: d.SkipBad,
		Batch: d.Batch, Seed: d.Seed, Bucket: d.bucketed(),
	}
	if d.say != nil {
		o.Reading = func(folder string, samples int) {
			if samples >= manySamples {
				fmt.Fprintf(d.say, "reading %s of %s\n", count(samples, "sample"), printable(folder))
			}
		}
	}
	var err error
	if d.Classes != "" {
		if o.Classes, err = task.ParseClasses(d.Classes); err != nil {
			return task.Split{}, usagef("--classes %w", err)
		}
	}
	axes, open := 2, task.OpenImages
	if d.Task == taskVolumes {
		axes, open = 3, task.OpenVolumes
	}
	if d.Crop != "" {
		if o.Crop, err = grid.ParseShape(d.Crop); err != nil {
			return task.Split{}, usagef("--crop: %w", err)
		}
		if len(o.Crop) != axes {
			return task.Split{}, usagef("--crop %s: %s have %d axes: give a length for each, such as %s", d.Crop, d.Task, axes, strings.Repeat("x64", axes)[1:])
		}
	}
	if o.Flip, err = parseFlip(d.Flip, axes); err != nil {
		return task.Split{}, err
	}
	return open(o)
}

// parseFlip reads --flip for samples of so many axes.
func parseFlip(text string, axes int) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	var list []int
	if text == "all" {
		for d := range axes {
			list = append(list, d)
		}
		return list, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		d, err := strconv.Atoi(part)
		if err != nil || d < 0 || d >= axes || slices.Contains(list, d) {
			return nil, usagef("--flip %.40q: want all, or axes of 0 to %d such as 0,1, each once", text, axes-1)
		}
		list = append(list, d)
	}
	return list, nil
}

// foldersOfRun takes folders and classes from a run's record.
func (d *dataOptions) foldersOfRun(s train.Settings) error {
	if !ofFolders(s.Task) {
		return nil
	}
	d.folderOptions = folderOptions{
		Images: s.Data["images"], Volumes: s.Data["volumes"], Masks: s.Data["masks"],
		ValidImages: s.Data["valid-images"], ValidVolumes: s.Data["valid-volumes"], ValidMasks: s.Data["valid-masks"],
		Classes: s.Data["classes"], SkipBad: s.Data["skip-bad"] == "true", Flip: s.Data["flip"], Crop: s.Data["crop"],
	}
	d.IgnoreIndex = nil
	text := s.Data["ignore-index"]
	if text == "" {
		return nil
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("the run's data settings: ignore-index %q: %w", text, err)
	}
	d.IgnoreIndex = &value
	return nil
}

// fillFolders takes from the run of a model what the user did not say: which
// values are which classes, and, where no folder was named, the run's own data.
// own says whether it is that.
func (d *dataOptions) fillFolders(run dataOptions, set given) (own bool) {
	if !set["classes"] {
		d.Classes = run.Classes
	}
	d.IgnoreIndex = run.IgnoreIndex
	if !set["channels"] {
		d.Channels = run.Channels
	}
	if set[taskImages] || set[taskVolumes] || set["masks"] {
		return false
	}
	d.Images, d.Volumes, d.Masks = run.Images, run.Volumes, run.Masks
	d.ValidImages, d.ValidVolumes, d.ValidMasks, d.Valid = run.ValidImages, run.ValidVolumes, run.ValidMasks, run.Valid
	d.SkipBad = d.SkipBad || run.SkipBad
	d.Seed = run.Seed
	return true
}

// measuredFolder is the part of a split that eval measures: all of the folders
// that the user named, or a part of the run's own.
func (o evalOptions) measuredFolder(split task.Split) (task.Source, error) {
	src := split.Train
	if o.ownFolders && o.part == partValid {
		src = split.Valid
	}
	if src == nil || o.ownFolders && o.part == partTest {
		return nil, usagef("--model %s: its run has no %s part: give --%s and --masks to measure it on", o.modelPath, o.part, o.Task)
	}
	return src.(*task.Folder).Measured()
}

// folderNotes are warnings about files that are not used.
func folderNotes(src task.Source) []string {
	f, ok := src.(*task.Folder)
	if !ok {
		return nil
	}
	const most = 5 // lines about bad samples
	var notes []string
	for i, err := range f.Skipped() {
		if i == most {
			notes = append(notes, fmt.Sprintf("… and %d more", len(f.Skipped())-most))
			break
		}
		notes = append(notes, oneLine(err))
	}
	if n := len(f.Skipped()); n > 0 {
		notes = append(notes, fmt.Sprintf("skipped %s that cannot be used", count(n, "sample")))
	}
	if unused := f.Unused(); len(unused) > 0 {
		notes = append(notes, fmt.Sprintf("%s without a sample, such as %s", count(len(unused), "mask"), unused[0]))
	}
	return notes
}

// sayFolderNotes prints them.
func sayFolderNotes(w io.Writer, sources ...task.Source) {
	said := map[string]bool{} // parts of the same folder say the same
	for _, src := range sources {
		for _, note := range folderNotes(src) {
			if !said[note] {
				fmt.Fprintf(w, "warning: %s\n", printable(note))
			}
			said[note] = true
		}
	}
}

// sizesText is the range of some sizes: "20x31 to 60x58".
func sizesText(sizes []grid.Shape) string {
	smallest, largest := sizes[0], sizes[0]
	for _, size := range sizes {
		if size.Cells() < smallest.Cells() {
			smallest = size
		}
		if size.Cells() > largest.Cells() {
			largest = size
		}
	}
	if smallest.Equal(largest) {
		return largest.String()
	}
	return fmt.Sprintf("%v to %v", smallest, largest)
}

// classesText lists classes and the share of cells that each has.
func classesText(f *task.Folder) string {
	const most = 12
	counts := f.ClassCounts()
	var all int64
	for _, n := range counts {
		all += n
	}
	var parts []string
	for i, class := range f.Classes() {
		if i == most {
			parts = append(parts, "…")
			break
		}
		name := class.Name
		if value := strconv.Itoa(int(class.Value)); name != value {
			name += " (" + value + ")"
		}
		parts = append(parts, fmt.Sprintf("%s %.3g %%", name, 100*float64(counts[i])/float64(max(all, 1))))
	}
	return fmt.Sprintf("%d: %s", len(counts), strings.Join(parts, ", "))
}

// folderPaths are the settings that are paths.
var folderPaths = []string{"images", "volumes", "masks", "valid-images", "valid-volumes", "valid-masks"}

// folderCommands measure and use a run on its own folders, so that they work as
// they are.
func folderCommands(dir string, s train.Settings) (measure, use report.Command) {
	measure = report.Command{What: "Measure the model on its validation samples", Line: fmt.Sprintf("%s eval --model %s", program, quote(dir))}
	if s.Data["valid"] == "" && s.Data["valid-masks"] == "" {
		measure.What, measure.Line = "Measure the model on the samples that it was trained on", measure.Line+" --part "+partTrain
	}
	use = report.Command{What: "Use the model", Line: fmt.Sprintf("%s predict --model %s --in %s --out %s", program, quote(dir), quote(s.Data[s.Task]), quote(filepath.Join(dir, "predicted")))}
	if s.Data["skip-bad"] != "" {
		use.Line += " --skip-bad"
	}
	return measure, use
}

// folderText is a folder's task in a few words.
func folderText(s train.Settings) string {
	return s.Task + " " + filepath.Base(s.Data[s.Task])
}
