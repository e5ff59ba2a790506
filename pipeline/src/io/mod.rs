//! Files: written beside and renamed, hashed, listed in a manifest. arrow and parquet live here and nowhere else.

pub mod atomic;
pub mod documents;
pub mod ipc;
pub mod manifest;
pub mod table;
