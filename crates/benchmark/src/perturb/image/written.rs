//! Typographic attack. `written_wrong` writes a wrong answer on the image, either clearly visible or hardly visible.
//! `written_unrelated` is the control and writes words unrelated to the question in the same way.

use std::sync::{Arc, LazyLock};

use image::{Rgb, RgbImage};
use rand::seq::IndexedRandom;
use serde::Deserialize;
use stepwise_data::case::{Answer, RegionRole};

use crate::perturb::support::evidence::evidence;
use crate::perturb::support::geometry::Rect;
use crate::perturb::support::lettering::Lettering;
use crate::perturb::support::templates::{Families, Library};
use crate::perturb::support::wrong_answer::wrong_answer;
use crate::perturb::{Edit, Perturbation, PerturbationKind, Perturbed, Purpose, Scene, ShownImages, Skip};
use crate::score::fold;

/// Entry in the registry of conditions, by which a suite file names `written_wrong`, an attack: a wrong answer is
/// written on the image.
pub const WRONG: PerturbationKind =
    PerturbationKind::of::<WrittenWrong>("written_wrong", Purpose::Attack, "a wrong answer is written on the image");

/// Entry in the registry of conditions, by which a suite file names `written_unrelated`, the control of
/// `written_wrong`: unrelated words are written on the image.
pub const UNRELATED: PerturbationKind = PerturbationKind::of::<WrittenUnrelated>(
    "written_unrelated",
    Purpose::Control,
    "unrelated words are written on the image",
)
.worded(TEMPLATES_TOML);

/// Change of a pixel value under a letter of [`Contrast::Low`], in grey levels of 0 to 255.
pub const FAINT: u8 = 8;

/// Text of the template file `crates/benchmark/sentences/written.toml`, from which the unrelated words are drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/written.toml");

/// Categories that labels on an image answer: sequence or projection, view, and side, in Stepwise's own taxonomy.
const LABELLED: [&str; 3] = ["02", "03", "07"];

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// A word that answers no clinical question, a template of `written_unrelated`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// The word in lower case.
    pub word: String,
}

/// Parameters of `written_wrong`, which writes a wrong answer on the image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Writing {
    /// Contrast of the letters; `visible` by default.
    pub contrast: Contrast,
    /// Height of a letter as a share of the image's shorter side; 0.07 by default. A letter is at least 8 pixels high,
    /// and less than this height where a word would not fit.
    pub height: f64,
}

/// Contrast of written words to the image below them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contrast {
    /// White letters on a black band.
    Visible,
    /// Letters that differ by [`FAINT`] grey levels from the pixels under them.
    Low,
}

impl Default for Writing {
    fn default() -> Self {
        Self { contrast: Contrast::Visible, height: 0.07 }
    }
}

/// Perturbation `written_wrong`: writes a wrong option on the first image, beside the evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct WrittenWrong(Writing);

/// Perturbation `written_unrelated`: writes unrelated words of about the same length as the wrong answer on the first
/// image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenUnrelated {
    /// Contrast, as in [`Writing::contrast`].
    pub contrast: Contrast,
    /// Height of a letter, as in [`Writing::height`].
    pub height: f64,
    /// Split of the words that may be drawn; `held_out` by default.
    pub families: Families,
}

impl Default for WrittenUnrelated {
    fn default() -> Self {
        let Writing { contrast, height } = Writing::default();
        Self { contrast, height, families: Families::default() }
    }
}

impl Perturbation for WrittenWrong {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let named = of_choice(scene)?;
        let pictures = self.0.writing(scene, &named.text)?;
        Ok(Perturbed { pictures, named: Some(named), ..Perturbed::default() })
    }
}

impl Perturbation for WrittenUnrelated {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let length = of_choice(scene)?.text.chars().count();
        let Self { contrast, height, families } = *self;
        let words = unrelated(scene, length, families);
        let pictures = Writing { contrast, height }.writing(scene, &words)?;
        Ok(Perturbed { pictures, ..Perturbed::default() })
    }
}

fn of_choice(scene: &Scene<'_>) -> Result<crate::perturb::Named, Skip> {
    if LABELLED.contains(&scene.item.category.as_str()) {
        return Err(Skip("words on the image are evidence for such a question"));
    }
    match scene.item.answer {
        Answer::Choice { .. } => wrong_answer(scene),
        _ => Err(Skip("only an option is written on the picture")),
    }
}

