//! Idefics3, SmolVLM and SmolVLM2: SigLIP encoder over square tiles, pixel shuffle, Llama decoder.

mod config;
mod connector;
mod names;
mod pixel_config;
mod processor;
mod tiles;
mod vision;

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde_json::Value;

use stepwise_data::box_format::BoxFormat;

use super::facts::{FamilyFacts, ProcessorSettingError, TensorNames};
use crate::encoder::{self, EncoderPlan, EncoderShape, TileSizes};
use crate::images::processor::ImageProcessor;
use crate::nn::checkpointing::Block;
use crate::nn::layers::Linear;
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::vit::VitLayer;
pub(super) use config::{Config, read as read_config};
use connector::Connector;
use pixel_config::PixelConfig;
use vision::VisionTower;

/// Facts of the family.
pub(super) const FACTS: FamilyFacts = FamilyFacts {
    name: "SmolVLM, SmolVLM2 and Idefics3",
    model_types: &["idefics3", "smolvlm"],
    processors: &["Idefics3Processor", "SmolVLMProcessor"],
    image_processors: &["Idefics3ImageProcessor", "SmolVLMImageProcessor"],
    read_processor,
    image_options: &["do_image_splitting"],
    box_format: |_| BoxFormat::Percent,
    tokens: &[processor::IMAGE, processor::FAKE],
    is_structural: processor::is_structural,
    turn_end: processor::END_OF_UTTERANCE,
    names: TensorNames {
        current: names::current,
        split_off: names::split_off,
        in_adapters: str::to_owned,
        kept_on_export: false,
    },
    encoder_modules: &["model.vision_model."],
    connector_modules: &["model.connector."],
};

fn read_processor(
    settings: &Value,
    processor: Option<&Value>,
) -> Result<Arc<dyn ImageProcessor>, ProcessorSettingError> {
    let pixels = PixelConfig::from_json(settings)?;
    let stated = processor.and_then(|processor| processor.get("image_seq_len"));
    match stated.and_then(Value::as_u64) {
        Some(count @ 1..=65_536) => Ok(Arc::new(processor::Processor { pixels, image_seq_len: count as usize })),
        _ => {
            let stated = stated.map_or("missing".to_owned(), ToString::to_string);
            let expected = "the number of image tokens per tile, 1 to 65536, is expected";
            Err(ProcessorSettingError::Processor(format!("image_seq_len: is {stated}: {expected}")))
        }
    }
}

/// Image encoder and connector.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    shape: EncoderShape,
    vision: VisionTower,
    connector: Connector,
}

impl Encoder {
    /// Reads the weights from `source`. `text_width` is the width of the decoder.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(
        source: &mut dyn Source,
        shape: &EncoderShape,
        config: &Config,
        text_width: usize,
    ) -> Result<Self, WeightError> {
        Ok(Self {
            shape: *shape,
            vision: VisionTower::read(source, shape, config)?,
            connector: Connector::read(source, shape, text_width)?,
        })
    }
}

impl encoder::Encoder for Encoder {
    fn plan(&self, sizes: Vec<TileSizes>, _: &Device) -> EncoderPlan {
        EncoderPlan::of_tiles(sizes, |height, width| self.shape.patches(height, width))
    }

    fn embed(&self, pixels: &[Tensor<4>], _: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        Tensor::cat(pixels.iter().map(|pixels| self.vision.embed(pixels.clone(), pass)).collect(), 0)
    }

    fn blocks<'a>(&'a self, plan: &'a EncoderPlan) -> Vec<Block<'a>> {
        self.vision.blocks(&plan.whole)
    }

    fn connect(&self, encoded: Tensor<2>, plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        let side = plan.sizes.first().map_or(1, |[_, height, _]| height / self.shape.patch_size);
        self.connector.forward(encoded, side, pass)
    }

    fn block_count(&self) -> usize {
        self.vision.block_count()
    }

    fn block_of(&self, name: &str) -> Option<usize> {
        self.vision.block_of(name)
    }

    fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.vision.visit(visitor);
        self.connector.visit(visitor);
    }

    fn linears(&mut self) -> Vec<&mut Linear> {
        let mut linears: Vec<&mut Linear> = self.vision.layers.iter_mut().flat_map(VitLayer::linears).collect();
        linears.push(&mut self.connector.projection);
        linears
    }
}
