//! Gradients of a step, with the small tensors that the optimiser treats alike joined, so that a GPU computes few large
//! operations.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use stepwise_vlm::model::{ModelPart, Vlm};
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};
use stepwise_vlm::values_of;

use crate::optim::gradients::GradientSum;
use crate::optim::part_rates::takes_ratio;

/// Number of values of a joined tensor at most: 64 MiB.
const JOINED: usize = 1 << 24;
/// Number of values from which on a tensor is not joined: its own operations are large.
const LARGE: usize = 1 << 20;
/// Number of sums, at most and apart from a last one, to which the squares of a gradient are added on a device.
const SUMS: usize = 4096;

/// Properties of a parameter that its learning rate, step count and weight decay depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    pub part: ModelPart,
    /// Whether the learning rate is multiplied by the ratio of LoRA+.
    pub takes_ratio: bool,
    /// Whether weight decay applies: to all parameters except biases and norms.
    pub decays: bool,
}

impl Class {
    /// Returns the class of the parameter `name` with `axes` dimensions.
    pub fn of(name: &str, axes: usize) -> Self {
        let decays = !name.ends_with(".bias") && !name.contains("norm");
        Self { part: ModelPart::of(name), takes_ratio: takes_ratio(name, axes), decays }
    }
}

/// Parameter in a joined tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Name of the parameter.
    pub name: String,
    /// Number of values.
    pub len: usize,
}

/// Parameters of one class with their gradients, one after another.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub class: Class,
    /// Parameters in the order of their values; at least one.
    pub members: Vec<Member>,
    /// Gradients of all members, `[values]`.
    pub gradient: Tensor<1>,
}

/// Gradients of all trainable parameters. On the CPU each parameter is a group of its own, in the order of the names. On
/// other devices the small parameters of a class are joined.
#[derive(Clone, Debug)]
pub struct JoinedGradients {
    pub(crate) groups: Vec<Group>,
}

impl GradientSum {
    /// Joins the gradients of the trainable parameters of `model`.
    #[must_use]
    pub fn joined(self, model: &mut Vlm) -> JoinedGradients {
        let joins = *model.device() != Device::flex();
        let mut found = Found { sum: self, gradients: BTreeMap::new() };
        model.visit(&mut found);
        JoinedGradients { groups: grouped(found.gradients, joins) }
    }
}

/// Trainable parameters with a gradient.
struct Found {
    sum: GradientSum,
    gradients: BTreeMap<String, (Class, Tensor<1>)>,
}

impl ParameterVisitor for Found {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if parameter.learns()
            && let Some(gradient) = self.sum.by_name.remove(name)
        {
            self.gradients.insert(name.to_owned(), (Class::of(name, D), gradient));
        }
    }
}

/// Divides the gradients into groups. Without `joins` each is a group of its own, in the order of the names.
fn grouped(gradients: BTreeMap<String, (Class, Tensor<1>)>, joins: bool) -> Vec<Group> {
    let mut sorted: Vec<(Class, Member, Tensor<1>)> = gradients
        .into_iter()
        .map(|(name, (class, gradient))| (class, Member { name, len: gradient.dims()[0] }, gradient))
        .collect();
    if joins {
        sorted.sort_by_key(|(class, member, _)| (*class, member.len >= LARGE));
    }
    let mut open: Vec<(Class, Vec<Member>, Vec<Tensor<1>>)> = Vec::new();
    for (class, member, gradient) in sorted {
        let fits = |members: &[Member]| members.iter().map(|one| one.len).sum::<usize>() + member.len <= JOINED;
        match open.last_mut() {
            Some((of, members, gradients)) if joins && *of == class && member.len < LARGE && fits(members) => {
                members.push(member);
                gradients.push(gradient);
            }
            _ => open.push((class, vec![member], vec![gradient])),
        }
    }
    open.into_iter().map(|(class, members, gradients)| Group { class, members, gradient: joined(gradients) }).collect()
}

/// Returns the values of all tensors one after another.
pub(crate) fn joined(mut tensors: Vec<Tensor<1>>) -> Tensor<1> {
    match tensors.pop() {
        Some(only) if tensors.is_empty() => only,
        Some(last) => {
            tensors.push(last);
            Tensor::cat(tensors, 0)
        }
        None => Tensor::empty([0], &Device::flex()),
    }
}

/// Returns the name and the range of values of each member.
pub(crate) fn ranges(members: &[Member]) -> impl Iterator<Item = (&str, usize, usize)> {
    let mut start = 0;
    members.iter().map(move |member| {
        start += member.len;
        (member.name.as_str(), start - member.len, member.len)
    })
}

impl JoinedGradients {
    /// Computes the Euclidean norm over all parameters together, with one read from the device. Squares are summed in
    /// f32, on the CPU those of each parameter and on other devices those of each of some thousand runs of values; the
    /// sums are summed in f64.
    #[must_use]
    pub fn norm(&self) -> f64 {
        let sums: Vec<Tensor<1>> = self.groups.iter().flat_map(|group| square_sums(&group.gradient)).collect();
        values_of(joined(sums)).into_iter().map(f64::from).sum::<f64>().sqrt()
    }

    /// Clips the gradients, whose norm over all parameters is `norm`, to the norm `most`, in place, by the formula of
    /// `torch.nn.utils.clip_grad_norm_`: all are multiplied by `min(1, most / (norm + 1e-6))`. A `most` of 0 clips
    /// nothing.
    pub fn clip(&mut self, norm: f64, most: f64) {
        let factor = most / (norm + 1e-6);
        if most > 0.0 && factor < 1.0 {
            for group in &mut self.groups {
                group.gradient = group.gradient.clone() * factor;
            }
        }
    }
}

