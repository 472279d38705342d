//! Groups of models that were asked the same and scored the same. Models of two groups are never compared.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use stepwise_benchmark::compare::{CompareError, foreign};
use stepwise_benchmark::model_table::{self, ModelTable, asked_the_same};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::suite::Suite;

use super::entries::Entry;
use crate::commands::compare::evaluated_suite::{MOST_MISSING, same_suite};
use crate::commands::compare::reading;
use crate::commands::compare::side::SideSource;
use crate::commands::split::SplitChoice;
use crate::exit::{CommandResult, Failure};

/// Schema name and version of the JSON.
const SCHEMA: &str = "table/1";

/// How outcomes are read; the options of the command line.
pub struct Reading<'a> {
    /// Suite that was evaluated; None searches it.
    pub suite: Option<&'a Path>,
    /// Cases for responses of another tool; None takes the cases of a run.
    pub cases: Option<&'a Path>,
    /// Split of these cases; None takes all.
    pub split: Option<SplitChoice>,
    /// Whether models with many missing answers are kept.
    pub allow_missing: bool,
}

/// All groups, and the models that are in none.
pub struct Found {
    /// Groups, the one of the first model first.
    pub groups: Vec<Group>,
    /// Models in no group.
    pub refused: Vec<Refused>,
}

/// Models that were asked the same.
pub struct Group {
    /// Reason why these models are not in the first group; None for the first group.
    pub reason: Option<String>,
    /// Table of the group.
    pub table: ModelTable,
}

/// Models that cannot be read under the suite of the command line.
pub struct Refused {
    /// Names of the models.
    pub models: Vec<String>,
    /// Reason.
    pub reason: String,
}

impl Found {
    /// Returns all groups, each with the keys of its table and the `reason`, and the refused models, as JSON.
    ///
    /// # Errors
    ///
    /// [`Failure::Run`] when a table cannot be written as JSON.
    pub fn json(&self) -> Result<Value, Failure> {
        let group = |group: &Group| {
            let mut json = serde_json::to_value(&group.table).map_err(Failure::run)?;
            json["reason"] = json!(group.reason);
            Ok(json)
        };
        let groups: Vec<Value> = self.groups.iter().map(group).collect::<Result<_, Failure>>()?;
        let refused: Vec<Value> =
            self.refused.iter().map(|refused| json!({"models": refused.models, "reason": refused.reason})).collect();
        Ok(json!({"schema": SCHEMA, "groups": groups, "refused": refused}))
    }

    /// Returns a sentence for each group but the first, and for the models in no group, with the reason.
    pub fn remarks(&self) -> Vec<String> {
        let of_groups = self.groups.iter().zip(1..).filter_map(|(group, number)| {
            let names: Vec<&str> = group.table.models.iter().map(|model| model.name.as_str()).collect();
            Some(format!("group {number} ({}): {}", names.join(", "), group.reason.as_ref()?))
        });
        let refused = self.refused.iter().map(|refused| format!("{}: {}", refused.models.join(", "), refused.reason));
        of_groups.chain(refused).collect()
    }
}

/// Models in the making of a group.
struct Members<'a> {
    entries: Vec<&'a Entry>,
    reason: Option<String>,
}

/// Reads the outcomes of all entries and makes a table of each group. A model whose suite, scoring or questions differ
/// from those of the first model is in another group.
///
/// # Errors
///
/// [`Failure::Input`] when the suite of the first group is not found, outcomes cannot be read, or a model lacks too many
/// answers.
pub fn all(reading: &Reading<'_>, entries: &[Entry]) -> Result<Found, Failure> {
    let mut found = Found { groups: Vec::new(), refused: Vec::new() };
    for Members { entries, reason } in by_suite(entries) {
        let sides: Vec<&SideSource> = entries.iter().map(|entry| &entry.side).collect();
        let suite = match reading::suite(reading.suite, &sides) {
            Err(Failure::Input(why)) if !found.groups.is_empty() => {
                let models = entries.iter().map(|entry| entry.name.clone()).collect();
                found.refused.push(Refused { models, reason: why });
                continue;
            }
            suite => suite?,
        };
        reading::check_missing(reading.allow_missing, &sides)?;
        let outcomes = outcomes(reading, &suite, &sides)?;
        found.groups.extend(by_questions(reading, &suite, &entries, &outcomes, reason)?);
    }
    Ok(found)
}

