//! Reads the study file: base recipe, changes to it in all arms, axes with their arms, seeds, and the
//! primary endpoints. The crate `study` runs studies; the file is read here, where no tensors are needed.

mod reference_page;
mod unequal_budget;

use std::path::{Path, PathBuf};

use stepwise_config::document::{Document, Entry, Table, Value};
use stepwise_config::kind::{Accepts, ValueKind};
use stepwise_config::problem::Location;
use stepwise_config::section::{Findings, Section};

use crate::{FOREIGN_KEYS, RecipeError, Reference};

pub use reference_page::markdown;
pub use unequal_budget::UnequalBudget;

/// Checked study file, with defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyFile {
    /// Name for reports and for cluster jobs: letters, digits, `-`, `_` and `.`, the first a letter or digit.
    pub name: String,
    /// Path of the base recipe, which every arm changes.
    pub base: PathBuf,
    /// Folder that holds the runs of all arms.
    pub output_dir: PathBuf,
    /// Seeds, at least one and each once; every arm has one run for each.
    pub seeds: Vec<u64>,
    /// Primary endpoints: ids of metrics of the benchmark's summary that a claim may rest on; at least one.
    pub primary: Vec<String>,
    /// Full name of the arm that all others are compared with; None means the first arm.
    pub reference: Option<String>,
    /// Reasons why arms with different training budgets may be compared.
    pub unequal_budget: UnequalBudget,
    /// Changes to the base recipe in every arm, as `--set` arguments such as `train.max_steps=100`.
    pub set: Vec<String>,
    /// Axes: the settings that are varied, at least one. Every combination of their values is an arm.
    pub axes: Vec<Axis>,
}

/// Axis of a study: a setting that is varied.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Name of the axis, for reports.
    pub name: String,
    /// Values of the axis, at least one, in the order of the file.
    pub arms: Vec<AxisArm>,
}

/// Value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisArm {
    /// Name of the value. The names of an arm's values, joined with `+`, are the name of the arm.
    pub name: String,
    /// Changes that the value makes to the base recipe, as `--set` arguments.
    pub set: Vec<String>,
}

impl StudyFile {
    /// Reads `text` as the study at `path`. The path is used in messages and names the study by default; no file is
    /// read, so the base recipe is not checked.
    ///
    /// # Errors
    /// When the text is not TOML, has an unknown key or a wrong value, lacks a required key, varies nothing, or sets a
    /// key of the recipe in two axes; the error lists every problem.
    pub fn parse(path: &Path, text: String) -> Result<Self, RecipeError> {
        let invalid = |problems| RecipeError::Invalid { path: path.into(), problems };
        let Document { sources, root } = Document::parse(path.display().to_string(), text, &[]).map_err(invalid)?;
        let findings = Findings::new(sources);
        let study = read(path, root, &findings);
        let problems = findings.problems(&reference(), &FOREIGN_KEYS);
        if problems.is_empty() { Ok(study) } else { Err(invalid(problems)) }
    }
}

/// Returns every key and table of a study file, documented by the code that reads them.
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
    let mut top = Section::top(root, findings).about(ABOUT);
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let name_at = top.at("name");
    let name = top.text("name", Some("the file's name"), "Name for reports and for cluster jobs.");
    let name = name.unwrap_or_else(|| stem.clone());
    if !is_plain(&name) {
        let message = format!(
            "the study's name `{name}` must start with a letter or digit and contain only letters, digits, `-`, `_` and `.`"
        );
        top.report(name_at.as_ref(), message, "choose another `name`; it is used in names of jobs and tables");
    }
    let base = top.path_required("base", "recipes/quickstart.toml", "Base recipe, which every arm changes.");
    let output_dir = top
        .path("output_dir", Some("`checkpoints/` and the study's name"), "Folder that holds the runs.")
        .unwrap_or_else(|| Path::new("checkpoints").join(&name));
    let seeds = read_seeds(&mut top);
    let primary = read_primary(&mut top);
    let reference =
        top.text("reference", Some("the first arm"), "Full name of the arm that all others are compared with.");
    let unequal_budget = unequal_budget::read(&mut top);
    let set = top.section("set").about(SET).drain();
    let set = set.iter().flat_map(|(key, entry)| overrides(&top, key, entry)).map(Override::argument).collect();
    let axes = read_axes(top.section("axes").about(AXES));
    top.finish();
    StudyFile { name, base, output_dir, seeds, primary, reference, unequal_budget, set, axes }
}

const ABOUT: &str = "Base recipe, runs, and the endpoints that a claim may rest on.";

