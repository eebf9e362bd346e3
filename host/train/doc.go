// Package train runs the training of one model: it owns the loop, the settings,
// the run folder, the checkpoints and the resumption of a run. It computes
// nothing itself (an [engine.Engine] does), makes no data (a [task.Source] does)
// and writes nothing on the terminal (an [Observer] may).
//
//	run, err := train.Create(dir, train.Start{Settings: s, DataHash: data.Hash(), …})
//	run, err := train.Open(dir)     // or: an existing run, to be continued
//	defer run.Close()
//	err = run.Train(ctx, eng, data, train.Observer{Step: show})
//
// # The run folder
//
//	config.json               settings, engine and data hash, for people and reports
//	log.tsv                   one line a step
//	valid.tsv                 one line a validation, where there are data for it
//	state.safetensors         the newest checkpoint: all that resuming needs
//	state.prev.safetensors    the one before
//	model.safetensors         the model of the newest checkpoint, for prediction
//	best.safetensors          the model of the best validation in it
//	tensorboard/              event files, with Settings.TensorBoard: one for each Train
//	state.damaged.safetensors only after damage: a state that could not be used
//	.lock                     locked with flock while a process works here; its pid
//
// The folder is made under a hidden name beside its own and appears by one
// rename, complete with the state of step 0. A folder that exists therefore
// always holds a run that can be continued.
//
// # Why a kill loses nothing
//
// A checkpoint is made in this order, and each arrow is a point where the
// process may die:
//
//	logs and events synced → state.safetensors.tmp written and synced →
//	state.safetensors linked as state.prev.safetensors → .tmp renamed to
//	state.safetensors → folder synced → model.safetensors replaced likewise →
//	best.safetensors replaced likewise, where there is a better one
//
// At every instant state.safetensors is whole, or (where the file system has no
// hard links) it is briefly absent and state.prev.safetensors is whole. The logs
// on disk are never shorter than a state says; what is longer is cut on resuming.
// The state holds the best parameters too, so that both model files follow from
// it: they may be one checkpoint behind after a kill, and opening a run exports
// them again. A state carries a SHA-256 over its metadata and tensors: a
// damaged one is set aside as state.damaged.safetensors and the one before used.
//
// # Why a resumed run has the same bits
//
// A fresh run is a run resumed at step 0: both load parameters, moments and the
// count of updates into the engine, batch t is a pure function of (seed, t), and
// dropout is keyed by seed and step. Nothing else is carried from step to step but
// which validation was the best and how many came after it, which the state has.
//
// # Several ranks
//
// After [Join] the ranks of package dist run one loop together, in step. Rank 0 has
// the folder, the others its state and a disk that is nowhere. A step is
//
//	share of the batch → weights summed → gradients of the loss over that sum →
//	losses summed, and whether some rank was told to stop → gradients summed → update
//
// after which all have the same parameters, to the bit. What one of them may find
// alone (its data, its memory, a full disk, a signal) travels with these sums, so
// that all go on or all end; what cannot is for the caller to abort.
package train
