//! Questions of stage 3: what are the measurable features of the findings?

use super::ask::{Asker, words};
use super::facts::{Aid, Colour, Distribution, Findings, Intensity, Margin, Pattern, Relation, Size};
use super::rule::{CANNOT_TELL, NO_FINDING};
use crate::case::Answer;

/// Adds questions of stage 3: about the feature categories in `needed` and, with a small probability, about others.
pub(super) fn ask(asker: &mut Asker, needed: &[u8]) {
    for category in 17..=21 {
        if needed.contains(&category) || asker.wants(0.12) {
            feature(asker, category);
        }
    }
    let Some(findings) = &asker.facts.findings else { return };
    let evidence = asker.regions.findings();
    if needed.contains(&23) || asker.wants(0.25) {
        let asks = words(["Do the findings have a halo?", "Is there a halo around the findings?"]);
        let denies = words(["Are the findings free of a halo?", "Is a halo absent?"]);
        asker.twins(23, &asks, &denies, findings.halo, evidence.clone());
    }
    if findings.distribution == Distribution::Single && asker.wants(0.35) {
        width(asker);
    }
    match &asker.facts.aid {
        Aid::Cross(relation) if asker.wants(0.9) => {
            let wordings =
                words(["Where is the finding, seen from the cross?", "On which side of the cross is the finding?"]);
            let seen = evidence.into_iter().chain(["cross".to_owned()]).collect();
            asker.choice(22, &wordings, &Relation::names(), relation.name(), None, seen);
        }
        Aid::Marks(colours) if asker.wants(0.9) => description(asker, findings, colours),
        _ => {}
    }
}

/// Categories 17 to 21: one of the feature's values, "no finding" or "cannot tell".
fn feature(asker: &mut Asker, category: u8) {
    let findings = asker.facts.findings.as_ref();
    let (wordings, mut values, value) = match category {
        17 => (
            words(["How large are the findings?", "What size are the findings?"]),
            Size::names(),
            findings.map(|findings| findings.size.name()),
        ),
        18 => (
            words(["What margin do the findings have?", "How is the margin of the findings?"]),
            Margin::names(),
            findings.map(|findings| findings.margin.name()),
        ),
        19 => (
            words(["Are the findings bright or dark?", "How bright are the findings?"]),
            Intensity::names(),
            findings.map(|findings| findings.intensity.name()),
        ),
        20 => (
            words(["What pattern do the findings have?", "How do the findings look inside?"]),
            Pattern::names(),
            findings.map(|findings| findings.pattern.name()),
        ),
        _ => (
            words(["How are the findings spread?", "What is the distribution of the findings?"]),
            Distribution::names(),
            findings.map(|findings| findings.distribution.name()),
        ),
    };
    let gold = if asker.facts.sufficient { value.unwrap_or(NO_FINDING) } else { CANNOT_TELL };
    values.extend([NO_FINDING, CANNOT_TELL]);
    asker.choice(category, &wordings, &values, gold, None, asker.regions.findings());
}

/// Category 17 as a measurement: width of the finding's box in percent of the image's width.
fn width(asker: &mut Asker) {
    let Some([x0, _, x1, _]) = asker.regions.get("finding-1").map(|finding| finding.shape.bounds()) else { return };
    let percent = ((x1 - x0) / asker.side() * 100.0).round();
    let wordings =
        words(["How wide is the finding in percent of the image?", "What is the width of the finding in percent?"]);
    let answer = Answer::Number { gold: percent, unit: Some("percent".into()), abs_tol: Some(2.0), rel_tol: None };
    asker.add(17, &wordings, answer, asker.regions.findings());
}

/// Category 24: which description fits the content of a mark. One question in four is about a mark that holds nothing.
fn description(asker: &mut Asker, findings: &Findings, colours: &[Colour]) {
    let describe = |intensity: Intensity, margin: Margin| format!("{} {}", intensity.name(), margin.name());
    let mut texts: Vec<String> = Intensity::ALL
        .iter()
        .flat_map(|&intensity| Margin::ALL.iter().map(move |&margin| describe(intensity, margin)))
        .collect();
    asker.dice.shuffle(&mut texts);
    let holds = asker.wants(0.75);
    let colour = if holds { colours[0] } else { asker.dice.pick(&colours[1..]) }.name();
    let gold = if holds { describe(findings.intensity, findings.margin) } else { "nothing".to_owned() };
    let mut values: Vec<&str> = texts.iter().map(String::as_str).collect();
    values.push("nothing");
    let wordings = [format!("What does the {colour} mark hold?"), format!("Which text fits the {colour} mark?")];
    asker.choice(24, &wordings, &values, &gold, Some("nothing"), vec![format!("mark-{colour}")]);
}
