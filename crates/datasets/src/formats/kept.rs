//! Rows after answers, categories, images and regions are decided.

use stepwise_data::answer_text::fold;
use stepwise_data::case::{Answer, Laterality, Region, Split};

use super::map::Mapped;
use super::record::Place;

/// A row that is kept, with at least one question.
#[derive(Clone, Debug)]
pub(super) struct KeptRow {
    /// Place of the record.
    pub(super) place: Place,
    /// Indices of the images in [`super::pictures::Pictures::all`].
    pub(super) images: Vec<usize>,
    /// Regions, each with the index of its image in the row.
    pub(super) regions: Vec<(usize, Region)>,
    /// Questions in the order of the row.
    pub(super) questions: Vec<KeptQuestion>,
    /// Names shared by rows that must be on one side of the split; the first is the group.
    pub(super) links: Vec<String>,
    /// Side of the split; None until it is decided.
    pub(super) split: Option<Split>,
    /// Imaging modality; None when not recorded.
    pub(super) modality: Option<String>,
    /// Imaged part of the body; None when not recorded.
    pub(super) body_region: Option<String>,
    /// Risk as the source rates it; None when not recorded.
    pub(super) risk_tier: Option<String>,
    /// Whether access to the source needs credentials.
    pub(super) credentialed: bool,
    /// Licence as the source states it; None when not recorded.
    pub(super) licence: Option<String>,
    /// Version of the source; None when not recorded.
    pub(super) revision: Option<String>,
}

/// A question that is kept.
#[derive(Clone, Debug)]
pub(super) struct KeptQuestion {
    /// Wording.
    pub(super) text: String,
    /// Right answer. Box answers name regions by their index in the row.
    pub(super) answer: Answer,
    /// Category and stage.
    pub(super) mapped: Mapped,
    /// Name that the two questions of a pair share; None without a pair.
    pub(super) pair: Option<String>,
    /// Reason why the answer is right; None when not recorded.
    pub(super) rationale: Option<String>,
    /// Effect of a left-right flip of the image; None when not recorded.
    pub(super) laterality: Option<Laterality>,
    /// Indices of the regions of the row that hold the evidence.
    pub(super) evidence: Vec<usize>,
    /// Index in the row of the turn that this one continues; None for a question of its own.
    pub(super) parent: Option<usize>,
}

impl KeptRow {
    /// Returns a key that equal questions about equal images share: the wording with the wordings before it in the
    /// conversation, and the options.
    pub(super) fn key(&self, index: usize) -> (Vec<String>, Vec<String>) {
        let mut texts = Vec::new();
        let mut at = Some(index);
        while let Some(place) = at {
            texts.push(fold(&self.questions[place].text));
            at = self.questions[place].parent.filter(|parent| *parent < place);
        }
        let mut options = match &self.questions[index].answer {
            Answer::Choice { options, .. } => options.iter().map(|option| fold(option)).collect(),
            _ => Vec::new(),
        };
        options.sort();
        (texts, options)
    }

    /// Returns a text that equal answers share.
    pub(super) fn answer(&self, index: usize) -> String {
        match &self.questions[index].answer {
            Answer::Choice { options, gold, .. } => gold
                .iter()
                .filter_map(|right| options.get(*right))
                .map(|text| fold(text))
                .collect::<Vec<_>>()
                .join("\n"),
            Answer::Yesno { gold, .. } => format!("yesno {gold}"),
            Answer::Text { gold, .. } => gold.iter().map(|text| fold(text)).collect::<Vec<_>>().join("\n"),
            Answer::Number { gold, .. } => format!("number {gold}"),
            Answer::Box { gold, .. } => {
                let region = |index: &String| index.parse().ok().and_then(|index: usize| self.regions.get(index));
                let boxes = gold.iter().filter_map(region).map(|(image, region)| (*image, region.shape.bounds()));
                format!("{:?}", boxes.collect::<Vec<_>>())
            }
        }
    }
}
