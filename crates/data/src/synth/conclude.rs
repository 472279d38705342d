//! Questions of stage 4: what does it mean, on what evidence, and is the evidence sufficient?

use super::ask::{Asker, words};
use super::facts::Distribution;
use super::rule::{self, CANNOT_TELL, NO_FINDING};
use crate::case::Answer;

/// Draws one or two of the categories 25 to 31 without looking at any fact.
pub(super) fn choose(asker: &mut Asker) -> Vec<u8> {
    let mut categories: Vec<u8> = (25..=31).collect();
    asker.dice.shuffle(&mut categories);
    let count = if asker.wants(0.6) { 2 } else { 1 };
    categories.truncate(count);
    categories
}

/// Draws two feature categories on which the first of the chosen categories rests, so that they are asked before it; a
/// third is added where none of them is among 17 to 21, which every case can answer.
pub(super) fn needed(asker: &mut Asker, chosen: &[u8]) -> Vec<u8> {
    let mut needed = match chosen.first() {
        Some(26) => vec![19, 20],
        Some(27) => vec![17, 23],
        Some(28) => vec![18, 20],
        Some(29..=31) => vec![21, 18],
        _ => vec![21, 18, 17, 20],
    };
    asker.dice.shuffle(&mut needed);
    needed.truncate(2);
    if needed == [23] || !needed.iter().any(|category| (17..=21).contains(category)) {
        needed.push(17);
    }
    needed
}

/// Adds the questions of stage 4 of the `chosen` categories, in this order.
pub(super) fn ask(asker: &mut Asker, chosen: &[u8]) {
    for &category in chosen {
        match category {
            25 => type_of(asker),
            29 => evidence(asker),
            30 => next_step(asker),
            31 => sufficiency(asker),
            _ => ruled(asker, category),
        }
    }
}

fn because(asker: &Asker) -> String {
    match &asker.facts.findings {
        _ if !asker.facts.sufficient => "the image cannot be read".to_owned(),
        None => "there is no finding".to_owned(),
        Some(f) => format!(
            "{}, {}, {}, {}, {}, {}",
            f.distribution.name(),
            f.size.name(),
            f.margin.name(),
            f.intensity.name(),
            f.pattern.name(),
            if f.halo { "halo" } else { "no halo" }
        ),
    }
}

/// Category 25, as a choice or as a text.
fn type_of(asker: &mut Asker) {
    let gold = type_or_refusal(asker);
    let (evidence, rationale) = (asker.regions.findings(), because(asker));
    let item = if asker.wants(0.3) {
        let wordings = words(["Name the type.", "What is the type?"]);
        let aliases = gold.strip_suffix(" type").map(str::to_owned).into_iter().collect();
        asker.add(25, &wordings, Answer::Text { gold: vec![gold.to_owned()], aliases }, evidence)
    } else {
        let values = [&rule::TYPES[..], &[CANNOT_TELL]].concat();
        asker.choice(25, &words(["Which type is it?", "What type fits?"]), &values, gold, None, evidence)
    };
    item.rationale = Some(rationale);
}

fn type_or_refusal(asker: &Asker) -> &'static str {
    if asker.facts.sufficient { rule::type_of(asker.facts.findings.as_ref()) } else { CANNOT_TELL }
}

/// Categories 26 to 28: excluded origin, grade and risk.
fn ruled(asker: &mut Asker, category: u8) {
    let findings = asker.facts.findings.as_ref();
    let (wordings, mut values, gold) = match category {
        26 => (
            words(["Which origin is excluded?", "Which origin does not fit?"]),
            [&rule::ORIGINS[..], &[NO_FINDING]].concat(),
            findings.map_or(NO_FINDING, rule::excluded_origin),
        ),
        27 => (words(["Which grade is it?", "What is the grade?"]), rule::GRADES.to_vec(), rule::grade(findings)),
        _ => (
            words(["How high is the risk?", "Which risk is it?"]),
            [&rule::RISKS[..], &[NO_FINDING]].concat(),
            findings.map_or(NO_FINDING, rule::risk),
        ),
    };
    values.push(CANNOT_TELL);
    let gold = if asker.facts.sufficient { gold } else { CANNOT_TELL };
    let rationale = because(asker);
    asker.choice(category, &wordings, &values, gold, None, asker.regions.findings()).rationale = Some(rationale);
}

/// Category 29: the deciding feature and, for half of the single findings, also the box of the finding.
fn evidence(asker: &mut Asker) {
    let findings = asker.facts.findings.as_ref();
    let (regions, rationale) = (asker.regions.findings(), because(asker));
    let gold = match findings {
        _ if !asker.facts.sufficient => CANNOT_TELL,
        None => NO_FINDING,
        Some(findings) => rule::deciding_feature(findings),
    };
    let rest = [rule::FEATURES[0], NO_FINDING, CANNOT_TELL];
    // "distribution", "no finding" and "cannot tell" are right 1.5 times as often as the other features, so they are
    // listed three times against twice.
    let values = [&rule::FEATURES[..], &rule::FEATURES[1..], &rest, &rest, &rest[1..]].concat();
    let wordings = words(["Which feature decides the type?", "What decides the type?"]);
    asker.choice(29, &wordings, &values, gold, None, regions.clone()).rationale = Some(rationale);
    if findings.is_some_and(|findings| findings.distribution == Distribution::Single) && asker.wants(0.5) {
        let wordings = words(["Mark the evidence for the type.", "Where is the evidence for the type?"]);
        asker.add(29, &wordings, Answer::Box { gold: regions.clone(), iou_ok: 0.5 }, regions);
    }
}

/// Category 30, as a choice or as a text.
fn next_step(asker: &mut Asker) {
    let gold = rule::next_step(asker.facts);
    let mut evidence = asker.regions.findings();
    evidence.extend(asker.regions.get("sign").map(|region| region.id.clone()));
    let rationale = because(asker);
    let item = if asker.wants(0.3) {
        let wordings = words(["Name the next step.", "What comes next?"]);
        asker.add(30, &wordings, Answer::Text { gold: vec![gold.to_owned()], aliases: vec![] }, evidence)
    } else {
        let wordings = words(["Which step is next?", "What is the next step?"]);
        // "no action" and "repeat image" are right a third more often than the others, so they are listed four times
        // against three times.
        let often = ["no action", "repeat image"];
        let values = [&rule::STEPS[..], &rule::STEPS[..], &rule::STEPS[..], &often].concat();
        asker.choice(30, &wordings, &values, gold, None, evidence)
    };
    item.rationale = Some(rationale);
}

/// Category 31: the type, where the image allows it; the abstain option is always offered.
fn sufficiency(asker: &mut Asker) {
    let gold = type_or_refusal(asker);
    let values = [&rule::TYPES[..], &[CANNOT_TELL]].concat();
    let wordings = words(["Which type is it, if the image can tell?", "Can the image tell the type?"]);
    let rationale = because(asker);
    asker.choice(31, &wordings, &values, gold, Some(CANNOT_TELL), asker.regions.findings()).rationale = Some(rationale);
}
