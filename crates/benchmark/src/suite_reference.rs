//! Reference page of suites, `docs/suite.md`: every key, every kind of condition with its parameters, and every metric
//! that a suite, a recipe or a study may name. Names of parameters and their words come from the error messages of the
//! code that reads suites, so that the page cannot differ from the code.

use std::fmt::Write;

use indexmap::IndexMap;

use crate::metrics::{self, Better, Crossing, Feature, Metric, OutcomeTable, Subgroup};
use crate::perturb::kinds::KINDS;
use crate::perturb::{PerturbationKind, Purpose};
use crate::suite::Suite;

const HEAD: &str = "# Suites

<!-- Written by `cargo xtask generate` from the code that reads suites. -->

A suite is a TOML file. It defines the conditions of a benchmark and the items that each condition is asked of. The suites `fast`
and `full` are built in. `stepwise eval PATH --suite FILE` evaluates with another suite; `[benchmark] suite = \"FILE\"` in a recipe
evaluates with it after every epoch. Compare results only if their suite digests are equal: every key below except `name` changes
the digest.
";

/// Top-level keys of a suite, in the order of the code that reads them.
const KEYS: [(&str, &str); 12] = [
    ("name", "name of the suite; required"),
    ("version", "whole number; part of the key of every random draw; required"),
    ("seed", "whole number; seed of every random draw; required"),
    ("max_cases", "maximum number of cases, stratified; default: all cases"),
    ("subset", "filter of the items: lists of `stages` (1 to 4), `categories` and `modalities`; default: all items"),
    (
        "families",
        "sentences for conditions without their own `families`: `training`, `validation` or `held_out` (default)",
    ),
    ("scoring", "how choices and yes/no questions are scored: `loglikelihood` (default), `letter` or `generate`"),
    (
        "letter_permutations",
        "with `letter`: number of orders of the options in which a choice is asked; default: all rotations",
    ),
    ("answer_form", "form of the answer to a choice: `text` (default) or `letter`"),
    ("max_new_tokens", "maximum number of generated tokens; default: 32"),
    (
        "primary",
        "primary endpoints, named before the run: ids of conditions (their accuracy) and of metrics; adjusted together by Holm",
    ),
    ("condition", "one `[[condition]]` table per condition; exactly one has the kind `clean` and the id `clean`"),
];

/// Keys of every condition, besides the parameters of its kind.
const COMMON: [(&str, &str); 6] = [
    ("id", "id in outcomes, metrics and reports; required"),
    ("kind", "one of the kinds below; required"),
    (
        "on",
        "kind of images that the words of `kind` are shown with, for example `blank` for a hint without an image: `blank`, `no_image`, \
         `swap_near`, `swap_same`, `swap_far`, `region_mask` or `random_mask`; for hints, hedges, reports, rewordings and orders of the options; \
         default: the images of `kind`",
    ),
    ("control", "id of the condition that the effect is measured against"),
    ("max_items", "maximum number of items, stratified by stage; default: all items"),
    ("subset", "filter of the items, as at the top level"),
];

/// Description of a parameter on the page.
struct Parameter {
    name: &'static str,
    /// Kinds that this description applies to; empty for every kind with the parameter and no description of its own.
    kinds: &'static [&'static str],
    /// Valid values; empty where the code that reads the parameter lists the valid words.
    values: &'static str,
    default: Default,
    about: &'static str,
}

