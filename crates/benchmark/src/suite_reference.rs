//! The reference page of suites, `docs/suite.md`: every key, every kind of condition with its parameters, and every metric that
//! a suite, a recipe or a study may name. What the code can say, it says itself: names of parameters and words are those that
//! the readers accept.

use std::fmt::Write;

use indexmap::IndexMap;

use crate::metrics::{self, Better, Groups, Ledger, Metric};
use crate::perturb::{KINDS, Kind, Purpose};
use crate::suite::Suite;

const HEAD: &str = "# Suites

<!-- Written by `stepwise schema --suite > docs/suite.md` from the code that reads suites; a test compares them. -->

A suite is a TOML file: what is asked of which items, under which changes. `fast` and `full` are built in; `stepwise eval PATH
--suite FILE` asks another, `[benchmark] suite = \"FILE\"` of a recipe asks it after every epoch. Results are compared only within
one suite: its digest follows every key below but `name`.
";

/// The keys at the top of a suite, as its reader accepts them.
const KEYS: [(&str, &str); 12] = [
    ("name", "for people; must be given"),
    ("version", "a whole number; part of the key of every draw; must be given"),
    ("seed", "a whole number; of every draw; must be given"),
    ("max_cases", "asks at most so many cases, stratified; all when left out"),
    (
        "subset",
        "asks nothing else: lists of `stages` (1 to 4), `categories` and `modalities`; everything when left out",
    ),
    (
        "families",
        "whose sentences conditions draw that do not say so themselves: `training`, `validation` or `held_out` (when left out)",
    ),
    (
        "scoring",
        "`loglikelihood` (when left out), `letter` or `generate`: how choices and yes/no questions are decided",
    ),
    (
        "letter_permutations",
        "with `letter`: in how many orders of its options a choice is asked; all rotations when left out",
    ),
    ("answer_form", "`text` (when left out) or `letter`: how a choice is to be answered"),
    ("max_new_tokens", "tokens after which generation stops; 32 when left out"),
    (
        "primary",
        "endpoints named before the run, by id: conditions, whose accuracy is meant, and metrics; tested together by Holm",
    ),
    ("condition", "`[[condition]]`: one for each condition; exactly one is of the kind `clean`, with that id"),
];

/// The keys of every condition, beside its kind's own parameters.
const COMMON: [(&str, &str); 5] = [
    ("id", "names it in outcomes, metrics and reports; must be given"),
    ("kind", "one of those below; must be given"),
    ("control", "the id of the condition that its effect is measured against"),
    ("max_items", "asks at most so many items, stratified by stage; all when left out"),
    ("subset", "as at the top"),
];

/// What a parameter is about.
struct Parameter {
    name: &'static str,
    /// The kinds for which it is this; every kind that has it when empty.
    kinds: &'static [&'static str],
    /// What may be written; for one of several words the reader is asked.
    values: &'static str,
    default: Default,
    about: &'static str,
}

