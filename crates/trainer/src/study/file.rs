//! The study file: a base recipe, what is laid over it in every arm, the axes with their arms, seeds, and the endpoints
//! named before the first run.

use std::path::{Path, PathBuf};

use crate::recipe::document::{Document, Node, Table, Value};
use crate::recipe::kind::{Accepts, ValueKind};
use crate::recipe::section::{Findings, Section};
use crate::recipe::{Problem, Reference};

use super::StudyError;

/// A study as written.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyFile {
    /// For people, and the name of its jobs on a cluster.
    pub name: String,
    /// The recipe that every arm starts from.
    pub base: PathBuf,
    /// Folder that holds the runs.
    pub output_dir: PathBuf,
    /// One run of every arm for each.
    pub seeds: Vec<u64>,
    /// Metrics of the benchmark's summary that a claim may rest on.
    pub primary: Vec<String>,
    /// The arm that all others are compared with; the first one when left out.
    pub reference: Option<String>,
    /// Why arms that are taught more or less than others may be compared all the same.
    pub unequal_budget: Option<String>,
    /// Laid over the base in every arm, as `--set` arguments.
    pub set: Vec<String>,
    /// What is varied.
    pub axes: Vec<Axis>,
}

/// One thing that is varied.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it is called.
    pub name: String,
    /// Its values by name.
    pub arms: Vec<AxisArm>,
}

/// One value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisArm {
    /// What it is called.
    pub name: String,
    /// Laid over the base, as `--set` arguments.
    pub set: Vec<String>,
}

impl StudyFile {
    /// Reads `text` as the study at `path`.
    ///
    /// # Errors
    /// With every problem of the text.
    pub fn parse(path: &Path, text: String) -> Result<Self, StudyError> {
        let invalid = |problems| StudyError::Invalid { path: path.into(), problems };
        let Document { sources, root } = Document::parse(path.display().to_string(), text, &[]).map_err(invalid)?;
        let findings = Findings::new(sources);
        let study = read(path, root, &findings);
        let problems: Vec<Problem> = findings.problems(&reference().keys);
        if problems.is_empty() { Ok(study) } else { Err(invalid(problems)) }
    }
}

/// Every key of a study file, documented by the code that reads it.
#[must_use]
pub fn reference() -> Reference {
    let findings = Findings::new(Vec::new());
    read(Path::new("study.toml"), Table::new(), &findings);
    findings.reference()
}

fn list(words: &str, of: ValueKind) -> Accepts {
    Accepts { words: words.to_owned(), kind: ValueKind::List(Box::new(of)) }
}

fn read(path: &Path, root: Table, findings: &Findings) -> StudyFile {
    let mut top = Section::top(root, findings);
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let name_at = top.at("name");
    let name = top.text("name", Some("the file's name"), "For people, and the name of its jobs on a cluster.");
    let name = name.unwrap_or_else(|| stem.clone());
    if !is_plain(&name) {
        let message = format!("the study's name `{name}` has more than letters, digits, `-`, `_` and `.`");
        top.report(name_at.as_ref(), message, "it stands in the names of jobs and tables; write a shorter `name`");
    }
    if !top.has("base") {
        top.report(
            None,
            "`base` is missing",
            "name the recipe that every arm starts from: `base = \"recipes/quickstart.toml\"`",
        );
    }
    let base = top.path("base", None, "The recipe that every arm starts from.");
    let output_dir = top
        .path("output_dir", Some("`checkpoints/` and the study's name"), "Folder that holds the runs.")
        .unwrap_or_else(|| Path::new("checkpoints").join(&name));
    let seeds = read_seeds(&mut top);
    let primary = read_primary(&mut top);
    let reference =
        top.text("reference", Some("the first arm"), "The arm that all others are compared with, by its whole name.");
    let unequal_budget = top.text(
        "unequal_budget",
        None,
        "Why arms of unequal optimiser steps, samples or supervised tokens are compared; without it they are refused.",
    );
    let set = top.section("set").drain().into_iter().flat_map(|(key, entry)| overrides(&key, &entry.node)).collect();
    let axes = read_axes(top.section("axes"));
    top.finish();
    StudyFile { name, base: base.unwrap_or_default(), output_dir, seeds, primary, reference, unequal_budget, set, axes }
}

