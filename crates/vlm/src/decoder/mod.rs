//! Decoder of all model families (Touvron et al. 2023, Llama): grouped-query attention, rotary positions, gated
//! feed-forward layers, RMS normalisation. [`DecoderConfig`] says how families differ.

pub mod config;
mod deepstack;
mod kept;
mod layer;
pub(crate) mod plain;
mod plan;

use burn::tensor::{Int, Tensor};

use crate::nn::checkpointing::Block;
use crate::nn::layers::{Linear, RmsNorm, Table};
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use config::DecoderConfig;
pub(crate) use deepstack::{DecoderInput, Deepstack};
pub(crate) use kept::Kept;
use layer::{DecoderLayer, read_norm};
pub(crate) use plan::{DecoderPlan, LayerAngles};

/// Decoder with embedding table and output head.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    /// Embedding table, `[vocabulary, hidden]`.
    pub embeddings: Table,
    /// Layers in order of computation.
    layers: Vec<DecoderLayer>,
    final_norm: RmsNorm,
    /// Output head, `[vocabulary, hidden]`; None if the embedding table is the head.
    head: Option<Table>,
    config: DecoderConfig,
}

impl Decoder {
    /// Reads the decoder's weights from `source`.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read, or has another shape than `config` requires.
    pub fn read(source: &mut dyn Source, config: &DecoderConfig) -> Result<Self, WeightError> {
        let prefix = config.module;
        let table = [config.vocab_size, config.hidden_size];
        let embeddings = Table::read_words(source, format!("{prefix}.embed_tokens"), table)?;
        let layers = (0..config.num_hidden_layers)
            .map(|layer| DecoderLayer::read(source, &format!("{prefix}.layers.{layer}"), config))
            .collect::<Result<_, _>>()?;
        let final_norm = read_norm(source, format!("{prefix}.norm"), config.hidden_size, config)?;
        let head = match config.tie_word_embeddings {
            true => None,
            false => Some(Table::read_words(source, "lm_head".to_owned(), table)?),
        };
        Ok(Self { embeddings, layers, final_norm, head, config: config.clone() })
    }

    /// Returns the embeddings of words, `[ids, hidden]`, for token ids, `[ids]`.
    pub fn embed(&self, ids: Tensor<1, Int>, pass: &Pass) -> Tensor<2> {
        let embeddings = self.embeddings.rows(ids, pass);
        match self.config.switches.embedding_factor {
            Some(factor) => embeddings * factor,
            None => embeddings,
        }
    }

    /// Returns hidden states before the final norm, `[rows, hidden]`, for `input`, a row for each row of the plan. With
    /// `rows` only these rows are returned, with None all. Keys and values of the plan's past come from `kept`, and new ones
    /// are appended to it; None for a plan without past.
    pub fn forward(
        &self,
        input: DecoderInput,
        plan: &DecoderPlan,
        mut kept: Option<&mut Kept>,
        rows: Option<Tensor<1, Int>>,
        pass: &Pass,
    ) -> Tensor<2> {
        let DecoderInput { mut x, deepstack } = input;
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter().enumerate() {
            let rows = rows.as_ref().filter(|_| index == last);
            x = layer.forward(x, plan.layer(index), index, kept.as_deref_mut(), rows, pass);
            if let Some(deepstack) = &deepstack {
                x = deepstack.add(x, index, index == last);
            }
        }
        x
    }

    /// Returns the layers of [`Decoder::forward`] as blocks, for example for gradient checkpointing; the last block returns
    /// `rows` only, with None all rows.
    pub fn blocks<'a>(
        &'a self,
        plan: &'a DecoderPlan,
        rows: Option<&'a Tensor<1, Int>>,
        deepstack: Option<&'a Deepstack>,
    ) -> Vec<Block<'a>> {
        let last = self.layers.len() - 1;
        let block = |(index, layer): (usize, &'a DecoderLayer)| -> Block<'a> {
            let rows = rows.filter(|_| index == last);
            Box::new(move |x, pass| {
                let x = layer.forward(x, plan.layer(index), index, None, rows, pass);
                match deepstack {
                    Some(deepstack) => deepstack.add(x, index, index == last),
                    None => x,
                }
            })
        };
        self.layers.iter().enumerate().map(block).collect()
    }

    /// Returns `x`, `[rows, hidden]`, after the final norm. Call it only with the rows that need logits.
    pub fn normalise(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        self.final_norm.forward(x, pass)
    }

    /// Returns the weight of the output head, `[vocabulary, hidden]`, in f32, or in bf16 on devices other than the CPU if
    /// products are; the embedding table if the model ties both.
    pub fn head(&self, pass: &Pass) -> Tensor<2> {
        self.head.as_ref().unwrap_or(&self.embeddings).weight.stored(pass)
    }

    /// Calls `visitor` for every parameter, in a fixed order.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.embeddings.visit(visitor);
        for layer in &mut self.layers {
            layer.visit(visitor);
        }
        self.final_norm.visit(visitor);
        if let Some(head) = &mut self.head {
            head.visit(visitor);
        }
    }

    /// Returns every linear layer that can have an adapter, in the order of computation.
    pub fn linears(&mut self) -> impl Iterator<Item = &mut Linear> {
        self.layers.iter_mut().flat_map(DecoderLayer::linears)
    }
}