/// Default of a parameter.
enum Default {
    Required,
    /// Value as TOML.
    Value(&'static str),
    /// Default described in words.
    Said(&'static str),
}

const fn parameter(
    name: &'static str,
    kinds: &'static [&'static str],
    values: &'static str,
    default: Default,
    about: &'static str,
) -> Parameter {
    Parameter { name, kinds, values, default, about }
}

use Default::{Required, Said, Value};

/// Parameters in page order. `is_of` compares entries by address, so this is a `static` and not a `const`.
static PARAMETERS: &[Parameter] = &[
    parameter(
        "place",
        &["hedge_low", "hedge_high", "hedge_neutral"],
        "",
        Value("\"before_question\""),
        "position of the sentence",
    ),
    parameter("place", &[], "", Value("\"after_options\""), "position of the sentence"),
    parameter("persona", &[], "", Value("\"neutral\""), "speaker of the sentence"),
    parameter("families", &[], "", Said("the suite's"), "set that the sentences are drawn from"),
    parameter(
        "fill",
        &[],
        "",
        Value("\"grey\""),
        "content of the replacing image: one grey level, the mean colour of the modality, or noise",
    ),
    parameter("value", &[], "0 to 255", Value("128"), "grey level"),
    parameter(
        "declared",
        &[],
        "`true`, `false`",
        Value("false"),
        "whether a sentence before the question states that there is no image",
    ),
    parameter(
        "dilate",
        &[],
        "pixels of the original image",
        Value("4"),
        "growth of each region's box before it is covered",
    ),
    parameter(
        "max_area",
        &[],
        "0 to 1",
        Value("0.6"),
        "items whose mask would cover a larger share of an image are left out",
    ),
    parameter(
        "answers",
        &[],
        "",
        Value("\"pixels\""),
        "items to ask: answers in the pixels of the evidence, or answers that are its place (boxes, sides, zones), which \
         the mask shows",
    ),
    parameter("share", &[], "0 to 100", Required, "percentage of the region"),
    parameter(
        "by",
        &[],
        "",
        Value("\"cover\""),
        "cover that percentage of the region's tiles, or blur the whole region by that percentage of the strongest blur",
    ),
    parameter("shape", &[], "", Value("\"box\""), "shape of the mark"),
    parameter("width", &[], "share of the shorter side", Value("0.008"), "width of the line; at least two pixels"),
    parameter("colour", &[], "red, green, blue", Value("[255, 64, 64]"), "colour of the mark"),
    parameter(
        "contrast",
        &[],
        "",
        Value("\"visible\""),
        "white on a black band, or 8 grey levels away from the image below",
    ),
    parameter("height", &[], "share of the shorter side", Value("0.07"), "height of a letter; at least eight pixels"),
    parameter(
        "rotate",
        &[],
        "at least 1",
        Said("a random order"),
        "number of positions by which the options are rotated; asked only of choices with more options than that",
    ),
    parameter(
        "draw",
        &[],
        "whole number",
        Value("0"),
        "number of the random order, for several random orders in one suite",
    ),
    parameter("number", &[], "from 0", Said("drawn at random"), "index of the recorded wording"),
    parameter(
        "reach",
        &[],
        "",
        Value("\"parents\""),
        "earlier questions to show: the questions that the item builds on, or also all questions that these build on",
    ),
    parameter(
        "gold_stages",
        &[],
        "list of stages",
        Value("[]"),
        "stages whose questions are shown with the right answer instead of the model's answer",
    ),
    parameter("level", &[], "1 to 5", Required, "strength; 1 is the weakest"),
    parameter("eps", &["random_sign"], "above 0, in units of 1/255", Required, "change of every pixel"),
    parameter("eps", &[], "above 0, in units of 1/255", Required, "largest change of a pixel"),
    parameter("steps", &[], "at least 1", Value("20"), "gradient steps per restart, each of size 2.5 eps / steps"),
    parameter(
        "restarts",
        &[],
        "at least 1",
        Value("2"),
        "number of random starts; the start with the worst result for the model is kept",
    ),
    parameter(
        "targeted",
        &[],
        "`true`, `false`",
        Value("false"),
        "aim at the wrong answer of `hint_minus` instead of away from the right answer",
    ),
    parameter(
        "random_start",
        &[],
        "`true`, `false`",
        Value("false"),
        "start at a random point within `eps` of the image and take a step of 1.25 `eps` (fast FGSM, Wong et al. 2020)",
    ),
];

/// Renders the reference page of suites, `docs/suite.md`, in Markdown, from the code that reads suites.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## The file\n\n| key | |\n| --- | --- |\n");
    KEYS.iter().for_each(|(key, about)| row(&mut page, &[&code(key), about]));
    page.push_str("\n## `[[condition]]`\n\n| key | |\n| --- | --- |\n");
    COMMON.iter().for_each(|(key, about)| row(&mut page, &[&code(key), about]));
    kinds(&mut page);
    metrics_of(&mut page, &Suite::full());
    page
}

const PURPOSES: [(Purpose, &str, &str); 5] = [
    (Purpose::Clean, "Clean", "The question as stored."),
    (
        Purpose::Attack,
        "Attacks",
        "The evidence is intact and something distracts from it. A robust model still gives the right answer.",
    ),
    (
        Purpose::Assist,
        "Assistance",
        "Something true is added. The gain in accuracy shows how much the model relies on it.",
    ),
    (
        Purpose::EvidenceRemoved,
        "Evidence removed",
        "The evidence is removed. A model that uses the image loses accuracy.",
    ),
    (Purpose::Control, "Controls", "The same surface change without the same content."),
];

