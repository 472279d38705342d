//! `digest.json`: SHA-256 and size of every file of a checkpoint.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use stepwise_data::io::bounded;
use stepwise_data::io::digest::sha256_file;
use stepwise_data::io::encoding::without_mark;

use super::CheckpointError;

/// Name of the digest file in a checkpoint, which [`verify`] reads.
pub const DIGEST_FILE: &str = "digest.json";

const SCHEMA: &str = "digest/1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Digests {
    schema: String,
    /// Digests by path relative to the checkpoint, with `/` as separator.
    files: BTreeMap<String, FileDigest>,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDigest {
    sha256: String,
    bytes: u64,
}

/// Returns the content of `digest.json`: size and SHA-256 of every file in `folder` and its subfolders.
///
/// # Errors
/// [`CheckpointError::Io`] when a folder or a file cannot be read.
pub(super) fn describe(folder: &Path) -> Result<Vec<u8>, CheckpointError> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(folder.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(CheckpointError::io(&folder))? {
            let entry = entry.map_err(CheckpointError::io(&folder))?;
            let (path, name) = (entry.path(), format!("{prefix}{}", entry.file_name().to_string_lossy()));
            if path.is_dir() {
                folders.push((path, format!("{name}/")));
            } else {
                let (sha256, bytes) = sha256_file(&path).map_err(CheckpointError::io(&path))?;
                files.insert(name, FileDigest { sha256, bytes });
            }
        }
    }
    let digests = Digests { schema: SCHEMA.into(), files };
    let mut json = serde_json::to_vec_pretty(&digests)
        .map_err(|error| CheckpointError::Io { path: folder.join(DIGEST_FILE), source: error.into() })?;
    json.push(b'\n');
    Ok(json)
}

/// Checks that a checkpoint is complete and undamaged: every file in its `digest.json` exists with the recorded size
/// and digest. Further files are ignored.
///
/// # Errors
/// [`CheckpointError::Torn`] for the first file that is missing or differs, `digest.json` included.
pub fn verify(checkpoint: &Path) -> Result<(), CheckpointError> {
    let torn = |reason: String| CheckpointError::Torn { path: checkpoint.into(), reason };
    let text =
        bounded::bytes(&checkpoint.join(DIGEST_FILE)).map_err(|error| torn(format!("{DIGEST_FILE}: {error}")))?;
    let Ok(digests) = serde_json::from_slice::<Digests>(without_mark(&text)) else {
        return Err(torn(format!("{DIGEST_FILE} is damaged")));
    };
    if digests.schema != SCHEMA {
        return Err(torn(format!("{DIGEST_FILE} has the unknown schema `{}`", digests.schema)));
    }
    for (name, expected) in &digests.files {
        // Only files inside the checkpoint are opened, even if the list was manipulated.
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(torn(format!("{DIGEST_FILE} names `{name}`, which is outside the checkpoint")));
        }
        let path = checkpoint.join(name);
        let length = fs::metadata(&path).map_err(|error| torn(format!("{name}: {error}")))?.len();
        if length != expected.bytes {
            return Err(torn(format!("{name} has {length} bytes instead of {}", expected.bytes)));
        }
        let (sha256, _) = sha256_file(&path).map_err(|error| torn(format!("{name}: {error}")))?;
        if sha256 != expected.sha256 {
            return Err(torn(format!("{name} was changed after it was saved")));
        }
    }
    Ok(())
}
