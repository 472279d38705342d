//! Perturbations: the change that a condition makes to a question. Each kind has a file in this module and an entry
//! in [`KINDS`].
//!
//! A perturbation is a pure function of the case, the item, the suite's seed and version, and the pool of cases. It
//! describes the change and touches no pixels: an [`Edit`] changes pixels when the query is built, and an [`Attack`]
//! changes them later with gradients of a model. An item that a perturbation does not apply to gives a [`Skip`] with
//! the reason.

pub mod adversarial;
pub mod clean;
pub mod image;
pub mod support;
pub mod text;
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

pub use support::pool::Pool;

/// All kinds of condition that a suite can use.
pub const KINDS: &[PerturbationKind] = &[
    clean::KIND,
    text::hint::PLUS,
    text::hint::MINUS,
    text::hint::ZERO,
    image::blank::KIND,
    image::no_image::KIND,
    image::swap_near::KIND,
    image::swap_same::KIND,
    image::swap_far::KIND,
    image::region_mask::EVIDENCE,
    image::region_mask::RANDOM,
    image::region_only::EVIDENCE,
    image::region_only::RANDOM,
    image::region_decay::EVIDENCE,
    image::region_decay::RANDOM,
    image::flip::KIND,
    image::cue::TRUE,
    image::cue::WRONG,
    image::cue::NEUTRAL,
    image::cue_text::WRONG,
    image::cue_text::TRUE,
    image::written::WRONG,
    image::written::UNRELATED,
    text::permutation::KIND,
    text::rebuttal::DOUBT,
    text::rebuttal::WRONG,
    text::rebuttal::RIGHT,
    text::rebuttal::REPEAT,
    text::premise::FALSE,
    text::premise::TRUE,
    text::negation::TWIN,
    text::negation::NEGATED,
    text::negation::AFFIRMED,
    text::none_above::RIGHT,
    text::none_above::WRONG,
    text::paraphrase::STORED,
    text::paraphrase::REWORDED,
    text::hedge::LOW,
    text::hedge::HIGH,
    text::hedge::NEUTRAL,
    text::parents::GOLD,
    text::parents::PREDICTED,
    text::parents::WRONG,
    text::injection::INJECTED,
    text::injection::PLAIN,
    image::corruption::gaussian_noise::KIND,
    image::corruption::shot_noise::KIND,
    image::corruption::speckle_noise::KIND,
    image::corruption::salt_pepper::KIND,
    image::corruption::gaussian_blur::KIND,
    image::corruption::motion_blur::KIND,
    image::corruption::defocus_blur::KIND,
    image::corruption::jpeg::KIND,
    image::corruption::pixelate::KIND,
    image::corruption::resize::KIND,
    image::corruption::brightness::KIND,
    image::corruption::contrast::KIND,
    image::corruption::gamma::KIND,
    image::artefact::window_shift::KIND,
    image::artefact::exposure::KIND,
    image::artefact::grid_lines::KIND,
    image::artefact::scatter::KIND,
    image::artefact::metal_streak::KIND,
    image::artefact::beam_hardening::KIND,
    image::artefact::bias_field::KIND,
    image::artefact::ghost::KIND,
    image::artefact::ultrasound::KIND,
    image::artefact::stain::KIND,
    image::artefact::specular::KIND,
    adversarial::fgsm::KIND,
    adversarial::pgd::KIND,
    adversarial::pgd::TRANSFER,
    adversarial::random_sign::KIND,
];

/// Registry entry of one kind of condition.
#[derive(Clone, Copy, Debug)]
pub struct PerturbationKind {
    /// Name of the kind in a suite file.
    pub name: &'static str,
    /// Purpose of conditions of this kind.
    pub purpose: Purpose,
    /// One-line description, shown in reports and on the reference page of suites.
    pub about: &'static str,
    /// Builds the perturbation from the parameters in a suite's condition table. Fails on an unknown, missing or
    /// invalid parameter.
    pub build: fn(toml::Table) -> Result<Arc<dyn Perturbation>, toml::de::Error>,
    /// Full text of the template file that the kind draws sentences from. Empty for a kind without templates.
    pub templates: &'static str,
}

