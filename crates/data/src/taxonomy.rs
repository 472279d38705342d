//! Taxonomy of clinical stages and question categories, read from a TOML file. Stepwise's own taxonomy is built in.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::case::Answer;
use crate::io::bounded;
use crate::problem::{Problem, Problems};

/// Name of the only taxonomy schema that this version reads, which every taxonomy file states in the key `schema`.
pub const TAXONOMY_SCHEMA: &str = "taxonomy/1";

const EMBEDDED: &str = include_str!("../../../recipes/taxonomy/stepwise-31.toml");

/// Clinical stages and the categories of their questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taxonomy {
    /// Name of the schema, always [`TAXONOMY_SCHEMA`].
    pub schema: String,
    /// Name of the taxonomy in reports and messages.
    pub name: String,
    /// The four stages, in order.
    #[serde(rename = "stage")]
    pub stages: Vec<Stage>,
    /// Categories, at least one; their ids are unique.
    #[serde(rename = "category")]
    pub categories: Vec<Category>,
}

/// A clinical stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Number of the stage, 1 to 4.
    pub number: u8,
    /// Name of the stage, one word.
    pub name: String,
    /// Clinical question of the stage.
    pub question: String,
    /// Knowledge that the stage builds on.
    pub needs: String,
    /// Evidence that answers of the stage usually rest on.
    pub evidence: String,
}

/// A kind of question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Id of the category, two digits.
    pub id: String,
    /// Number of the stage that the category belongs to, 1 to 4.
    pub stage: u8,
    /// Name of the category, a few words.
    pub name: String,
    /// Usual answer types, at least one; others may occur.
    pub answers: Vec<AnswerType>,
    /// Whether the questions are about a mark on the image, for example which mark holds the finding.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub about_marks: bool,
}

/// Returns whether questions of this category, by its id in Stepwise's own taxonomy, are about a mark on the image.
/// False for an unknown id.
#[must_use]
pub fn is_about_marks(category: &str) -> bool {
    static OWN: LazyLock<Taxonomy> = LazyLock::new(Taxonomy::default);
    OWN.category(category).is_some_and(|category| category.about_marks)
}

/// Answer type, as in the key `answer.type` of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerType {
    /// One of several options.
    Choice,
    /// Yes or no.
    Yesno,
    /// Free text.
    Text,
    /// Box around a region.
    Box,
    /// A number.
    Number,
}

impl AnswerType {
    /// Returns the type of an answer.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Choice { .. } => Self::Choice,
            Answer::Yesno { .. } => Self::Yesno,
            Answer::Text { .. } => Self::Text,
            Answer::Box { .. } => Self::Box,
            Answer::Number { .. } => Self::Number,
        }
    }

    /// Returns the word of the type in the key `answer.type`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Choice => "choice",
            Self::Yesno => "yesno",
            Self::Text => "text",
            Self::Box => "box",
            Self::Number => "number",
        }
    }
}

impl Default for Taxonomy {
    /// Returns Stepwise's own taxonomy, `stepwise-31`.
    fn default() -> Self {
        toml::from_str(EMBEDDED).expect("the embedded taxonomy is well formed: a test loads it")
    }
}

