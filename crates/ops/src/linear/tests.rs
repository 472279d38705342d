//! Linear layers against their composition of Burn's operations, on the CPU and on another backend.

use burn::tensor::{Device, FloatDType};

use super::*;
use crate::Precision;
use crate::testing::{read, same_gradients, same_on_a_device, values};

fn composed(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, lora: Option<Lora>) -> Tensor<2> {
    let mut y = x.clone().matmul(weight.transpose());
    if let Some(bias) = bias {
        y = y + bias.unsqueeze();
    }
    match lora {
        None => y,
        Some(Lora { down, up, scale }) => y + x.matmul(down.transpose()).matmul(up.transpose()) * scale,
    }
}

#[test]
fn equals_the_composition() {
    for (tokens, inputs, outputs) in [(1, 1, 1), (5, 7, 3), (130, 96, 200), (0, 4, 2)] {
        let row = |x: Tensor<2>| x.reshape([outputs]);
        same_gradients(
            [values([tokens, inputs], 1), values([outputs, inputs], 2), values([1, outputs], 3)],
            |[x, weight, bias]| linear(x, weight, Some(row(bias))),
            |[x, weight, bias]| composed(x, weight, Some(row(bias)), None),
        );
    }
}

#[test]
fn a_packed_weight_equals_the_composition() {
    for (tokens, inputs, outputs, rank) in [(1, 1, 1, 1), (5, 7, 3, 2), (130, 96, 200, 8), (0, 4, 2, 3)] {
        let weight = values([outputs, inputs], 2);
        let packed = PackedWeight::new(&read(weight.clone()), [outputs, inputs], Precision::F32);
        let packed = Arc::new(packed);
        let lora = |down, up| Lora { down, up, scale: 0.7 };
        let row = |x: Tensor<2>| Some(x.reshape([outputs]));
        same_gradients(
            [
                values([tokens, inputs], 1),
                values([1, outputs], 5),
                values([rank, inputs], 3),
                values([outputs, rank], 4),
            ],
            |[x, bias, down, up]| lora_linear(x, Arc::clone(&packed), row(bias), lora(down, up)),
            |[x, bias, down, up]| composed(x, weight.clone(), row(bias), Some(lora(down, up))),
        );
    }
}

#[test]
fn the_adapted_layer_equals_the_composition() {
    for (tokens, inputs, outputs, rank) in [(1, 1, 1, 1), (5, 7, 3, 2), (130, 96, 200, 8), (0, 4, 2, 3)] {
        let lora = |down, up| Lora { down, up, scale: 0.7 };
        same_gradients(
            [
                values([tokens, inputs], 1),
                values([outputs, inputs], 2),
                values([rank, inputs], 3),
                values([outputs, rank], 4),
            ],
            |[x, weight, down, up]| lora_linear(x, weight, None, lora(down, up)),
            |[x, weight, down, up]| composed(x, weight, None, Some(lora(down, up))),
        );
    }
}

#[test]
fn a_strided_input_equals_the_composition() {
    let x = values([6, 4], 1);
    let narrow = x.clone().transpose().narrow(1, 1, 4); // [4, 4], strided
    let weight = values([3, 4], 2);
    let mine = read(linear(narrow.clone(), weight.clone(), None));
    crate::testing::close("strided", &mine, &read(composed(narrow, weight, None, None)));
}

/// Sizes `[tokens, inputs, outputs, rank]`, also ones without tokens, of one value and of incomplete NF4 blocks.
const SIZES: [[usize; 4]; 5] = [[1, 1, 1, 1], [5, 7, 3, 2], [9, 64, 33, 4], [130, 96, 200, 8], [0, 4, 2, 3]];

#[test]
fn another_backend_computes_as_the_cpu() {
    for [tokens, inputs, outputs, rank] in SIZES {
        let row = |x: Tensor<2>| Some(x.reshape([outputs]));
        let x = values([tokens, inputs], 1);
        let (weight, bias) = (values([outputs, inputs], 2), values([1, outputs], 5));
        let (down, up) = (values([rank, inputs], 3), values([outputs, rank], 4));
        same_on_a_device([x.clone(), weight.clone()], |[x, weight]| linear(x, weight, None));
        same_on_a_device([x.clone(), weight.clone(), bias.clone()], |[x, weight, bias]| linear(x, weight, row(bias)));
        for scale in [1.0, 0.7] {
            same_on_a_device([x.clone(), down.clone(), up.clone()], |[x, down, up]| {
                low_rank(x, Lora { down, up, scale })
            });
            same_on_a_device(
                [x.clone(), weight.clone(), bias.clone(), down.clone(), up.clone()],
                |[x, weight, bias, down, up]| lora_linear(x, weight, row(bias), Lora { down, up, scale }),
            );
        }
    }
}

#[test]
fn four_bits_on_another_backend_equal_the_cpu() {
    for [tokens, inputs, outputs, rank] in SIZES {
        let weight = read(values([outputs, inputs], 2));
        for double_quant in [false, true] {
            let held = |device: &Device| -> Weight {
                let sides = [outputs, inputs];
                if *device == Device::flex() {
                    let precision = Precision::Nf4 { double_quant, bf16: false };
                    return Arc::new(PackedWeight::new(&weight, sides, precision)).into();
                }
                // bf16 is requested, but this backend has none.
                Arc::new(Nf4Tensor::new(&weight, sides, double_quant, true, device)).into()
            };
            let arguments = [values([tokens, inputs], 1), values([rank, inputs], 3), values([outputs, rank], 4)];
            same_on_a_device(arguments, |[x, down, up]| {
                let weight = held(&x.device().without_autodiff());
                lora_linear(x, weight, None, Lora { down, up, scale: 0.7 })
            });
        }
    }
}

/// Largest relative difference (L2 norm) between values and gradients of a layer in bf16 and in f32. bf16 has 8 bits of
/// mantissa, so each operand and output is off by at most 2^-9.
const OF_BF16: f32 = 0.01;

#[test]
fn bf16_stays_near_f32() {
    let (tokens, inputs, outputs, rank) = (130, 96, 200, 8);
    let weight = values([outputs, inputs], 2);
    let held = Nf4Tensor::new(&read(weight.clone()), [outputs, inputs], true, true, &Device::flex());
    let four_bits = held.values();
    let pairs: [(Weight, Tensor<2>); 2] =
        [(weight.clone().cast(FloatDType::BF16).into(), weight), (Arc::new(held).into(), four_bits)];
    for (rounded, exact) in pairs {
        let run = |weight: Weight| -> [Vec<f32>; 4] {
            let leaf = |x: Tensor<2>| x.autodiff().require_grad();
            let [x, down, up] = [([tokens, inputs], 1), ([rank, inputs], 3), ([outputs, rank], 4)]
                .map(|(shape, seed)| leaf(values(shape, seed)));
            let lora = Lora { down: down.clone(), up: up.clone(), scale: 0.7 };
            let out = lora_linear(x.clone(), weight, None, lora);
            let gradients = (out.clone() * values([tokens, outputs], 9).autodiff()).sum().backward();
            let gradient = |x: &Tensor<2>| read(x.grad(&gradients).expect("a gradient"));
            [read(out), gradient(&x), gradient(&down), gradient(&up)]
        };
        for (rounded, exact) in run(rounded).iter().zip(&run(exact.into())) {
            let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>().sqrt();
            let apart = norm(&mut rounded.iter().zip(exact).map(|(a, b)| a - b)) / norm(&mut exact.iter().copied());
            assert!(apart < OF_BF16, "{apart}");
        }
    }
}
