//! Model families: what differs between them, one folder for each.
//!
//! A new family is a folder with its architecture (`config.rs`), image preprocessing (`processor.rs`), image encoder and
//! connector, and tensor names (`names.rs`), and one line of [`families!`] below.

mod facts;
mod gemma3;
mod idefics3;
mod internvl;
mod llava;
mod llava_next;
mod qwen;
mod qwen3_vl;
mod qwen_vl;
#[cfg(test)]
mod tests;
mod tower_names;
mod unsupported;

use burn::tensor::{Device, Tensor};
use serde_json::Value;

use crate::decoder::config::DecoderConfig;
use crate::encoder::{Encoder, EncoderPlan, EncoderShape, TileSizes};
use crate::images::shared::OfConfig;
use crate::json_file;
use crate::model_config::{CommonConfig, ConfigError, three_channels};
use crate::nn::checkpointing::Block;
use crate::nn::layers::Linear;
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use unsupported::unsupported;

pub(crate) use facts::{FamilyFacts, ProcessorSettingError, TensorNames};

/// Architecture of a model. Values read by [`ModelConfig::from_json`] fit each other.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// Sizes of the image encoder.
    pub vision: EncoderShape,
    /// Architecture of the language model.
    pub text: DecoderConfig,
    /// Id of the token that stands for one image feature.
    pub image_token_id: u32,
    /// Values that the files of the processor state as well.
    pub(crate) shared: Vec<OfConfig>,
    own: OwnConfig,
    pub(crate) family: &'static FamilyFacts,
}

/// Reads the architecture from the contents of a `config.json`.
type ReadConfig = fn(&Value, &'static FamilyFacts) -> Result<ModelConfig, ConfigError>;

/// Declares the families: the name of each and its module.
macro_rules! families {
    ($($family:ident: $module:ident),+ $(,)?) => {
        /// What only one family has in its architecture.
        #[derive(Clone, Debug)]
        enum OwnConfig {
            $($family($module::Config),)+
        }

        /// Image encoder and connector of any family.
        #[derive(Clone, Debug)]
        #[allow(clippy::large_enum_variant)] // One value a model.
        pub(crate) enum AnyEncoder {
            $($family(Box<$module::Encoder>),)+
        }

        static FAMILIES: &[(FamilyFacts, ReadConfig)] = &[$(
            ($module::FACTS, |value, family| {
                let (common, own) = $module::read_config(value)?;
                let CommonConfig { vision, text, image_token_id, shared } = common;
                Ok(ModelConfig { vision, text, image_token_id, shared, own: OwnConfig::$family(own), family })
            }),
        )+];

        impl AnyEncoder {
            /// Reads the weights of image encoder and connector from `source`.
            ///
            /// # Errors
            /// When a tensor is missing, cannot be read, or has another shape than `config` requires.
            pub fn read(source: &mut dyn Source, config: &ModelConfig) -> Result<Self, WeightError> {
                match &config.own {
                    $(OwnConfig::$family(own) => {
                        let width = config.text.hidden_size;
                        Ok(Self::$family(Box::new($module::Encoder::read(source, &config.vision, own, width)?)))
                    })+
                }
            }
        }

        impl Encoder for AnyEncoder {
            fn plan(&self, sizes: Vec<TileSizes>, device: &Device) -> EncoderPlan {
                match self { $(Self::$family(encoder) => encoder.plan(sizes, device),)+ }
            }

            fn embed(&self, pixels: &[Tensor<4>], plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
                match self { $(Self::$family(encoder) => encoder.embed(pixels, plan, pass),)+ }
            }

            fn blocks<'a>(&'a self, plan: &'a EncoderPlan) -> Vec<Block<'a>> {
                match self { $(Self::$family(encoder) => encoder.blocks(plan),)+ }
            }

            fn connect(&self, encoded: Tensor<2>, plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
                match self { $(Self::$family(encoder) => encoder.connect(encoded, plan, pass),)+ }
            }

            fn block_count(&self) -> usize {
                match self { $(Self::$family(encoder) => encoder.block_count(),)+ }
            }

            fn block_of(&self, name: &str) -> Option<usize> {
                match self { $(Self::$family(encoder) => encoder.block_of(name),)+ }
            }

            fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
                match self { $(Self::$family(encoder) => encoder.visit(visitor),)+ }
            }

            fn linears(&mut self) -> Vec<&mut Linear> {
                match self { $(Self::$family(encoder) => encoder.linears(),)+ }
            }
        }
    };
}

families! {
    Idefics3: idefics3,
    QwenVl: qwen_vl,
    Qwen3Vl: qwen3_vl,
    Llava: llava,
    LlavaNext: llava_next,
    Gemma3: gemma3,
    InternVl: internvl,
}

/// Returns the facts of all families.
pub(crate) fn all() -> impl Iterator<Item = &'static FamilyFacts> {
    FAMILIES.iter().map(|(facts, _)| facts)
}

/// Returns the names of the models of all families, as a list in words.
pub(crate) fn names() -> String {
    all().map(|family| family.name).collect::<Vec<_>>().join(", ")
}

impl ModelConfig {
    /// Parses the text of a `config.json` and checks the values.
    ///
    /// # Errors
    /// When the text is not JSON, a field is missing, or a value is invalid or not supported.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let value: Value = json_file::parse(text).map_err(ConfigError::Malformed)?;
        // Checked first: the configs of other models lack fields, and their error would name a field only.
        let stated = value.get("model_type").and_then(Value::as_str);
        let found = FAMILIES.iter().find(|(facts, _)| stated.is_some_and(|stated| facts.model_types.contains(&stated)));
        match found {
            Some((facts, read)) => {
                three_channels(&value)?;
                read(&value, facts)
            }
            None => Err(unsupported(&value, all(), &names())),
        }
    }

    /// Returns the names of the settings of [`ImageOptions`](crate::images::processor::ImageOptions) that the family has.
    #[must_use]
    pub fn image_options(&self) -> &'static [&'static str] {
        self.family.image_options
    }

    /// Returns the names of the models of this family, for messages.
    #[must_use]
    pub fn family_name(&self) -> &'static str {
        self.family.name
    }
}
