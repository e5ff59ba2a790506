//! The whole, driven through the binary in a temporary folder.

mod errors;
mod harness;
mod predict;
mod slice;
