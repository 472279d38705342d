//! Perturbations: what a condition changes about a question. Each kind is one file here and one line in [`KINDS`].
//!
//! A perturbation is a pure function of the case, the item, the suite's seed and version, and the pool of cases around
//! it. It describes the change and touches no pixels; an [`Edit`] does that when the probe is built, and an [`Attack`]
//! when the respondent's gradients are at hand. An item a perturbation does not apply to is a [`Skip`] with its reason.

pub mod text;

pub mod support;

pub mod image;

pub mod adversarial;
pub mod trainable;

use std::fmt::Debug;
use std::sync::Arc;

use ::image::RgbImage;
use rand_chacha::ChaCha8Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stepwise_data::case::{Case, Item, Region};
use stepwise_data::prompt::PromptOptions;
use stepwise_data::random::stream;

use crate::model::{Model, ModelError, Objective, PixelGrid, Query};

pub mod clean;

pub use support::pool::Pool;

/// Every kind a suite can name.
pub const KINDS: &[PerturbationKind] = &[
    clean::KIND,
    crate::perturb::text::hint::PLUS,
    crate::perturb::text::hint::MINUS,
    crate::perturb::text::hint::ZERO,
    crate::perturb::image::blank::KIND,
    crate::perturb::image::no_image::KIND,
    crate::perturb::image::swap_near::KIND,
    crate::perturb::image::swap_same::KIND,
    crate::perturb::image::swap_far::KIND,
    crate::perturb::image::region_mask::EVIDENCE,
    crate::perturb::image::region_mask::RANDOM,
    crate::perturb::image::region_only::EVIDENCE,
    crate::perturb::image::region_only::RANDOM,
    crate::perturb::image::region_decay::EVIDENCE,
    crate::perturb::image::region_decay::RANDOM,
    crate::perturb::image::flip::KIND,
    crate::perturb::image::cue::TRUE,
    crate::perturb::image::cue::WRONG,
    crate::perturb::image::cue::NEUTRAL,
    crate::perturb::image::cue_text::WRONG,
    crate::perturb::image::cue_text::TRUE,
    crate::perturb::image::written::WRONG,
    crate::perturb::image::written::UNRELATED,
    crate::perturb::text::permutation::KIND,
    crate::perturb::text::rebuttal::DOUBT,
    crate::perturb::text::rebuttal::WRONG,
    crate::perturb::text::rebuttal::RIGHT,
    crate::perturb::text::rebuttal::REPEAT,
    crate::perturb::text::premise::FALSE,
    crate::perturb::text::premise::TRUE,
    crate::perturb::text::negation::TWIN,
    crate::perturb::text::negation::NEGATED,
    crate::perturb::text::negation::AFFIRMED,
    crate::perturb::text::none_above::RIGHT,
    crate::perturb::text::none_above::WRONG,
    crate::perturb::text::paraphrase::STORED,
    crate::perturb::text::paraphrase::REWORDED,
    crate::perturb::text::hedge::LOW,
    crate::perturb::text::hedge::HIGH,
    crate::perturb::text::hedge::NEUTRAL,
    crate::perturb::text::parents::GOLD,
    crate::perturb::text::parents::PREDICTED,
    crate::perturb::text::parents::WRONG,
    crate::perturb::text::injection::INJECTED,
    crate::perturb::text::injection::PLAIN,
    crate::perturb::image::corruption::gaussian_noise::KIND,
    crate::perturb::image::corruption::shot_noise::KIND,
    crate::perturb::image::corruption::speckle_noise::KIND,
    crate::perturb::image::corruption::salt_pepper::KIND,
    crate::perturb::image::corruption::gaussian_blur::KIND,
    crate::perturb::image::corruption::motion_blur::KIND,
    crate::perturb::image::corruption::defocus_blur::KIND,
    crate::perturb::image::corruption::jpeg::KIND,
    crate::perturb::image::corruption::pixelate::KIND,
    crate::perturb::image::corruption::resize::KIND,
    crate::perturb::image::corruption::brightness::KIND,
    crate::perturb::image::corruption::contrast::KIND,
    crate::perturb::image::corruption::gamma::KIND,
    crate::perturb::image::artefact::window_shift::KIND,
    crate::perturb::image::artefact::exposure::KIND,
    crate::perturb::image::artefact::grid_lines::KIND,
    crate::perturb::image::artefact::scatter::KIND,
    crate::perturb::image::artefact::metal_streak::KIND,
    crate::perturb::image::artefact::beam_hardening::KIND,
    crate::perturb::image::artefact::bias_field::KIND,
    crate::perturb::image::artefact::ghost::KIND,
    crate::perturb::image::artefact::ultrasound::KIND,
    crate::perturb::image::artefact::stain::KIND,
    crate::perturb::image::artefact::specular::KIND,
    crate::perturb::adversarial::fgsm::KIND,
    crate::perturb::adversarial::pgd::KIND,
    crate::perturb::adversarial::pgd::TRANSFER,
    crate::perturb::adversarial::random_sign::KIND,
];

