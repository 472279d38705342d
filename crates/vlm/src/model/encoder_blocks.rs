//! Blocks of the image encoder that training or an adapter changes.

use super::{ModelPart, Vlm};
use crate::encoder::Encoder;
use crate::nn::parameter::{Parameter, ParameterVisitor};

/// Blocks of an image encoder, in the order of computation and counted from 0: the layers whose outputs become features, and
/// the norm after the last layer if features pass it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncoderBlocks {
    /// Number of blocks.
    pub count: usize,
    /// Index of the first block with a trainable parameter, and 0 if the patch embedding has one. None if there is none.
    pub trained: Option<usize>,
    /// Index of the first block with an adapter or a trained copy of a module, trainable or frozen, and 0 if the patch embedding
    /// has one. None if there is none.
    pub adapted: Option<usize>,
}

impl EncoderBlocks {
    /// Returns the number of blocks before the first one that is trained or adapted. Their outputs change neither in training
    /// nor when adapters are switched off.
    #[must_use]
    pub fn untouched(&self) -> usize {
        [self.trained, self.adapted].into_iter().flatten().fold(self.count, usize::min)
    }
}

impl Vlm {
    /// Returns which blocks of the image encoder are trained or adapted. Parameters behind the last layer whose output becomes
    /// features do not count. The model is not changed.
    pub fn encoder_blocks(&mut self) -> EncoderBlocks {
        let mut touched = Touched { trained: Vec::new(), adapted: Vec::new() };
        self.encoder.visit(&mut touched);
        let first = |names: &[String]| {
            let names = names.iter().filter(|name| !self.encoder.is_behind_features(name));
            names.map(|name| self.encoder.block_of(name).unwrap_or(0)).min()
        };
        let (trained, adapted) = (first(&touched.trained), first(&touched.adapted));
        EncoderBlocks { count: self.encoder.block_count(), trained, adapted }
    }
}

/// Returns whether a parameter belongs to an adapter or has a trained copy (`modules_to_save`), so that a pass without adapters
/// computes with other values.
pub(crate) fn is_adapted<const D: usize>(name: &str, parameter: &Parameter<D>) -> bool {
    name.contains(".lora_") || parameter.is_beside()
}

/// Names of the parameters of the image encoder that are trainable, and of those that are adapted.
struct Touched {
    trained: Vec<String>,
    adapted: Vec<String>,
}

impl ParameterVisitor for Touched {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if ModelPart::of(name) != ModelPart::Vision {
            return;
        }
        if parameter.learns() {
            self.trained.push(name.to_owned());
        }
        if is_adapted(name, parameter) {
            self.adapted.push(name.to_owned());
        }
    }
}
