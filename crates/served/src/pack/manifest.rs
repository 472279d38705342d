//! Description of a pack.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stepwise_benchmark::suite::SuiteName;
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_data::io::encoding::without_mark;

use super::{MANIFEST, PackError};

/// Schema name and version of a pack.
pub const SCHEMA: &str = "pack/1";

/// Description of a pack; the content of `pack.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Version of Stepwise that wrote the pack.
    pub version: String,
    /// Suite with the cap and the scoring of the pack; answers to another suite are not scored.
    pub suite: SuiteName,
    /// Cap on cases from the command line or the suite; None without a cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cases: Option<usize>,
    /// Number of requests of the first pass.
    pub requests: usize,
    /// Number of questions of the second pass, which repeat replies of the first.
    pub second_turns: usize,
    /// Number of image files.
    pub images: usize,
    /// Key of the surrogate that transferred attacks and noise were made on; None without a surrogate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surrogate: Option<String>,
    /// Number of items that are not asked, by condition and reason; empty where all are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_asked: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Manifest {
    /// Writes the description into the folder `pack`.
    pub(super) fn write(&self, pack: &Path) -> Result<(), PackError> {
        let path = pack.join(MANIFEST);
        let json = serde_json::to_vec_pretty(self).map_err(|error| PackError::io(&path)(error.into()))?;
        write_atomic(&path, &json).map_err(PackError::io(&path))
    }

    /// Reads the description of the folder `pack`.
    pub(super) fn read(pack: &Path) -> Result<Self, PackError> {
        let path = pack.join(MANIFEST);
        let no_pack = |problem: String| PackError::NoPack { path: path.clone(), problem };
        let bytes = bounded::bytes(&path).map_err(|error| no_pack(error.to_string()))?;
        let found: Self = serde_json::from_slice(without_mark(&bytes)).map_err(|error| no_pack(error.to_string()))?;
        match found.schema.as_str() {
            SCHEMA => Ok(found),
            other => Err(no_pack(format!("has the schema `{other}`, and `{SCHEMA}` is read"))),
        }
    }
}
