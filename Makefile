# Two commands do everything: `make quickstart` and `make test`.
# A build cache outside the tree is used when CARGO_TARGET_DIR says so.
.PHONY: quickstart test install-missing format lint unit doc build

SHELL := /bin/bash

quickstart: install-missing
	cargo run --release -- quickstart

build: install-missing
	cargo build --release

test: install-missing format lint unit doc

# What the build needs beyond git, a C++ compiler and Rust: cmake, for SentencePiece.
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
