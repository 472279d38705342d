//! Files inside a crate: they depend on each other in layers, and none is long without a reason.
//!
//! A file depends on the files whose items it names: in `use` items and in paths, followed through re-exports. A file that
//! only re-exports an item does not depend on it. Code of tests does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Most files of a circle, which must lie in one folder below `src`.
const SMALL: usize = 8;

/// Most lines of a source file without a line that begins with [`REASON`] in its head.
const LONG: usize = 500;
const REASON: &str = "//! Long because: ";

/// Sources of one crate: text by path below `src`.
type Sources = BTreeMap<String, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Sources of all crates by the path of the crate, without files of tests.
fn crates() -> BTreeMap<String, Sources> {
    let folders =
        std::fs::read_dir(root().join("crates")).expect("crates").map(|entry| entry.expect("an entry").path());
    let mut found = BTreeMap::new();
    for folder in folders.chain([root().join("tests/fuzz/targets")]) {
        let mut sources = Sources::new();
        read(&folder.join("src"), "", &mut sources);
        assert!(!sources.is_empty(), "{}", folder.display());
        found.insert(folder.file_name().expect("a name").to_string_lossy().into_owned(), sources);
    }
    found
}

fn read(folder: &Path, below: &str, sources: &mut Sources) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            read(&path, &format!("{below}{name}/"), sources);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && name != "testing.rs" {
            sources.insert(format!("{below}{name}"), std::fs::read_to_string(&path).expect("UTF-8"));
        }
    }
}

#[test]
fn files_of_a_crate_form_layers() {
    let mut problems = Vec::new();
    for (name, sources) in crates() {
        for circle in circles(&sources) {
            let folders: BTreeSet<&str> = circle.iter().map(|file| folder(file)).collect();
            if folders.len() > 1 || folders.contains("") || circle.len() > SMALL {
                problems.push(format!("{name}: {}", circle.join(", ")));
            }
        }
    }
    assert!(
        problems.is_empty(),
        "files that use each other in a circle -> move what both need to a lower file:\n{}",
        problems.join("\n")
    );
}

#[test]
fn long_files_give_a_reason() {
    for (name, sources) in crates() {
        for (file, text) in sources {
            let lines = text.lines().count();
            let mut head = text.lines().take_while(|line| line.starts_with("//!") || line.starts_with("#!"));
            assert!(
                lines <= LONG || head.any(|line| line.starts_with(REASON)),
                "{name}: {file} has {lines} lines -> split it, or give the reason after `{REASON}`"
            );
        }
    }
}

#[test]
fn a_planted_circle_is_found_and_a_re_export_is_none() {
    let files = |files: &[(&str, &str)]| -> Sources {
        files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
    };
    let layers = files(&[
        ("lib.rs", "mod a;\nmod b;\npub use b::{High, Low as Lowest};\npub struct Root;"),
        (
            "a.rs",
            "use crate::{Lowest, Root};\n// use crate::High;\n#[cfg(test)]\nmod tests {\n    use crate::b::High;\n}",
        ),
        ("b/mod.rs", "mod c;\npub use c::Low;\npub struct High(super::a::A, c::Low);"),
        ("b/c.rs", "pub struct Low;"),
    ]);
    assert_eq!(circles(&layers), Vec::<Vec<String>>::new());
    let planted: [(&str, &str, &[&str]); 3] = [
        ("a.rs", "pub fn a() -> crate::High;", &["a.rs", "b/mod.rs"]),
        ("b/c.rs", "use super::{super::Root, High};\npub struct Low;", &["a.rs", "b/c.rs", "b/mod.rs"]),
        ("lib.rs", "mod a;\nmod b;\npub use b::{High, Low as Lowest};\npub struct Root(a::A);", &["a.rs", "lib.rs"]),
    ];
    for (file, text, circle) in planted {
        let mut sources = layers.clone();
        sources.insert(file.into(), text.into());
        assert_eq!(circles(&sources), [circle], "{file}");
    }
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Sets of two or more files that depend on each other, directly or through others.
fn circles(sources: &Sources) -> Vec<Vec<String>> {
    let edges = Crate::new(sources).edges();
    let all: BTreeMap<&str, BTreeSet<&str>> = edges.keys().map(|file| (file.as_str(), reached(&edges, file))).collect();
    let of = |file: &str| -> Vec<String> {
        let both = all[file].iter().filter(|other| all[**other].contains(file));
        both.map(|other| (*other).to_owned()).collect()
    };
    let found: BTreeSet<Vec<String>> = all.keys().map(|file| of(file)).filter(|circle| circle.len() > 1).collect();
    found.into_iter().collect()
}

/// Files on which `start` depends, directly or through others.
fn reached<'a>(edges: &'a BTreeMap<String, BTreeSet<String>>, start: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(file) = open.pop() {
        open.extend(edges[file].iter().map(String::as_str).filter(|next| seen.insert(*next)));
    }
    seen
}