fn kinds(page: &mut String) {
    page.push_str("\n## Kinds\n");
    for (purpose, title, about) in PURPOSES {
        let _ = write!(page, "\n### {title}\n\n{about}\n\n| kind | what it does | parameters |\n| --- | --- | --- |\n");
        for kind in KINDS.iter().filter(|kind| kind.purpose == purpose) {
            let names: Vec<String> = names(kind).iter().map(|name| code(name)).collect();
            row(page, &[&code(kind.name), kind.about, &names.join(", ")]);
        }
    }
    page.push_str("\n## Parameters\n\n| parameter | value | default | |\n| --- | --- | --- | --- |\n");
    for parameter in PARAMETERS {
        let Some(kind) = KINDS.iter().find(|kind| is_of(kind, parameter)) else { continue };
        let words: Vec<String> = words(kind, parameter.name).iter().map(|word| code(word)).collect();
        let values = if words.is_empty() { parameter.values.to_owned() } else { words.join(", ") };
        let default = match parameter.default {
            Required => "required".to_owned(),
            Value(value) => code(value),
            Said(said) => said.to_owned(),
        };
        let of: Vec<String> = parameter.kinds.iter().map(|kind| code(kind)).collect();
        let of = if of.is_empty() { String::new() } else { format!(" (of {})", of.join(", ")) };
        row(page, &[&format!("{}{of}", code(parameter.name)), &values, &default, parameter.about]);
    }
}

/// Returns the names of a kind's parameters, taken from the error message about an unknown name.
fn names(kind: &PerturbationKind) -> Vec<String> {
    expected(kind, "?", toml::Value::Boolean(true))
}

/// Returns the valid words of a parameter; empty where its value is not one of several words.
fn words(kind: &PerturbationKind, parameter: &str) -> Vec<String> {
    expected(kind, parameter, toml::Value::String("?".to_owned()))
}

/// Returns what the error message of a kind lists as expected instead of `key` or `value`.
fn expected(kind: &PerturbationKind, key: &str, value: toml::Value) -> Vec<String> {
    let Err(error) = (kind.build)(toml::Table::from_iter([(key.to_owned(), value)])) else { return Vec::new() };
    // "unknown field `?`, expected one of `a`, `b`", or the same for a variant. A missing required field comes first.
    match error.message().split_once("`?`, expected ") {
        Some((_, accepted)) => accepted.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        None => Vec::new(),
    }
}

/// Returns the description of a kind's parameter; a description for this kind comes before a general one.
fn described(kind: &PerturbationKind, name: &str) -> Option<&'static Parameter> {
    let of = |own: bool| {
        PARAMETERS.iter().find(|parameter| {
            parameter.name == name
                && if own { parameter.kinds.contains(&kind.name) } else { parameter.kinds.is_empty() }
        })
    };
    of(true).or_else(|| of(false))
}

/// Returns whether a kind has this parameter and this entry describes it.
fn is_of(kind: &PerturbationKind, parameter: &Parameter) -> bool {
    let is_own = names(kind).iter().any(|name| name == parameter.name);
    is_own && described(kind, parameter.name).is_some_and(|own| std::ptr::eq(own, parameter))
}

fn metrics_of(page: &mut String, suite: &Suite) {
    page.push_str(
        "\n## Metrics\n\nThe keys `primary` of a suite or study, and `metric_for_best_model`, `best_model_guard` and `early_advance` of a recipe, name metrics by id. \
         CONDITION is the id of a condition of the suite, N a stage, EPS a size in units of 1/255. VALUE is a \
         category, a modality or the name of a data set. The median `number:median_relative_error`, `calibration_error`, and the \
         two that describe the questions (`majority_accuracy`, `one_answer_share`) have no test and cannot be primary. An id that is listed with and without CONDITION means, \
         without it, the condition of the kind whose parameters have their defaults. `stepwise compare` and the gains of a summary \
         also have `attack_success_both_right:CONDITION`, and studies `effective_robustness:CONDITION`.\n\n| id | description | better |\n| --- | --- | --- |\n",
    );
    let mut rows: IndexMap<String, (String, Better)> = IndexMap::new();
    for metric in metrics::all(&OutcomeTable::new(suite, &Crossing::default(), []), &generic_subgroups()) {
        let (id, label) = generic(suite, &metric);
        rows.entry(id).or_insert((label, metric.better));
    }
    for (id, (label, better)) in &rows {
        let plain = id.strip_suffix(":CONDITION");
        if plain.is_some_and(|plain| rows.contains_key(plain)) {
            continue;
        }
        let with = format!("{id}:CONDITION");
        let ids = if rows.contains_key(&with) { format!("{}, {}", code(id), code(&with)) } else { code(id) };
        let better = match better {
            Better::Higher => "higher",
            Better::Lower => "lower",
            Better::Neither => "",
        };
        row(page, &[&ids, label, better]);
    }
}

