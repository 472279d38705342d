//! Perturbations: the change that a condition makes to a question. Each kind has a file in this module and an entry
//! in [`KINDS`](kinds::KINDS).
//!
//! A perturbation is a pure function of the case, the item, the suite's seed and version, and the pool of cases. It
//! describes the change and touches no pixels: an [`Edit`] changes pixels when the query is built, and an [`Attack`]
//! changes them later with gradients of a model. An item that a perturbation does not apply to gives a [`Skip`] with
//! the reason.

pub mod adversarial;
mod attack;
pub mod clean;
pub mod combined;
pub mod image;
pub mod kinds;
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

pub use attack::{AdversarialImage, Attack, AttackGoal, AttackTarget, GradientSource};
pub use support::pool::Pool;

use crate::rng::SuiteRng;

/// Version of what the kinds of conditions do to items with given parameters; part of every suite's digest.
/// `perturbations/2` asks no mask about what its outline shows, swaps images only between patients with the same question,
/// presupposes absent findings in premises, shows added options at drawn places, names wrong numbers near the right one,
/// and draws no wrong mark whose size shows the answer. `perturbations/3` asks no mask or mark about presence, leaves
/// answers out that stay true without the image, bounds corruptions by the contrast and the size of the evidence, points
/// only at recorded outlines, draws wrong marks on the body, appeals to emotions only where findings are
/// asked for, and names answers in rebuttals without contradicting the reply.
pub const PERTURBATIONS_VERSION: &str = "perturbations/3";

/// Entry in the registry of conditions: one kind of condition, which a suite file names.
#[derive(Clone, Copy, Debug)]
pub struct PerturbationKind {
    /// Name of the kind in a suite file, unique among all kinds.
    pub name: &'static str,
    /// Purpose of conditions of this kind.
    pub purpose: Purpose,
    /// One-line description, shown in reports and on the reference page of suites.
    pub about: &'static str,
    /// Function that builds the perturbation from the parameters in a suite's condition table, which are the keys that
    /// not every condition has. Fails on an unknown, missing or invalid parameter.
    pub build: fn(toml::Table) -> Result<Arc<dyn Perturbation>, toml::de::Error>,
    /// Full text of the template file that the kind draws sentences from. Empty for a kind without templates.
    pub templates: &'static str,
}

/// Purpose of a condition, which decides which metrics and which parts of the report use it.
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

/// A change to a question, built from the parameters of one condition of a suite.
pub trait Perturbation: Debug + Send + Sync {
    /// Describes the change to the item of `scene`. Equal scenes give equal changes.
    ///
    /// # Errors
    /// A [`Skip`] with the reason when the change does not apply to this item.
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip>;
}

/// Reason, in words for people, why a condition leaves an item out. Reasons are counted and shown in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Skip(pub &'static str);

/// Input of a perturbation: the item to change, with its case, the pool of cases and the source of random numbers.
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

impl Scene<'_> {
    /// Returns the random generator for `purpose` and this item. Equal purposes give equal draws for the same item, at
    /// every epoch and in every condition.
    #[must_use]
    pub fn draw(&self, purpose: &str) -> ChaCha8Rng {
        self.rng.stream(purpose, &[&self.case.case_id, &self.item.id])
    }
}

/// Changes that a condition makes to one question. The default changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Perturbed {
    /// Item that replaces the stored item when options, answer or question change. Id, stage and category stay the
    /// same. None keeps the stored item.
    pub item: Option<Item>,
    /// Wording around the question: context, added sentences, order of the options.
    pub frame: PromptOptions,
    /// Earlier replies of the model that are shown again. None shows no earlier reply.
    pub recall: Option<Recall>,
    /// Images that are shown; the case's own images by default.
    pub pictures: ShownImages,
    /// Answer that the change names to the model, such as the answer in a hint. None when no answer is named.
    pub named: Option<Named>,
    /// Id of the sentence template that the change uses, see
    /// [`Template::id`](support::templates::Template::id). None without a template.
    pub sentence: Option<String>,
    /// Adversarial attack on the pixels. None for no attack.
    pub attack: Option<Arc<dyn Attack>>,
    /// Regions of the case at their positions on the changed images. None when the stored positions still hold. The
    /// regions must not depend on the item.
    pub regions: Option<Vec<Region>>,
}

impl Perturbed {
    /// Returns the index, in the pool, of the case whose images are shown for a question of the case with index `case`:
    /// another one where the images are swapped, else `case`.
    #[must_use]
    pub fn shown_case(&self, case: usize) -> usize {
        match &self.pictures {
            ShownImages::Of(other) => *other,
            ShownImages::Own | ShownImages::Edited(_) | ShownImages::MeanOf(_) => case,
        }
    }
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
    /// Returns the indices, in the case's chain, of the items whose clean replies are needed first. `own` is the index
    /// of the changed item, the only one for a rebuttal.
    #[must_use]
    pub fn items(&self, own: usize) -> Vec<usize> {
        match self {
            Self::Context(answers) => answers.iter().map(|(_, item)| *item).collect(),
            Self::Rebuttal(_) => vec![own],
        }
    }
}

/// Images that are shown with a question under a condition, before attacks.
#[derive(Clone, Debug, Default)]
pub enum ShownImages {
    /// Images of the case itself.
    #[default]
    Own,
    /// Images of another case, given by its index in the pool, from 0.
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

/// An answer that a perturbation names to the model, such as the answer in a hint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Named {
    /// Text of the answer.
    pub text: String,
    /// Index among the stored options; for yes/no questions 0 is yes and 1 is no. None for answers without options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

/// A change to the pixels of decoded images, made when a query is built.
pub trait Edit: Debug + Send + Sync {
    /// Returns a key that describes the change completely: equal keys give equal pixels for the same image.
    fn key(&self) -> String;

    /// Changes `picture`, the image with this `index` in the case (from 0), in place.
    fn apply(&self, index: usize, picture: &mut RgbImage);

    /// Returns the temporary memory of [`Edit::apply`], in bytes per pixel of the image; 3, one copy of the image, by
    /// default.
    fn bytes_per_pixel(&self) -> u64 {
        3
    }
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
