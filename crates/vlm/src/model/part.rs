//! Parts of a model: image encoder, connector, decoder.

use serde::{Deserialize, Serialize};

/// Part of a model, by which parameters are frozen and adapters are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelPart {
    /// Image encoder.
    Vision,
    /// Connector between image encoder and decoder.
    Connector,
    /// Language model with embeddings and output head.
    Decoder,
}

/// Beginnings of the names of connector modules in transformers. They are compared before [`VISION`], because the
/// connector of Qwen's models is a module of the image encoder.
const CONNECTOR: [&str; 5] = [
    "model.connector.",
    "model.multi_modal_projector.",
    "model.image_newline",
    "model.visual.merger.",
    "model.visual.deepstack_merger_list.",
];

/// Beginnings of the names of image encoder modules in transformers.
const VISION: [&str; 3] = ["model.vision_model.", "model.vision_tower.", "model.visual."];

impl ModelPart {
    /// All parts in the order of computation.
    pub const ALL: [Self; 3] = [Self::Vision, Self::Connector, Self::Decoder];

    /// Returns the name of the part in tables: `vision`, `connector` or `decoder`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vision => "vision",
            Self::Connector => "connector",
            Self::Decoder => "decoder",
        }
    }

    /// Returns the part that the parameter with this Hugging Face name belongs to. Names outside image encoder and
    /// connector belong to the decoder.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| name.starts_with(beginning));
        if begins(&CONNECTOR) {
            Self::Connector
        } else if begins(&VISION) {
            Self::Vision
        } else {
            Self::Decoder
        }
    }
}
