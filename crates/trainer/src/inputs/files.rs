//! Files of a model folder, and digests of many files at once.

use std::path::{Path, PathBuf};

use stepwise_data::io::digest::sha256_file;

use crate::learner::OPTIMIZER_FILE;
use crate::progress::Progress;
use crate::trained::IMAGES_FILE;

/// Ends of the names of the files in a folder of a model or an adapter that loading may read.
const ENDS: [&str; 6] = ["json", "safetensors", "bin", "jinja", "txt", "model"];

/// Files with such an end that loading does not read.
const NOT_READ: [&str; 2] = [OPTIMIZER_FILE, IMAGES_FILE];

/// Weights in the format of PyTorch, which are read in a folder without safetensors only.
const PICKLED: &str = "bin";

/// Digest of a file that cannot be read.
const UNREADABLE: &str = "not readable";

/// Files per thread between two reports of progress.
const BATCH: usize = 16;

/// Paths of the files of a model or adapter that loading may read, sorted. Empty where the folder cannot be read.
pub(super) fn read_files(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let is_read = path.extension().is_some_and(|end| ENDS.iter().any(|other| end == *other));
        let is_other = path.file_name().is_some_and(|name| NOT_READ.iter().any(|other| name == *other));
        if is_read && !is_other && path.is_file() {
            paths.push(path);
        }
    }
    let has = |end: &str| paths.iter().any(|path| path.extension().is_some_and(|other| other == end));
    if has("safetensors") {
        paths.retain(|path| path.extension().is_some_and(|end| end != PICKLED));
    }
    paths.sort_unstable();
    paths
}

/// Returns the SHA-256 of each file in the order of `paths`, computed by all threads of the machine; [`UNREADABLE`] for
/// a file that cannot be read.
pub(super) fn digests(paths: &[&Path], progress: &mut dyn Progress) -> Vec<String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let digest = |path: &&Path| sha256_file(path).map_or_else(|_| UNREADABLE.to_owned(), |(digest, _)| digest);
    let mut found = Vec::with_capacity(paths.len());
    for batch in paths.chunks(threads * BATCH) {
        found.extend(std::thread::scope(|scope| {
            let parts: Vec<_> = batch
                .chunks(batch.len().div_ceil(threads))
                .map(|part| scope.spawn(move || part.iter().map(digest).collect::<Vec<_>>()))
                .collect();
            let joined =
                parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            joined.flatten().collect::<Vec<_>>()
        }));
        progress.advance("digests of inputs", found.len() as u64, paths.len() as u64);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_in_the_order_of_the_files() {
        let folder = tempfile::tempdir().expect("writable");
        let paths: Vec<PathBuf> = (0..200).map(|number| folder.path().join(format!("{number:03}.json"))).collect();
        for path in &paths {
            std::fs::write(path, path.display().to_string()).expect("writable");
        }
        let expected: Vec<String> = paths.iter().map(|path| sha256_file(path).expect("there").0).collect();
        let mut borrowed: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        assert_eq!(digests(&borrowed, &mut ()), expected);
        let gone = folder.path().join("gone");
        borrowed.insert(7, &gone);
        assert_eq!(digests(&borrowed, &mut ())[7], UNREADABLE);
        assert_eq!(read_files(folder.path()), paths);
    }

    #[test]
    fn files_that_loading_does_not_read_are_left_out() {
        let folder = tempfile::tempdir().expect("writable");
        let names = |other: &[&str]| {
            for name in other {
                std::fs::write(folder.path().join(name), "x").expect("writable");
            }
            let paths = read_files(folder.path());
            paths
                .iter()
                .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        let others = ["config.json", "README.md", "adapter_model.bin", OPTIMIZER_FILE, IMAGES_FILE, "merges.txt"];
        let first = names(&others);
        assert_eq!(first, ["adapter_model.bin", "config.json", "merges.txt"]);
        assert_eq!(names(&["model.safetensors"]), ["config.json", "merges.txt", "model.safetensors"]);
    }
}
