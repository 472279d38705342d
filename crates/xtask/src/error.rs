//! Why the generated files cannot be written or are not current.

use std::path::PathBuf;

/// Reason why the generated files cannot be written or are not current.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments are wrong; the text shows the usage.
    #[error("{0}")]
    Usage(&'static str),
    /// A file cannot be read or written.
    #[error("{}: {source} -> run `cargo xtask` in a checkout of the repository that can be written to", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The JSON Schema cannot be written as text.
    #[error("docs/recipe.schema.json: {0} -> look at `Reference::json_schema` in crates/config")]
    Schema(serde_json::Error),
    /// `cargo metadata` failed or printed something else than expected.
    #[error("cargo metadata: {0} -> run `cargo metadata --no-deps --format-version 1` to see the cause")]
    Metadata(String),
    /// The drawing of the crates cannot be made.
    #[error("docs/architecture.svg: {0}")]
    Picture(String),
    /// A page lacks the markers of a generated block.
    #[error("{page}: there is no block `{block}` -> write `<!-- {block} -->`, a line, and `<!-- end of {block} -->`")]
    Block {
        /// The page.
        page: &'static str,
        /// Name of the block.
        block: &'static str,
    },
    /// Committed files differ from the code.
    #[error("{}: differs from the code -> run `cargo xtask generate` and commit the result", .0.join(", "))]
    Stale(Vec<&'static str>),
}

impl Error {
    /// Returns a function that wraps an error of the file system about the file at `path`, for `map_err`.
    pub fn file(path: PathBuf) -> impl FnOnce(std::io::Error) -> Self {
        |source| Self::File { path, source }
    }
}
