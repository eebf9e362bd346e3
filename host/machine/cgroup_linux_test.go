package machine

import (
	"os"
	"path/filepath"
	"testing"
)

// TestGroupMemory: the least that any group from the process's own up to the
// root leaves, in both versions of control groups.
func TestGroupMemory(t *testing.T) {
	v2 := func(dir, limit, used string) map[string]string {
		return map[string]string{dir + "/memory.max": limit, dir + "/memory.current": used}
	}
	v1 := func(dir, limit, used string) map[string]string {
		return map[string]string{dir + "/memory.limit_in_bytes": limit, dir + "/memory.usage_in_bytes": used}
	}
	for _, c := range []struct {
		name, self string
		files      []map[string]string
		free       int64
		limited    bool
	}{
		{"none", "0::/\n", nil, 0, false},
		{"no limit", "0::/job\n", []map[string]string{v2("job", "max", "70")}, 0, false},
		{"a container's own", "0::/\n", []map[string]string{v2(".", "100", "70")}, 30, true},
		{"a batch job", "0::/batch/job\n", []map[string]string{v2("batch/job", "100", "70")}, 30, true},
		{"one above", "0::/batch/job/step\n", []map[string]string{v2("batch/job/step", "max", "7"), v2("batch/job", "100", "70"), v2("batch", "1000", "990")}, 10, true},
		{"another's", "0::/batch/job\n", []map[string]string{v2("batch/other", "100", "70")}, 0, false},
		{"full", "0::/job\n", []map[string]string{v2("job", "100", "120")}, 1, true},
		{"files make room", "0::/job\n", []map[string]string{v2("job", "100", "70"),
			{"job/memory.stat": "anon 30\nfile 40\ninactive_file 15\nactive_file 25\n"}}, 70, true},
		{"outside of the container", "0::/../../job\n", []map[string]string{v2(".", "100", "70")}, 30, true},
		{"version 1", "5:cpu:/x\n4:memory:/batch/job\n0::/\n", []map[string]string{v1("memory/batch/job", "100", "70"), v1("memory", "9223372036854771712", "5000"),
			{"memory/batch/job/memory.stat": "active_file 1\ntotal_inactive_file 5\ntotal_active_file 10\n"}}, 45, true},
		{"version 1 seen from inside", "4:memory:/docker/4711\n", []map[string]string{v1("memory", "100", "70")}, 30, true},
		{"nonsense", "x\n::::\n0::/job\n", []map[string]string{v2("job", "many", "70")}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			root := filepath.Join(dir, "root")
			self := filepath.Join(dir, "self")
			write(t, self, c.self)
			for _, files := range c.files {
				for name, text := range files {
					write(t, filepath.Join(root, name), text)
				}
			}
			if free, limited := groupMemory(self, root); free != c.free || limited != c.limited {
				t.Errorf("got %d, %t, want %d, %t", free, limited, c.free, c.limited)
			}
		})
	}
	if _, limited := groupMemory(filepath.Join(t.TempDir(), "none"), "/sys/fs/cgroup"); limited {
		t.Error("limited without a list of groups")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}
