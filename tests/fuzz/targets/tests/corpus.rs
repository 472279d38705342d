//! Every file of the fuzzer's corpora, once: what was found stays mended.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stepwise_fuzzed::TARGETS;
use stepwise_trainer::environment::peak_memory_mib;

/// No file may take longer. A loaded machine is slow; what hangs or grows without bound takes longer than this anywhere.
const LONGEST: Duration = Duration::from_secs(60);

/// What the process may have held at once, in MiB.
const LARGEST: f64 = 1536.0;

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Files whose name begins with `sound` are taken, and all others refused: a corpus of which nothing is taken any more
/// would reach nothing.
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
