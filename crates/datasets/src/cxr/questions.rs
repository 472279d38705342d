//! Question chain of one chest X-ray.

use rand::seq::{IndexedRandom, SliceRandom};
use stepwise_data::case::{Item, RegionRole};

use super::Counts;
use super::classes::{CLASSES, HEART, LEFT_LUNG, RIGHT_LUNG};
use super::doubt::is_unspecific;
use super::facts::{AP, Facts, Finding, LATERAL, PA};
use crate::chain::{Ask, Chain, draw};
use crate::limits::clear_step;

const BOTH_LUNGS: &str = "both lungs";
/// Recorded finding that other recorded diagnoses cause, so that it can be right together with them.
const SYNDROME: &str = "ARDS";
/// Start of questions whose answers name a side of the patient.
const SIDES: &str = "With the patient's right on the left of the image:";

/// Returns the question chain of the image of case `case_id`, and one line for each question that was left out and why.
/// `set` counts diagnoses and classes in the whole data set, by which wrong options are drawn; `seed` decides random
/// draws.
pub(super) fn ask(facts: &Facts, case_id: &str, set: &Counts, seed: u64) -> (Vec<Item>, Vec<String>) {
    let mut asker = Asker {
        facts,
        set,
        chain: Chain::new(seed, case_id, facts.width, facts.height),
        oriented: Vec::new(),
        found: Vec::new(),
        described: Vec::new(),
        left_out: Vec::new(),
    };
    asker.orient();
    asker.presence();
    asker.select();
    asker.device();
    let (elsewhere, findings): (Vec<_>, Vec<_>) =
        facts.findings().into_iter().partition(|finding| finding.is_elsewhere);
    for finding in elsewhere {
        let reason = format!("place and features of the {} not asked: the notes name other lungs", finding.label);
        asker.left_out.push(reason);
    }
    let found: Vec<Vec<String>> = findings.iter().map(|finding| asker.find(finding)).collect();
    for (finding, found) in findings.iter().zip(&found) {
        asker.describe(finding, found);
    }
    asker.conclude();
    (asker.chain.finish(), asker.left_out)
}

struct Asker<'a> {
    facts: &'a Facts,
    set: &'a Counts,
    chain: Chain,
    /// Ids of the questions of stage 1 that later questions build on.
    oriented: Vec<String>,
    /// Ids of the questions on presence and place of findings.
    found: Vec<String>,
    /// Ids of the questions on features of findings.
    described: Vec<String>,
    left_out: Vec<String>,
}

