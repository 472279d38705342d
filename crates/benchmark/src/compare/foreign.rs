//! Reads outcomes from another tool: JSON Lines with at least a case, an item, a condition and a response.
//! `docs/outcomes.md` describes the keys of a line. Lines of Stepwise's own outcome files are accepted too, so one file
//! may hold both.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use stepwise_data::box_format::BoxFormat;

use crate::model::Response;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::runner::judged;
use crate::score::Verdict;
use crate::store::{self, StoreError};
use crate::suite::Suite;

/// A line written by another tool.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    case_id: Option<String>,
    item_id: Option<String>,
    condition: Option<String>,
    /// Response of the model, word for word.
    reply: Option<String>,
    /// Answer in the words of the option, the number or the box, where the tool has parsed the response.
    answer: Option<String>,
    /// Verdict, where the tool has judged the answer.
    verdict: Option<Verdict>,
    group_id: Option<String>,
    stage: Option<u8>,
}

/// Key that every line of Stepwise's own files has and no line of another tool has.
const OWN_KEY: &str = "chance";

/// Reads the outcomes of a file of another tool, described in `docs/outcomes.md`; lines that Stepwise wrote itself are
/// accepted too. Responses and answers are judged by the strict parser against the cases of `plan`, which must be a
/// plan of `suite` without caps; a verdict in the line wins over the parser. Where `plan` is None, every line of
/// another tool must have a verdict, and its outcome lacks what only the case says ([`fill`] adds it).
///
/// # Errors
/// [`StoreError::Io`] when the file cannot be read. [`StoreError::Lines`] when it has another format, and otherwise
/// with all lines that are no outcome, lack a key, have a stage outside 1 to 4, name a case, item or condition that is
/// not in the plan or suite, cannot be judged without the case, or repeat an earlier line.
pub fn read(path: &Path, suite: &Suite, plan: Option<&Plan<'_>>) -> Result<Vec<Outcome>, StoreError> {
    let mut seen = HashSet::new();
    store::lines(path, |text| {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| vec![format!("{} -> write one JSON object per line", store::within_line(&error))])?;
        let outcome = match value.get(OWN_KEY) {
            Some(_) => store::parse(text)?,
            None => {
                let line = serde_json::from_value(value).map_err(|error| {
                    vec![format!("{error} -> see docs/outcomes.md for the keys and values of a line")]
                })?;
                judge(line, suite, plan)?
            }
        };
        known(suite, &outcome.condition).map_err(|problem| vec![problem])?;
        let key = (outcome.case_id.clone(), outcome.item_id.clone(), outcome.condition.clone());
        if !seen.insert(key) {
            return Err(vec![format!(
                "case_id: case {}, item {}, condition {} occurs for the second time -> keep one of the two lines",
                outcome.case_id, outcome.item_id, outcome.condition
            )]);
        }
        Ok(outcome)
    })
}

fn known(suite: &Suite, condition: &str) -> Result<(), String> {
    match suite.condition(condition) {
        Some(_) => Ok(()),
        None => Err(format!(
            "condition: `{condition}` is not in the suite `{}` -> give the suite of the evaluation with `--suite FILE`",
            suite.name
        )),
    }
}