/// Purpose of a condition. Decides which metrics and which parts of the report use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The stored question, unchanged.
    Clean,
    /// The evidence is intact and something misleads. A robust model keeps its answer.
    Attack,
    /// True information is added. The rise of accuracy measures how much the model relies on that information.
    Assist,
    /// The evidence is removed. A model that uses the image must lose accuracy.
    EvidenceRemoved,
    /// The same surface change without its content, to compare another condition with.
    Control,
}

/// A change to a question, built from one condition of a suite.
pub trait Perturbation: Debug + Send + Sync {
    /// Describes the change to one item. Equal scenes give equal changes.
    ///
    /// # Errors
    /// Returns [`Skip`] when the change does not apply to this item.
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip>;
}

/// Reason why a condition leaves an item out. Reasons are counted and shown in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Skip(pub &'static str);

/// The item to change, with its case, the pool of cases and the source of random numbers.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Case of the item.
    pub case: &'a Case,
    /// Item to change, part of `case`.
    pub item: &'a Item,
    /// All cases of the run, including `case`.
    pub pool: &'a Pool<'a>,
    /// Source of random numbers: seed and version of the suite.
    pub rng: SuiteRng,
}

/// Source of random numbers: the suite's seed and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuiteRng {
    /// Seed of the suite.
    pub seed: u64,
    /// Version of the suite.
    pub version: u32,
}

impl SuiteRng {
    /// Returns the random generator for `purpose`, applied to the thing that the ids in `about` identify. Equal
    /// arguments give equal generators, so draws are the same at every epoch.
    #[must_use]
    pub fn stream(self, purpose: &str, about: &[&str]) -> ChaCha8Rng {
        let version = format!("suite/{}", self.version);
        let mut key = vec![version.as_str(), purpose];
        key.extend_from_slice(about);
        stream(self.seed, &key)
    }
}

impl Scene<'_> {
    /// Returns the random generator for `purpose` and this item.
    #[must_use]
    pub fn draw(&self, purpose: &str) -> ChaCha8Rng {
        self.rng.stream(purpose, &[&self.case.case_id, &self.item.id])
    }
}

/// The changes to one question. The default changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Perturbed {
    /// Item that replaces the stored item when options, answer or question change. Id, stage and category stay the
    /// same. None keeps the stored item.
    pub item: Option<Item>,
    /// Wording around the question: context, added sentences, order of the options.
    pub frame: PromptOptions,
    /// Earlier replies of the model that are shown again. None shows no earlier reply.
    pub recall: Option<Recall>,
    /// Images that are shown.
    pub pictures: ShownImages,
    /// Answer that the change names to the model, such as the answer in a hint. None when no answer is named.
    pub named: Option<Named>,
    /// Adversarial attack on the pixels. None for no attack.
    pub attack: Option<Arc<dyn Attack>>,
    /// Regions of the case at their positions on the changed images. None when the stored positions still hold. The
    /// regions must not depend on the item.
    pub regions: Option<Vec<Region>>,
}

/// Replies of the model to clean questions of the same case that are shown again. The model is evaluated on the clean
/// questions first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recall {
    /// Replies fill answers of the frame's context. Each pair holds the index in the context and the index of the item
    /// in the chain.
    Context(Vec<(usize, usize)>),
    /// The reply to the clean question becomes the model's first turn. The text is the user's next turn.
    Rebuttal(String),
}

impl Recall {
    /// Returns the chain indices of the items whose clean replies are needed first. `own` is the chain index of the
    /// changed item.
    #[must_use]
    pub fn items(&self, own: usize) -> Vec<usize> {
        match self {
            Self::Context(answers) => answers.iter().map(|(_, item)| *item).collect(),
            Self::Rebuttal(_) => vec![own],
        }
    }
}

/// Images shown with a question.
#[derive(Clone, Debug, Default)]
pub enum ShownImages {
    /// Images of the case itself.
    #[default]
    Own,
    /// Images of another case, given by its index in the pool.
    Of(usize),
    /// Images of the case itself, each changed by the edit.
    Edited(Arc<dyn Edit>),
    /// Images of the case itself, each filled with the mean colour of the listed images. Each pair holds the index of a
    /// case in the pool and the index of an image in that case.
    MeanOf(Vec<(usize, usize)>),
}

