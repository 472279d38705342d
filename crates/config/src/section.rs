//! Reads one table of a TOML file key by key. Each call gives the key's name, default, range and meaning, so the same
//! calls check a recipe and document its keys.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};

use crate::document::{Entry, Node, Table, Value};
use crate::kind::{Accepts, INTEGER_MAX, ValueKind, described};
use crate::nearest::nearest;
use crate::path::{Unresolved, resolved};
use crate::problem::{Excerpt, Location, Problem, Source};
use crate::reference::{Key, Reference};
use crate::unknown_keys::{self, ForeignKeys};

/// Words that a key accepts, each with the value that it stands for.
pub type Words<T> = &'static [(&'static str, T)];

/// Results of reading a file: problems, documented keys and tables, and unknown keys. [`Section`]s add to it.
#[derive(Default)]
pub struct Findings {
    problems: RefCell<Vec<(Option<Location>, Problem)>>,
    reference: RefCell<Reference>,
    unknown: RefCell<Vec<(String, String, Location)>>,
    sources: Vec<Source>,
}

impl Findings {
    /// Makes empty findings of a file that was parsed from `sources`. Without sources, keys are documented without
    /// a file.
    pub fn new(sources: Vec<Source>) -> Self {
        Self { sources, ..Self::default() }
    }

    /// Adds a problem with an excerpt of the place `at`; None when something is missing from the whole file. `help` is
    /// advice, None when there is none.
    ///
    /// # Panics
    /// When `at` names a source that was not given to [`Findings::new`].
    pub fn report(&self, at: Option<&Location>, message: String, help: Option<String>) {
        let excerpt = at.map(|at| Excerpt::new(&self.sources[at.source], &at.span));
        self.problems.borrow_mut().push((at.cloned(), Problem { message, help, excerpt }));
    }

    /// Returns every key and table that was read.
    pub fn reference(self) -> Reference {
        self.reference.into_inner()
    }

    /// Returns all problems, in the order of the file and then of the `--set` arguments; empty when there is none.
    /// Problems without a position come first. Hints about unknown keys are made from `reference` and `foreign`.
    pub fn problems(self, reference: &Reference, foreign: &ForeignKeys) -> Vec<Problem> {
        for (section, name, at) in self.unknown.take() {
            let (message, help) = unknown_keys::unknown(&section, &name, reference, foreign);
            self.report(Some(&at), message, help);
        }
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|(at, _)| at.as_ref().map(|at| (at.source, at.span.start)));
        problems.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// Table of a file that is being read. Reading a key removes it, so the keys that remain at the end are unknown.
pub struct Section<'a> {
    /// Dotted name; empty for the top level.
    name: String,
    /// Position of the header or first key of the table; None when the table is not written.
    pub at: Option<Location>,
    entries: Table,
    findings: &'a Findings,
}

impl<'a> Section<'a> {
    /// Makes the section of the top level of a file. All that is read from it is recorded in `findings`.
    pub fn top(entries: Table, findings: &'a Findings) -> Self {
        Self::new(String::new(), None, entries, findings)
    }

    fn new(name: String, at: Option<Location>, entries: Table, findings: &'a Findings) -> Self {
        findings.reference.borrow_mut().sections.entry(name.clone()).or_default();
        Self { name, at, entries, findings }
    }

    /// Sets the description of the section in the reference, and returns the section.
    pub fn about(self, about: &'static str) -> Self {
        self.findings.reference.borrow_mut().sections.entry(self.name.clone()).or_default().about = about;
        self
    }

