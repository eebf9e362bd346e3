package train

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestOpenWithPipes: a pipe under a name of the run's is not waited on. The
// state before takes its place, and the other files are written anew.
func TestOpenWithPipes(t *testing.T) {
	for _, name := range []string{stateName, configName, modelName} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, testSettings())
			if err := trainFake(t, r); err != nil {
				t.Fatal(err)
			}
			r.Close()
			path := r.path(name)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(path, 0o666); err != nil {
				t.Skipf("no pipes here: %v", err)
			}
			done := make(chan error, 1)
			go func() {
				again, err := Open(r.dir, Changes{})
				if err == nil {
					err = again.Close()
				}
				done <- err
			}()
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("waits for a writer")
			}
			if _, err := ReadRecord(r.dir); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReadRecordOfAPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, configName), 0o666); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := ReadRecord(dir)
		done <- err
	}()
	select {
	case err := <-done:
		wantMessage(t, err, nil, "config.json", "not a regular file")
	case <-time.After(5 * time.Second):
		t.Fatal("waits for a writer")
	}
}

// TestRecordIsRestored: a run is resumed from its checkpoint alone.
func TestRecordIsRestored(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"missing": os.Remove,
		"damaged": func(path string) error { return os.WriteFile(path, []byte("{}"), 0o666) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, testSettings())
			want, err := os.ReadFile(r.path(configName))
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(r.path(configName)); err != nil {
				t.Fatal(err)
			}
			steps := r.Settings().Steps + 5 // not part of the record before a step is done
			again := reopen(t, r, Changes{Steps: &steps})
			if got, err := os.ReadFile(r.path(configName)); err != nil || string(got) != string(want) {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
			if got := again.Engine(); got.differs(engineInfo(testStart(testSettings()).Engine)) != "" {
				t.Errorf("the run's engine is %+v", got)
			}
		})
	}
}

// TestCreateThroughAFolderThatIsNot: "gone/../run" is made as run, and stays
// usable although no other program could follow that path.
func TestCreateThroughAFolderThatIsNot(t *testing.T) {
	parent := t.TempDir()
	r, err := Create(parent+"/gone/../run", testStart(testSettings()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := trainFake(t, r); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(parent, "run", modelName)); err != nil {
		t.Error(err)
	}
}