impl ShownImages {
    /// Returns a key that describes the change to the shown images completely. Empty when their pixels are unchanged.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Own | Self::Of(_) => String::new(),
            Self::Edited(edit) => edit.key(),
            Self::MeanOf(sources) => format!("mean:{sources:?}"),
        }
    }
}

/// An answer that a perturbation names to the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Named {
    /// Text of the answer.
    pub text: String,
    /// Index among the stored options; for yes/no questions 0 is yes and 1 is no. None for answers without options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

/// A change to the pixels of a decoded image.
pub trait Edit: Debug + Send + Sync {
    /// Returns a key that describes the change completely: equal keys give equal pixels for the same image.
    fn key(&self) -> String;

    /// Changes `picture`, the image with this `index` in the case, in place.
    fn apply(&self, index: usize, picture: &mut RgbImage);
}

/// An adversarial change to the pixels on the model's input grid, made with pixel gradients of the gradient source.
pub trait Attack: Debug + Send + Sync {
    /// Returns a key that describes the attack completely.
    fn key(&self) -> String;

    /// Returns the gradient source of the attack; the evaluated model by default.
    fn gradient_source(&self) -> GradientSource {
        GradientSource::Model
    }

    /// Returns the attack goal; away from the right answer by default.
    fn attack_goal(&self) -> AttackGoal {
        AttackGoal::FromGold
    }

    /// Attacks all targets and returns one result for each target, in the same order. `victim` is the gradient source.
    ///
    /// # Errors
    /// Fails when the gradient source fails or returns gradients of the wrong number or shape.
    fn attack(
        &self,
        targets: &[AttackTarget],
        rng: SuiteRng,
        gradient_source: &mut dyn Model,
    ) -> Result<Vec<AdversarialImage>, ModelError>;
}

/// Gradient source of an attack: the model whose pixel gradients the attack follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GradientSource {
    /// The evaluated model itself: a white-box attack.
    Model,
    /// Another model, given as [`crate::runner::Surrogate`]: the attacked image is transferred to the evaluated model.
    Surrogate,
}

/// Goal of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttackGoal {
    /// Untargeted: away from the right answer. The attack raises the objective.
    FromGold,
    /// Targeted: towards the answer [`Perturbed::named`]. The attack lowers the objective, the negative log-likelihood
    /// of that answer.
    ToNamed,
}

/// Outcome of an attack on one target.
#[derive(Clone, Debug, PartialEq)]
pub struct AdversarialImage {
    /// Attacked pixels, shown instead of the original pixels.
    pub pixels: PixelGrid,
    /// Quantity that the attack raises, at the start and after each step. One value for a single-step attack, empty for
    /// noise. See [`crate::outcome::AttackTrace`].
    pub losses: Vec<f64>,
}

/// A query to attack.
#[derive(Clone, Debug)]
pub struct AttackTarget {
    /// Query with its images before the attack.
    pub query: Query,
    /// Objective to raise or, with [`AttackGoal::ToNamed`], to lower.
    pub objective: Objective,
    /// Pixels of the first image before the attack, on the model's input grid.
    pub pixels: Arc<PixelGrid>,
}

/// Returns the kind with this name, or None when there is no such kind.
#[must_use]
pub fn kind(name: &str) -> Option<&'static PerturbationKind> {
    KINDS.iter().find(|kind| kind.name == name)
}

impl PerturbationKind {
    /// Returns an entry without templates whose parameters are the fields of `T`.
    const fn of<T: Perturbation + DeserializeOwned + 'static>(
        name: &'static str,
        purpose: Purpose,
        about: &'static str,
    ) -> Self {
        Self { name, purpose, about, build: build::<T>, templates: "" }
    }

    /// Returns the entry with the text of its template file.
    const fn worded(self, templates: &'static str) -> Self {
        Self { templates, ..self }
    }
}

fn build<T: Perturbation + DeserializeOwned + 'static>(
    parameters: toml::Table,
) -> Result<Arc<dyn Perturbation>, toml::de::Error> {
    Ok(Arc::new(parameters.try_into::<T>()?))
}