/// What holds when a parameter is left out.
enum Default {
    Required,
    /// This value, as TOML.
    Value(&'static str),
    /// What the words say.
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

/// Those of certain kinds before those of any. One place in memory: entries are told apart by where they stand.
static PARAMETERS: &[Parameter] = &[
    parameter(
        "place",
        &["hedge_low", "hedge_high", "hedge_neutral"],
        "",
        Value("\"before_question\""),
        "where the sentence stands",
    ),
    parameter("place", &[], "", Value("\"after_options\""), "where the sentence stands"),
    parameter("persona", &[], "", Value("\"neutral\""), "who is made to speak"),
    parameter("families", &[], "", Said("the suite's"), "the use whose sentences are drawn"),
    parameter("fill", &[], "", Value("\"grey\""), "what is shown: one grey, the mean colour of the modality, or noise"),
    parameter("value", &[], "0 to 255", Value("128"), "the grey level that covers"),
    parameter(
        "declared",
        &[],
        "`true`, `false`",
        Value("false"),
        "whether it is said before the question that there is no picture",
    ),
    parameter(
        "dilate",
        &[],
        "pixels of the original",
        Value("4"),
        "by how much each region's box is grown before it is covered",
    ),
    parameter("max_area", &[], "a share", Value("0.6"), "items whose mask would cover more of a picture are left out"),
    parameter("share", &[], "0 to 100", Required, "percent of the region"),
    parameter(
        "by",
        &[],
        "",
        Value("\"cover\""),
        "that share of its tiles is covered, or all of it blurred by that share of the strongest blur",
    ),
    parameter("shape", &[], "", Value("\"box\""), "what is drawn"),
    parameter("width", &[], "a share of the shorter side", Value("0.008"), "of the line; at least two pixels"),
    parameter("colour", &[], "red, green, blue", Value("[255, 64, 64]"), "of the mark"),
    parameter(
        "contrast",
        &[],
        "",
        Value("\"visible\""),
        "white on a black band, or 8 grey levels away from what is under it",
    ),
    parameter("height", &[], "a share of the shorter side", Value("0.07"), "of a letter; at least eight pixels"),
    parameter(
        "rotate",
        &[],
        "at least 1",
        Said("a drawn order"),
        "shifts the options by so many places; only choices with more options are asked",
    ),
    parameter("draw", &[], "a whole number", Value("0"), "tells several drawn orders of one suite apart"),
    parameter("number", &[], "from 0", Said("drawn"), "which of the recorded wordings"),
    parameter(
        "reach",
        &[],
        "",
        Value("\"parents\""),
        "which earlier questions are shown: those the item builds on, or those and all before them",
    ),
    parameter(
        "gold_stages",
        &[],
        "a list of stages",
        Value("[]"),
        "whose questions are shown with the right answer instead",
    ),
    parameter("level", &[], "1 to 5", Required, "how strong: 1 is the faintest"),
    parameter("eps", &["random_sign"], "255ths, above 0", Required, "change of every pixel"),
    parameter("eps", &[], "255ths, above 0", Required, "largest change of a pixel"),
    parameter(
        "steps",
        &[],
        "at least 1",
        Value("20"),
        "gradients of a restart, each followed by a step of 2.5 eps / steps",
    ),
    parameter(
        "restarts",
        &[],
        "at least 1",
        Value("2"),
        "random starts; the one that ends worst for the model is kept",
    ),
    parameter(
        "targeted",
        &[],
        "`true`, `false`",
        Value("false"),
        "to the wrong answer of `hint_minus`, not merely away from the right one",
    ),
];

/// The page, in Markdown.
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
    (Purpose::Reference, "Reference", "The question as it is stored."),
    (
        Purpose::Attack,
        "Attacks",
        "The evidence is intact and something pulls away from it: a robust reader's answer holds.",
    ),
    (Purpose::Help, "Help", "Something true is added; how much accuracy rises tells what the reader leans on."),
    (Purpose::Removal, "Removal", "The evidence is gone: a reader that looks must get worse."),
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
    page.push_str("\n## Parameters\n\n| parameter | value | when left out | |\n| --- | --- | --- | --- |\n");
    for parameter in PARAMETERS {
        let Some(kind) = KINDS.iter().find(|kind| is_of(kind, parameter)) else { continue };
        let words: Vec<String> = words(kind, parameter.name).iter().map(|word| code(word)).collect();
        let values = if words.is_empty() { parameter.values.to_owned() } else { words.join(", ") };
        let default = match parameter.default {
            Required => "must be given".to_owned(),
            Value(value) => code(value),
            Said(said) => said.to_owned(),
        };
        let of: Vec<String> = parameter.kinds.iter().map(|kind| code(kind)).collect();
        let of = if of.is_empty() { String::new() } else { format!(" (of {})", of.join(", ")) };
        row(page, &[&format!("{}{of}", code(parameter.name)), &values, &default, parameter.about]);
    }
}

/// The names of a kind's parameters, as its reader tells who writes another.
fn names(kind: &Kind) -> Vec<String> {
    expected(kind, "?", toml::Value::Boolean(true))
}

/// The words that may stand for a parameter; none where it is no word.
fn words(kind: &Kind, parameter: &str) -> Vec<String> {
    expected(kind, parameter, toml::Value::String("?".to_owned()))
}

/// What the reader of a kind says that it accepts instead of `value` or `key`.
fn expected(kind: &Kind, key: &str, value: toml::Value) -> Vec<String> {
    let Err(error) = (kind.build)(toml::Table::from_iter([(key.to_owned(), value)])) else { return Vec::new() };
    // "unknown field `?`, expected one of `a`, `b`", or a variant; a missing field is named first where one is.
    match error.message().split_once("`?`, expected ") {
        Some((_, accepted)) => accepted.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        None => Vec::new(),
    }
}

/// What a parameter of a kind is about.
fn described(kind: &Kind, name: &str) -> Option<&'static Parameter> {
    let of = |own: bool| {
        PARAMETERS.iter().find(|parameter| {
            parameter.name == name
                && if own { parameter.kinds.contains(&kind.name) } else { parameter.kinds.is_empty() }
        })
    };
    of(true).or_else(|| of(false))
}

/// Whether a kind has this parameter, described by these words.
fn is_of(kind: &Kind, parameter: &Parameter) -> bool {
    let is_own = names(kind).iter().any(|name| name == parameter.name);
    is_own && described(kind, parameter.name).is_some_and(|own| std::ptr::eq(own, parameter))
}

fn metrics_of(page: &mut String, suite: &Suite) {
    page.push_str(
        "\n## Metrics\n\nTheir ids are what `primary`, a study's `primary`, and a recipe's `select` and promotion rules name. CONDITION is \
         the id of a condition of the suite, N a stage, EPS a size in 255ths. A median, `number:median_relative_error`, has no test and is no `primary`. Where an id stands with and without a condition, it is without one that of \
         the kind's condition whose parameters have their defaults. `stepwise compare` and the gains of a summary also have \
         `attack_success_both_right:CONDITION`, and studies `effective_robustness:CONDITION`.\n\n| id | what it is | better |\n| --- | --- | --- |\n",
    );
    let mut rows: IndexMap<String, (String, Better)> = IndexMap::new();
    for metric in metrics::all(&Ledger::new(suite, &Groups::default(), [])) {
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

/// Id and label of a metric for any condition, stage and size.
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

    /// A kind with what it must be given.
    fn least(kind: &Kind) -> toml::Table {
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
            assert!(KINDS.iter().any(|kind| is_of(kind, parameter)), "{} is no kind's", parameter.name);
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

    /// What `stepwise schema --suite` would write over the committed page.
    #[test]
    fn the_committed_page_is_that_of_the_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/suite.md");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == markdown(),
            "docs/suite.md is not what the code says -> `stepwise schema --suite > docs/suite.md`"
        );
    }
}
