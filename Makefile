# `make` lists the targets. What they check is written down in .ci/run, step by step.
.DEFAULT_GOAL := help
.PHONY: help demo test race fmt lint tidy bench release-check ci

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: ## three processes, one leader, and what happens when it dies
	go run ./cmd/singleton demo

test: ## all tests of all modules
	go test work

race: ## the same under the race detector, in random order
	.ci/run race

fmt: ## format all Go code
	.ci/run tools && .bin/gofumpt -w .

lint: ## format check, vet and golangci-lint
	.ci/run tools format vet lint

tidy: ## make every go.mod tidy
	for m in $$(go list -m -f '{{.Dir}}') tools; do GOWORK=off go mod tidy -C $$m || exit 1; done

bench: ## all benchmarks six times, summed up by benchstat
	.ci/run tools && go test -run='^$$' -bench=. -count=6 work | tee bench.txt && .bin/benchstat bench.txt

release-check: ## what must change before a version can be tagged
	scripts/release-check

ci: ## everything that must hold before a merge
	.ci/run
