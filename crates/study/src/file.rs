//! The study file: a base recipe, what is laid over it in every arm, the axes with their arms, seeds, and the endpoints
//! named before the first run.

use std::path::{Path, PathBuf};

use stepwise_config::document::{Document, Entry, Table, Value};
use stepwise_config::kind::{Accepts, ValueKind};
use stepwise_config::problem::Location;
use stepwise_config::section::{Findings, Section};
use stepwise_recipe::{Problem, Reference};

use super::StudyError;
use super::unequal_budget::{self, UnequalBudget};

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
    pub unequal_budget: UnequalBudget,
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
        let problems: Vec<Problem> = findings.problems(&reference(), &stepwise_recipe::FOREIGN_KEYS);
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
    let mut top = Section::top(root, findings).about(ABOUT);
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let name_at = top.at("name");
    let name = top.text("name", Some("the file's name"), "For people, and the name of its jobs on a cluster.");
    let name = name.unwrap_or_else(|| stem.clone());
    if !is_plain(&name) {
        let message = format!("the study's name `{name}` has more than letters, digits, `-`, `_` and `.`");
        top.report(name_at.as_ref(), message, "it stands in the names of jobs and tables; write a shorter `name`");
    }
    let base = top.path_required("base", "recipes/quickstart.toml", "The recipe that every arm starts from.");
    let output_dir = top
        .path("output_dir", Some("`checkpoints/` and the study's name"), "Folder that holds the runs.")
        .unwrap_or_else(|| Path::new("checkpoints").join(&name));
    let seeds = read_seeds(&mut top);
    let primary = read_primary(&mut top);
    let reference =
        top.text("reference", Some("the first arm"), "The arm that all others are compared with, by its whole name.");
    let unequal_budget = unequal_budget::read(&mut top);
    let set = top.section("set").about(SET).drain();
    let set = set.iter().flat_map(|(key, entry)| overrides(&top, key, entry)).map(Override::argument).collect();
    let axes = read_axes(top.section("axes").about(AXES));
    top.finish();
    StudyFile { name, base, output_dir, seeds, primary, reference, unequal_budget, set, axes }
}

const ABOUT: &str = "What is compared, and what a claim may rest on.";

const SET: &str = "Keys of the recipe, laid over the base in every arm: `set.train.max_steps = 100`.";

const AXES: &str = "What is varied. `[axes.NAME]` has an arm a line: its name, and the keys of the recipe that are laid over the \
                    base, as in `stepwise = { curriculum.order = \"stepwise\" }`. Of several axes every combination is an arm, its \
                    name those of its values joined by `+`; no two axes may set one key. `seed` and `output_dir` are the \
                    study's own.";

fn read_seeds(top: &mut Section<'_>) -> Vec<u64> {
    const ACCEPTS: &str = "a list of whole numbers, each once";
    let Some(node) = top.take(
        "seeds",
        list(ACCEPTS, ValueKind::Integer(0, i64::MAX as u64)),
        Some("[1, 2, 3]".into()),
        "One run of every arm for each. More may be added at the end when the study has begun; the report says which.",
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
    const HELP: &str = "Endpoints that a claim may rest on, named before the first run; their p-values are adjusted by Holm over all arms.";
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
    // The keys of earlier axes, with the axis.
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
                    format!("the arm `{arm}` of `{name}` is no table of recipe keys"),
                    HELP,
                );
                continue;
            };
            if !is_plain(arm) {
                let message = format!("the arm's name `{arm}` has more than letters, digits, `-`, `_` and `.`");
                section.report(Some(&entry.key), message, "it stands in the names of folders; rename it");
            }
            let set: Vec<Override> = keys.iter().flat_map(|(key, entry)| overrides(&section, key, entry)).collect();
            for found in &set {
                if let Some((key, axis)) = taken.iter().find(|(key, _)| overlap(key, &found.key)) {
                    let message = format!("`{}` is set here, and `{key}` by the axis `{axis}`", found.key);
                    section.report(Some(&found.at), message, "one would overrule the other; set it in one axis alone");
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
        section.report(None, "nothing is varied", "add an axis: `[axes.order]`, then an arm a line");
    }
    axes
}

/// A key of the recipe with its value.
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

/// Keys that the study sets itself, with where they are said.
const OWN: [(&str, &str); 2] = [("seed", "seeds"), ("output_dir", "output_dir")];

/// A value as keys of the recipe: a table is laid over the recipe key by key; anything else replaces what is there, and so does
/// a table without keys, which empties it.
fn overrides(section: &Section<'_>, key: &str, entry: &Entry) -> Vec<Override> {
    if let Some((_, ours)) = OWN.iter().find(|(own, _)| *own == key) {
        let message = format!("`{key}` is the study's own, and each run's follows from it");
        section.report(Some(&entry.key), message, format!("remove it, and write `{ours}` at the top of the study"));
    }
    match &entry.node.value {
        Value::Table(entries) if !entries.is_empty() => {
            entries.iter().flat_map(|(inner, entry)| overrides(section, &format!("{key}.{inner}"), entry)).collect()
        }
        _ => vec![Override { key: key.to_owned(), value: entry.node.plain(), at: entry.key.clone() }],
    }
}

/// Whether two keys are the same, or one is inside the other.
fn overlap(a: &str, b: &str) -> bool {
    let inside = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    inside(a, b) || inside(b, a)
}

/// Whether a name may stand in paths, job names and LaTeX labels as it is.
fn is_plain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.chars().all(fits) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwise_recipe::Recipe;

    fn parse(text: &str) -> Result<StudyFile, StudyError> {
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
        assert_eq!((study.seeds, study.set), (vec![1, 2, 3], vec!["train.max_steps=5".to_owned()]));
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
