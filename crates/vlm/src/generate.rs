//! Greedy generation with kept keys and values.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

use crate::idefics3::Vlm;
use crate::nn::parameter::Pass;
use crate::packed_sequences::{Layout, Sequence};

/// What was generated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generated {
    /// The tokens, the end token included if it came.
    pub ids: Vec<u32>,
    /// The natural log-probability of each.
    pub logprobs: Vec<f32>,
}

/// Continues `prompt` with the likeliest token, again and again, until one of `ends` or `max_new_tokens`.
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
    let layout = Layout::pack(std::slice::from_ref(prompt), false);
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
    let logprobs: Vec<f32> = log_softmax(logits, 1).into_data().convert::<f32>().try_to_vec().unwrap_or_default();
    // The first of equals, as torch.argmax takes on the CPU.
    let best = logprobs
        .iter()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (index, value)| if *value > best.1 { (index, *value) } else { best });
    (best.0 as u32, best.1)
}