fn read_seeds(top: &mut Section<'_>) -> Vec<u64> {
    const ACCEPTS: &str = "a list of whole numbers, each once";
    let Some(node) = top.take(
        "seeds",
        list(ACCEPTS, ValueKind::Integer(0, i64::MAX as u64)),
        Some("[1, 2, 3]".into()),
        "One run of every arm for each.",
    ) else {
        return vec![1, 2, 3];
    };
    let Value::List(elements) = &node.value else {
        top.mismatch(&node, "seeds", ACCEPTS);
        return Vec::new();
    };
    let mut seeds = Vec::new();
    for element in elements {
        match element.value {
            Value::Integer(seed) => match u64::try_from(seed).ok().filter(|seed| i64::try_from(*seed).is_ok()) {
                Some(seed) if seeds.contains(&seed) => {
                    top.report(Some(&element.at), format!("seed {seed} is named twice"), "remove one of them");
                }
                Some(seed) => seeds.push(seed),
                None => top.report(Some(&element.at), "a seed is 0 or more", format!("write {ACCEPTS}")),
            },
            _ => top.mismatch(element, "seeds", ACCEPTS),
        }
    }
    if elements.is_empty() {
        top.report(Some(&node.at), "a study without seeds has no runs", "write at least one, better three or more");
    }
    seeds
}

fn read_primary(top: &mut Section<'_>) -> Vec<String> {
    const ACCEPTS: &str = "a list of metrics of the benchmark's summary, such as [\"chain_accuracy\"]";
    const HELP: &str =
        "Endpoints that a claim may rest on, named before the first run; their p-values are adjusted by Holm.";
    if !top.has("primary") {
        top.report(
            None,
            "`primary` is missing",
            "name the endpoints before the first run: `primary = [\"chain_accuracy\"]`",
        );
    }
    let Some(node) = top.take("primary", list(ACCEPTS, ValueKind::Text), None, HELP) else { return Vec::new() };
    let Value::List(elements) = &node.value else {
        top.mismatch(&node, "primary", ACCEPTS);
        return Vec::new();
    };
    let mut primary: Vec<String> = Vec::new();
    for element in elements {
        match &element.value {
            Value::Text(id) if primary.contains(id) => {
                top.report(Some(&element.at), format!("`{id}` is named twice"), "remove one of them");
            }
            Value::Text(id) => primary.push(id.clone()),
            _ => top.mismatch(element, "primary", ACCEPTS),
        }
    }
    if elements.is_empty() {
        top.report(Some(&node.at), "a study without a primary endpoint can claim nothing", format!("write {ACCEPTS}"));
    }
    primary
}

fn read_axes(mut section: Section<'_>) -> Vec<Axis> {
    const HELP: &str =
        "write its arms as tables of recipe keys, as in `stepwise = { curriculum.order = \"stepwise\" }`";
    let mut axes = Vec::new();
    for (name, entry) in section.drain() {
        let Value::Table(written) = &entry.node.value else {
            section.report(Some(&entry.key), format!("the axis `{name}` has no arms"), HELP);
            continue;
        };
        let mut arms = Vec::new();
        for (arm, entry) in written {
            let Value::Table(keys) = &entry.node.value else {
                section.report(
                    Some(&entry.key),
                    format!("the arm `{arm}` of `{name}` is no table of recipe keys"),
                    HELP,
                );
                continue;
            };
            if !is_plain(arm) {
                let message = format!("the arm's name `{arm}` has more than letters, digits, `-`, `_` and `.`");
                section.report(Some(&entry.key), message, "it stands in the names of folders; rename it");
            }
            let set = keys.iter().flat_map(|(key, entry)| overrides(key, &entry.node)).collect();
            arms.push(AxisArm { name: arm.clone(), set });
        }
        if arms.is_empty() {
            section.report(Some(&entry.key), format!("the axis `{name}` has no arms"), HELP);
        }
        axes.push(Axis { name, arms });
    }
    if axes.is_empty() {
        section.report(None, "nothing is varied", "add an axis: `[axes.order]`, then an arm a line");
    }
    axes
}