/// Groups the entries by suite, scoring and reading, as their summaries say. Entries without a summary are in the first
/// group.
fn by_suite(entries: &[Entry]) -> Vec<Members<'_>> {
    let mut groups: Vec<Members<'_>> = Vec::new();
    let (known, unknown): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().partition(|entry| entry.side.evaluated_suite.is_some());
    for entry in known {
        let compared = |group: &Members<'_>| same_suite(&group.entries[0].side, &entry.side);
        match groups.iter().position(|group| compared(group).is_ok()) {
            Some(place) => groups[place].entries.push(entry),
            None => {
                let reason = groups.first().and_then(|group| match compared(group) {
                    Err(Failure::Input(why)) => Some(why),
                    _ => None,
                });
                groups.push(Members { entries: vec![entry], reason });
            }
        }
    }
    match groups.first_mut() {
        Some(group) => {
            group.entries.extend(unknown);
            group.entries.sort_by_key(|entry| entries.iter().position(|other| std::ptr::eq(other, *entry)));
        }
        None => groups.push(Members { entries: unknown, reason: None }),
    }
    groups
}

/// Reads the outcomes of all sides. What only the case says is added from the outcomes of the others.
fn outcomes(reading: &Reading<'_>, suite: &Suite, sides: &[&SideSource]) -> Result<Vec<Vec<Outcome>>, Failure> {
    let cases = reading::cases(reading.cases, reading.split, sides)?;
    let uncapped = suite.uncapped();
    let plan = cases.as_ref().map(|cases| Plan::new(&uncapped, cases));
    let mut all: Vec<Vec<Outcome>> =
        sides.iter().map(|side| reading::outcomes(side, suite, plan.as_ref())).collect::<Result<_, _>>()?;
    for place in 0..all.len() {
        let mut own = std::mem::take(&mut all[place]);
        if own.iter().any(|outcome| outcome.gold.is_empty()) {
            all.iter().for_each(|other| foreign::fill(&mut own, other));
        }
        all[place] = own;
    }
    Ok(all)
}

/// Divides entries of one suite into groups that were asked the same questions, and makes the table of each.
fn by_questions(
    reading: &Reading<'_>,
    suite: &Suite,
    entries: &[&Entry],
    outcomes: &[Vec<Outcome>],
    reason: Option<String>,
) -> Result<Vec<Group>, Failure> {
    let mut groups: Vec<(Vec<usize>, Option<String>)> = Vec::new();
    for place in 0..entries.len() {
        let compared = |members: &[usize]| asked_the_same(&outcomes[members[0]], &outcomes[place]);
        match groups.iter().position(|(members, _)| compared(members).is_ok()) {
            Some(group) => groups[group].0.push(place),
            None => {
                let first = groups.first().map(|(members, _)| members[0]);
                let why = first.map(|first| other_questions(&outcomes[first], &outcomes[place], entries[first]));
                groups.push((vec![place], why.or_else(|| reason.clone())));
            }
        }
    }
    let made = groups.into_iter().map(|(members, reason)| {
        let group: Vec<model_table::Entry<'_>> = members
            .iter()
            .map(|&place| model_table::Entry { name: &entries[place].name, outcomes: &outcomes[place] })
            .collect();
        lacking(reading.allow_missing, suite, &group)?;
        Ok(Group { reason, table: ModelTable::new(suite, &group).map_err(Failure::input)? })
    });
    made.collect()
}

/// Says why outcomes `b` cannot stand beside the outcomes `a` of the model `first`.
fn other_questions(a: &[Outcome], b: &[Outcome], first: &Entry) -> String {
    let name = &first.name;
    match asked_the_same(a, b) {
        Err(CompareError::NothingInCommon) => {
            format!("no question in common with {name} -> evaluate the models on the same cases")
        }
        Err(error) => format!("asked otherwise than {name} (A: {name}, B: this model): {error}"),
        Ok(()) => String::new(),
    }
}

/// Refuses models that lack too many of the clean questions that other models of the group answered.
fn lacking(is_allowed: bool, suite: &Suite, entries: &[model_table::Entry<'_>]) -> CommandResult {
    let clean = &suite.clean().id;
    let of = |entry: &model_table::Entry<'_>| -> BTreeSet<(String, String)> {
        let outcomes = entry.outcomes.iter().filter(|outcome| outcome.condition == *clean);
        outcomes.map(|outcome| (outcome.case_id.clone(), outcome.item_id.clone())).collect()
    };
    let own: Vec<BTreeSet<(String, String)>> = entries.iter().map(of).collect();
    let all: BTreeSet<&(String, String)> = own.iter().flatten().collect();
    let mut problems = Vec::new();
    for (entry, own) in entries.iter().zip(&own) {
        let missing = all.len() - own.len();
        let share = missing as f64 / all.len().max(1) as f64;
        let what = format!(
            "{}: {missing} of {} clean questions ({:.1} %) that other models answered have no answer",
            entry.name,
            all.len(),
            100.0 * share
        );
        match share > MOST_MISSING {
            true if is_allowed => tell!("warning: {what}; no number counts them"),
            true => problems.push(format!(
                "{what} -> evaluate it on the same cases, or go on with `--allow-missing`, which leaves these \
                               questions out for all models"
            )),
            false => {}
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::input(problems.join("\n"))) }
}