/// Path of a module below the root of its crate.
type Module = Vec<String>;

/// A name that a `use` item brings into a file.
struct Import {
    name: String,
    path: Vec<String>,
    is_re_export: bool,
}

/// One source file.
struct File {
    module: Module,
    imports: Vec<Import>,
    /// Paths outside `use` items, such as `crate::plan::Plan` or `clean::KIND`.
    paths: Vec<Vec<String>>,
    /// All words outside `use` items.
    words: BTreeSet<String>,
}

struct Crate<'a> {
    files: BTreeMap<&'a str, File>,
    by_module: BTreeMap<Module, &'a str>,
}

impl<'a> Crate<'a> {
    fn new(sources: &'a Sources) -> Self {
        let files: BTreeMap<&str, File> =
            sources.iter().map(|(file, text)| (file.as_str(), parse(file, text))).collect();
        let by_module = files.iter().map(|(file, parsed)| (parsed.module.clone(), *file)).collect();
        Self { files, by_module }
    }

    /// For each file, the files whose items it names.
    fn edges(&self) -> BTreeMap<String, BTreeSet<String>> {
        let of = |(name, file): (&&'a str, &File)| {
            let imports =
                file.imports.iter().filter(|import| !import.is_re_export || file.words.contains(&import.name));
            let paths = imports.map(|import| &import.path).chain(&file.paths);
            let used = paths.filter_map(|path| self.defined_in(&file.module, path, 0));
            let used = used.filter(|used| used != name).map(str::to_owned).collect();
            ((*name).to_owned(), used)
        };
        self.files.iter().map(of).collect()
    }

    /// File that defines the item at `path`, as seen from `module`; None for paths into other crates.
    fn defined_in(&self, module: &[String], path: &[String], depth: usize) -> Option<&'a str> {
        let mut at: Module = module.to_vec();
        let mut rest = path;
        let mut is_ours = false;
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "crate" => at.clear(),
                "super" => drop(at.pop()),
                "self" => {}
                _ => break,
            }
            (rest, is_ours) = (after, true);
        }
        for (place, segment) in rest.iter().enumerate() {
            let child: Module = at.iter().cloned().chain([segment.clone()]).collect();
            if self.by_module.contains_key(&child) {
                (at, is_ours) = (child, true);
                continue;
            }
            // A name that the module only imports is defined elsewhere.
            let import = self.files[self.by_module.get(&at)?].imports.iter().find(|import| import.name == *segment);
            return match import {
                Some(import) if (is_ours || place > 0) && depth < 8 => {
                    let path: Vec<String> = import.path.iter().chain(&rest[place + 1..]).cloned().collect();
                    self.defined_in(&at, &path, depth + 1)
                }
                _ if is_ours => self.by_module.get(&at).copied(),
                _ => None,
            };
        }
        self.by_module.get(&at).copied().filter(|_| is_ours)
    }
}