/// A value as `--set` arguments: a table is laid over the recipe key by key; anything else replaces what is there, and so does
/// a table without keys, which empties it.
fn overrides(path: &str, node: &Node) -> Vec<String> {
    match &node.value {
        Value::Table(entries) if !entries.is_empty() => {
            entries.iter().flat_map(|(key, entry)| overrides(&format!("{path}.{key}"), &entry.node)).collect()
        }
        _ => vec![format!("{path}={}", node.plain())],
    }
}

/// Whether a name may stand in paths, job names and LaTeX labels as it is.
fn is_plain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.chars().all(fits) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    fn parse(text: &str) -> Result<StudyFile, StudyError> {
        StudyFile::parse(Path::new("studies/order.toml"), text.to_owned())
    }

    #[test]
    fn keys_become_arguments_and_arms_keep_their_order() {
        let text = "base = \"b.toml\"\nprimary = [\"chain_accuracy\"]\nset.train.max_steps = 5\n[axes.order]\n\
            zig = { curriculum.order = \"stepwise\", train = { learning_rate = 2e-3 } }\n\
            all = { curriculum.order = \"joint\", curriculum.augment = {} }\n\
            [axes.lora]\nplain = {}\nwide = { lora.r = 64, lora.target_modules = [\"q_proj\", \"v_proj\"] }\n";
        let study = parse(text).expect("sound");
        assert_eq!((study.name.as_str(), study.output_dir.as_path()), ("order", Path::new("checkpoints/order")));
        assert_eq!((study.seeds, study.set), (vec![1, 2, 3], vec!["train.max_steps=5".to_owned()]));
        let arms = |axis: &Axis| axis.arms.iter().map(|arm| (arm.name.clone(), arm.set.join(" "))).collect::<Vec<_>>();
        let pair = |name: &str, set: &str| (name.to_owned(), set.to_owned());
        assert_eq!(
            arms(&study.axes[0]),
            [
                pair("zig", "curriculum.order=\"stepwise\" train.learning_rate=0.002"),
                pair("all", "curriculum.order=\"joint\" curriculum.augment={}")
            ]
        );
        assert_eq!(
            arms(&study.axes[1]),
            [pair("plain", ""), pair("wide", "lora.r=64 lora.target_modules=[\"q_proj\", \"v_proj\"]")]
        );
    }

    #[test]
    fn an_arm_says_what_learns_in_a_phase() {
        let text = "base = \"b.toml\"\nprimary = [\"chain_accuracy\"]\n[axes.first]\nall = {}\n\
            connector = { curriculum.phase.0.freeze_language_model = true }\n";
        let base = "model_name_or_path = \"b\"\ndata.synth = { cases = 8 }\nlora.freeze_multi_modal_projector = false\n\
            [[curriculum.phase]]\nstages = [1]\n[[curriculum.phase]]\nstages = [2]\n";
        let frozen = |arm: &AxisArm| {
            let recipe = Recipe::parse(Path::new("b.toml"), base.to_owned(), &arm.set).expect("valid");
            recipe.curriculum.phase.iter().map(|phase| phase.freeze.names()).collect::<Vec<_>>()
        };
        let arms = &parse(text).expect("sound").axes[0].arms;
        assert_eq!(arms.iter().map(frozen).collect::<Vec<_>>(), [["", ""], ["decoder", ""]]);
    }

    #[test]
    fn what_is_missing_misspelt_or_senseless_is_said_at_once() {
        let text = "bas = \"b.toml\"\nseeds = [1, 1, -2, \"x\"]\nprimary = []\n[axes.order]\n\"a/b\" = {}\nc = 3\n[axes]\nempty = 1\n";
        let message = parse(text).expect_err("unsound").to_string();
        insta::assert_snapshot!(message);
        assert!(
            parse("base = \"b\"\nprimary = [\"x\"]").expect_err("no axis").to_string().contains("nothing is varied")
        );
    }
}