/// Returns sums of the squares of all values: one on the CPU, several on other devices, where one sum of all values would
/// keep a single unit busy or be added in an order that differs between runs.
fn square_sums(gradient: &Tensor<1>) -> Vec<Tensor<1>> {
    let squares = gradient.clone().square();
    if squares.device().without_autodiff() == Device::flex() {
        return vec![squares.sum()];
    }
    let len = squares.dims()[0];
    let width = len.div_ceil(SUMS).max(1);
    let whole = len / width;
    let sums = |start: usize, rows: usize, width: usize| {
        let run = || squares.clone().narrow(0, start, rows * width).reshape([rows, width]);
        (rows * width > 0).then(|| run().sum_dim(1).reshape([rows]))
    };
    [sums(0, whole, width), sums(whole * width, 1, len - whole * width)].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use stepwise_testing::model::parameters::{Values, set_trainable, trainable_parameters};
    use stepwise_testing::model::{attach_new, lora, pipeline_on};
    use stepwise_vlm::Precision;

    use super::*;
    use crate::optim::adamw::{AdamW, AdamWConfig};
    use crate::optim::part_rates::Rates;

    const CONFIG: AdamWConfig = AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.1 };
    const RATES: Rates = Rates { vision: 1e-3, connector: 2e-3, decoder: 3e-3, loraplus_ratio: 4.0 };

    fn adapted(device: &Device) -> Vlm {
        let mut model = pipeline_on(device, Precision::F32).model;
        attach_new(&mut model, &lora());
        set_trainable(&mut model, true, |name| name.contains("norm") || name.ends_with("fc1.bias"));
        model
    }

    /// Gradients between -1 and 1 for the parameters that `chosen` selects; they depend on `step` and the name only.
    fn gradients(model: &mut Vlm, step: usize, chosen: impl Fn(&str) -> bool) -> JoinedGradients {
        let device = model.device().clone();
        let mut sum = GradientSum::default();
        for (name, values) in trainable_parameters(model).into_iter().filter(|(name, _)| chosen(name)) {
            let drawn: Vec<f32> = (0..values.len()).map(|at| ((at + step * 7 + name.len()) as f32).sin()).collect();
            sum.by_name.insert(name, Tensor::from_data(TensorData::new(drawn, [values.len()]), &device));
        }
        sum.joined(model)
    }

    /// Takes steps with and without images and with a frozen part, saves and restores in between.
    fn trained(device: &Device) -> (Values, Vec<f64>, usize) {
        let mut model = adapted(device);
        let mut optimizer = AdamW::new(CONFIG);
        let (mut norms, mut most_groups) = (Vec::new(), 0);
        let decoder = |name: &str| ModelPart::of(name) == ModelPart::Decoder;
        for step in 0..6 {
            set_trainable(&mut model, step != 3, |name| decoder(name) && name.contains("lora_A"));
            let mut gradients = gradients(&mut model, step, |name| step != 1 || decoder(name));
            most_groups = most_groups.max(gradients.groups.len());
            let norm = gradients.norm();
            gradients.clip(norm, 1.0);
            optimizer.step(&mut model, &gradients, RATES);
            norms.push(norm);
            if step == 4 {
                let saved: Vec<_> = optimizer.tensors().map(|moment| (moment.name, moment.values)).collect();
                let steps = ModelPart::ALL.map(|part| (part, optimizer.steps(part))).into();
                optimizer = AdamW::new(CONFIG);
                optimizer.restore(steps, saved, device);
            }
        }
        (trainable_parameters(&mut model), norms, most_groups)
    }

    #[test]
    #[allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.
    fn devices_step_like_the_cpu_in_few_groups() {
        let (here, norms, single) = trained(&Device::flex());
        let (there, norms_there, groups) = trained(&Device::ndarray());
        for (mine, reference) in norms_there.iter().zip(&norms) {
            assert!((mine - reference).abs() < 1e-5 * reference, "{norms_there:?} {norms:?}");
        }
        assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
        for (name, values) in &here {
            for (mine, reference) in there[name].iter().zip(values) {
                assert!((mine - reference).abs() < 1e-6 + 1e-5 * reference.abs(), "{name}: {mine} against {reference}");
            }
        }
        assert_eq!(single, here.len(), "on the CPU each parameter is alone");
        assert!(groups <= 12, "three parts, with and without the ratio and decay: {groups}");
    }

    #[test]
    #[allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.
    fn the_norm_adds_all_values_and_a_norm_below_the_limit_is_not_clipped() {
        for len in [0, 1, 7, SUMS, SUMS + 1, 3 * SUMS + 5] {
            let values: Vec<f32> = (0..len).map(|at| (at as f32).cos()).collect();
            let expected = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            for device in [Device::flex(), Device::ndarray()] {
                let gradient = Tensor::from_data(TensorData::new(values.clone(), [len]), &device);
                let of = [("b".to_owned(), (Class::of("b", 2), gradient))].into();
                let mut gradients = JoinedGradients { groups: grouped(of, device != Device::flex()) };
                assert!((gradients.norm() - expected).abs() <= 1e-5 * expected, "{len}");
                gradients.clip(expected, 2.0 * expected + 1.0);
                assert_eq!(values_of(gradients.groups[0].gradient.clone()), values);
            }
        }
    }
}
