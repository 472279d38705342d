//! Reads `freeze_vision_tower`, `freeze_multi_modal_projector` and `freeze_language_model` of a phase: the parts of the
//! model that are frozen in it.

use serde::Serialize;
use stepwise_vlm::model::ModelPart;

use super::section::Section;
use super::tuning::Tuning;

/// Frozen parts of the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// Whether the image encoder is frozen.
    #[serde(rename = "freeze_vision_tower", skip_serializing_if = "std::ops::Not::not")]
    pub vision: bool,
    /// Whether the connector is frozen.
    #[serde(rename = "freeze_multi_modal_projector", skip_serializing_if = "std::ops::Not::not")]
    pub connector: bool,
    /// Whether the decoder is frozen.
    #[serde(rename = "freeze_language_model", skip_serializing_if = "std::ops::Not::not")]
    pub decoder: bool,
}

impl Freeze {
    /// Whether `part` is frozen.
    #[must_use]
    pub const fn holds(self, part: ModelPart) -> bool {
        match part {
            ModelPart::Vision => self.vision,
            ModelPart::Connector => self.connector,
            ModelPart::Decoder => self.decoder,
        }
    }

    /// The frozen parts.
    pub fn parts(self) -> impl Iterator<Item = ModelPart> {
        ModelPart::ALL.into_iter().filter(move |part| self.holds(*part))
    }

    /// Names of the frozen parts, separated by commas; empty when no part is frozen.
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
        "Freezes the vision tower and its adapters in this phase.",
    ),
    (
        ModelPart::Connector,
        "freeze_multi_modal_projector",
        "the connector",
        "Freezes the connector and its adapter in this phase.",
    ),
    (ModelPart::Decoder, "freeze_language_model", "the decoder", "Freezes the decoder and its adapters in this phase."),
];

/// Reads the keys of a phase. `tuning` is None when the recipe continues an existing adapter, whose trained parts are
/// unknown here. Reports a key for a part that is never trained, and a phase in which every part is frozen.
pub(super) fn read(section: &mut Section<'_>, tuning: Option<&Tuning>) -> Freeze {
    let mut freeze = Freeze::default();
    let mut last = None;
    for (part, key, name, help) in KEYS {
        let at = section.at(key);
        if !section.flag(key, false, help) {
            continue;
        }
        if let Some(tuning) = tuning.filter(|tuning| tuning.freeze().holds(part)) {
            let message = format!("`{key}` has no effect: {name} is trained in no phase");
            let help = format!("remove it, or set `{key} = false` in `[{}]`", tuning.table());
            section.report(at.as_ref(), message, help);
        } else {
            freeze.hold(part);
            last = at;
        }
    }
    let learns = |part: &ModelPart| !freeze.holds(*part) && tuning.is_none_or(|tuning| !tuning.freeze().holds(*part));
    if last.is_some() && !ModelPart::ALL.iter().any(learns) {
        let message = "nothing is trained in this phase: it freezes every part that the recipe trains";
        section.report(last.as_ref(), message, "remove one of its `freeze_` keys");
    }
    freeze
}