/// One subgroup of every feature, with a placeholder for its value.
fn generic_subgroups() -> Vec<Subgroup> {
    Feature::ALL.map(|by| Subgroup { by, value: "VALUE".to_owned() }).to_vec()
}

/// Returns id and label of a metric with placeholders for condition, stage and size.
fn generic(suite: &Suite, metric: &Metric) -> (String, String) {
    let mut label = metric.label.clone();
    let parts = metric.id.split(':').map(|part| {
        if let Some(condition) = suite.condition(part) {
            let control = condition.control.as_deref();
            let word = |word: &str| match word.trim_end_matches(',') {
                bare if bare == condition.id => word.replace(bare, "CONDITION"),
                bare if Some(bare) == control => word.replace(bare, "its control"),
                _ => word.to_owned(),
            };
            label = label.split(' ').map(word).collect::<Vec<_>>().join(" ");
            return "CONDITION";
        }
        if let Some(stage) = part.strip_prefix("stage_").filter(|stage| stage.parse::<u8>().is_ok()) {
            label = label.replace(&format!("stage {stage}"), "stage N");
            return "stage_N";
        }
        if part.parse::<f64>().is_ok() {
            label = label.replace(&format!("{part}/255"), "EPS/255");
            return "EPS";
        }
        part
    });
    let id = parts.collect::<Vec<_>>().join(":");
    (id, label)
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn row(page: &mut String, cells: &[&str]) {
    let _ = writeln!(page, "| {} |", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Returns the required parameters of a kind, all with the value 1.
    fn least(kind: &PerturbationKind) -> toml::Table {
        let required = names(kind)
            .into_iter()
            .filter(|name| matches!(described(kind, name), Some(Parameter { default: Required, .. })));
        required.map(|name| (name, toml::Value::Integer(1))).collect()
    }

    #[test]
    fn what_the_page_says_of_parameters_is_what_the_readers_do() {
        for kind in KINDS {
            let plain = (kind.build)(least(kind)).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
            assert_eq!((kind.build)(toml::Table::new()).is_err(), !least(kind).is_empty(), "{}", kind.name);
            for name in names(kind) {
                let Some(parameter) = described(kind, &name) else { panic!("{}: {name} is not described", kind.name) };
                if let Value(value) = parameter.default {
                    let mut table: toml::Table = toml::from_str(&format!("{name} = {value}")).expect("TOML");
                    table.extend(least(kind));
                    let written = (kind.build)(table).unwrap_or_else(|error| panic!("{}: {name}: {error}", kind.name));
                    assert_eq!(format!("{written:?}"), format!("{plain:?}"), "{}: {name}", kind.name);
                }
                assert!(!words(kind, &name).is_empty() || !parameter.values.is_empty(), "{}: {name}", kind.name);
            }
        }
        for parameter in PARAMETERS {
            assert!(KINDS.iter().any(|kind| is_of(kind, parameter)), "{} belongs to no kind", parameter.name);
        }
    }

    #[test]
    fn the_keys_are_those_that_the_reader_accepts() {
        let message = Suite::parse("nothing = 1", Path::new("s")).expect_err("no such key").to_string();
        let accepted: Vec<&str> = message.split("expected one of ").nth(1).expect("a list").split('`').collect();
        let accepted: Vec<&str> = accepted.into_iter().skip(1).step_by(2).take(KEYS.len()).collect();
        assert_eq!(accepted, KEYS.map(|(key, _)| key));
        assert_eq!(COMMON.map(|(key, _)| key), crate::suite::condition::COMMON);
    }
}