fn judge(line: Line, suite: &Suite, plan: Option<&Plan<'_>>) -> Result<Outcome, Vec<String>> {
    let mut problems = Vec::new();
    let mut named = |field: &str, value: Option<String>, what: &str| {
        let value = value.filter(|value| !value.is_empty());
        if value.is_none() {
            problems.push(format!("{field}: is missing -> name {what}"));
        }
        value.unwrap_or_default()
    };
    let case_id = named("case_id", line.case_id, "the case");
    let item_id = named("item_id", line.item_id, "the item of the case");
    let condition =
        named("condition", line.condition, "the condition of the suite, `clean` for the unchanged question");
    if line.reply.is_none() && line.answer.is_none() && line.verdict.is_none() {
        problems.push("reply: is missing -> write the model's `reply`, or its `answer`, or a `verdict`".to_owned());
    }
    if let Some(stage) = line.stage.filter(|stage| !(1..=4).contains(stage)) {
        problems.push(format!("stage: is {stage} -> write 1 to 4"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    known(suite, &condition).map_err(|problem| vec![problem])?;
    let words = line.reply.as_ref().or(line.answer.as_ref());
    match (plan, line.verdict) {
        (Some(plan), verdict) => {
            let entry = plan.entry(&case_id, &item_id, &condition);
            let outcome =
                entry.and_then(|entry| judged(plan, entry, &Response::Text(words.cloned().unwrap_or_default())));
            let mut outcome = outcome.ok_or_else(|| vec![not_asked(plan, &case_id, &item_id, &condition)])?;
            if line.reply.is_none() {
                outcome.reply = None;
                outcome.parser = String::new();
            }
            if let Some(verdict) = verdict {
                outcome.verdict = verdict;
            }
            Ok(outcome)
        }
        (None, Some(verdict)) => {
            let stage = line.stage.unwrap_or(UNKNOWN_STAGE);
            let group_id = line.group_id.unwrap_or_else(|| case_id.clone());
            let answer = line.answer.filter(|_| verdict != Verdict::Unparsed);
            Ok(Outcome { answer, reply: line.reply, ..bare(verdict, [case_id, item_id, condition], group_id, stage) })
        }
        (None, None) => {
            let field = if line.reply.is_some() { "reply" } else { "answer" };
            Err(vec![format!(
                "{field}: cannot be judged without its case -> give the cases with `--cases FILE`, or write a `verdict`"
            )])
        }
    }
}

/// An outcome with a verdict but without its case; [`fill`] adds the known values of the other side.
fn bare(verdict: Verdict, [case_id, item_id, condition]: [String; 3], group_id: String, stage: u8) -> Outcome {
    Outcome {
        key: String::new(),
        asked: String::new(),
        case_id,
        group_id,
        item_id,
        stage,
        category: String::new(),
        modality: String::new(),
        dataset: String::new(),
        question: String::new(),
        condition,
        verdict,
        answer: None,
        index: None,
        position: None,
        options: 0,
        gold: String::new(),
        chance: 0.0,
        named: None,
        sentence: None,
        followed: false,
        scores: Vec::new(),
        right_scores: Vec::new(),
        scoring: String::new(),
        reply: None,
        parser: String::new(),
        box_format: BoxFormat::default(),
        iou: None,
        measure: None,
        parents: Vec::new(),
        pair_of: None,
        refusal: None,
        attack: None,
    }
}

/// Stage of a line that gives none. Metrics of stages leave such lines out, and metrics of chains their cases.
const UNKNOWN_STAGE: u8 = 0;

fn not_asked(plan: &Plan<'_>, case_id: &str, item_id: &str, condition: &str) -> String {
    let Some(case) = plan.pool.number(case_id).map(|number| &plan.pool.cases()[number]) else {
        return format!("case_id: there is no case `{case_id}` -> give the evaluated cases with `--cases FILE`");
    };
    if !case.chain.iter().any(|item| item.id == item_id) {
        let ids: Vec<&str> = case.chain.iter().map(|item| item.id.as_str()).collect();
        return format!("item_id: case {case_id} has no item `{item_id}` -> name one of {}", ids.join(", "));
    }
    format!("condition: `{condition}` does not apply to item {item_id} of case {case_id} -> leave the line out")
}

/// Completes, in place, the `outcomes` without a right answer, which were read without cases, from the outcomes of the
/// same items in `from`, the other side of a comparison: group, stage, category, modality, data set, question, parents and,
/// from the same condition, right answer, chance and sentence. Existing values are replaced. Outcomes of items that `from`
/// lacks stay as they are.
pub fn fill(outcomes: &mut [Outcome], from: &[Outcome]) {
    let known: HashMap<_, &Outcome> = from.iter().map(|outcome| (super::key(outcome), outcome)).collect();
    let cases: HashMap<(&str, &str), &Outcome> =
        from.iter().map(|outcome| ((outcome.case_id.as_str(), outcome.item_id.as_str()), outcome)).collect();
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.gold.is_empty()) {
        let Some(item) = cases.get(&(outcome.case_id.as_str(), outcome.item_id.as_str())) else { continue };
        let question = known.get(&super::key(outcome)).copied();
        outcome.group_id.clone_from(&item.group_id);
        outcome.stage = item.stage;
        outcome.category.clone_from(&item.category);
        outcome.modality.clone_from(&item.modality);
        outcome.dataset.clone_from(&item.dataset);
        outcome.question.clone_from(&item.question);
        outcome.parents.clone_from(&item.parents);
        if let Some(question) = question {
            outcome.gold.clone_from(&question.gold);
            outcome.chance = question.chance;
            outcome.box_format = question.box_format;
            outcome.sentence.clone_from(&question.sentence);
        }
    }
}
