//! Files: atomic writes, bounded reads, digests, and paths that stay inside a folder.

pub mod atomic;
pub mod bounded;
pub mod contained;
pub mod digest;
pub mod encoding;
pub mod json_lines;
