//! `freeze_vision_tower`, `freeze_multi_modal_projector` and `freeze_language_model` of a phase: parts that rest while it lasts.

use serde::Serialize;
use stepwise_vlm::model::ModelPart;

use super::section::Section;
use super::tuning::Tuning;

/// Parts of the model that stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// The image encoder.
    #[serde(rename = "freeze_vision_tower", skip_serializing_if = "std::ops::Not::not")]
    pub vision: bool,
    /// The connector.
    #[serde(rename = "freeze_multi_modal_projector", skip_serializing_if = "std::ops::Not::not")]
    pub connector: bool,
    /// The decoder.
    #[serde(rename = "freeze_language_model", skip_serializing_if = "std::ops::Not::not")]
    pub decoder: bool,
}

impl Freeze {
    /// Whether a part stays as it is.
    #[must_use]
    pub const fn holds(self, part: ModelPart) -> bool {
        match part {
            ModelPart::Vision => self.vision,
            ModelPart::Connector => self.connector,
            ModelPart::Decoder => self.decoder,
        }
    }

    /// The parts that stay as they are.
    pub fn parts(self) -> impl Iterator<Item = ModelPart> {
        ModelPart::ALL.into_iter().filter(move |part| self.holds(*part))
    }

    /// Their names, parted by commas.
    #[must_use]
    pub fn names(self) -> String {
        self.parts().map(ModelPart::name).collect::<Vec<_>>().join(", ")
    }

    fn hold(&mut self, part: ModelPart) {
        match part {
            ModelPart::Vision => self.vision = true,
            ModelPart::Connector => self.connector = true,
            ModelPart::Decoder => self.decoder = true,
        }
    }
}

const KEYS: [(ModelPart, &str, &str, &str); 3] = [
    (
        ModelPart::Vision,
        "freeze_vision_tower",
        "the vision tower",
        "Keeps the vision tower and its adapters as they are in this phase.",
    ),
    (
        ModelPart::Connector,
        "freeze_multi_modal_projector",
        "the connector",
        "Keeps the connector and its adapter as they are in this phase.",
    ),
    (
        ModelPart::Decoder,
        "freeze_language_model",
        "the decoder",
        "Keeps the decoder and its adapters as they are in this phase.",
    ),
];

/// Reads a phase's keys. `tuning` says what the recipe trains; none where an adapter from elsewhere does.
pub(super) fn read(section: &mut Section<'_>, tuning: Option<&Tuning>) -> Freeze {
    let mut freeze = Freeze::default();
    let mut last = None;
    for (part, key, name, help) in KEYS {
        let at = section.at(key);
        if !section.flag(key, false, help) {
            continue;
        }
        if let Some(tuning) = tuning.filter(|tuning| tuning.freeze().holds(part)) {
            let message = format!("`{key}` has no effect: {name} learns in no phase");
            let help = format!("remove it, or set `{key} = false` in `[{}]`", tuning.table());
            section.report(at.as_ref(), message, help);
        } else {
            freeze.hold(part);
            last = at;
        }
    }
    let learns = |part: &ModelPart| !freeze.holds(*part) && tuning.is_none_or(|tuning| !tuning.freeze().holds(*part));
    if last.is_some() && !ModelPart::ALL.iter().any(learns) {
        let message = "nothing learns in this phase: it freezes every part that the recipe trains";
        section.report(last.as_ref(), message, "leave one of its `freeze_` keys out");
    }
    freeze
}
