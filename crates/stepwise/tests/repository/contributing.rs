//! The pages for contributors agree with the code: files and tests that they name exist, and their lists are complete.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use stepwise_benchmark::perturb::kinds::KINDS;
use stepwise_datasets::IMPORTERS;

const ARCHITECTURE: &str = "docs/architecture.md";
const CONTRIBUTING: &str = "docs/contributing.md";

/// Folders at the root of the repository that the pages name files of.
const FOLDERS: [&str; 6] = [".ci/", "checkpoints/", "crates/", "docs/", "recipes/", "tests/"];

/// Stands for the name of something new in a path.
const PLACEHOLDER: &str = "NAME";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Part of a page from the heading to the next one of the same or a higher level.
fn part<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, after) = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading `{heading}`"));
    let level = heading.split(' ').next().expect("a heading").len();
    let end = (1..=level).filter_map(|level| after.find(&format!("\n{} ", "#".repeat(level)))).min();
    &after[..end.unwrap_or(after.len())]
}

/// Text between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Cells of the table rows in a text, without heads and rules.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("| ---"));
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
}

/// Paths of all Rust files below a folder, from the root of the repository.
fn paths(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            paths(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/"));
        }
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}

/// Words in backticks of the paragraph that begins with `name` and a colon.
fn listed<'a>(page: &'a str, name: &str) -> BTreeSet<&'a str> {
    let (_, after) = page.split_once(&format!("\n{name}: ")).unwrap_or_else(|| panic!("no list `{name}:`"));
    code(after.split("\n\n").next().expect("a paragraph")).collect()
}

#[test]
fn files_that_the_pages_name_exist() {
    for page in [ARCHITECTURE, CONTRIBUTING] {
        let text = read(page);
        let mut count = 0;
        for path in code(&text).filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder))) {
            // A file that is to be written needs its folder only.
            let path = path.split_once(PLACEHOLDER).map_or(path, |(before, _)| before);
            assert!(root().join(path).exists(), "{page} names {path}, which does not exist");
            count += 1;
        }
        let links = text.split("](").skip(1).filter_map(|link| link.split([')', '#']).next());
        for link in links.filter(|link| !link.starts_with("http")) {
            assert!(root().join("docs").join(link).exists(), "{page} links to {link}, which does not exist");
        }
        assert!(count > 20, "{page}: {count} files");
    }
}

#[test]
fn unsafe_code_is_where_the_page_says() {
    let page = read(ARCHITECTURE);
    let (_, sentence) = page.split_once("Unsafe code is in").expect("a sentence about unsafe code");
    let named: BTreeSet<&str> = code(sentence.split("\n\n").next().expect("a paragraph")).collect();
    let mut files = Vec::new();
    paths(&root().join("crates"), &mut files);
    let outside = files.iter().filter(|file| !file.starts_with("crates/ops/") && is_unsafe(&read(file)));
    let outside: BTreeSet<&str> = outside.map(String::as_str).chain(["ops"]).collect();
    assert_eq!(named, outside, "places of unsafe code: the page, the sources");
}

/// Whether a source file switches the lint against unsafe code off.
fn is_unsafe(source: &str) -> bool {
    source.lines().any(|line| {
        ["#[allow(unsafe_code", "#![allow(unsafe_code"].iter().any(|attribute| line.trim_start().starts_with(attribute))
    })
}

#[test]
fn questions_lead_to_files_with_the_answer() {
    let page = read(ARCHITECTURE);
    let mut count = 0;
    for row in rows(part(&page, "## Where is it?")) {
        // A row in bold is the heading of a group of questions.
        if row[0].starts_with("**") {
            continue;
        }
        let [question, file, word] = row[..] else { panic!("three columns: {row:?}") };
        let (Some(file), Some(word)) = (code(file).next(), code(word).next()) else { continue };
        assert!(has_word(&read(file), word), "{question} {file} does not contain {word}");
        count += 1;
    }
    assert!(count >= 35, "{count} questions");
}

