# Two commands do everything: `make quickstart` and `make test`.
# A build cache outside the tree is used when CARGO_TARGET_DIR says so.
.PHONY: quickstart test acceptance compare-torch build install-missing format lint unit doc build

SHELL := /bin/bash

# brew keeps OpenBLAS apart from the system's libraries.
ifeq ($(shell uname),Darwin)
export PKG_CONFIG_PATH := $(shell brew --prefix openblas 2>/dev/null)/lib/pkgconfig:$(PKG_CONFIG_PATH)
endif

quickstart: install-missing
	cargo run --release -- quickstart

build: install-missing
	cargo build --release

test: install-missing format lint unit doc

# Whole runs on real data, most of an hour: make acceptance TONGUES_DATA=DIR [TONGUES_OUTPUT=DIR, to keep them]
acceptance: install-missing
ifeq ($(strip $(TONGUES_DATA)),)
	@echo "skipped: no data; give its folder: make acceptance TONGUES_DATA=DIR"
else
	TONGUES_DATA="$(abspath $(TONGUES_DATA))" TONGUES_OUTPUT="$(abspath $(TONGUES_OUTPUT))" cargo test --release --test whole -- --ignored --nocapture --test-threads 1
endif

# Training steps a second beside PyTorch's, five times in turns: make compare-torch PYTHON=python3 SIZES="--d 512 --layers 8"
# or make compare-torch MODEL=awd-lstm (decoder, awd-lstm, qrnn)
PYTHON ?= python3
MODEL ?= decoder
compare-torch: build
	@$(PYTHON) -c 'import torch' || { echo "missing: PyTorch; give a Python that has it: make compare-torch PYTHON=..."; exit 1; }
	$(PYTHON) benches/torch_train.py --against "cargo run --release --quiet --" --model $(MODEL) $(SIZES)

# What the build needs beyond git, a C++ compiler and Rust: cmake, for SentencePiece; OpenBLAS, for speed.
install-missing:
	@scripts/install-missing

format:
	cargo fmt --all --check

lint:
	cargo clippy --workspace --all-targets -- -D warnings

unit:
	cargo test --workspace

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