impl Asker<'_> {
    fn orient(&mut self) {
        let ask = Ask::new("01", "Which imaging modality is this?").or("How was this image made?");
        let modality = self.chain.choice(ask, "X-ray", &["CT", "MRI", "ultrasound"], &["CT"]);
        self.oriented.push(modality.clone());
        match self.facts.view() {
            Some(view) => {
                let ask = Ask::new("03", "Which view is this?").or("In which projection was this image taken?");
                let ask = ask.after([&modality]);
                let id = self.chain.choice(ask, view, &[PA, AP, LATERAL], &[PA, AP]);
                self.oriented.push(id);
            }
            None => {
                let reason = format!(
                    "view not asked: the view {:?} of the table is unknown, unconfirmed or contradicted by the notes",
                    self.facts.view
                );
                self.left_out.push(reason);
            }
        }
        let organs = ["trachea and main bronchi", HEART];
        if let Some(region) = organs.choose(&mut self.chain.dice("organ")).and_then(|organ| self.facts.region(organ)) {
            let question = format!("Draw the box around the {}.", region.label);
            self.chain.locate(Ask::new("06", question).after([&modality]), region);
        }
        // Near one half a few pixels at the outline would decide the answer.
        if let Some(left) = self.facts.heart_left().filter(|left| (left - 0.5).abs() >= 0.05) {
            let ask =
                Ask::new("07", "In which half of the image does the larger part of the heart and mediastinum lie?");
            let ask = ask.after([&modality]).on(self.facts.regions(HEART));
            let [gold, other] = if left > 0.5 { ["left half", "right half"] } else { ["right half", "left half"] };
            self.chain.choice(ask, gold, &[other], &[other]);
        }
    }

    /// Asks for the presence of all findings that are present and of as many absent ones (at least one). Absent
    /// findings are drawn by how often they occur in the data set.
    fn presence(&mut self) {
        let present = self.facts.present(RegionRole::Finding);
        // One more than the count, so that a finding that no image shows can be drawn too.
        let pool: Vec<(&str, usize)> =
            self.facts.absent(RegionRole::Finding).into_iter().map(|label| (label, self.set.of(label) + 1)).collect();
        let absent = draw(&pool, present.len().max(1), &mut self.chain.dice("absent findings"));
        let mut asked: Vec<(&str, bool)> = present.iter().map(|label| (*label, true)).collect();
        asked.extend(absent.into_iter().map(|label| (label, false)));
        asked.shuffle(&mut self.chain.dice("order of findings"));
        for (label, truth) in asked {
            let ask = Ask::new("10", format!("Does this image show {}?", a(label)))
                .or(format!("Can {} be seen on this image?", a(label)))
                .after(&self.oriented)
                .on(self.facts.regions(label));
            let id = self.chain.twins(ask, &format!("Is this image free of {label}?"), truth);
            self.found.push(id);
        }
    }

    fn select(&mut self) {
        const NONE: &str = "none of these";
        let present = self.facts.present(RegionRole::Finding);
        let mut others = self.facts.absent(RegionRole::Finding);
        // The rarest finding, because common ones are right often enough.
        let gold = present.into_iter().min_by_key(|label| self.set.of(label)).unwrap_or(NONE);
        if gold != NONE {
            others.push(NONE);
        }
        if others.len() < 2 {
            self.left_out
                .push("choice of findings not asked: the notes leave open which other findings are absent".into());
            return;
        }
        let near: Vec<&str> = others.iter().copied().filter(|label| *label != NONE).collect();
        let ask = Ask::new("11", "Which of these findings does this image show?")
            .after(&self.oriented)
            .on(self.facts.regions(gold));
        let id = self.chain.choice(ask, gold, &others, &near);
        self.found.push(id);
    }

    fn device(&mut self) {
        const NONE: &str = "no device";
        let present = self.facts.present(RegionRole::Device);
        let mut others = self.facts.absent(RegionRole::Device);
        others.shuffle(&mut self.chain.dice("absent devices"));
        let gold = present.choose(&mut self.chain.dice("device")).copied().unwrap_or(NONE);
        others.truncate(if gold == NONE { 3 } else { 2 });
        if others.is_empty() {
            self.left_out.push("device not asked: it is open which other devices are absent".into());
            return;
        }
        if gold != NONE {
            others.push(NONE);
        } else if self.facts.absent(RegionRole::Device).len() < devices() {
            self.left_out.push("device not asked: none is marked for certain, but there may be one".into());
            return;
        }
        let near: Vec<&str> = others.iter().copied().filter(|label| *label != NONE).collect();
        let ask = Ask::new("15", "Which of these devices does this image show?")
            .after(&self.oriented)
            .on(self.facts.regions(gold));
        self.chain.choice(ask, gold, &others, &near);
    }

    /// Asks where a finding is. Returns the ids of the questions.
    fn find(&mut self, finding: &Finding) -> Vec<String> {
        let label = finding.label;
        let regions = || finding.regions.iter().map(String::as_str);
        let mut places = Vec::new();
        if let Some(region) = &finding.region {
            let ask = Ask::new("12", format!("Draw one box around all of the {label}."))
                .or(format!("Where is the {label}? Give one box around all of it."))
                .after(&self.oriented);
            places.push(self.chain.locate(ask, region));
        }
        if let Some(gold) = affected_lung(finding) {
            let ask = Ask::new("13", format!("{SIDES} which lung does the {label} affect?"))
                .after(&places)
                .on(regions().chain(self.facts.regions(RIGHT_LUNG)).chain(self.facts.regions(LEFT_LUNG)));
            let near = if gold == BOTH_LUNGS { [RIGHT_LUNG, LEFT_LUNG] } else { [opposite(gold), BOTH_LUNGS] };
            places.push(self.chain.choice(ask, gold, &[RIGHT_LUNG, LEFT_LUNG, BOTH_LUNGS], &near));
        } else {
            self.left_out.push(format!("lungs of the {label} not asked: a lung is not marked, or is barely covered"));
        }
        if finding.parts > 0 {
            let question = format!(
                "How many separate regions of {label} are there? \
                 Count those that cover at least a thousandth of the image."
            );
            let ask = Ask::new("14", question).after(places.first()).on(regions());
            places.push(self.chain.count(ask, finding.parts, 1.0));
        }
        self.found.extend_from_slice(&places);
        places
    }

    /// Asks for the features of a finding. The questions `found` on its place are the parents.
    fn describe(&mut self, finding: &Finding, found: &[String]) {
        let label = finding.label;
        let lung = affected_lung(finding);
        let evidence = || {
            let lungs = self.facts.regions(RIGHT_LUNG).into_iter().chain(self.facts.regions(LEFT_LUNG));
            finding.regions.iter().map(String::as_str).chain(lungs)
        };
        let mut asks = Vec::new();
        let (extent, whole) = match finding.extent {
            Some(extent) => (extent, "area of both lungs"),
            None => (finding.share, "image"),
        };
        if let Some(step) = clear_step(extent, EXTENT_FROM, MARGIN) {
            let ask = Ask::new("17", format!("How much of the {whole} does the {label} cover?"))
                .because(format!("it covers {:.0}% of it", 100.0 * extent));
            asks.push((ask, EXTENTS, step));
        }
        if let Some(lung) = lung.filter(|_| finding.parts > 0) {
            let step = if lung == BOTH_LUNGS { 2 } else { usize::from(finding.parts > 1) };
            asks.push((Ask::new("21", format!("How is the {label} distributed?")), DISTRIBUTIONS, step));
        }
        if let (Some([right, left]), Some(BOTH_LUNGS)) = (finding.lungs, lung) {
            let question = format!(
                "{SIDES} of which lung does the {label} cover more? \
                 Shares less than ten percent of a lung apart are about equal."
            );
            let (right, left) = (100.0 * right, 100.0 * left);
            if let Some(apart) = clear_step((right - left).abs(), &[10.0], MARGIN_OF_BALANCE) {
                let step = if apart == 0 { 1 } else { 2 * usize::from(left > right) };
                let ask = Ask::new("21", question)
                    .because(format!("it covers {right:.0}% of the right and {left:.0}% of the left lung"));
                asks.push((ask, BALANCE, step));
            }
        }
        for (ask, scale, step) in asks {
            let id = self.chain.ordinal(ask.after(found).on(evidence()), scale, step);
            self.described.push(id);
        }
    }

    /// Asks for the recorded diagnosis among others of the data set. Diagnoses that share a disease are not offered
    /// together, because both could be right; neither is a syndrome beside the diseases that cause it.
    fn conclude(&mut self) {
        let gold = &self.facts.diagnosis;
        if is_unspecific(&self.facts.notes) {
            self.left_out
                .push("diagnosis not asked: the notes say that the image does not show which disease it is".into());
            return;
        }
        if gold == SYNDROME {
            self.left_out.push(format!("diagnosis not asked: the cause of the {SYNDROME} is not recorded"));
            return;
        }
        let apart = |other: &str| other.split(" with ").all(|part| !gold.split(" with ").any(|own| own == part));
        let others = self.set.diagnoses.iter().filter(|(other, _)| *other != SYNDROME && apart(other));
        let pool: Vec<(&str, usize)> = others.map(|(other, count)| (other.as_str(), *count)).collect();
        let mut others: Vec<&str> = Vec::new();
        for other in draw(&pool, pool.len(), &mut self.chain.dice("diagnoses")) {
            let alone = others
                .iter()
                .all(|shown| !shown.split(" with ").any(|part| other.split(" with ").any(|own| own == part)));
            if alone && others.len() < 3 {
                others.push(other);
            }
        }
        if others.is_empty() {
            self.left_out.push("diagnosis not asked: the table contains no other diagnosis".into());
            return;
        }
        let evidence = self.facts.present(RegionRole::Finding);
        let found = if self.found.is_empty() { &self.oriented } else { &self.found };
        let ask = Ask::new("25", "Which of these diagnoses belongs to this image?")
            .or("Which of these is the most likely diagnosis?")
            .after(self.described.iter().chain(found).take(6))
            .on(evidence.iter().flat_map(|label| self.facts.regions(label)))
            .because(format!("the source records {gold}"));
        let near: Vec<&str> = others.first().copied().into_iter().collect();
        self.chain.choice(ask, gold, &others, &near);
    }
}