fn parse(file: &str, text: &str) -> File {
    let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let is_root = ["lib", "main", "mod"].contains(&stem);
    let module = if is_root { Vec::new() } else { stem.split('/').map(str::to_owned).collect() };
    let code = plain(text);
    let code = without_visibility(code.split("mod tests {").next().unwrap_or_default());
    let is_declaration = |line: &&str| line.ends_with(';') && line.trim_start_matches("pub ").starts_with("mod ");
    let code: String = code.lines().filter(|line| !is_declaration(line)).map(|line| format!("{line}\n")).collect();
    let (mut imports, mut paths, mut words) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut rest = code.as_str();
    while let Some((before, is_re_export, tree, after)) = next_use(rest) {
        add_paths(before, &mut paths, &mut words);
        expand(&[], tree, is_re_export, &mut imports);
        rest = after;
    }
    add_paths(rest, &mut paths, &mut words);
    File { module, imports, paths, words }
}

/// Code without the paths of `pub(in crate::...)`, which are no dependencies.
fn without_visibility(code: &str) -> String {
    let mut parts = code.split("pub(in ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |code, part| code + "pub" + part.split_once(')').map_or("", |(_, after)| after))
}

/// Splits code at its first `use` item: code before, whether others see the names, tree of names, code after.
fn next_use(code: &str) -> Option<(&str, bool, &str, &str)> {
    let is_start = |at: usize| code[..at].trim_end_matches(' ').ends_with(['\n', ';', '{', '}', ')']) || at == 0;
    let re_export = |at: usize| code[..at].trim_end().ends_with("pub") || code[..at].trim_end().ends_with(')');
    let at = code.match_indices("use ").map(|(at, _)| at).find(|&at| is_start(at) || code[..at].ends_with("pub "))?;
    let (tree, after) = code[at + 4..].split_once(';')?;
    Some((&code[..at], re_export(at), tree, after))
}

/// Lists the names of a `use` tree such as `crate::{a::B, c::{self, D as E}}`.
fn expand(before: &[String], tree: &str, is_re_export: bool, imports: &mut Vec<Import>) {
    let tree = tree.trim();
    if let Some((start, inner)) = tree.split_once('{') {
        let before: Vec<String> = before.iter().cloned().chain(segments(start)).collect();
        let inner = inner.strip_suffix('}').unwrap_or(inner);
        let mut depth = 0;
        let parts = inner.split(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        });
        parts.filter(|part| !part.trim().is_empty()).for_each(|part| expand(&before, part, is_re_export, imports));
        return;
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
    let mut path: Vec<String> = before.iter().cloned().chain(segments(path)).collect();
    if path.len() > 1 && path.last().is_some_and(|last| last == "self" || last == "*") {
        path.pop();
    }
    let name = if name.is_empty() { path.last().cloned().unwrap_or_default() } else { name.trim().to_owned() };
    imports.push(Import { name, path, is_re_export });
}

fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split("::").map(str::trim).filter(|segment| !segment.is_empty()).map(str::to_owned)
}

/// Collects the paths (`a::b`) and the words of code without `use` items.
fn add_paths(code: &str, paths: &mut Vec<Vec<String>>, words: &mut BTreeSet<String>) {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for word in code.split(|c| !is_part(c)).filter(|word| !word.is_empty()) {
        let path: Vec<String> = segments(word.trim_end_matches(':')).collect();
        words.extend(path.iter().cloned());
        if path.len() > 1 {
            paths.push(path);
        }
    }
}

/// Text without comments and without the contents of strings.
fn plain(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let hashes = rest.strip_prefix('r').map_or(0, |raw| raw.len() - raw.trim_start_matches('#').len());
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if c == 'r' && rest[1 + hashes..].starts_with('"') && !code.ends_with(char::is_alphanumeric) {
            let end = format!("\"{}", "#".repeat(hashes));
            let content = &rest[2 + hashes..];
            rest = &content[content.find(&end).map_or(content.len(), |at| at + end.len())..];
        } else if c == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            rest = &rest[end.map_or(rest.len(), |end| end + 2)..];
        } else if rest.starts_with("'\"'") {
            rest = &rest[3..];
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}