/// One entry of the registry.
#[derive(Clone, Copy, Debug)]
pub struct PerturbationKind {
    /// As a suite names it.
    pub name: &'static str,
    /// What the condition is for.
    pub purpose: Purpose,
    /// One line for people.
    pub about: &'static str,
    /// Reads its parameters from a suite's condition table.
    pub build: fn(toml::Table) -> Result<Arc<dyn Perturbation>, toml::de::Error>,
    /// The template file it draws its words from, as written; empty where it says nothing of its own.
    pub templates: &'static str,
}

/// What a condition is for; decides where it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The question as it is stored.
    Clean,
    /// The evidence is intact and something pulls away from it: a robust reader's answer holds.
    Attack,
    /// Something true is added: accuracy may rise, and by how much tells what the reader leans on.
    Assist,
    /// The evidence is gone: a reader that looks must get worse.
    EvidenceRemoved,
    /// The same surface change without the same content.
    Control,
}

/// A change to a question.
pub trait Perturbation: Debug + Send + Sync {
    /// Describes the change for one item.
    ///
    /// # Errors
    /// [`Skip`] when the change does not apply to this item.
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip>;
}

/// Why a condition was not asked of an item. Reasons are counted and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Skip(pub &'static str);

/// The item to change and what stands around it.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The case.
    pub case: &'a Case,
    /// The item of the case.
    pub item: &'a Item,
    /// All cases of the run, this one among them.
    pub pool: &'a Pool<'a>,
    /// Seed and version of the suite.
    pub rng: SuiteRng,
}

/// Where random numbers come from: the suite's seed and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuiteRng {
    /// Of the suite.
    pub seed: u64,
    /// Of the suite.
    pub version: u32,
}

impl SuiteRng {
    /// The generator for one purpose about one thing; the same at every epoch.
    #[must_use]
    pub fn stream(self, purpose: &str, about: &[&str]) -> ChaCha8Rng {
        let version = format!("suite/{}", self.version);
        let mut key = vec![version.as_str(), purpose];
        key.extend_from_slice(about);
        stream(self.seed, &key)
    }
}

impl Scene<'_> {
    /// The generator for one purpose about this item.
    #[must_use]
    pub fn draw(&self, purpose: &str) -> ChaCha8Rng {
        self.rng.stream(purpose, &[&self.case.case_id, &self.item.id])
    }
}

/// A changed question.
#[derive(Clone, Debug, Default)]
pub struct Perturbed {
    /// Asked instead of the stored item, where options, answer or question are others. Its id, stage and category are the
    /// stored item's.
    pub item: Option<Item>,
    /// The words around the question.
    pub frame: PromptOptions,
    /// What the respondent said before, and is shown again.
    pub recall: Option<Recall>,
    /// Which pictures are shown.
    pub pictures: ShownImages,
    /// An answer the change puts into the reader's mind.
    pub named: Option<Named>,
    /// How the pixels are attacked, if they are.
    pub attack: Option<Arc<dyn Attack>>,
    /// The case's regions where they lie on the changed pictures, if they lie elsewhere than stored. They must not depend
    /// on the item.
    pub regions: Option<Vec<Region>>,
}

/// What the respondent said to clean questions of the case, and is shown again. It is asked those first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recall {
    /// Its answers become answers of the frame's context: for each, the place there and the index of the item in the chain.
    Context(Vec<(usize, usize)>),
    /// Its reply to the clean question stands as its first turn, and the user says this in turn.
    Rebuttal(String),
}

