//! Builds the case record from facts and places.

use image::GrayImage;

use super::ask::Asker;
use super::dice::Dice;
use super::facts::{Facts, Plane, Subject};
use super::regions::{IMAGE, Regions};
use super::scene::Scene;
use super::{DATASET, MIN_IMAGE_SIZE, SynthOptions, WORLD_VERSION, conclude, describe, find, orient};
use crate::box_grid::BoxGrid;
use crate::case::{Case, Image, SCHEMA, Source, Split};

/// Facts and places of a case, before the image is painted and the questions are written.
pub(super) struct Plan {
    pub(super) facts: Facts,
    pub(super) scene: Scene,
    pub(super) side: u32,
    index: u64,
}

impl Plan {
    /// Draws the facts and places of case `index`. Facts for which no body has room are drawn again. An image side
    /// below [`MIN_IMAGE_SIZE`] is raised to it.
    pub(super) fn new(index: u64, options: &SynthOptions) -> Self {
        let mut facts_dice = Dice::new(options.seed, "facts", index);
        let mut scene_dice = Dice::new(options.seed, "scene", index);
        let side = options.image_size.max(MIN_IMAGE_SIZE);
        loop {
            // Facts for which no body has room (a fraction of a percent) are drawn again: findings never shrink out of
            // their size class to fit.
            let facts = Facts::draw(&mut facts_dice);
            if let Some(scene) = Scene::place(&facts, &mut scene_dice) {
                return Self { facts, scene, side, index };
            }
        }
    }

    /// Returns the record of the case and its masks with their paths; the image's SHA-256 is left empty, because the
    /// image is not painted here.
    pub(super) fn record(&self, options: &SynthOptions) -> (Case, Vec<(String, GrayImage)>) {
        let case_id = format!("synth-{}-{:06}", options.seed, self.index);
        let mask_path = |region: &str| format!("masks/{case_id}-{region}.png");
        let regions = Regions::of(&self.facts, &self.scene, self.side, &mask_path);

        let dice = Dice::new(options.seed, "questions", self.index);
        let mut asker = Asker::new(&self.facts, &regions, dice, self.side);
        orient::ask(&mut asker);
        find::ask(&mut asker);
        let conclusions = conclude::choose(&mut asker);
        let needed = conclude::needed(&mut asker, &conclusions);
        describe::ask(&mut asker, &needed);
        conclude::ask(&mut asker, &conclusions);
        let chain = asker.finish();

        let masks = regions.masks.into_iter().map(|(id, mask)| (mask_path(&id), mask)).collect();
        let image = Image {
            id: IMAGE.into(),
            path: format!("images/{case_id}.png"),
            sha256: String::new(),
            // No perceptual hash: a block over the body makes independent images look alike to a difference hash.
            phash: None,
            width: self.side,
            height: self.side,
            orientation: self.radiological().then(|| "radiological".into()),
            pixels: None,
            box_grid: BoxGrid::default(),
        };
        let case = Case {
            schema: SCHEMA.into(),
            group_id: format!("synth:{}:{}", options.seed, self.index),
            split: split(options, self.index),
            source: Source {
                dataset: DATASET.into(),
                revision: Some(WORLD_VERSION.into()),
                licence: "CC0-1.0".into(),
                credentialed: false,
            },
            modality: self.facts.modality.name().to_lowercase(),
            body_region: self.body_region().map(str::to_owned),
            risk_tier: None,
            images: vec![image],
            regions: regions.all,
            chain,
            case_id,
        };
        (case, masks)
    }

    fn body_region(&self) -> Option<&'static str> {
        match self.facts.subject {
            Subject::Section(part, _) => Some(part.name()),
            Subject::Fundus(_) => Some("eye"),
            Subject::Histology(_) => None,
        }
    }

    /// Whether the image shows patient sides, with the patient's right on the image's left.
    fn radiological(&self) -> bool {
        matches!(self.facts.subject, Subject::Section(_, Plane::Axial | Plane::Coronal)) && !self.facts.mirrored
    }
}

fn split(options: &SynthOptions, index: u64) -> Split {
    let draw = Dice::new(options.seed, "split", index).unit();
    if draw < options.splits[0] {
        Split::Train
    } else if draw < options.splits[0] + options.splits[1] {
        Split::Validation
    } else {
        Split::Test
    }
}
