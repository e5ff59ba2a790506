# Two commands do everything: `make quickstart` and `make test`.
# A build cache outside the tree is used when CARGO_TARGET_DIR says so.
.PHONY: quickstart test acceptance fuzz compare-torch build cuda gpu-check install-missing format lint unit doc

SHELL := /bin/bash
PYTHON ?= python3

# brew keeps OpenBLAS apart from the system's libraries.
ifeq ($(shell uname),Darwin)
export PKG_CONFIG_PATH := $(shell brew --prefix openblas 2>/dev/null)/lib/pkgconfig:$(PKG_CONFIG_PATH)
endif

quickstart: install-missing
	cargo run --release -- quickstart

build: install-missing
	cargo build --release

# The binary with CUDA; needs neither a toolkit nor a GPU: make cuda [PROFILE=dev] [LIBRARIES=yes] [CUDA_COMPUTE_CAP=80]
# It lies beside the other as `tongues-cuda` and runs without a GPU too. LIBRARIES=yes for a GPU machine with no toolkit.
PROFILE ?= release
OUTPUT = $(or $(CARGO_TARGET_DIR),target)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
cuda: install-missing
	scripts/cuda-toolkit $(if $(LIBRARIES),--libraries) cargo build --profile $(PROFILE) --features cuda
	@cp $(OUTPUT)/tongues $(OUTPUT)/tongues-cuda.new && mv $(OUTPUT)/tongues-cuda.new $(OUTPUT)/tongues-cuda
	@echo $(OUTPUT)/tongues-cuda

# On a machine with a GPU: builds with CUDA, then self test and training speed beside PyTorch, as one table.
gpu-check:
	@if nvidia-smi -L >/dev/null 2>&1; then \
	  $(MAKE) --no-print-directory cuda LIBRARIES=yes && $(PYTHON) benches/gpu_check.py $(OUTPUT)/tongues-cuda; \
	else echo "skipped: no GPU, as far as nvidia-smi can tell"; fi

test: install-missing format lint unit doc

# Whole runs on real data, most of an hour: make acceptance TONGUES_DATA=DIR [TONGUES_OUTPUT=DIR, to keep them]
acceptance: install-missing
ifeq ($(strip $(TONGUES_DATA)),)
	@echo "skipped: no data; give its folder: make acceptance TONGUES_DATA=DIR"
else
	TONGUES_DATA="$(abspath $(TONGUES_DATA))" TONGUES_OUTPUT="$(abspath $(TONGUES_OUTPUT))" cargo test --release --test whole -- --ignored --nocapture --test-threads 1
endif

# Broken and hostile input, made up by libFuzzer, for TIME seconds a reader: make fuzz TIME=3600 [PAGES=DIR, fuzz/run]
TIME ?= 60
fuzz: install-missing
	fuzz/run $(TIME)

# Training steps a second beside PyTorch's, five times in turns: make compare-torch PYTHON=python3 SIZES="--d 512 --layers 8"
# or make compare-torch MODEL=awd-lstm (decoder, encoder, awd-lstm, qrnn)
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
