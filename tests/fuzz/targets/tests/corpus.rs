//! Runs every file of the fuzzing corpora once, so that fixed bugs stay fixed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stepwise_fuzzed::TARGETS;
use stepwise_trainer::environment::peak_memory_mib;

/// Time limit for one file. The limit is generous for loaded machines, but stops inputs that hang.
const LONGEST: Duration = Duration::from_secs(60);

/// Limit of the peak memory of the test process, in MiB.
const LARGEST: f64 = 1536.0;

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Checks that files with names starting with `sound` are accepted and all others refused. A corpus needs both kinds:
/// inputs that are refused early do not reach later code.
fn replay(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).expect("a target");
    let files = corpus(name);
    let sound = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sound"));
    assert!(files.iter().any(|path| sound(path)) && !files.iter().all(|path| sound(path)), "{name}: {files:?}");
    for path in files {
        let bytes = std::fs::read(&path).expect("readable");
        let started = Instant::now();
        let said = target(&bytes);
        assert_eq!(said.is_ok(), sound(&path), "{}: {said:?}", path.display());
        assert!(started.elapsed() < LONGEST, "{}: {:?}", path.display(), started.elapsed());
        if let Some(mebibytes) = peak_memory_mib() {
            assert!(mebibytes < LARGEST, "{}: {mebibytes} MiB", path.display());
        }
    }
}

#[test]
fn adapter() {
    replay("adapter");
}

#[test]
fn cases() {
    replay("cases");
}

#[test]
fn data_set() {
    replay("data_set");
}

#[test]
fn import() {
    replay("import");
}

#[test]
fn model_folder() {
    replay("model_folder");
}

#[test]
fn picture() {
    replay("picture");
}

#[test]
fn recipe() {
    replay("recipe");
}

#[test]
fn source_image() {
    replay("source_image");
}

#[test]
fn volume() {
    replay("volume");
}

#[test]
fn table() {
    replay("table");
}

#[test]
fn template() {
    replay("template");
}

#[test]
fn every_target_has_its_corpus_and_its_fuzzer() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, _) in TARGETS {
        assert!(!corpus(name).is_empty());
        assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).is_file(), "{name}");
    }
}
