//! The repository as a whole: dependencies between crates and between files, and the pages for contributors.

mod contributing;
mod edges;
mod structure;
