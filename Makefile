.DEFAULT_GOAL := help
SHELL := /bin/bash

# Choices: make build BLAS=openblas CUDA=0 MPI=1, make install PREFIX=/opt/mdlstm, make demo STEPS=100 …
STEPS ?= 1000
export BLAS CUDA MPI PREFIX DESTDIR STEPS FUZZTIME JOBS STRICT PYTHON TARGETS OUT

include kernels/kernels.mk

.PHONY: build install test test-short lint asm asm-check race demo bench fuzz gpu-bundle docker release clean help

build: ## bin/mdlstm-gpu, the fastest this machine can build (BLAS=builtin|openblas, CUDA=auto|1|0, MPI=0|1)
	scripts/build.sh

install: build ## copy it to PREFIX/bin (default /usr/local for root, ~/.local for others)
	scripts/install.sh

test: ## everything that can be tested here, as in CI (STRICT=1: skips are failures)
	scripts/test.sh

test-short: ## go test -short in plain Go
	scripts/test.sh short

lint: ## gofmt, go vet, staticcheck, shellcheck
	scripts/test.sh lint

asm: ## generate the assembly of the CPU engine (host/cpu/kernels_amd64.s)
	scripts/asm.sh build

asm-check: ## generate it anew and compare it with the committed one
	scripts/asm.sh check

race: ## the race detector on the packages with goroutines
	scripts/test.sh race

demo: build ## train the three models on the random diagonal task and compare them (STEPS=1000)
	scripts/demo.sh

bench: build ## speed, growth, latency and start: 6 to 15 minutes (PYTHON= with torch, TF_PYTHON= with tensorflow); BENCHMARKS.md
	scripts/bench.sh

fuzz: ## every fuzz target, as many at once as there are cores (FUZZTIME=30s each, JOBS=)
	scripts/fuzz.sh

gpu-bundle: ## build/gpu-bundle.tar.gz: prebuilt tests and program for a machine with a GPU but no Go (gpu_check.sh)
	scripts/gpu_bundle.sh

docker: ## the image mdlstm-gpu from Dockerfile.cuda
	docker build -f Dockerfile.cuda -t mdlstm-gpu .

release: ## build/release: archives for linux/amd64 and linux/arm64, with licences, SBOM and checksums (TARGETS, OUT)
	scripts/release.sh

clean: ## remove what make built; runs are kept
	rm -rf bin build

help: ## this list
	@grep -hE '^[a-z-]+:.* ## ' $(MAKEFILE_LIST) | sed -E 's/:.* ## /\t/' | expand -t 14
