//! The whole, driven through the binary in a temporary folder.

mod acceptance;
mod bench;
mod comparison;
mod download;
mod dumps;
mod encoder;
mod errors;
mod evaluate;
mod extract;
mod full_disk;
mod harness;
mod identify;
mod killed;
mod language_tokens;
mod old_output;
mod predict;
mod recipes;
mod recurrent;
mod sample;
mod samples;
mod selftest;
mod slice;
mod tasks;
mod tidy;
mod transfer;
mod watch;
