//! Question packs: folders of requests that any model can answer, and the outcomes made from the answers.

mod error;
mod manifest;
mod replies;
mod score;
mod second;
mod write;

pub use error::PackError;
pub use manifest::{Manifest, SCHEMA};
pub use replies::{Replies, Reply};
pub use score::{Pack, Scored, of_pack};
pub use second::write_second;
pub use write::{PackOptions, write};

/// File of the requests of the first pass.
pub const REQUESTS: &str = "requests.jsonl";
/// File of the requests of the second pass, which repeat the model's own first replies.
pub const SECOND_REQUESTS: &str = "requests-2.jsonl";
/// File of the questions of the second pass with a slot for each earlier reply.
pub const SECOND_TURNS: &str = "second-turns.jsonl";
/// Folder of the images, one PNG file each, named by its SHA-256.
pub const IMAGES: &str = "images";
/// Folder of what the model must not see: cases with right answers, suite, and the answers by key.
pub const GOLD: &str = "gold";
/// File of the right and the suggested answers, in [`GOLD`].
pub const ANSWERS: &str = "answers.jsonl";
/// File of the cases, in [`GOLD`].
pub const CASES: &str = "cases.jsonl";
/// File of the suite, in [`GOLD`].
pub const SUITE: &str = "suite.toml";
/// File that describes a pack.
pub const MANIFEST: &str = "pack.json";

/// Returns what stands for the model in the keys of a pack, because the model is not known when the pack is written: the
/// key of the surrogate, which shapes noise as well, or nothing.
fn model_key(surrogate: Option<&str>) -> &str {
    surrogate.unwrap_or_default()
}
