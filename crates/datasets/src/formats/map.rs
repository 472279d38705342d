//! Category maps: TOML files whose rules map the fields of a source to categories of the taxonomy.
//!
//! ```toml
//! schema = "import-map/1"
//!
//! [[rule]]
//! category = "14"                     # id of the taxonomy; it decides the stage, too
//! fields = { content_type = "Quantity" }  # every named field must have this value, or one of a list
//! question = ["how many"]             # and the question must contain one of these texts
//! answer = ["number"]                 # and the answer must be of one of these kinds
//! vision_required = true              # optional, copied to the question
//! ```
//!
//! The first rule that applies decides. Texts are compared in normalised form.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::answer_text::fold;
use stepwise_data::case::Answer;
use stepwise_data::io::bounded;
use stepwise_data::problem::{Problem, Problems};
use stepwise_data::taxonomy::{AnswerType, Taxonomy};

/// Name of the only schema of maps.
const SCHEMA: &str = "import-map/1";

/// Start of the reasons why a question has no category.
pub(super) const UNMAPPED: &str = "no rule of the category map applies";

/// A category map.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CategoryMap {
    schema: String,
    #[serde(default, rename = "rule")]
    rules: Vec<Rule>,
}

/// A rule of a map.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    category: String,
    #[serde(default)]
    fields: BTreeMap<String, OneOrMore>,
    #[serde(default)]
    question: Vec<String>,
    #[serde(default)]
    answer: Vec<AnswerType>,
    vision_required: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::More(values) => values,
        }
    }
}

/// Category that a rule, or `--rest`, gives a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapped {
    /// Id of the category.
    pub(crate) category: String,
    /// Stage of the category, 1 to 4.
    pub(crate) stage: u8,
    /// Whether the image is needed; None when the rule does not say.
    pub(crate) vision_required: Option<bool>,
    /// How the category was found, for the report.
    pub(crate) found_by: String,
}

impl CategoryMap {
    /// Reads the map of a file, or `built_in` without a file, and checks its categories against the taxonomy.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML of this schema, or names an unknown category.
    pub(crate) fn load(file: Option<&Path>, built_in: &str) -> Result<Self, Problems> {
        let place = file.unwrap_or(Path::new("category map"));
        let text = match file {
            Some(path) => bounded::text(path).map_err(|error| {
                let advice = bounded::advice(&error, "check that the file exists and may be read");
                Problem::new(path, format!("cannot be read: {error}"), advice)
            })?,
            None => built_in.to_owned(),
        };
        let map: Self = toml::from_str(&text).map_err(|error| {
            let row = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            Problem::new(place, error.message(), "compare it with the map that --print-map prints").at_row(row)
        })?;
        let mut problems = Vec::new();
        if map.schema != SCHEMA {
            let what = format!("is {:?}", map.schema);
            problems.push(Problem::new(place, what, format!("write {SCHEMA:?}")).in_field("schema"));
        }
        for (index, rule) in map.rules.iter().enumerate() {
            if stage_of(&rule.category).is_none() {
                let what = format!("there is no category {:?}", rule.category);
                let field = format!("rule[{index}].category");
                problems.push(Problem::new(place, what, "use an id of the taxonomy, such as \"01\"").in_field(field));
            }
            if rule.fields.is_empty() && rule.question.is_empty() && rule.answer.is_empty() {
                let advice = "name fields, question or answer; --rest ID is for everything else";
                let what = "the rule has no condition";
                problems.push(Problem::new(place, what, advice).in_field(format!("rule[{index}]")));
            }
        }
        if problems.is_empty() { Ok(map) } else { Err(Problems(problems)) }
    }

    /// Returns the category of the first rule that applies. None when no rule does.
    pub(crate) fn find(&self, fields: &[(String, String)], question: &str, answer: &Answer) -> Option<Mapped> {
        let question = fold(question);
        let rule = self.rules.iter().find(|rule| rule.applies(fields, &question, answer))?;
        let stage = stage_of(&rule.category)?;
        let (category, vision_required) = (rule.category.clone(), rule.vision_required);
        Some(Mapped { category, stage, vision_required, found_by: rule.condition() })
    }

