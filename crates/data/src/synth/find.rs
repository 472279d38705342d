//! Questions of stage 2: is something abnormal or foreign in the image, and where?

use super::ask::{Asker, words};
use super::facts::{Aid, Colour, Device, Distribution, Quadrant, Sign};
use super::rule::CANNOT_TELL;
use crate::case::Answer;

/// Adds questions of stage 2: whether, what, how many and where findings, signs and devices are. At least one is added;
/// for a case that cannot be judged exactly one, with the answer "cannot tell".
pub(super) fn ask(asker: &mut Asker) {
    if !asker.facts.sufficient {
        // An unreadable image still allows one of these two questions.
        if asker.wants(0.5) {
            sign(asker, CANNOT_TELL);
        } else {
            device(asker, CANNOT_TELL);
        }
        return;
    }
    abnormality(asker);
    count(asker);
    if asker.facts.findings.is_some() {
        named(asker);
        place(asker);
    }
    // These probabilities make every sign, "none" and "cannot tell" equally frequent answers.
    let shown = asker.facts.sign;
    if asker.wants(if shown == Sign::None { 0.286 } else { 0.667 }) {
        sign(asker, shown.name());
    }
    if asker.wants(0.5) || !asker.asked(2) {
        device(asker, asker.facts.device.name());
    }
}

/// Category 09. Three of four readable cases are abnormal; the probabilities make yes and no equally frequent.
fn abnormality(asker: &mut Asker) {
    let abnormal = asker.facts.findings.is_some();
    if asker.wants(if abnormal { 0.25 } else { 0.75 }) {
        let wordings = words(["Is there any finding?", "Does the image show a finding?"]);
        asker.add(9, &wordings, Answer::Yesno { gold: abnormal, pair_of: None }, asker.regions.findings());
    }
}

/// Category 10: asks about a sign that is present or, equally often, about one that is absent.
fn named(asker: &mut Asker) {
    if !asker.wants(0.5) {
        return;
    }
    let shown = asker.facts.sign;
    let absent: Vec<Sign> = Sign::ALL.iter().copied().filter(|sign| ![Sign::None, shown].contains(sign)).collect();
    // Three of four abnormal cases have a sign.
    let truth = shown != Sign::None && asker.wants(2.0 / 3.0);
    let name = if truth { shown } else { asker.dice.pick(&absent) }.name();
    let asks = [format!("Does the image show {name}?"), format!("Is there {name}?")];
    let denies = [format!("Is the image free of {name}?"), format!("Is {name} absent?")];
    let evidence = if truth { vec!["sign".to_owned()] } else { vec![] };
    asker.twins(10, &asks, &denies, truth, evidence);
}

/// Category 11: which sign accompanies the findings.
fn sign(asker: &mut Asker, gold: &str) {
    let wordings = ["Which sign is present?", "What sign does the image show?"];
    name_of(asker, (11, "sign"), wordings, Sign::names(), gold);
}

/// Categories 12, 13 and 16: boxes, quadrants and marks.
fn place(asker: &mut Asker) {
    let Some(findings) = &asker.facts.findings else { return };
    let all = asker.regions.findings();
    if findings.count <= 2 && asker.wants(0.8) {
        let wordings = if findings.count == 1 {
            words(["Mark the finding.", "Where is the finding?"])
        } else {
            words(["Mark both findings.", "Where are the two findings?"])
        };
        asker.add(12, &wordings, Answer::Box { gold: all.clone(), iou_ok: 0.5 }, all.clone());
    }
    if findings.distribution != Distribution::Single {
        return;
    }
    if asker.wants(0.7) {
        let wordings = words(["In which quadrant is the finding?", "Which image quadrant holds the finding?"]);
        asker.choice(13, &wordings, &Quadrant::names(), findings.quadrant.name(), None, all.clone());
    }
    if let Aid::Marks(colours) = &asker.facts.aid
        && asker.wants(0.9)
    {
        let wordings = words(["Which mark holds the finding?", "In which mark is the finding?"]);
        asker.choice(16, &wordings, &Colour::names(), colours[0].name(), None, all);
    }
}

/// Category 14. The probabilities make counts of 0 to 4 about equally frequent.
fn count(asker: &mut Asker) {
    let count = asker.facts.findings.as_ref().map_or(0, |findings| findings.count);
    let odds = [0.5, 0.5, 0.6, 0.85, 1.0];
    if asker.wants(odds[count]) {
        let wordings = words(["How many findings are there?", "Count the findings."]);
        let answer = Answer::Number { gold: count as f64, unit: None, abs_tol: None, rel_tol: None };
        asker.add(14, &wordings, answer, asker.regions.findings());
    }
}

/// Category 15: device or foreign body.
fn device(asker: &mut Asker, gold: &str) {
    let wordings = ["Which device is present?", "What device does the image show?"];
    name_of(asker, (15, "device"), wordings, Device::names(), gold);
}

/// Adds a question of a category that asks for the name of what the region `region` shows, if there is such a region.
fn name_of(
    asker: &mut Asker,
    (category, region): (u8, &str),
    wordings: [&str; 2],
    mut names: Vec<&'static str>,
    gold: &str,
) {
    names.push(CANNOT_TELL);
    let evidence = asker.regions.get(region).map(|region| region.id.clone()).into_iter().collect();
    asker.choice(category, &words(wordings), &names, gold, None, evidence);
}