#[test]
fn types_of_the_ways_through_the_code_are_in_their_files() {
    let page = read(ARCHITECTURE);
    for heading in ["## From a case to the loss", "## From an epoch's benchmark to a number in the report"] {
        let mut count = 0;
        for row in rows(part(&page, heading)).skip(1) {
            let [step, types, files] = row[..] else { panic!("three columns: {row:?}") };
            let text: String = code(files).map(read).collect();
            for name in code(types) {
                assert!(has_word(&text, name), "{step}: {files} do not contain {name}");
                count += 1;
            }
        }
        assert!(count > 10, "{heading}: {count} types");
    }
}

#[test]
fn tests_that_the_lists_name_exist() {
    let mut files = Vec::new();
    paths(&root().join("crates"), &mut files);
    let all: String = files.iter().map(|file| read(file)).collect();
    let page = read(CONTRIBUTING);
    let mut count = 0;
    for row in rows(part(&page, "## What to touch")) {
        for test in row.last().into_iter().flat_map(|cell| code(cell)) {
            // Property tests have arguments.
            assert!(all.contains(&format!("fn {test}(")), "no test is called {test}");
            count += 1;
        }
    }
    assert!(count > 10, "{count} tests");
}

#[test]
fn every_failure_that_must_never_happen_is_listed() {
    let (page, tests) = (read(ARCHITECTURE), read("crates/stepwise/tests/cli/never.rs"));
    let listed: BTreeSet<&str> = code(&page).filter(|code| code.starts_with("never_")).collect();
    let tests: BTreeSet<&str> =
        tests.lines().filter_map(|line| line.strip_prefix("fn ")?.split_once("()").map(|(name, _)| name)).collect();
    let tests: BTreeSet<&str> = tests.into_iter().filter(|name| name.starts_with("never_")).collect();
    assert_eq!(listed, tests);
}

#[test]
fn lists_of_importers_and_commands_are_those_of_the_code() {
    let page = read(CONTRIBUTING);
    assert_eq!(listed(&page, "Importers"), IMPORTERS.iter().map(|importer| importer.name).collect());

    let help = Command::new(env!("CARGO_BIN_EXE_stepwise")).arg("--help").output().expect("the program runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let commands = help.split_once("Commands:\n").expect("a list of commands").1.split("\n\n").next().expect("a list");
    // Names are indented by two spaces, continued descriptions by more.
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands: BTreeSet<&str> = names.filter(|name| !name.is_empty() && *name != "help").collect();
    assert_eq!(listed(&page, "Commands"), commands);

    let block = page.split("<!-- perturbations -->").nth(1).expect("a block").split("<!--").next().expect("a list");
    assert_eq!(code(block).collect::<Vec<_>>(), KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>());
}

#[test]
fn every_crate_has_a_readme_that_is_its_documentation() {
    let members =
        std::fs::read_dir(root().join("crates")).expect("crates").map(|entry| entry.expect("an entry").path());
    for member in members.chain([root().join("tests/fuzz/targets")]) {
        let readme = std::fs::read_to_string(member.join("README.md"))
            .unwrap_or_else(|error| panic!("{}: README.md: {error}", member.display()));
        let library = member.join("src/lib.rs");
        let source = if library.is_file() { library.clone() } else { member.join("src/main.rs") };
        let text = std::fs::read_to_string(&source).expect("source");
        assert!(text.starts_with("#![doc = include_str!(\"../README.md\")]\n"), "{}", source.display());
        // Examples of programs, and of crates without documentation tests, would not be run.
        let manifest = std::fs::read_to_string(member.join("Cargo.toml")).expect("a manifest");
        let has_example = !library.is_file() || manifest.contains("doctest = false") || readme.contains("```rust\n");
        assert!(has_example, "{}: README.md has no example", member.display());
    }
}