    /// Returns why no rule applies to a question with these fields: the values of the fields that rules compare.
    pub(crate) fn unmapped(&self, fields: &[(String, String)]) -> String {
        let compared = |name: &str| self.rules.iter().any(|rule| rule.fields.contains_key(name));
        let values = fields.iter().filter(|(name, _)| compared(name));
        let values: Vec<String> = values.map(|(name, value)| format!("{name} = {value:?}")).collect();
        match values.is_empty() {
            true => UNMAPPED.to_owned(),
            false => format!("{UNMAPPED} to {}", values.join(", ")),
        }
    }
}

impl Rule {
    fn applies(&self, fields: &[(String, String)], question: &str, answer: &Answer) -> bool {
        let has = |(name, wanted): (&String, &OneOrMore)| {
            let value = fields.iter().find(|(field, _)| field == name).map(|(_, value)| fold(value));
            value.is_some_and(|value| wanted.values().iter().any(|wanted| fold(wanted) == value))
        };
        self.fields.iter().all(has)
            && (self.question.is_empty() || self.question.iter().any(|part| question.contains(&fold(part))))
            && (self.answer.is_empty() || self.answer.contains(&answer_type(answer)))
    }

    /// Describes the condition, as in `content_type = "Quantity", answer number`.
    fn condition(&self) -> String {
        let mut parts: Vec<String> = self
            .fields
            .iter()
            .map(|(name, wanted)| {
                let values: Vec<String> = wanted.values().iter().map(|value| format!("{value:?}")).collect();
                format!("{name} = {}", values.join(" or "))
            })
            .collect();
        if !self.question.is_empty() {
            let texts: Vec<String> = self.question.iter().map(|text| format!("{text:?}")).collect();
            parts.push(format!("question contains {}", texts.join(" or ")));
        }
        if !self.answer.is_empty() {
            let kinds: Vec<&str> = self.answer.iter().map(|kind| kind_name(*kind)).collect();
            parts.push(format!("answer {}", kinds.join(" or ")));
        }
        parts.join(", ")
    }
}

/// Returns the category that `--rest` names.
///
/// # Errors
/// When the taxonomy has no such category.
pub(crate) fn rest(id: &str) -> Result<Mapped, Problems> {
    let stage = stage_of(id).ok_or_else(|| {
        Problem::new("--rest", format!("there is no category {id:?}"), "use an id of the taxonomy, such as \"25\"")
    })?;
    Ok(Mapped { category: id.to_owned(), stage, vision_required: None, found_by: "--rest".to_owned() })
}

fn stage_of(category: &str) -> Option<u8> {
    static TAXONOMY: LazyLock<Taxonomy> = LazyLock::new(Taxonomy::default);
    TAXONOMY.category(category).map(|category| category.stage)
}

/// Returns the kind of an answer.
fn answer_type(answer: &Answer) -> AnswerType {
    match answer {
        Answer::Choice { .. } => AnswerType::Choice,
        Answer::Yesno { .. } => AnswerType::Yesno,
        Answer::Text { .. } => AnswerType::Text,
        Answer::Box { .. } => AnswerType::Box,
        Answer::Number { .. } => AnswerType::Number,
    }
}

/// Returns the name of the kind of an answer, as in the key `answer.type`.
pub(crate) fn answer_kind(answer: &Answer) -> &'static str {
    kind_name(answer_type(answer))
}

fn kind_name(kind: AnswerType) -> &'static str {
    match kind {
        AnswerType::Choice => "choice",
        AnswerType::Yesno => "yesno",
        AnswerType::Text => "text",
        AnswerType::Box => "box",
        AnswerType::Number => "number",
    }
}