    /// Returns the dotted name of the inner table `name`.
    fn full(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) }
    }

    /// Takes the inner table `name` out of this one and returns it as a section. The section is empty when the table is
    /// not written or its value is no table, which is reported.
    pub fn section(&mut self, name: &'static str) -> Section<'a> {
        let full = self.full(name);
        let (at, entries) = match self.entries.shift_remove(name) {
            None => (None, Table::new()),
            Some(Entry { key, node: Node { value: Value::Table(entries), .. } }) => (Some(key), entries),
            Some(Entry { node, .. }) => {
                self.mismatch(&node, name, &format!("the section `[{full}]`"));
                (Some(node.at), Table::new())
            }
        };
        Section::new(full, at, entries, self.findings)
    }

    /// Takes the inner tables `[[name]]` out of this one and returns them in order; empty when none is written. A value
    /// that is no list of tables is reported and gives no section; elements of the list that are no tables are reported
    /// and left out.
    pub fn sections(&mut self, name: &'static str) -> Vec<Section<'a>> {
        let full = self.full(name);
        self.findings.reference.borrow_mut().sections.entry(full.clone()).or_default().list = true;
        let Some(Entry { node, .. }) = self.entries.shift_remove(name) else { return Vec::new() };
        let mut sections = Vec::new();
        match node.value {
            Value::List(elements) => {
                for element in elements {
                    let Node { value: Value::Table(entries), at } = element else {
                        self.mismatch(&element, name, "a table");
                        continue;
                    };
                    sections.push(Section::new(full.clone(), Some(at), entries, self.findings));
                }
            }
            // `--set curriculum.phase.0.replay=0.1` on a recipe that writes no phases.
            Value::Table(_) => self.report(
                Some(&node.at),
                format!("there is no `[[{full}]]` to change"),
                format!("write the tables in the recipe, each under `[[{full}]]`, or give `--set {full}=[{{ ... }}]`"),
            ),
            _ => self.mismatch(&node, name, &format!("a list of tables, each under `[[{full}]]`")),
        }
        sections
    }

    /// Makes the inner table `name` from `entries` that were already taken out of this one, with [`Section::drain`] for
    /// example. `at` is its position, None when it is not written.
    pub fn nested(&self, name: &str, at: Option<Location>, entries: Table) -> Section<'a> {
        Section::new(format!("{}.{name}", self.name), at, entries, self.findings)
    }

    /// Removes a key without reading or documenting it. Returns its position; None when it is not written.
    pub fn remove(&mut self, key: &str) -> Option<Location> {
        self.entries.shift_remove(key).map(|entry| entry.key)
    }

    /// Removes and returns all remaining keys, for a table whose key names are free.
    pub fn drain(&mut self) -> Table {
        std::mem::take(&mut self.entries)
    }

    /// Makes an empty section with the whole dotted name `name` and the position of this one, for a table that is
    /// not written.
    pub fn part(&self, name: &str) -> Section<'a> {
        Section::new(name.to_owned(), self.at.clone(), Table::new(), self.findings)
    }

    /// Returns whether the key is written and was not read or removed yet.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Returns the position of a key; None when it is not written or was read already.
    pub fn at(&self, key: &str) -> Option<Location> {
        self.entries.get(key).map(|entry| entry.key.clone())
    }

    /// Returns for two keys that exclude each other the position of the second, if both are written in the same source,
    /// else None. Keys in different sources do not conflict, because a `--set` argument replaces the other key of the
    /// file. `first` and `second` are the positions of the keys, None when a key is not written.
    pub fn rivals(&self, first: Option<&Location>, second: Option<&Location>) -> Option<Location> {
        second.filter(|second| first.is_some_and(|first| first.source == second.source)).cloned()
    }

    /// Reports a problem at `at`; None takes the position of the section. `help` is advice on what to do.
    pub fn report(&self, at: Option<&Location>, message: impl Into<String>, help: impl Into<String>) {
        self.findings.report(at.or(self.at.as_ref()), message.into(), Some(help.into()));
    }

    /// Ends the reading of the table and records every key that was not read as unknown.
    pub fn finish(self) {
        let unknown = self.entries.into_iter().map(|(name, entry)| (self.name.clone(), name, entry.key));
        self.findings.unknown.borrow_mut().extend(unknown);
    }

    /// Reads a whole number within `range` and documents the key with `default` and `help`. Returns the default when
    /// the key is not written. A wrong value is reported, and the default is returned.
    pub fn integer(
        &mut self,
        key: &'static str,
        default: u64,
        range: impl RangeBounds<u64>,
        help: &'static str,
    ) -> u64 {
        self.read_integer(key, Some(default.to_string()), &range, help).unwrap_or(default)
    }

    /// Reads an optional whole number within `range`; `otherwise` describes the default in the reference, None when
    /// there is none. Returns None when the key is not written or its value is wrong, which is reported.
    pub fn integer_or(
        &mut self,
        key: &'static str,
        otherwise: Option<&str>,
        range: impl RangeBounds<u64>,
        help: &'static str,
    ) -> Option<u64> {
        self.read_integer(key, otherwise.map(str::to_owned), &range, help)
    }

    fn read_integer(
        &mut self,
        key: &'static str,
        default: Option<String>,
        range: &impl RangeBounds<u64>,
        help: &'static str,
    ) -> Option<u64> {
        let accepts = ValueKind::integer(range).called(format!("a whole number{}", described(range)));
        let node = self.take(key, accepts.clone(), default, help)?;
        match node.value {
            Value::Integer(number) => {
                // A number above `INTEGER_MAX` could not be written into the resolved recipe.
                let fits = |number: &u64| *number <= INTEGER_MAX && range.contains(number);
                match u64::try_from(number).ok().filter(fits) {
                    Some(number) => return Some(number),
                    None => self.out_of_range(&node, key, range),
                }
            }
            _ => self.mismatch(&node, key, &accepts.words),
        }
        None
    }

    /// Reads a number within `range`; whole numbers are accepted. Returns the default when the key is not written or
    /// its value is wrong, which is reported.
    pub fn float(&mut self, key: &'static str, default: f64, range: impl RangeBounds<f64>, help: &'static str) -> f64 {
        self.float_or(key, Some(&toml::Value::Float(default).to_string()), range, help).unwrap_or(default)
    }

    /// Reads the optional number `key` within `range`, and documents the key in the reference with its meaning, `help`.
    /// Whole numbers are accepted. `otherwise` describes the default in the reference, None when there is none. Returns
    /// None when the key is not written or its value is wrong, which is reported.
    pub fn float_or(
        &mut self,
        key: &'static str,
        otherwise: Option<&str>,
        range: impl RangeBounds<f64>,
        help: &'static str,
    ) -> Option<f64> {
        let accepts = Accepts::from(ValueKind::number(&range));
        let node = self.take(key, accepts.clone(), otherwise.map(str::to_owned), help)?;
        let number = match node.value {
            Value::Float(number) => number,
            Value::Integer(number) => number as f64,
            _ => {
                self.mismatch(&node, key, &accepts.words);
                return None;
            }
        };
        if number.is_finite() && range.contains(&number) {
            return Some(number);
        }
        self.out_of_range(&node, key, &range);
        None
    }

    /// Reads true or false. Returns the default when the key is not written or its value is wrong, which is reported.
    pub fn flag(&mut self, key: &'static str, default: bool, help: &'static str) -> bool {
        self.flag_or(key, Some(&default.to_string()), help).unwrap_or(default)
    }

    /// Reads an optional true or false; `otherwise` describes the default in the reference, None when there is none.
    /// Returns None when the key is not written or its value is wrong, which is reported.
    pub fn flag_or(&mut self, key: &'static str, otherwise: Option<&str>, help: &'static str) -> Option<bool> {
        let node = self.take(key, ValueKind::Flag.into(), otherwise.map(str::to_owned), help)?;
        match node.value {
            Value::Flag(flag) => return Some(flag),
            _ => self.mismatch(&node, key, "true or false"),
        }
        None
    }

    /// Reads one of `words` and returns the value that it stands for. Returns the default when the key is not written
    /// or its value is wrong, which is reported.
    pub fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        words: Words<T>,
        default: T,
        help: &'static str,
    ) -> T {
        self.choice_with_advice(key, words, &[], default, help)
    }

    /// Reads one of `words` like [`Section::choice`]. `foreign` holds words of other tools, in lower case, each with what
    /// to write here: the advice of the problem that is reported for them, in any case.
    pub fn choice_with_advice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        words: Words<T>,
        foreign: Words<&'static str>,
        default: T,
        help: &'static str,
    ) -> T {
        let standard = words.iter().find(|(_, choice)| *choice == default);
        self.read_choice(key, words, foreign, default, standard.map(|(word, _)| format!("\"{word}\"")), help)
    }

    /// Reads one of `words` like [`Section::choice`], with the same `default`; `otherwise` describes the default in the
    /// reference in place of its word, for defaults that depend on other keys.
    pub fn choice_or<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        words: Words<T>,
        default: T,
        otherwise: &str,
        help: &'static str,
    ) -> T {
        self.read_choice(key, words, &[], default, Some(otherwise.to_owned()), help)
    }

    /// Reads one of `words` that may be absent: None when the key is not written or its value is wrong, which is reported.
    /// `otherwise` describes the default in the reference.
    pub fn choice_or_none<T: Copy>(
        &mut self,
        key: &'static str,
        words: Words<Option<T>>,
        otherwise: &str,
        help: &'static str,
    ) -> Option<T> {
        self.read_choice(key, words, &[], None, Some(otherwise.to_owned()), help)
    }

    fn read_choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: Words<T>,
        foreign: Words<&'static str>,
        default: T,
        otherwise: Option<String>,
        help: &'static str,
    ) -> T {
        let accepts = Accepts::from(ValueKind::Word(words.iter().map(|(word, _)| *word).collect()));
        let Some(node) = self.take(key, accepts.clone(), otherwise, help) else {
            return default;
        };
        let accepts = accepts.words;
        let Value::Text(written) = &node.value else {
            self.mismatch(&node, key, &accepts);
            return default;
        };
        if let Some((_, choice)) = words.iter().find(|(word, _)| word == written) {
            return *choice;
        }
        let advice = foreign.iter().find(|(word, _)| written.trim().eq_ignore_ascii_case(word));
        let help = match (advice, nearest(written, words.iter().map(|(word, _)| *word))) {
            (Some((_, advice)), _) => format!("write {advice}"),
            (None, Some(word)) => format!("did you mean \"{word}\"? `{key}` is {accepts}"),
            (None, None) => format!("`{key}` is {accepts}"),
        };
        self.report(Some(&node.at), format!("`{key}` cannot be \"{written}\""), help);
        default
    }

    /// Reads a string that is not blank; `otherwise` describes the default in the reference, None when there is none.
    /// Returns None when the key is not written or its value is wrong, which is reported.
    pub fn text(&mut self, key: &'static str, otherwise: Option<&str>, help: &'static str) -> Option<String> {
        let node = self.take(key, ValueKind::Text.into(), otherwise.map(str::to_owned), help)?;
        match node.value {
            Value::Text(text) if text.trim().is_empty() => {
                self.report(Some(&node.at), format!("`{key}` is empty"), "write a value, or leave the key out");
                None
            }
            Value::Text(text) => Some(text),
            _ => {
                self.mismatch(&node, key, "a string");
                None
            }
        }
    }

    /// Reads a path like [`Section::text`] and resolves it as [`Section::resolved`] does. Returns None as there, and
    /// for a path that cannot be resolved, which is reported. A leading `~` is the home folder; relative paths start at
    /// the working directory. The path need not exist.
    pub fn path(&mut self, key: &'static str, otherwise: Option<&str>, help: &'static str) -> Option<PathBuf> {
        let at = self.at(key);
        let written = self.text(key, otherwise, help)?;
        self.resolved(at.as_ref(), &written)
    }

    /// Returns the path `written` at the position `at`, resolved by [`crate::path::resolved`]. Returns None for a path
    /// that cannot be resolved, and reports it.
    pub fn resolved(&self, at: Option<&Location>, written: &str) -> Option<PathBuf> {
        let path = resolved(Path::new(written));
        path.map_err(|Unresolved { problem, advice }| self.report(at, format!("\"{written}\": {problem}"), advice)).ok()
    }

    /// Documents the key in the reference, removes it and returns its value unchecked; None when it is not written.
    /// `accepts` describes the values, `default` is the default as TOML or in words (None when there is none), `help`
    /// is the meaning.
    pub fn take(
        &mut self,
        key: &'static str,
        accepts: Accepts,
        default: Option<String>,
        help: &'static str,
    ) -> Option<Node> {
        self.note(Key { section: self.name.clone(), name: key, accepts, default, help, required: false });
        self.entries.shift_remove(key).map(|entry| entry.node)
    }

    fn note(&self, key: Key) {
        self.findings.reference.borrow_mut().keys.push(key);
    }

    /// Reads a required path, resolved as [`Section::path`] does. Returns an empty path when the key is missing, which
    /// is reported with `example` as the value to write, and when its value is wrong, which is reported too.
    pub fn path_required(&mut self, key: &'static str, example: &str, help: &'static str) -> PathBuf {
        let given = self.has(key);
        let path = self.path(key, None, help);
        self.requires();
        if !given {
            let help = format!("write it as `{key} = \"{example}\"`");
            self.report(None, format!("`{key}` is missing"), help);
        }
        path.unwrap_or_default()
    }

    /// Marks the key that was read last, in any section of these findings, as required in the reference.
    pub fn requires(&self) {
        if let Some(noted) = self.findings.reference.borrow_mut().keys.last_mut() {
            noted.required = true;
        }
    }

    /// Reports at `node` that its value has the wrong type for `key`. `expected` describes the values that the
    /// key accepts.
    pub fn mismatch(&self, node: &Node, key: &str, expected: &str) {
        let number_in_quotes = matches!(&node.value, Value::Text(text) if text.trim().parse::<f64>().is_ok());
        let help = if number_in_quotes && expected.contains("number") {
            "write the number without quotes".to_owned()
        } else {
            format!("write {expected}")
        };
        self.report(Some(&node.at), format!("`{key}` cannot be {}", node.value.kind()), help);
    }

    fn out_of_range<B: Display>(&self, node: &Node, key: &str, range: &impl RangeBounds<B>) {
        let written = &self.findings.sources[node.at.source].text[node.at.span.clone()];
        let help = format!("write a number{}", described(range));
        self.report(Some(&node.at), format!("`{key}` cannot be {written}"), help);
    }
}
