//! Answer cache shared by all runs: a folder with one journal file per model.
//!
//! The file name is a hash of the model's key. Inside a file, the key of an answer covers everything else that decides
//! it: question, options, content of the images, attack and its random draws, scoring and parser. A question is
//! therefore evaluated only once per model, across commands, suites and datasets.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use stepwise_data::io::digest::{hex, sha256_file};
use stepwise_vlm::pipeline::VlmPipeline;

use crate::checkpoint::source::ModelSource;
use crate::learner::OPTIMIZER_FILE;
use crate::train::prompt_digest;

/// Default size limit of a cache in bytes (1 GiB), applied when it is opened; a choice of this program, enough for
/// about two million answers.
pub const LIMIT: u64 = 1 << 30;

const SCHEMA: &str = "answers/1";

/// A folder with the stored answers of all models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerCache {
    folder: PathBuf,
}

impl AnswerCache {
    /// Opens the cache in `folder`, or creates it. If its files hold more than `limit` bytes, the least recently used
    /// ones are deleted until they hold no more.
    ///
    /// # Errors
    /// When the folder cannot be created, read or changed.
    pub fn open(folder: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_file() && entry.path().extension().is_some_and(|extension| extension == "jsonl") {
                files.push((about.modified()?, about.len(), entry.path()));
            }
        }
        files.sort_unstable();
        let mut held: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if held <= limit {
                break;
            }
            fs::remove_file(path)?;
            held -= bytes;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Returns the journal path of the model with this key and marks the file as used now. Creates it if it is missing.
    ///
    /// # Errors
    /// When the file cannot be created or its time cannot be set.
    pub fn journal(&self, key: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("{}.jsonl", hex(&Sha256::digest(key))));
        File::options().append(true).create(true).open(&path)?.set_modified(SystemTime::now())?;
        Ok(path)
    }

    /// Returns the default folder of the answer cache: `stepwise/answers` in the user's cache folder. It need not
    /// exist. None if the environment defines no cache folder.
    #[must_use]
    pub fn default_folder() -> Option<PathBuf> {
        let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || {
            let below = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
            named("HOME").map(|home| home.join(below))
        };
        let caches = if cfg!(windows) { named("LOCALAPPDATA") } else { named("XDG_CACHE_HOME").or_else(home) };
        caches.map(|caches| caches.join("stepwise").join("answers"))
    }
}

/// Computes the key of a model: a SHA-256 over weights, adapter, tokenizer, prompts, pixel pipeline and the program's
/// version. `subject` names the folders, `pipeline` is the loaded model. `kind` is the kind of device, because rounding
/// differs between kinds. With `adapter` false the adapter is left out, so that all adapters of one base share the key
/// of this base.
///
/// # Errors
/// When a file of the model cannot be read.
pub fn model_key(subject: &ModelSource, pipeline: &VlmPipeline, kind: &str, adapter: bool) -> io::Result<String> {
    let mut parts = vec![SCHEMA.to_owned(), env!("CARGO_PKG_VERSION").to_owned(), kind.to_owned()];
    parts.push(prompt_digest(pipeline));
    parts.extend(digests(&subject.model)?);
    if let Some(folder) = subject.adapter.as_ref().filter(|_| adapter) {
        parts.push("adapter".to_owned());
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            parts.push(sha256_file(&folder.join(name))?.0);
        }
    }
    Ok(hex(&Sha256::digest(parts.join("\n"))))
}

/// Digests of `config.json` and the safetensors files in a model folder, without the optimiser's file.
fn digests(model: &Path) -> io::Result<Vec<String>> {
    let mut names = vec!["config.json".to_owned()];
    for entry in fs::read_dir(model)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".safetensors") && name != OPTIMIZER_FILE {
            names.push(name);
        }
    }
    names.sort_unstable();
    names.into_iter().map(|name| Ok(format!("{name} {}", sha256_file(&model.join(&name))?.0))).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cache_keeps_the_most_recently_used_files_within_its_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = AnswerCache::open(folder.path(), LIMIT).expect("made");
        let paths = ["a", "b", "c"].map(|key| cache.journal(key).expect("made"));
        for (age, path) in [3, 2, 1].into_iter().zip(&paths) {
            fs::write(path, [b'x'; 100]).expect("written");
            let used = SystemTime::now() - Duration::from_secs(age * 60);
            File::options().append(true).open(path).and_then(|file| file.set_modified(used)).expect("dated");
        }
        fs::write(folder.path().join("README"), [b'x'; 900]).expect("written");
        // Using file `a` again makes it the newest.
        assert_eq!(cache.journal("a").expect("there"), paths[0]);
        AnswerCache::open(folder.path(), 300).expect("opened");
        assert!(paths.iter().all(|path| path.is_file()));
        AnswerCache::open(folder.path(), 299).expect("opened");
        assert_eq!(paths.each_ref().map(|path| path.is_file()), [true, false, true]);
        assert!(folder.path().join("README").is_file(), "other files are left alone");
    }
}