const SET: &str = "Keys of the recipe that are set in every arm: `set.train.max_steps = 100`.";

const AXES: &str = "Settings that are varied. `[axes.NAME]` has one value per line: its name, and the keys of the recipe that it sets, as \
                    in `stepwise = { curriculum.order = \"stepwise\" }`. With one axis each value is an arm. With several axes every \
                    combination of values is an arm, named by the values joined with `+`. Two axes must not set the same key. \
                    `seed` and `output_dir` of the recipe are set by the study.";

fn read_seeds(top: &mut Section<'_>) -> Vec<u64> {
    const ACCEPTS: &str = "a list of whole numbers, each once";
    let Some(node) = top.take(
        "seeds",
        list(ACCEPTS, ValueKind::Integer(0, i64::MAX as u64)),
        Some("[1, 2, 3, 4, 5]".into()),
        "Seeds; every arm has one run for each. Results of fewer than five are exploratory. Seeds may be added at \
         the end after the study has begun; the report marks them.",
    ) else {
        return vec![1, 2, 3, 4, 5];
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
                None => top.report(
                    Some(&element.at),
                    "a seed must be a whole number, at least 0",
                    format!("write {ACCEPTS}"),
                ),
            },
            _ => top.mismatch(element, "seeds", ACCEPTS),
        }
    }
    if elements.is_empty() {
        top.report(Some(&node.at), "a study without seeds has no runs", "write at least one seed; a claim needs five");
    }
    seeds
}

fn read_primary(top: &mut Section<'_>) -> Vec<String> {
    const ACCEPTS: &str = "a list of metrics of the benchmark's summary, such as [\"chain_accuracy\"]";
    const HELP: &str = "Primary endpoints, which a claim may rest on; they are fixed before the first run. Their p-values are \
        adjusted by Holm over all arms.";
    if !top.has("primary") {
        top.report(
            None,
            "`primary` is missing",
            "name the endpoints before the first run: `primary = [\"chain_accuracy\"]`",
        );
    }
    let node = top.take("primary", list(ACCEPTS, ValueKind::Text), None, HELP);
    top.requires();
    let Some(node) = node else { return Vec::new() };
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
    // Keys that earlier axes set, each with the name of the axis.
    let mut taken: Vec<(String, String)> = Vec::new();
    for (name, entry) in section.drain() {
        let Value::Table(written) = &entry.node.value else {
            section.report(Some(&entry.key), format!("the axis `{name}` has no arms"), HELP);
            continue;
        };
        let mut arms = Vec::new();
        let mut own: Vec<(String, String)> = Vec::new();
        for (arm, entry) in written {
            let Value::Table(keys) = &entry.node.value else {
                section.report(
                    Some(&entry.key),
                    format!("the arm `{arm}` of `{name}` is not a table of recipe keys"),
                    HELP,
                );
                continue;
            };
            if !is_plain(arm) {
                let message = format!(
                    "the arm's name `{arm}` must start with a letter or digit and contain only letters, digits, `-`, `_` and `.`"
                );
                section.report(Some(&entry.key), message, "rename it; the name is used in names of folders");
            }
            let set: Vec<Override> = keys.iter().flat_map(|(key, entry)| overrides(&section, key, entry)).collect();
            for found in &set {
                if let Some((key, axis)) = taken.iter().find(|(key, _)| overlap(key, &found.key)) {
                    let message = format!("`{}` is set here, and `{key}` by the axis `{axis}`", found.key);
                    section.report(
                        Some(&found.at),
                        message,
                        "set it in one axis only; otherwise one value would replace the other",
                    );
                }
                own.push((found.key.clone(), name.clone()));
            }
            arms.push(AxisArm { name: arm.clone(), set: set.into_iter().map(Override::argument).collect() });
        }
        if arms.is_empty() {
            section.report(Some(&entry.key), format!("the axis `{name}` has no arms"), HELP);
        }
        taken.extend(own);
        axes.push(Axis { name, arms });
    }
    if axes.is_empty() {
        section.report(None, "nothing is varied", "add an axis: `[axes.order]`, then one arm per line");
    }
    axes
}

/// A key of the recipe with its value, set by the study.
struct Override {
    key: String,
    value: toml::Value,
    at: Location,
}

impl Override {
    /// As a `--set` argument.
    fn argument(self) -> String {
        format!("{}={}", self.key, self.value)
    }
}

/// Keys of the recipe that the study sets itself, each with the study's key for it.
const OWN: [(&str, &str); 2] = [("seed", "seeds"), ("output_dir", "output_dir")];

