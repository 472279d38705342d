//! Reads `freeze_vision_tower`, `freeze_multi_modal_projector` and `freeze_language_model` of a phase: the parts of the
//! model that are frozen in it.

use serde::Serialize;
use stepwise_config::section::Section;

/// Parts of the model that are frozen, with their adapters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// Whether the image encoder (vision tower) is frozen.
    #[serde(rename = "freeze_vision_tower", skip_serializing_if = "std::ops::Not::not")]
    pub vision: bool,
    /// Whether the connector between image encoder and decoder is frozen.
    #[serde(rename = "freeze_multi_modal_projector", skip_serializing_if = "std::ops::Not::not")]
    pub connector: bool,
    /// Whether the decoder (language model) is frozen.
    #[serde(rename = "freeze_language_model", skip_serializing_if = "std::ops::Not::not")]
    pub decoder: bool,
}

/// A key of this file: how it reads, writes and explains one flag of [`Freeze`].
struct FreezeKey {
    key: &'static str,
    /// Name of the part in tables and notes.
    part: &'static str,
    /// Name of the part in messages.
    phrase: &'static str,
    help: &'static str,
    flag: fn(&mut Freeze) -> &mut bool,
}

const KEYS: [FreezeKey; 3] = [
    FreezeKey {
        key: "freeze_vision_tower",
        part: "vision",
        phrase: "the vision tower",
        help: "Freezes the vision tower and its adapters in this phase.",
        flag: |freeze| &mut freeze.vision,
    },
    FreezeKey {
        key: "freeze_multi_modal_projector",
        part: "connector",
        phrase: "the connector",
        help: "Freezes the connector and its adapter in this phase.",
        flag: |freeze| &mut freeze.connector,
    },
    FreezeKey {
        key: "freeze_language_model",
        part: "decoder",
        phrase: "the decoder",
        help: "Freezes the decoder and its adapters in this phase.",
        flag: |freeze| &mut freeze.decoder,
    },
];

impl Freeze {
    /// Returns the names of the frozen parts, `vision`, `connector` and `decoder`, separated by commas; empty when
    /// nothing is frozen.
    #[must_use]
    pub fn names(mut self) -> String {
        let frozen = KEYS.iter().filter(|key| *(key.flag)(&mut self)).map(|key| key.part);
        frozen.collect::<Vec<_>>().join(", ")
    }
}

/// Reads the `freeze_` keys of a phase. `untrained` holds the parts that no phase trains, and the table of the recipe
/// that freezes them; None when an existing adapter decides which parts are trained. A key without effect, and a phase
/// in which nothing is trained, are reported.
pub(super) fn read(section: &mut Section<'_>, untrained: Option<(Freeze, &str)>) -> Freeze {
    let mut freeze = Freeze::default();
    let mut never = untrained.map(|(parts, _)| parts).unwrap_or_default();
    let mut last = None;
    for FreezeKey { key, phrase, help, flag, .. } in KEYS {
        let at = section.at(key);
        if !section.flag(key, false, help) {
            continue;
        }
        if let Some((_, table)) = untrained.filter(|_| *flag(&mut never)) {
            let message = format!("`{key}` has no effect: {phrase} learns in no phase");
            let help = format!("remove it, or set `{key} = false` in `[{table}]`");
            section.report(at.as_ref(), message, help);
        } else {
            *flag(&mut freeze) = true;
            last = at;
        }
    }
    if last.is_some() && KEYS.iter().all(|key| *(key.flag)(&mut freeze) || *(key.flag)(&mut never)) {
        let message = "nothing is trained in this phase: it freezes every part that the recipe trains";
        section.report(last.as_ref(), message, "remove one of its `freeze_` keys");
    }
    freeze
}