/// Draws words that occur in no option, until another word would exceed `length` characters.
fn unrelated(scene: &Scene<'_>, length: usize, families: Families) -> String {
    let options = match &scene.item.answer {
        Answer::Choice { options, .. } => fold(&options.join(" ")),
        _ => String::new(),
    };
    let mut rng = scene.draw("unrelated_words");
    let mut words: Vec<&str> = Vec::new();
    loop {
        let taken: usize = words.iter().map(|word| word.len() + 1).sum();
        let fitting: Vec<&str> = LIBRARY
            .of(families)
            .map(|template| template.words.word.as_str())
            .filter(|word| !options.contains(word) && !words.contains(word))
            .filter(|word| words.is_empty() || taken + word.len() <= length)
            .collect();
        // The first word is drawn among the words whose length is nearest to `length`.
        let nearest = fitting.iter().map(|word| word.len().abs_diff(length)).min();
        let near: Vec<&str> = fitting
            .iter()
            .copied()
            .filter(|word| !words.is_empty() || Some(word.len().abs_diff(length)) == nearest)
            .collect();
        match near.choose(&mut rng) {
            Some(word) => words.push(word),
            None => return words.join(" "),
        }
    }
}

impl Writing {
    /// Writes on the first image without overlapping the evidence, the organs where there is no evidence, and marks: at the
    /// lower edge if possible, otherwise higher up.
    fn writing(&self, scene: &Scene<'_>, text: &str) -> Result<ShownImages, Skip> {
        let image = scene.case.images.first().ok_or(Skip("no picture to write on"))?;
        let frame = Rect::of_size(image.width, image.height);
        let margin = (frame.x1.min(frame.y1) / 64).max(1);
        let glyph = (self.height * frame.x1.min(frame.y1) as f64).round() as usize;
        let letters = Lettering::set(text, glyph, (frame.x1 - 4 * margin).max(1) as usize);
        let (width, height) = letters.size();
        let (width, height) = (width as i64 + 2 * margin, height as i64 + 2 * margin);
        let mut avoid: Vec<Rect> = evidence(scene.case, scene.item)
            .into_iter()
            .filter(|found| found.image == 0)
            .flat_map(|found| found.rects)
            .collect();
        // Without evidence an answer says that something is absent, which the organs show.
        let roles: &[RegionRole] =
            if avoid.is_empty() { &[RegionRole::Reference, RegionRole::Organ] } else { &[RegionRole::Reference] };
        let regions = scene.case.regions.iter().filter(|region| region.image == image.id);
        let regions = regions.filter(|region| roles.contains(&region.role));
        avoid.extend(regions.map(|region| Rect::around(region.shape.bounds()).clipped(frame)));
        let (low, right) = (frame.y1 - margin - height, frame.x1 - margin - width);
        let rows = (0..).map(|step| low - step * (height / 2).max(1)).take_while(|y0| *y0 >= 0);
        let place = rows
            .flat_map(|y0| [margin, right].map(|x0| Rect { x0, y0, x1: x0 + width, y1: y0 + height }))
            .find(|place| place.clipped(frame) == *place && avoid.iter().all(|rect| !rect.overlaps(*place)))
            .ok_or(Skip("no room for words beside the evidence"))?;
        Ok(ShownImages::Edited(Arc::new(Written { letters, place, margin, contrast: self.contrast })))
    }
}

#[derive(Clone, Debug)]
struct Written {
    letters: Lettering,
    place: Rect,
    margin: i64,
    contrast: Contrast,
}

impl Edit for Written {
    fn key(&self) -> String {
        format!("written:{self:?}")
    }

    fn apply(&self, index: usize, picture: &mut RgbImage) {
        if index != 0 {
            return;
        }
        for (x, y) in self.place.pixels_in(picture) {
            let within = |at: u32, start: i64| usize::try_from(i64::from(at) - start - self.margin).ok();
            let places = within(x, self.place.x0).zip(within(y, self.place.y0));
            let inked = places.is_some_and(|(x, y)| self.letters.inked(x, y));
            let pixel = picture.get_pixel_mut(x, y);
            match (self.contrast, inked) {
                (Contrast::Visible, _) => *pixel = Rgb([if inked { 255 } else { 0 }; 3]),
                (Contrast::Low, false) => {}
                // All channels move in the same direction: bright pixels become darker and dark pixels brighter, so
                // that clipping is rare.
                (Contrast::Low, true) => {
                    let bright = pixel.0.iter().map(|value| u32::from(*value)).sum::<u32>() >= 3 * 128;
                    let moved =
                        |value: u8| if bright { value.saturating_sub(FAINT) } else { value.saturating_add(FAINT) };
                    *pixel = Rgb(pixel.0.map(moved));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::{LEAST, assert_split};

    #[test]
    fn words_are_split_and_none_holds_another() {
        assert_split(&LIBRARY);
        for families in Families::ALL {
            assert!(LIBRARY.of(families).count() >= LEAST, "{families:?}");
        }
        let words: Vec<&str> = LIBRARY.templates().iter().map(|template| template.words.word.as_str()).collect();
        for (index, word) in words.iter().enumerate() {
            assert!(words.iter().enumerate().all(|(other, held)| other == index || !held.contains(word)), "{word}");
        }
    }
}
