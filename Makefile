# Thin on purpose: every target is one script. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup build model model-minilm devnet demo contracts test test-clients test-contracts snapshots halmos slither fixtures test-docker bench bench-rollup bench-torch lint fmt vectors fuzz check-aarch64 clean

export PRECISION KV FUZZ_SECONDS TORCH

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## tools, model files; says which Debian packages it installs
	@scripts/setup.sh

build: ## the binary, target/release/refute (TORCH=0: without libtorch, for a small watcher)
	@scripts/build.sh

model: setup build ## SmolLM2-135M-Instruct in .cache/models (PRECISION=w8|w16, KV=i16|i8)
	@REFUTE=$${CARGO_TARGET_DIR:-target}/release/refute scripts/model.sh smollm2

model-minilm: setup build ## all-MiniLM-L6-v2 in .cache/models (PRECISION=w8|w16)
	@REFUTE=$${CARGO_TARGET_DIR:-target}/release/refute scripts/model.sh minilm

devnet: ## a whole rollup on this machine until Ctrl-C; does its own set-up
	@scripts/demo.sh devnet

demo: ## a tour that ends by itself: question, receipt, finality, a cheat and its end (CHEAT=all for each kind of cheat)
	@scripts/demo.sh demo $(if $(CHEAT),--cheat $(CHEAT))

test: ## every test; does its own set-up
	@scripts/test.sh

test-clients: ## the official OpenAI clients (Python, JavaScript) against a real sequencer
	@REFUTE=$${REFUTE:-} scripts/clients.sh

test-docker: ## docker/: builds the images, takes an inference to finality in them (BASES=local: pulls nothing)
	@scripts/docker-test.sh

contracts: ## the contracts, in .cache/contracts/out
	@scripts/contracts.sh forge build

test-contracts: ## the tests of the contracts (FOUNDRY_PROFILE=deep for many more runs)
	@scripts/contracts.sh forge test

snapshots: ## writes the ABI, storage layouts and gas of the contracts anew
	@scripts/snapshots.sh

halmos: ## symbolic tests of the contracts, the functions check_...; installs halmos (300 MB)
	@scripts/contracts.sh halmos --function check_

slither: ## static analysis of the contracts; installs slither with halmos
	@scripts/contracts.sh slither .

bench: model ## against llama.cpp on this machine, interleaved; the table of docs/benchmarks.md
	@bench/setup.sh
	@bench/run.sh $(BENCH)

bench-rollup: model ## what being served costs, and how many requests the API carries; docs/benchmarks.md, Rollup
	@scripts/build.sh --workspace --example load
	$${CARGO_TARGET_DIR:-target}/release/examples/load 64 10
	python3 bench/served.py

bench-torch: model ## the torch back end against libtorch in f32, prefill of 512 tokens, interleaved
	@scripts/build.sh --workspace --example prefill
	@$${CARGO_TARGET_DIR:-target}/release/examples/prefill .cache/models/smollm2-135m-w8 .cache/sources/SmolLM2-135M-Instruct.Q4_1.gguf

lint: ## formatting, clippy, rustdoc, contracts, dependencies, home paths
	@scripts/lint.sh

fmt: ## formats the Rust code and the contracts
	cargo fmt --all
	@scripts/contracts.sh forge fmt

vectors: ## writes executor/vectors anew from the reference kernels, bisection/vectors from the rollup's rules
	REFUTE_WRITE_VECTORS=1 cargo test --locked -p executor --test vectors
	REFUTE_WRITE_VECTORS=1 cargo test --locked -p bisection --test ledger vectors

fixtures: ## exports the .pt2 models of the tests anew; installs PyTorch (5 GB)
	@scripts/fixtures.sh

fuzz: ## every fuzz target, FUZZ_SECONDS=600 each
	@scripts/fuzz.sh

check-aarch64: ## that everything compiles for aarch64 (installs the cross compiler)
	@scripts/aarch64.sh

clean: ## build outputs and everything in .cache; downloads stay
	cargo clean
	rm -rf .cache
