// Package kernels holds the GPU kernels as PTX text, and the table of what
// they are called with. The sources are the *.cu files beside it; README.md
// says how they become PTX and how to add one.
package kernels

import (
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Entry is a kernel as the host believes it to be. A test holds the table
// against the PTX, both ways, so a changed .cu cannot meet an old wrapper.
type Entry struct {
	Name   string
	File   string // of the source, without .cu: all kernels of a file are one module
	Params string // a letter a parameter: p pointer, i 32-bit integer, f float32
	// Threads is the block's size, the .maxntid of the PTX; of a kernel in clusters
	// the most that it has, with two blocks a cluster.
	Threads int
}

// entries lists every kernel.
var entries = []Entry{
	{"gradient_norm", "optimizer", "ppii", 256},
	{"adam", "optimizer", "ppppppppppii", 256},
	{"adam_small", "optimizer", "pppppppppi", 1024},
	{"sgd", "optimizer", "ppppppppii", 256},
	{"sgd_small", "optimizer", "pppppppi", 1024},

	{"rows_gemm_small", "gemm", "pppppppiiiiiiii", 256},
	{"rows_gemm_64", "gemm", "pppppppiiiiiiii", 128},
	{"rows_gemm_80", "gemm", "pppppppiiiiiiii", 160},
	{"rows_gemm_128", "gemm", "pppppppiiiiiiii", 256},
	{"rows_gemm_narrow", "gemm", "pppppppiiiiiiii", 256},
	{"rows_gemm_tf32", "gemm_mma", "pppppppiiiiiiii", 128},
	{"rows_gemm_tf32x3", "gemm_mma", "pppppppiiiiiiii", 128},
	{"outer_64_64", "outer", "ppppppppiiiiiiiiiiippiii", 128},
	{"outer_80_64", "outer", "ppppppppiiiiiiiiiiippiii", 160},
	{"outer_128_64", "outer", "ppppppppiiiiiiiiiiippiii", 256},
	{"outer_80_80", "outer", "ppppppppiiiiiiiiiiippiii", 200},
	{"outer_tf32", "outer_mma", "ppppppppiiiiiiiiiiippiii", 128},
	{"outer_tf32x3", "outer_mma", "ppppppppiiiiiiiiiiippiii", 128},
	{"gather_rows", "rows", "ppppiiii", 256},
	{"gather_parts", "rows", "pppppiii", 256},
	{"sum_rows", "rows", "pppppii", 256},
	{"combine_rows", "rows", "pppiifi", 256},
	{"split_rows", "rows", "pppiifi", 256},
	{"dropout_rows", "rows", "ppppppiifi", 256},
	{"store_rows", "store", "ppppppppiiiiiiii", 256},
	{"load_rows", "store", "ppppppppiiiiiiii", 256},
	{"loss_mse", "loss", "ppppppppiii", 256},
	{"loss_binary", "loss", "pppppppi", 256},
	{"loss_classes", "loss", "ppppppppi", 256},
	{"slope_rows", "loss", "pppiii", 256},
	{"head_step", "head", "pppppppppppppiiii", 256},
	{"pack_weights", "arena", "pi", 256},
	{"reduce_slots", "arena", "pi", 256},
	{"wave_products", "wave", "ppppppiiiiii", 256},
	{"wave_dproducts", "wave", "ppppiiiiii", 256},
	{"wave_products_tf32", "wave_mma", "ppppppiiiiii", 128},
	{"wave_dproducts_tf32", "wave_mma", "ppppiiiiii", 128},
	{"wave_products_tf32x3", "wave_mma", "ppppppiiiiii", 128},
	{"wave_dproducts_tf32x3", "wave_mma", "ppppiiiiii", 128},
	{"wave_layernorm_forward", "wave_layernorm", "pppppppppppppppiiiiiiiiiiif", 256},
	{"wave_layernorm_forward_wide", "wave_layernorm", "pppppppppppppppiiiiiiiiiiif", 256},
	{"wave_layernorm_gates", "wave_layernorm", "pppppppppppppppiiiiiiiiiiif", 256},
	{"wave_layernorm_backward", "wave_layernorm", "pppppppppppppppppiiiiiiiiiifi", 256},
	{"wave_layernorm_backward_wide", "wave_layernorm", "pppppppppppppppppiiiiiiiiiifi", 256},
	{"wave_layernorm_dgates", "wave_layernorm", "pppppppppppppppppiiiiiiiiiifi", 256},
	{"wave_plain_forward", "wave_plain", "ppppppppiiiiiiiiiiif", 256},
	{"wave_plain_forward_wide", "wave_plain", "ppppppppiiiiiiiiiiif", 256},
	{"wave_plain_gates", "wave_plain", "ppppppppiiiiiiiiiiif", 256},
	{"wave_plain_backward", "wave_plain", "pppppppppppiiiiiiiiiif", 256},
	{"wave_plain_backward_wide", "wave_plain", "pppppppppppiiiiiiiiiif", 256},
	{"wave_plain_dgates", "wave_plain", "pppppppppppiiiiiiiiiif", 256},
	{"wave_graves_forward", "wave_graves", "pppppppppppiiiiiiiiiiif", 256},
	{"wave_graves_forward_wide", "wave_graves", "pppppppppppiiiiiiiiiiif", 256},
	{"wave_graves_gates", "wave_graves", "pppppppppppiiiiiiiiiiif", 256},
	{"wave_graves_backward", "wave_graves", "pppppppppppppppiiiiiiiiiifi", 256},
	{"wave_graves_backward_wide", "wave_graves", "pppppppppppppppiiiiiiiiiifi", 256},
	{"wave_graves_dgates", "wave_graves", "pppppppppppppppiiiiiiiiiifi", 256},
	{"wave_stable_forward", "wave_stable", "ppppppppiiiiiiiiiiif", 256},
	{"wave_stable_forward_wide", "wave_stable", "ppppppppiiiiiiiiiiif", 256},
	{"wave_stable_gates", "wave_stable", "ppppppppiiiiiiiiiiif", 256},
	{"wave_stable_backward", "wave_stable", "pppppppppppiiiiiiiiiif", 256},
	{"wave_stable_backward_wide", "wave_stable", "pppppppppppiiiiiiiiiif", 256},
	{"wave_stable_dgates", "wave_stable", "pppppppppppiiiiiiiiiif", 256},
	{"wave_leakylp_forward", "wave_leakylp", "ppppppppiiiiiiiiiiif", 256},
	{"wave_leakylp_forward_wide", "wave_leakylp", "ppppppppiiiiiiiiiiif", 256},
	{"wave_leakylp_gates", "wave_leakylp", "ppppppppiiiiiiiiiiif", 256},
	{"wave_leakylp_backward", "wave_leakylp", "pppppppppppiiiiiiiiiif", 256},
	{"wave_leakylp_backward_wide", "wave_leakylp", "pppppppppppiiiiiiiiiif", 256},
	{"wave_leakylp_dgates", "wave_leakylp", "pppppppppppiiiiiiiiiif", 256},
	{"sweep_layernorm_forward_1_16", "sweep_layernorm", "ppppppppppppppppiiiiiiiiiiiif", 512},
	{"sweep_layernorm_forward_1_32", "sweep_layernorm", "ppppppppppppppppiiiiiiiiiiiif", 512},
	{"sweep_layernorm_forward_2_16", "sweep_layernorm", "ppppppppppppppppiiiiiiiiiiiif", 512},
	{"sweep_layernorm_forward_2_32", "sweep_layernorm", "ppppppppppppppppiiiiiiiiiiiif", 512},
	{"sweep_layernorm_backward_1_16", "sweep_layernorm", "ppppppppppppppppppiiiiiiiiiiif", 512},
	{"sweep_layernorm_backward_1_32", "sweep_layernorm", "ppppppppppppppppppiiiiiiiiiiif", 512},
	{"sweep_layernorm_backward_2_16", "sweep_layernorm", "ppppppppppppppppppiiiiiiiiiiif", 512},
	{"sweep_layernorm_backward_2_32", "sweep_layernorm", "ppppppppppppppppppiiiiiiiiiiif", 512},
	{"sweep_plain_forward_1_16", "sweep_plain", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_plain_forward_1_32", "sweep_plain", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_plain_forward_2_16", "sweep_plain", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_plain_forward_2_32", "sweep_plain", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_plain_backward_1_16", "sweep_plain", "pppppppppppiiiiiiiiiiif", 512},
	{"sweep_plain_backward_1_32", "sweep_plain", "pppppppppppiiiiiiiiiiif", 512},
	{"sweep_plain_backward_2_16", "sweep_plain", "pppppppppppiiiiiiiiiiif", 512},
	{"sweep_plain_backward_2_32", "sweep_plain", "pppppppppppiiiiiiiiiiif", 512},
	{"sweep_graves_forward_1_16", "sweep_graves", "ppppppppppppiiiiiiiiiiiif", 512},
	{"sweep_graves_forward_1_32", "sweep_graves", "ppppppppppppiiiiiiiiiiiif", 512},
	{"sweep_graves_forward_2_16", "sweep_graves", "ppppppppppppiiiiiiiiiiiif", 512},
	{"sweep_graves_forward_2_32", "sweep_graves", "ppppppppppppiiiiiiiiiiiif", 512},
	{"sweep_graves_backward_1_16", "sweep_graves", "ppppppppppppppppiiiiiiiiiiif", 512},
	{"sweep_graves_backward_1_32", "sweep_graves", "ppppppppppppppppiiiiiiiiiiif", 512},
	{"sweep_graves_backward_2_16", "sweep_graves", "ppppppppppppppppiiiiiiiiiiif", 512},
	{"sweep_graves_backward_2_32", "sweep_graves", "ppppppppppppppppiiiiiiiiiiif", 512},
	{"sweep_stable_forward_1_16", "sweep_stable", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_stable_forward_1_32", "sweep_stable", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_stable_forward_2_16", "sweep_stable", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_stable_forward_2_32", "sweep_stable", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_stable_backward_1_16", "sweep_stable", "pppppppppppiiiiiiiiiiif", 512},
	{"sweep_stable_backward_1_32", "sweep_stable", "pppppppppppiiiiiiiiiiif", 512},
	{"sweep_stable_backward_2_16", "sweep_stable", "pppppppppppiiiiiiiiiiif", 512},
	{"sweep_stable_backward_2_32", "sweep_stable", "pppppppppppiiiiiiiiiiif", 512},
	{"sweep_leakylp_forward_1_16", "sweep_leakylp", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_leakylp_forward_1_32", "sweep_leakylp", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_leakylp_forward_2_16", "sweep_leakylp", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_leakylp_forward_2_32", "sweep_leakylp", "pppppppppiiiiiiiiiiiif", 512},
	{"sweep_leakylp_backward_1_16", "sweep_leakylp", "pppppppppppiiiiiiiiiiif", 512},
	{"sweep_leakylp_backward_1_32", "sweep_leakylp", "pppppppppppiiiiiiiiiiif", 512},
	{"sweep_leakylp_backward_2_16", "sweep_leakylp", "pppppppppppiiiiiiiiiiif", 512},
	{"sweep_leakylp_backward_2_32", "sweep_leakylp", "pppppppppppiiiiiiiiiiif", 512},
	{"cluster_layernorm_forward_2_16", "cluster_layernorm", "ppppppppppppppppiiiiiiiiiiiif", 256},
	{"cluster_layernorm_forward_2_32", "cluster_layernorm", "ppppppppppppppppiiiiiiiiiiiif", 256},
	{"cluster_layernorm_forward_3_16", "cluster_layernorm", "ppppppppppppppppiiiiiiiiiiiif", 256},
	{"cluster_layernorm_backward_2_16", "cluster_layernorm", "ppppppppppppppppppiiiiiiiiiiif", 256},
	{"cluster_layernorm_backward_2_32", "cluster_layernorm", "ppppppppppppppppppiiiiiiiiiiif", 256},
	{"cluster_layernorm_backward_3_16", "cluster_layernorm", "ppppppppppppppppppiiiiiiiiiiif", 256},
	{"cluster_plain_forward_2_16", "cluster_plain", "pppppppppiiiiiiiiiiiif", 256},
	{"cluster_plain_forward_2_32", "cluster_plain", "pppppppppiiiiiiiiiiiif", 256},
	{"cluster_plain_forward_3_16", "cluster_plain", "pppppppppiiiiiiiiiiiif", 256},
	{"cluster_plain_backward_2_16", "cluster_plain", "pppppppppppiiiiiiiiiiif", 256},
	{"cluster_plain_backward_2_32", "cluster_plain", "pppppppppppiiiiiiiiiiif", 256},
	{"cluster_plain_backward_3_16", "cluster_plain", "pppppppppppiiiiiiiiiiif", 256},
	{"cluster_graves_forward_2_16", "cluster_graves", "ppppppppppppiiiiiiiiiiiif", 256},
	{"cluster_graves_forward_2_32", "cluster_graves", "ppppppppppppiiiiiiiiiiiif", 256},
	{"cluster_graves_forward_3_16", "cluster_graves", "ppppppppppppiiiiiiiiiiiif", 256},
	{"cluster_graves_backward_2_16", "cluster_graves", "ppppppppppppppppiiiiiiiiiiif", 256},
	{"cluster_graves_backward_2_32", "cluster_graves", "ppppppppppppppppiiiiiiiiiiif", 256},
	{"cluster_graves_backward_3_16", "cluster_graves", "ppppppppppppppppiiiiiiiiiiif", 256},
	{"cluster_stable_forward_2_16", "cluster_stable", "pppppppppiiiiiiiiiiiif", 256},
	{"cluster_stable_forward_2_32", "cluster_stable", "pppppppppiiiiiiiiiiiif", 256},
	{"cluster_stable_forward_3_16", "cluster_stable", "pppppppppiiiiiiiiiiiif", 256},
	{"cluster_stable_backward_2_16", "cluster_stable", "pppppppppppiiiiiiiiiiif", 256},
	{"cluster_stable_backward_2_32", "cluster_stable", "pppppppppppiiiiiiiiiiif", 256},
	{"cluster_stable_backward_3_16", "cluster_stable", "pppppppppppiiiiiiiiiiif", 256},
	{"cluster_leakylp_forward_2_16", "cluster_leakylp", "pppppppppiiiiiiiiiiiif", 256},
	{"cluster_leakylp_forward_2_32", "cluster_leakylp", "pppppppppiiiiiiiiiiiif", 256},
	{"cluster_leakylp_forward_3_16", "cluster_leakylp", "pppppppppiiiiiiiiiiiif", 256},
	{"cluster_leakylp_backward_2_16", "cluster_leakylp", "pppppppppppiiiiiiiiiiif", 256},
	{"cluster_leakylp_backward_2_32", "cluster_leakylp", "pppppppppppiiiiiiiiiiif", 256},
	{"cluster_leakylp_backward_3_16", "cluster_leakylp", "pppppppppppiiiiiiiiiiif", 256},
}

// Entries returns a copy of the table of all kernels.
func Entries() []Entry { return slices.Clone(entries) }

//go:embed ptx/*.ptx
var files embed.FS

// Files lists the modules: the names of the .cu files, sorted.
func Files() []string {
	var names []string
	for _, e := range entries {
		if !slices.Contains(names, e.File) {
			names = append(names, e.File)
		}
	}
	slices.Sort(names)
	return names
}

// Variants lists the compute capabilities (75, 80, 90) that a file was compiled
// for, in ascending order; none when there is no such file.
func Variants(file string) []int {
	dir, err := files.ReadDir("ptx")
	if err != nil {
		return nil // cannot be: the folder is embedded
	}
	var list []int
	for _, f := range dir {
		rest, ok := strings.CutPrefix(f.Name(), file+".")
		if !ok {
			continue
		}
		if v, err := strconv.Atoi(strings.TrimSuffix(rest, ".ptx")); err == nil {
			list = append(list, v)
		}
	}
	slices.Sort(list)
	return list
}

// FilesFor lists the modules that a device of this compute capability (major·10
// + minor) runs, sorted: kernels in clusters want 90.
func FilesFor(capability int) []string {
	return slices.DeleteFunc(Files(), func(file string) bool {
		v := Variants(file)
		return len(v) > 0 && v[0] > capability
	})
}

// PTX returns the newest variant of a file that a device of this compute
// capability (major·10 + minor) runs, and which one that is.
func PTX(file string, capability int) (ptx string, variant int, err error) {
	variants := Variants(file)
	for _, v := range slices.Backward(variants) {
		if v > capability {
			continue
		}
		text, err := files.ReadFile(fmt.Sprintf("ptx/%s.%d.ptx", file, v))
		return string(text), v, err
	}
	return "", 0, fmt.Errorf("PTX of %q for compute capability %d.%d: there are %v", file, capability/10, capability%10, variants)
}