/// The changes that a value makes to the recipe. A table sets its keys one by one. Any other value, and an empty table,
/// replaces the value in the recipe.
fn overrides(section: &Section<'_>, key: &str, entry: &Entry) -> Vec<Override> {
    if let Some((_, ours)) = OWN.iter().find(|(own, _)| *own == key) {
        let message = format!("`{key}` cannot be set here, because the study sets it for every run");
        section.report(Some(&entry.key), message, format!("remove it, and write `{ours}` at the top of the study"));
    }
    match &entry.node.value {
        Value::Table(entries) if !entries.is_empty() => {
            entries.iter().flat_map(|(inner, entry)| overrides(section, &format!("{key}.{inner}"), entry)).collect()
        }
        _ => vec![Override { key: key.to_owned(), value: entry.node.plain(), at: entry.key.clone() }],
    }
}

/// Whether two dotted keys are equal, or one is inside the other.
fn overlap(a: &str, b: &str) -> bool {
    let inside = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    inside(a, b) || inside(b, a)
}

/// Whether a name can be used unchanged in paths, job names and LaTeX labels.
fn is_plain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.chars().all(fits) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recipe;

    fn parse(text: &str) -> Result<StudyFile, RecipeError> {
        StudyFile::parse(Path::new("studies/order.toml"), text.to_owned())
    }

    #[test]
    fn keys_become_arguments_and_arms_keep_their_order() {
        let text = "base = \"b.toml\"\nprimary = [\"chain_accuracy\"]\nset.train.max_steps = 5\n[axes.order]\n\
            zig = { curriculum.order = \"stepwise\", train = { learning_rate = 2e-3 } }\n\
            all = { curriculum.order = \"shuffled\", curriculum.augment = {} }\n\
            [axes.lora]\nplain = {}\nwide = { lora.r = 64, lora.target_modules = [\"q_proj\", \"v_proj\"] }\n";
        let study = parse(text).expect("sound");
        assert_eq!((study.name.as_str(), study.output_dir.as_path()), ("order", Path::new("checkpoints/order")));
        assert_eq!((study.seeds, study.set), (vec![1, 2, 3, 4, 5], vec!["train.max_steps=5".to_owned()]));
        let arms = |axis: &Axis| axis.arms.iter().map(|arm| (arm.name.clone(), arm.set.join(" "))).collect::<Vec<_>>();
        let pair = |name: &str, set: &str| (name.to_owned(), set.to_owned());
        assert_eq!(
            arms(&study.axes[0]),
            [
                pair("zig", "curriculum.order=\"stepwise\" train.learning_rate=0.002"),
                pair("all", "curriculum.order=\"shuffled\" curriculum.augment={}")
            ]
        );
        assert_eq!(
            arms(&study.axes[1]),
            [pair("plain", ""), pair("wide", "lora.r=64 lora.target_modules=[\"q_proj\", \"v_proj\"]")]
        );
    }

    #[test]
    fn what_would_be_overruled_in_silence_is_refused() {
        let text = "base = \"b.toml\"\nprimary = [\"chain_accuracy\"]\nset.seed = 4\n[axes.lora]\nr2 = { lora.r = 2, seed = 3 }\n\
            r4 = { lora = { r = 4 }, output_dir = \"elsewhere\" }\n[axes.other]\nplain = {}\nwide = { lora.r = 8 }\nnone = { lora = {} }\n";
        insta::assert_snapshot!(parse(text).expect_err("overruled").to_string());
        assert!(overlap("lora.r", "lora.r") && !overlap("lora.r", "lora.rank") && overlap("lora", "lora.r"));
    }

    #[test]
    fn a_reason_waives_what_it_names_and_a_plain_one_all_but_steps() {
        let of = |written: &str| {
            let text = format!("base = \"b\"\nprimary = [\"x\"]\nunequal_budget = {written}\n[axes.a]\nb = {{}}\n");
            parse(&text).map(|study| study.unequal_budget)
        };
        let plain = of("\"why\"").expect("sound");
        assert_eq!(
            (plain.steps, plain.samples, plain.supervised_tokens),
            (None, Some("why".into()), Some("why".into()))
        );
        let table = of("{ steps = \"they end early\" }").expect("sound");
        assert_eq!((table.steps, table.samples, table.supervised_tokens), (Some("they end early".into()), None, None));
        assert!(of("3").is_err() && of("\" \"").is_err() && of("{ step = \"why\" }").is_err() && of("{}").is_err());
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
