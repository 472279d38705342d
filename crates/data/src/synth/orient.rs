//! Questions of stage 1: what does the image show?

use super::ask::{Asker, words};
use super::facts::{BodyPart, Eye, Modality, Plane, Power, Quality, Side, Subject};
use super::style::variants;
use crate::case::Answer;

/// Adds questions of stage 1: what the image shows, and how. At least one is added.
pub(super) fn ask(asker: &mut Asker) {
    let facts = asker.facts;
    if asker.wants(0.7) {
        let wordings = words(["Which modality is this?", "What kind of image is this?"]);
        asker.choice(1, &wordings, &Modality::names(), facts.modality.name(), None, vec![]);
    }
    if facts.sufficient {
        look(asker);
        view(asker);
        organs(asker);
    }
    side_marker(asker, 0.35);
    quality(asker);
    if !asker.asked(1) {
        side_marker(asker, 1.0);
    }
}

/// Category 02: sequence, window, filter or stain.
fn look(asker: &mut Asker) {
    let noun = match asker.facts.modality {
        Modality::Xray => "display",
        Modality::Ct => "window",
        Modality::Mri => "sequence",
        Modality::Ultrasound => "mode",
        Modality::Fundus => "filter",
        Modality::Histology => "stain",
    };
    if asker.wants(0.4) {
        let wordings = [format!("Which {noun} is this?"), format!("What {noun} was used?")];
        let values = variants(asker.facts.modality);
        asker.choice(2, &wordings, &values, values[asker.facts.variant], None, vec![]);
    }
}

/// Categories 03 and 04: plane and body region.
fn view(asker: &mut Asker) {
    let (noun, values, gold) = match (asker.facts.modality, asker.facts.subject) {
        (Modality::Xray, Subject::Section(_, plane)) => {
            ("projection", vec!["frontal", "lateral"], if plane == Plane::Coronal { "frontal" } else { "lateral" })
        }
        (_, Subject::Section(_, plane)) => ("plane", Plane::names(), plane.name()),
        (_, Subject::Fundus(eye)) => ("centre", Eye::names(), eye.name()),
        (_, Subject::Histology(power)) => ("magnification", Power::names(), power.name()),
    };
    if asker.wants(0.4) {
        let wordings = [format!("Which {noun} is this?"), format!("What {noun} is shown?")];
        asker.choice(3, &wordings, &values, gold, None, vec![]);
    }
    if let Subject::Section(part, _) = asker.facts.subject
        && asker.wants(0.5)
    {
        let wordings = words(["Which body region is this?", "What part of the body is shown?"]);
        asker.choice(4, &wordings, &BodyPart::names(), part.name(), None, vec![]);
    }
}

/// Categories 05, 06 and 07: presence, place and side of organs.
fn organs(asker: &mut Asker) {
    let organs = &asker.regions.organs;
    if organs.is_empty() {
        return;
    }
    let organ = &organs[asker.dice.below(organs.len())];
    if asker.wants(0.35) {
        let asks = [format!("Does the image show the {}?", organ.label), format!("Is the {} in view?", organ.label)];
        let denies = [format!("Does the image lack the {}?", organ.label), format!("Is the {} missing?", organ.label)];
        asker.twins(5, &asks, &denies, organ.region.is_some(), organ.region.iter().cloned().collect());
    }
    let Some(region) = &organ.region else { return };
    if asker.wants(0.6) {
        let wordings = [format!("Mark the {}.", organ.label), format!("Where is the {}?", organ.label)];
        asker.add(6, &wordings, Answer::Box { gold: vec![region.clone()], iou_ok: 0.5 }, vec![region.clone()]);
    }
    let Some(bounds) = asker.regions.get(region).map(|region| region.shape.bounds()) else { return };
    let width = asker.side();
    let off = (bounds[0] + bounds[2]) / 2.0 - 0.5 * width;
    // Only where the side is beyond doubt, and never for paired organs.
    let paired = ["eyes", "kidneys", "ventricles"].contains(&organ.label);
    if !paired && off.abs() > 0.13 * width && asker.wants(0.6) {
        let wordings = [
            format!("On which image side is the {}?", organ.label),
            format!("Which image side holds the {}?", organ.label),
        ];
        let gold = if off < 0.0 { Side::Left } else { Side::Right };
        asker.choice(7, &wordings, &Side::names(), gold.name(), None, vec![region.clone()]);
    }
}

/// Category 07: orientation.
fn side_marker(asker: &mut Asker, probability: f64) {
    if asker.wants(probability) {
        let wordings = words(["On which side is the side marker?", "Where is the side marker?"]);
        let gold = asker.facts.marker.map_or("none", Side::name);
        let evidence = asker.regions.get("marker").map(|region| region.id.clone()).into_iter().collect();
        asker.choice(7, &wordings, &["left", "right", "none"], gold, None, evidence);
    }
}

/// Category 08: image quality.
fn quality(asker: &mut Asker) {
    // Blocked and unreadably noisy images are rarer than the others; these probabilities make all five answers
    // equally frequent.
    let odds = match (asker.facts.quality, asker.facts.sufficient) {
        (Quality::Noisy, true) => 0.25,
        (Quality::Blocked, _) => 1.0,
        _ => 0.5,
    };
    if asker.wants(odds) {
        let wordings = words(["How is the image quality?", "What is the image quality?"]);
        asker.choice(8, &wordings, &Quality::names(), asker.facts.quality.name(), None, vec![]);
    }
}
