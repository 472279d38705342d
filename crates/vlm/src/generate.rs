//! Greedy generation with a key/value cache.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

use crate::model::Vlm;
use crate::nn::parameter::Pass;
use crate::packed_sequences::{PackedSequences, Sequence};

/// Tokens of a generated answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generated {
    /// Token ids, including the end token if one was generated.
    pub ids: Vec<u32>,
    /// Natural log-probability of each token, in the order of `ids`.
    pub logprobs: Vec<f32>,
}

/// Generates greedily after `prompt`: appends the most probable token until it is one of the token ids `ends` or there
/// are `max_new_tokens`. `features` are the image features of the prompt, as in [`Vlm::embed`]; None without images. Of
/// equally probable tokens the one with the smallest id is taken.
///
/// # Panics
/// When the prompt is empty, or contains images and `features` is None.
#[must_use]
pub fn generate(
    model: &Vlm,
    prompt: &Sequence,
    features: Option<Tensor<2>>,
    ends: &[u32],
    max_new_tokens: usize,
    pass: Pass,
) -> Generated {
    let mut generated = Generated::default();
    if max_new_tokens == 0 {
        return generated;
    }
    let layout = PackedSequences::pack(std::slice::from_ref(prompt), false);
    let (mut decoding, mut logits) = model.decode(&layout, features, pass);
    loop {
        let (token, logprob) = likeliest(logits);
        generated.ids.push(token);
        generated.logprobs.push(logprob);
        if ends.contains(&token) || generated.ids.len() == max_new_tokens {
            return generated;
        }
        logits = decoding.next(token);
    }
}

fn likeliest(logits: Tensor<2>) -> (u32, f32) {
    let logprobs = stepwise_ops::values_of(log_softmax(logits, 1));
    // The first of equal values wins, like torch.argmax on the CPU.
    let best = logprobs
        .iter()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (index, value)| if *value > best.1 { (index, *value) } else { best });
    (best.0 as u32, best.1)
}
