//! `blank`: every picture becomes one flat grey. Shows how far the words alone carry.

use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde::Deserialize;

use super::{Edit, Kind, Perturbation, Perturbed, Pictures, Purpose, Scene, Skip};

/// The registry entry.
pub const KIND: Kind = Kind::of::<Blank>("blank", Purpose::Removal, "every picture becomes flat grey");

/// A constant fill.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blank {
    /// Grey level, 0 to 255.
    pub value: u8,
}

impl Default for Blank {
    fn default() -> Self {
        Self { value: 128 }
    }
}

impl Perturbation for Blank {
    fn perturb(&self, _: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(Perturbed { pictures: Pictures::Edited(Arc::new(self.clone())), ..Perturbed::default() })
    }
}

impl Edit for Blank {
    fn key(&self) -> String {
        format!("blank:{}", self.value)
    }

    fn apply(&self, _: usize, picture: &mut RgbImage) {
        picture.pixels_mut().for_each(|pixel| *pixel = Rgb([self.value; 3]));
    }
}
