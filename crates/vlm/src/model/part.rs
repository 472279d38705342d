//! Parts of a model: image encoder, connector, decoder.

use serde::{Deserialize, Serialize};

use crate::families::{self, FamilyFacts};

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

    /// Returns the part that the parameter with this Hugging Face name belongs to in the family that has such a module. Names
    /// outside image encoder and connector belong to the decoder.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let begins = |modules: fn(&FamilyFacts) -> &'static [&'static str]| {
            families::all().flat_map(modules).any(|beginning| name.starts_with(beginning))
        };
        // The connector can be a module of the image encoder.
        if begins(|family| family.connector_modules) {
            Self::Connector
        } else if begins(|family| family.encoder_modules) {
            Self::Vision
        } else {
            Self::Decoder
        }
    }
}