impl Taxonomy {
    /// Reads and checks a taxonomy file.
    ///
    /// # Errors
    /// When the file cannot be read, is larger than [`bounded::LARGEST`], is not UTF-8 or not valid TOML of this
    /// schema, or breaks a rule of the taxonomy. All broken rules are reported at once.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let text = bounded::text(path).map_err(|error| {
            let advice = bounded::advice(&error, "check that the file exists and may be read");
            Problem::new(path, format!("cannot be read: {error}"), advice)
        })?;
        let taxonomy: Self = toml::from_str(&text).map_err(|error| {
            let problem = Problem::new(path, error.message(), "compare with recipes/taxonomy/stepwise-31.toml");
            match error.span().and_then(|span| text.get(..span.start)) {
                Some(before) => {
                    let line = before.rsplit('\n').next().unwrap_or_default();
                    problem.at_row(before.matches('\n').count() + 1).at_column(line.chars().count() + 1)
                }
                None => problem,
            }
        })?;
        let problems = taxonomy.problems(path);
        if problems.is_empty() { Ok(taxonomy) } else { Err(Problems(problems)) }
    }

    /// Returns the category with this id; None when the taxonomy has none.
    #[must_use]
    pub fn category(&self, id: &str) -> Option<&Category> {
        self.categories.iter().find(|category| category.id == id)
    }

    /// Returns the stage with this number, 1 to 4; None for other numbers.
    #[must_use]
    pub fn stage(&self, number: u8) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.number == number)
    }

    /// Returns two tables in Markdown: the stages, and the categories with their usual answer types.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = "| stage | name | question | needs | evidence |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for Stage { number, name, question, needs, evidence } in &self.stages {
            let _ = writeln!(page, "| {number} | {name} | {question} | {needs} | {evidence} |");
        }
        page.push_str("\n| category | stage | name | usual answers |\n| --- | --- | --- | --- |\n");
        for Category { id, stage, name, answers, .. } in &self.categories {
            let answers: Vec<String> = answers.iter().map(|answer| format!("`{}`", answer.word())).collect();
            let _ = writeln!(page, "| `{id}` | {stage} | {name} | {} |", answers.join(", "));
        }
        page.trim_end().to_owned()
    }

    fn problems(&self, path: &Path) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |field: String, what: String, advice: &str| {
            problems.push(Problem::new(path, what, advice).in_field(field));
        };
        if self.schema != TAXONOMY_SCHEMA {
            report("schema".into(), format!("is \"{}\"", self.schema), "write \"taxonomy/1\"");
        }
        if !self.stages.iter().map(|stage| stage.number).eq(1..=4) {
            report("stage".into(), "the stages are not 1, 2, 3 and 4 in order".into(), "name each once, in order");
        }
        if self.categories.is_empty() {
            report("category".into(), "there is no category".into(), "add at least one [[category]]");
        }
        let mut seen = BTreeSet::new();
        for (index, category) in self.categories.iter().enumerate() {
            let id = &category.id;
            let field = |key: &str| format!("category[{index}].{key}");
            if id.len() != 2 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
                report(field("id"), format!("\"{id}\" is not two digits"), "write it as \"01\"");
            }
            if !seen.insert(id) {
                report(field("id"), format!("\"{id}\" is used twice"), "give each category its own id");
            }
            if self.stage(category.stage).is_none() {
                report(field("stage"), format!("there is no stage {}", category.stage), "use 1 to 4");
            }
            if category.answers.is_empty() {
                report(field("answers"), "is empty".into(), "name at least one answer type");
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn the_embedded_taxonomy_has_31_categories_in_four_stages() {
        let taxonomy = Taxonomy::default();
        assert_eq!(taxonomy.problems(Path::new("embedded")), []);
        let counts: Vec<usize> = (1..=4)
            .map(|stage| taxonomy.categories.iter().filter(|category| category.stage == stage).count())
            .collect();
        assert_eq!(counts, [8, 8, 8, 7]);
        let ids: Vec<String> = (1..=31).map(|id| format!("{id:02}")).collect();
        assert!(taxonomy.categories.iter().map(|category| &category.id).eq(&ids));
        assert!(taxonomy.categories.is_sorted_by_key(|category| category.stage));
        assert_eq!(taxonomy.stage(3).map(|stage| stage.name.as_str()), Some("Describe"));
        assert_eq!(taxonomy.category("12").map(|category| &category.answers[..]), Some(&[AnswerType::Box][..]));
    }

    #[test]
    fn the_tables_hold_all_stages_and_categories_with_the_words_of_the_file() {
        let taxonomy = Taxonomy::default();
        let page = taxonomy.markdown();
        assert_eq!(page.lines().filter(|line| line.starts_with("| ")).count(), 4 + 4 + 31);
        for category in &taxonomy.categories {
            for answer in &category.answers {
                let word = serde_json::to_value(answer).expect("writes");
                assert_eq!(word, answer.word());
                assert!(page.contains(&format!("`{}`", answer.word())));
            }
            assert!(page.contains(&format!("| `{}` | {} | {} |", category.id, category.stage, category.name)));
        }
    }

    fn problems(text: &str) -> String {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("t.toml");
        std::fs::write(&path, text).expect("written");
        let problems = Taxonomy::load(&path).expect_err("refused").to_string();
        problems.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn contradictions_are_reported_all_at_once() {
        let text = EMBEDDED.replacen("taxonomy/1", "taxonomy/9", 1).replacen("number = 4", "number = 5", 1);
        let text = text.replacen("id = \"02\"", "id = \"01\"", 1).replacen("id = \"03\"", "id = \"3\"", 1);
        let problems = problems(&text);
        for start in [
            "t.toml: schema: is \"taxonomy/9\"",
            "t.toml: stage: the stages are not",
            "t.toml: category[1].id: \"01\" is used twice",
            "t.toml: category[2].id: \"3\" is not two digits",
            "t.toml: category[24].stage: there is no stage 4",
        ] {
            assert!(problems.lines().any(|line| line.starts_with(start)), "{start}\n{problems}");
        }
    }

    #[test]
    fn unknown_keys_and_bad_syntax_are_reported_with_their_line() {
        assert!(problems("schema = \n").starts_with("t.toml:1:"));
        let misspelt = EMBEDDED.replacen("needs", "nedes", 1);
        let row = EMBEDDED[..EMBEDDED.find("needs").expect("there")].matches('\n').count() + 1;
        assert!(
            problems(&misspelt).starts_with(&format!("t.toml:{row}:1: unknown field `nedes`")),
            "{}",
            problems(&misspelt)
        );
    }
}
