package main

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/cpu/openblas"
	"mdlstm-gpu/host/dist"
)

// version is the release; the linker sets it: -ldflags "-X main.version=1.2.0".
var version = "development"

func versionCommand(s streams) *cli.Command {
	return command(spec{
		name: "version", brief: "say which version this is",
		about: "Prints version, commit, Go version and system, settings of the build, and the matrix products in it, a line each.",
	}, nil, func(*cli.Context, given) error { return runVersion(s) })
}

func runVersion(s streams) error {
	p := &printer{w: s.out}
	p.line("%s %s", program, version)
	if commit := builtFrom(); commit != "" {
		p.line("commit  %s", commit)
	}
	p.line("go      %s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		p.line("build   %s", buildSettings(info.Settings))
	}
	p.line("blas    %s", builtBLAS())
	if mpi := dist.Library(); mpi != "" {
		p.line("mpi     %s", mpi)
	}
	return p.err
}

// builtFrom is the commit of the build, "" when Go was not told.
func builtFrom() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " (with changes)"
		}
	}
	if commit == "" {
		return ""
	}
	return commit + changed
}

// buildSettings are what the build was told, beyond go's version: what may make
// two builds of one commit differ.
func buildSettings(settings []debug.BuildSetting) string {
	var list []string
	for _, s := range settings {
		switch {
		case s.Key == "CGO_ENABLED" && s.Value == "1":
			list = append(list, "cgo")
		case s.Key == "CGO_ENABLED":
			list = append(list, "no cgo")
		case s.Key == "-tags":
			list = append(list, "tags "+s.Value)
		case s.Key == "GOAMD64", s.Key == "GOARM64", s.Key == "GOEXPERIMENT", s.Key == "GOFIPS140":
			list = append(list, s.Key+"="+s.Value)
		case s.Key == "-race" || s.Key == "-msan" || s.Key == "-asan":
			list = append(list, s.Key)
		}
	}
	return strings.Join(list, ", ")
}

// builtBLAS names the products that build and processor can choose from, the
// default first.
func builtBLAS() string {
	var names []string
	if own := cpu.BuiltIn(); own != "" {
		names = append(names, own)
	}
	if _, name, ok := openblas.Implementation(); ok {
		names = append(names, shortBLAS(name))
	}
	return strings.Join(append(names, "gonum"), ", ")
}
