//! Greedy generation with a key/value cache.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};
use stepwise_ops::values_of;

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
/// are `max_new_tokens`. `features` are the image features of the prompt, as in [`Vlm::hidden_states`]; None without images. Of
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

/// Returns the most probable token of `logits`, `[1, vocabulary]`, the first of equal ones, and its log-probability.
fn likeliest(logits: Tensor<2>) -> (u32, f32) {
    if logits.device().without_autodiff() != Device::flex() {
        return likeliest_on_a_device(logits);
    }
    let logprobs = values_of(log_softmax(logits, 1));
    // The first of equal values wins, like torch.argmax on the CPU.
    let best = logprobs
        .iter()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (index, value)| if *value > best.1 { (index, *value) } else { best });
    (best.0 as u32, best.1)
}

/// [`likeliest`] with one read of two numbers from the device. Token ids below 2^24 are exact in f32.
fn likeliest_on_a_device(logits: Tensor<2>) -> (u32, f32) {
    let (most, token) = logits.clone().max_dim_with_indices(1);
    let logprob = (logits - most).exp().sum_dim(1).log().neg();
    let read = values_of(Tensor::cat(vec![token.float(), logprob], 1));
    (read[0] as u32, read[1])
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    #[test]
    #[allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.
    fn devices_find_the_token_that_the_cpu_finds() {
        for logits in [vec![0.5, 2.0, -1.0, 2.0, 0.0], vec![-3.0], vec![1.0; 7], vec![0.0, f32::NEG_INFINITY, 80.0]] {
            let data = TensorData::new(logits.clone(), [1, logits.len()]);
            let [here, there] =
                [Device::flex(), Device::ndarray()].map(|device| likeliest(Tensor::from_data(data.clone(), &device)));
            assert_eq!(here.0, there.0, "{logits:?}");
            assert!((here.1 - there.1).abs() < 1e-5, "{logits:?}: {here:?} {there:?}");
        }
        let lost = Tensor::from_data(TensorData::from([[0.0, f32::NAN]]), &Device::ndarray());
        assert!(likeliest(lost).1.is_nan());
    }
}
