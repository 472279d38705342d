//! Appearance of tissue in each modality and each of its looks: grey levels, softness and colours.

use super::anatomy::Tissue;
use super::facts::Modality;

/// Index of the ultrasound look that shows flow in colour.
pub(super) const DOPPLER: usize = 1;

/// Returns the names of a modality's three looks, as used in questions.
pub(super) fn variants(modality: Modality) -> [&'static str; 3] {
    match modality {
        Modality::Xray => ["standard", "inverted", "bone-free"],
        Modality::Ct => ["soft window", "bone window", "lung window"],
        Modality::Mri => ["T1", "T2", "STIR"],
        Modality::Ultrasound => ["B-mode", "Doppler", "elastic"],
        Modality::Fundus => ["colour", "green", "grey"],
        Modality::Histology => ["H&E", "IHC", "trichrome"],
    }
}

/// Appearance of one look of a modality.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Grey level of each tissue, in the order of [`Tissue`].
    levels: [f64; 8],
    /// Half-width over which anatomical edges are softened, in image units.
    pub(super) softness: f64,
    /// Standard deviation of the modality's grain.
    pub(super) grain: f64,
    /// Colours of levels 0, 1/2 and 1.
    ramp: [[f64; 3]; 3],
}

const GREY: [[f64; 3]; 3] = [[0.0; 3], [127.5; 3], [255.0; 3]];

/// Returns the appearance of the look `variant`, 0 to 2, of a modality.
pub(super) fn style(modality: Modality, variant: usize) -> Style {
    //            outside fat   soft  bone  lung  fluid dense light
    let (levels, softness, grain, ramp) = match (modality, variant) {
        (Modality::Xray, 0) => ([0.04, 0.26, 0.42, 0.88, 0.24, 0.54, 0.58, 0.50], 0.012, 0.02, GREY),
        (Modality::Xray, 1) => ([0.94, 0.72, 0.55, 0.12, 0.66, 0.44, 0.40, 0.48], 0.012, 0.02, GREY),
        (Modality::Xray, _) => ([0.04, 0.26, 0.42, 0.43, 0.24, 0.54, 0.58, 0.50], 0.012, 0.02, GREY),
        (Modality::Ct, 0) => ([0.07, 0.28, 0.48, 0.98, 0.24, 0.38, 0.60, 0.55], 0.003, 0.025, GREY),
        (Modality::Ct, 1) => ([0.05, 0.22, 0.31, 0.95, 0.20, 0.27, 0.37, 0.34], 0.003, 0.025, GREY),
        (Modality::Ct, _) => ([0.33, 0.46, 0.56, 0.72, 0.25, 0.52, 0.62, 0.59], 0.003, 0.025, GREY),
        (Modality::Mri, 0) => ([0.02, 0.85, 0.48, 0.10, 0.22, 0.16, 0.62, 0.40], 0.006, 0.012, GREY),
        (Modality::Mri, 1) => ([0.02, 0.72, 0.35, 0.07, 0.22, 0.95, 0.45, 0.50], 0.006, 0.012, GREY),
        (Modality::Mri, _) => ([0.02, 0.09, 0.34, 0.06, 0.22, 0.90, 0.47, 0.40], 0.006, 0.012, GREY),
        (Modality::Ultrasound, 2) => (
            [0.02, 0.55, 0.42, 0.90, 0.25, 0.06, 0.54, 0.30],
            0.006,
            0.0,
            [[12.0, 6.0, 60.0], [25.0, 150.0, 140.0], [245.0, 235.0, 70.0]],
        ),
        (Modality::Ultrasound, _) => ([0.02, 0.55, 0.42, 0.90, 0.25, 0.06, 0.54, 0.30], 0.006, 0.0, GREY),
        (Modality::Fundus, 0) => (
            [0.0, 0.4, 0.46, 0.22, 0.3, 0.88, 0.5, 0.30],
            0.004,
            0.012,
            [[25.0, 5.0, 3.0], [200.0, 85.0, 30.0], [255.0, 240.0, 170.0]],
        ),
        (Modality::Fundus, 1) => (
            [0.0, 0.4, 0.46, 0.22, 0.3, 0.88, 0.5, 0.30],
            0.004,
            0.012,
            [[0.0, 12.0, 4.0], [40.0, 135.0, 70.0], [215.0, 255.0, 215.0]],
        ),
        (Modality::Fundus, _) => ([0.0, 0.4, 0.36, 0.72, 0.3, 0.90, 0.5, 0.24], 0.004, 0.012, GREY),
        (Modality::Histology, 0) => {
            (HISTOLOGY, 0.004, 0.02, [[65.0, 25.0, 110.0], [220.0, 120.0, 175.0], [252.0, 238.0, 246.0]])
        }
        (Modality::Histology, 1) => {
            (HISTOLOGY, 0.004, 0.02, [[70.0, 35.0, 15.0], [190.0, 140.0, 90.0], [236.0, 236.0, 248.0]])
        }
        (Modality::Histology, _) => {
            (HISTOLOGY, 0.004, 0.02, [[15.0, 35.0, 100.0], [60.0, 150.0, 180.0], [228.0, 246.0, 228.0]])
        }
    };
    Style { levels, softness, grain, ramp }
}

const HISTOLOGY: [f64; 8] = [0.54, 0.54, 0.54, 0.54, 0.54, 0.95, 0.42, 0.50];

impl Style {
    /// Returns the grey level of a tissue, from 0 to 1.
    pub(super) fn level(&self, tissue: Tissue) -> f64 {
        self.levels[tissue as usize]
    }

    /// Returns the colour of a level, each channel from 0 to 255. Levels outside `[0, 1]` are clipped.
    pub(super) fn colour(&self, level: f64) -> [f64; 3] {
        let place = level.clamp(0.0, 1.0) * 2.0;
        let (low, high, share) =
            if place < 1.0 { (self.ramp[0], self.ramp[1], place) } else { (self.ramp[1], self.ramp[2], place - 1.0) };
        [0, 1, 2].map(|channel| low[channel] + (high[channel] - low[channel]) * share)
    }
}