impl Recall {
    /// Indices of the items that are asked first; `own` is the index of the item itself.
    #[must_use]
    pub fn items(&self, own: usize) -> Vec<usize> {
        match self {
            Self::Context(answers) => answers.iter().map(|(_, item)| *item).collect(),
            Self::Rebuttal(_) => vec![own],
        }
    }
}

/// Which pictures are shown.
#[derive(Clone, Debug, Default)]
pub enum ShownImages {
    /// The case's own.
    #[default]
    Own,
    /// Those of another case of the pool, by its index.
    Of(usize),
    /// The case's own, each changed.
    Edited(Arc<dyn Edit>),
    /// The case's own, each flat in the mean colour of these pictures: indices of a case and of a picture in it.
    MeanOf(Vec<(usize, usize)>),
}

impl ShownImages {
    /// Says completely what is done to the pictures shown.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Own | Self::Of(_) => String::new(),
            Self::Edited(edit) => edit.key(),
            Self::MeanOf(sources) => format!("mean:{sources:?}"),
        }
    }
}

/// An answer that a hint names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Named {
    /// Its words.
    pub text: String,
    /// Its index among the stored options (for yes/no: 0 is yes, 1 is no); none for other answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

/// A change to the pixels of a decoded picture.
pub trait Edit: Debug + Send + Sync {
    /// Says completely what is done: equal keys mean equal pixels for the same picture.
    fn key(&self) -> String;

    /// Changes picture number `index` of the case in place.
    fn apply(&self, index: usize, picture: &mut RgbImage);
}

/// A change to the pixels on the respondent's input grid, made with its gradients.
pub trait Attack: Debug + Send + Sync {
    /// Says completely what is done.
    fn key(&self) -> String;

    /// Whose gradients it uses.
    fn gradient_source(&self) -> GradientSource {
        GradientSource::Model
    }

    /// What it drives at.
    fn attack_goal(&self) -> AttackGoal {
        AttackGoal::FromGold
    }

    /// The attacked pixels, one grid each, in the same order.
    ///
    /// # Errors
    /// When the victim fails.
    fn attack(
        &self,
        targets: &[AttackTarget],
        rng: SuiteRng,
        gradient_source: &mut dyn Model,
    ) -> Result<Vec<AdversarialImage>, ModelError>;
}

/// Whose gradients an attack uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GradientSource {
    /// The respondent that is then asked: a white box.
    Model,
    /// Another one, given as [`crate::runner::Surrogate`]: what is found there is transferred.
    Surrogate,
}

/// What an attack drives at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttackGoal {
    /// Away from the right answer: the objective is raised.
    FromGold,
    /// To the answer [`Perturbed::named`]: its negative log-likelihood is the objective, and is lowered.
    ToNamed,
}

/// What an attack came to.
#[derive(Clone, Debug, PartialEq)]
pub struct AdversarialImage {
    /// Shown instead of the picture.
    pub pixels: PixelGrid,
    /// What was raised, at the start and after each step; see [`crate::outcome::AttackTrace`].
    pub losses: Vec<f64>,
}

/// A probe about to be attacked.
#[derive(Clone, Debug)]
pub struct AttackTarget {
    /// The probe with its pictures as they are.
    pub query: Query,
    /// What to raise or, with [`AttackGoal::ToNamed`], to lower.
    pub objective: Objective,
    /// The pixels to start from.
    pub pixels: Arc<PixelGrid>,
}

/// Looks a kind up by name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static PerturbationKind> {
    KINDS.iter().find(|kind| kind.name == name)
}

impl PerturbationKind {
    /// An entry whose parameters are the fields of `T`.
    const fn of<T: Perturbation + DeserializeOwned + 'static>(
        name: &'static str,
        purpose: Purpose,
        about: &'static str,
    ) -> Self {
        Self { name, purpose, about, build: build::<T>, templates: "" }
    }

    /// An entry that draws its words from a template file.
    const fn worded(self, templates: &'static str) -> Self {
        Self { templates, ..self }
    }
}

fn build<T: Perturbation + DeserializeOwned + 'static>(
    parameters: toml::Table,
) -> Result<Arc<dyn Perturbation>, toml::de::Error> {
    Ok(Arc::new(parameters.try_into::<T>()?))
}
