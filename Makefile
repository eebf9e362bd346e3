.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

include kernels/kernels.mk

.PHONY: build help
build: driver ## compile everything with the cuda tag
	go build -tags cuda ./...

help: ## this list
	@grep -hE '^[a-z-]+:.* ## ' $(MAKEFILE_LIST) | sort | sed 's/:.* ## /\t/' | expand -t 20