/// Returns the number of device classes.
fn devices() -> usize {
    CLASSES.iter().filter(|class| class.role == RegionRole::Device).count()
}

/// Least distance of a share from a limit of its scale, as a share of the limit; a choice of this importer.
const MARGIN: f64 = 0.1;
/// Least distance of the difference of two lungs from the limit of "about equal", as a share of the limit; a choice of this
/// importer.
const MARGIN_OF_BALANCE: f64 = 0.3;
const EXTENTS: &[&str] = &["less than 10%", "10% to 25%", "25% to 50%", "50% or more"];
const EXTENT_FROM: &[f64] = &[0.10, 0.25, 0.50];
const DISTRIBUTIONS: &[&str] = &["one region in one lung", "several regions in one lung", BOTH_LUNGS];
const BALANCE: &[&str] = &[RIGHT_LUNG, "about equal", LEFT_LUNG];

fn affected_lung(finding: &Finding) -> Option<&'static str> {
    finding.affected().map(|affected| match affected {
        [true, false] => RIGHT_LUNG,
        [false, true] => LEFT_LUNG,
        _ => BOTH_LUNGS,
    })
}

fn opposite(lung: &str) -> &'static str {
    if lung == RIGHT_LUNG { LEFT_LUNG } else { RIGHT_LUNG }
}

/// Returns the label with its article, if it takes one.
fn a(label: &str) -> String {
    if label.starts_with("pneumo") || label.starts_with("pleural") { format!("a {label}") } else { label.to_owned() }
}
