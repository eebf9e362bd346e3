package machine

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// groupFiles are the names of what a control group says about its memory.
type groupFiles struct {
	limit, used string
	files       [2]string // keys in memory.stat: pages of files, which make room when they must
}

var (
	groupV1 = groupFiles{"memory.limit_in_bytes", "memory.usage_in_bytes", [2]string{"total_inactive_file", "total_active_file"}}
	groupV2 = groupFiles{"memory.max", "memory.current", [2]string{"inactive_file", "active_file"}}
)

// groupMemory is what the memory limits of the control groups of a process and of
// all above them leave, at least 1; false when none has a limit. self is the
// process's /proc/PID/cgroup, and root is where the groups are mounted, which a
// container may see from its own on.
func groupMemory(self, root string) (free int64, limited bool) {
	f, err := os.Open(self)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// "4:memory:/batch/job7" in version 1, "0::/batch/job7" in version 2.
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		names, mount := groupV2, root
		switch {
		case parts[1] == "memory":
			names, mount = groupV1, filepath.Join(root, "memory")
		case parts[0] != "0" || parts[1] != "":
			continue
		}
		for path := filepath.Join("/", parts[2]); ; path = filepath.Dir(path) {
			if left, ok := names.left(filepath.Join(mount, path)); ok {
				if !limited || left < free {
					free, limited = left, true
				}
			}
			if path == "/" {
				break
			}
		}
	}
	return free, limited
}

// left is what one group's limit leaves; false where it has none.
func (g groupFiles) left(dir string) (int64, bool) {
	limit, limited := number(filepath.Join(dir, g.limit)) // "max" when there is none
	used, known := number(filepath.Join(dir, g.used))
	if !limited || !known {
		return 0, false
	}
	for _, key := range g.files {
		text, _ := lookup(filepath.Join(dir, "memory.stat"), key+" ")
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			used -= n
		}
	}
	return max(limit-max(used, 0), 1), true
}
